//! The registry: the protocol of the OCI distribution specification 1.1.

pub mod digest;
pub mod errors;
pub mod range;
pub mod reference;
pub mod scope;
pub mod token;
