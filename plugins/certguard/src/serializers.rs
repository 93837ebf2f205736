//! What clients send and see. Core's own fields (name and description) are added by core.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An X.509 guard.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = certguard::X509CertGuard)]
pub struct X509CertGuardBody {
    /// A Certificate Authority (CA) certificate (or a bundle thereof) used to verify client-certificate authenticity.
    #[schema(min_length = 1)]
    pub ca_certificate: String,
}
