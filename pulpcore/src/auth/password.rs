//! Passwords at rest: argon2id in PHC strings (RFC 9106; the parameters are the library's, OWASP's first choice).

use std::sync::LazyLock;

use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};

use crate::error::{Error, Result};

/// A stored password that nobody knows: unknown users are checked against it, so that they cost the same time.
pub(super) static NOBODY: LazyLock<String> =
    LazyLock::new(|| hash(&rand::random::<u128>().to_string(), Argon2::default()).unwrap_or_default());

/// Hashes a password for the users' table, on a thread where it may take its time.
///
/// # Errors
/// [`Error::Internal`] if the library refuses, which it does not for passwords of less than 4 GiB.
pub async fn hash_password(password: &str) -> Result<String> {
    let password = password.to_owned();
    tokio::task::spawn_blocking(move || hash(&password, Argon2::default())).await.map_err(Error::internal)?
}

/// The same with the least work that the algorithm allows, for tests that log in a hundred times.
#[cfg(any(test, feature = "testkit"))]
pub(crate) fn hash_cheaply(password: &str) -> Result<String> {
    let least = argon2::Params::new(argon2::Params::MIN_M_COST, 1, 1, None)
        .map_err(|error| Error::internal(error.to_string()))?;
    hash(password, Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, least))
}

fn hash(password: &str, argon2: Argon2<'_>) -> Result<String> {
    let internal = |error: argon2::password_hash::Error| Error::internal(error.to_string());
    let salt = SaltString::encode_b64(&rand::random::<[u8; 16]>()).map_err(internal)?;
    Ok(argon2.hash_password(password.as_bytes(), &salt).map_err(internal)?.to_string())
}

/// Whether the password fits the stored one. Takes tens of milliseconds: never call it where others wait.
pub(super) fn verify(password: &str, stored: &str) -> bool {
    PasswordHash::new(stored).is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hash_fits_its_password_only_and_is_never_the_same() {
        let stored = hash_password("password").await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$"), "{stored}");
        assert!(verify("password", &stored));
        assert!(!verify("Password", &stored));
        assert!(!verify("password", "not a hash"));
        assert_ne!(stored, hash_password("password").await.unwrap());
    }

    #[test]
    fn a_cheap_hash_is_a_hash_too() {
        assert!(verify("password", &hash_cheaply("password").unwrap()));
    }
}
