//! Which URLs there are.

use pulpcore::plugin::{Noun, register};

use crate::models::X509CertGuard;

register!(Noun::content_guard::<X509CertGuard>());
