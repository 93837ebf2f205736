//! Signing services, to be looked at: `pulp-server signing-services` makes and removes them (see [`crate::signing`]).

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{list_of, object, one_of};
use crate::api::endpoint::Endpoint;
use crate::api::filters::Filters;
use crate::api::reader::Reader;
use crate::api::shape;
use crate::error::Result;
use crate::models::signing_service;

const NAMES: (&str, &str) = ("signing-services", "core.signingservice");
const ONE: &str = "signing-services/{pulp_id}/";
const TAG: &str = "Signing-Services";

/// A signing service, beside its identity.
#[derive(Debug, Serialize, ToSchema)]
struct Body {
    /// A unique name used to recognize a script.
    name: String,
    /// The value of a public key used for the repository verification.
    public_key: String,
    /// The fingerprint of the public key.
    pubkey_fingerprint: String,
    /// An absolute path to a script which is going to be used for the signing; empty if the server signs by itself.
    script: String,
}

/// The operations on signing services.
pub(super) fn endpoints() -> Vec<Endpoint> {
    let response = || shape::core_response::<Body>("SigningServiceResponse");
    vec![
        list_of::<signing_service::Entity>("signing-services/", "signing_services_list", filters(), |cx, row| {
            read(&cx.reader(), row)
        })
        .tagged(TAG)
        .about("List signing services")
        .answers(200, shape::paginated(response())),
        one_of::<signing_service::Entity>(
            ONE,
            "signing_services_read",
            ("signing_service_href", "SigningService"),
            |cx, row| read(&cx.reader(), row),
        )
        .tagged(TAG)
        .about("Inspect a signing service")
        .answers(200, response()),
    ]
}

fn filters() -> Filters {
    use signing_service::Column as C;
    Filters::new()
        .lookups(C::Name, &[""])
        .identity(C::PulpId)
        .ordered(&[
            C::PulpId,
            C::PulpCreated,
            C::PulpLastUpdated,
            C::Name,
            C::PublicKey,
            C::PubkeyFingerprint,
            C::Script,
        ])
        .ordered_as("pk", C::PulpId)
}

fn read(reader: &Reader, row: &signing_service::Model) -> Result<Map<String, Value>> {
    let body = Body {
        name: row.name.clone(),
        public_key: row.public_key.clone(),
        pubkey_fingerprint: row.pubkey_fingerprint.clone(),
        script: row.script.clone(),
    };
    object(reader, NAMES, row.pulp_id, (row.pulp_created, row.pulp_last_updated), &body)
}
