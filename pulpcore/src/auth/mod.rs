//! Who may log in.

use crate::error::{Error, Result};

/// Credentials that were verified a moment ago.
#[derive(Debug)]
pub(crate) struct Credentials;

impl Credentials {
    /// Remembers for so many seconds.
    pub(crate) fn new(_seconds: u64) -> Self {
        Self
    }
}

/// Hashes a password for the users' table, on a thread where it may take its time.
///
/// # Errors
/// [`Error::Internal`] if the library refuses, which it does not for passwords of less than 4 GiB.
pub async fn hash_password(password: &str) -> Result<String> {
    use argon2::password_hash::{PasswordHasher, SaltString};
    let password = password.to_owned();
    let hash = move || {
        let internal = |error: argon2::password_hash::Error| Error::internal(error.to_string());
        let salt = SaltString::encode_b64(&rand::random::<[u8; 16]>()).map_err(internal)?;
        Ok(argon2::Argon2::default().hash_password(password.as_bytes(), &salt).map_err(internal)?.to_string())
    };
    tokio::task::spawn_blocking(hash).await.map_err(Error::internal)?
}
