//! Content guards that ask for a client's certificate.
//!
//! An *X.509 guard* trusts one or more certificate authorities. It lets in whoever shows a certificate that one of them
//! signed, itself or through others, and that is valid now: to this server, if TLS ends here, or to a proxy in front of it,
//! which hands the certificate on in the header `X-CLIENT-CERT`.
//!
//! | to learn | read |
//! | --- | --- |
//! | what is stored, and whom a guard lets in | [`models`] |
//! | what clients send and see | [`serializers`] |
//! | which URLs there are | [`viewsets`] |
//! | who signed whom | [`authority`] |

pub mod authority;
mod migrations;
pub mod models;
pub mod serializers;
pub mod viewsets;

use pulpcore::plugin::{Plugin, register};

register!(Plugin {
    label: "certguard",
    package: "pulpcore",
    module: "pulp_certguard.app",
    version: pulpcore::CORE_VERSION,
    summary: "Content guards that ask for a client's certificate.",
    migrations: migrations::all,
});
