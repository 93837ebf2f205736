//! Digests as the protocol writes them: `sha256:` and hexadecimal digits.
//!
//! Grammar and algorithms: image specification 1.1, "Digests". A registry must be able to compute what it is to verify, so
//! that only the registered algorithms are digests here; sha512 as well as sha256.

use std::fmt;
use std::str::FromStr;

use pulpcore::storage::{Algorithm, Digests, Hasher};

/// A digest that this registry can verify.
///
/// ```
/// use pulp_container::registry::digest::Digest;
///
/// let digest: Digest = format!("sha256:{}", "a".repeat(64)).parse()?;
/// assert_eq!(digest.hex().len(), 64);
/// assert!("sha256:abc".parse::<Digest>().is_err());
/// # Ok::<(), pulp_container::registry::digest::BadDigest>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Digest {
    algorithm: Algorithm,
    hex: String,
}

/// A text that is no digest, or one of an algorithm that is not supported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("A digest is 'sha256:' and 64, or 'sha512:' and 128 lower-case hexadecimal digits.")]
pub struct BadDigest;

impl Digest {
    /// The digest of these bytes by the algorithm.
    pub fn of(algorithm: Algorithm, bytes: &[u8]) -> Self {
        let mut hasher = Hasher::new(&[algorithm]);
        hasher.update(bytes);
        let (_, mut digests) = hasher.finish();
        Self { algorithm, hex: digests.take(algorithm).unwrap_or_default() }
    }

    /// The digest of what has this SHA-256, in lower-case hexadecimal.
    pub fn sha256(hex: &str) -> Self {
        Self { algorithm: Algorithm::Sha256, hex: hex.to_owned() }
    }

    /// Its algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Its value, in lower-case hexadecimal.
    pub fn hex(&self) -> &str {
        &self.hex
    }

    /// As what a body is expected to have.
    pub fn expected(&self) -> Digests {
        let mut digests = Digests::default();
        // It was checked when it was parsed.
        let _ = digests.set(self.algorithm, &self.hex);
        digests
    }

    /// Whether these bytes have it.
    pub fn fits(&self, bytes: &[u8]) -> bool {
        Self::of(self.algorithm, bytes) == *self
    }
}

impl FromStr for Digest {
    type Err = BadDigest;

    fn from_str(text: &str) -> Result<Self, BadDigest> {
        let (algorithm, hex) = text.split_once(':').ok_or(BadDigest)?;
        let algorithm = [Algorithm::Sha256, Algorithm::Sha512].into_iter().find(|known| known.name() == algorithm);
        let algorithm = algorithm.ok_or(BadDigest)?;
        let lower_hex = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
        let sound = hex.len() == algorithm.hex_len() && hex.bytes().all(lower_hex);
        if sound { Ok(Self { algorithm, hex: hex.to_owned() }) } else { Err(BadDigest) }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm, self.hex)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_read_as_they_are_written() {
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            let digest = Digest::of(algorithm, b"abc");
            assert_eq!(digest.to_string().parse(), Ok(digest.clone()));
            assert!(digest.fits(b"abc") && !digest.fits(b"abd"));
            assert_eq!(digest.expected().get(algorithm), Some(digest.hex()));
        }
    }

    #[test]
    fn other_texts_are_none() {
        let hex = "a".repeat(64);
        for text in [
            "",
            "sha256",
            "sha256:",
            &hex,
            &format!("sha256:{}", &hex[1..]),
            &format!("sha256:{}A", &hex[1..]),
            &format!("sha256:{}g", &hex[1..]),
            &format!("SHA256:{hex}"),
            &format!("sha512:{hex}"),
            &format!("md5:{}", &hex[..32]),
            &format!("sha256:{hex} "),
        ] {
            assert_eq!(text.parse::<Digest>(), Err(BadDigest), "{text}");
        }
    }
}
