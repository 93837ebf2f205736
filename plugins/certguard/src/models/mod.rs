//! The plugin's tables, one a file, each with the trait that makes it a noun right under it.

pub mod x509;

pub use self::x509::Entity as X509CertGuard;
