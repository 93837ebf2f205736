//! Digests: which algorithms there are, their values, and all of them computed in one pass.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest as aws;
use md5::Digest as _;

use crate::error::Error;

/// The digest algorithms that an artifact can carry, in Pulp's order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    /// MD5, broken: only for repositories that still ask for it.
    Md5,
    /// SHA-1, broken: only for repositories that still ask for it.
    Sha1,
    /// SHA-224.
    Sha224,
    /// SHA-256: what names an artifact.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Algorithm {
    /// All algorithms, in Pulp's order.
    pub const ALL: [Self; 6] = [Self::Md5, Self::Sha1, Self::Sha224, Self::Sha256, Self::Sha384, Self::Sha512];

    /// The name on the wire, in the database and in settings, e.g. `sha256`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha224 => "sha224",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    /// How many hexadecimal digits a digest has.
    pub const fn hex_len(self) -> usize {
        match self {
            Self::Md5 => 32,
            Self::Sha1 => 40,
            Self::Sha224 => 56,
            Self::Sha256 => 64,
            Self::Sha384 => 96,
            Self::Sha512 => 128,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|algorithm| algorithm.name() == name);
        found.ok_or_else(|| UnknownAlgorithm(name.to_owned()))
    }
}

/// A name that is no digest algorithm's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a known checksum type.")]
pub struct UnknownAlgorithm(pub String);

/// A text that cannot be a digest of the algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("This is not a {name} digest: it has {len} hexadecimal digits.", name = .0.name(), len = .0.hex_len())]
pub struct BadDigest(pub Algorithm);

impl From<BadDigest> for Error {
    fn from(bad: BadDigest) -> Self {
        Self::invalid(bad.0.name(), bad.to_string())
    }
}

/// Digests by algorithm, each in lower-case hexadecimal; any of them may be absent.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Digests([Option<String>; Algorithm::ALL.len()]);

impl Digests {
    /// The digest of one algorithm.
    pub fn get(&self, algorithm: Algorithm) -> Option<&str> {
        self.0[algorithm as usize].as_deref()
    }

    /// The SHA-256 digest. Received and kept bodies always have it; elsewhere it may be absent, which reads as an
    /// empty text.
    pub fn sha256(&self) -> &str {
        self.get(Algorithm::Sha256).unwrap_or_default()
    }

    /// Sets one digest, from hexadecimal digits in either case.
    ///
    /// # Errors
    ///
    /// [`BadDigest`] if the text has another length or another alphabet.
    pub fn set(&mut self, algorithm: Algorithm, hex: &str) -> Result<(), BadDigest> {
        if hex.len() != algorithm.hex_len() || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(BadDigest(algorithm));
        }
        self.0[algorithm as usize] = Some(hex.to_ascii_lowercase());
        Ok(())
    }

    /// The same with one digest more, for building them in one expression.
    ///
    /// # Errors
    ///
    /// As [`Self::set`].
    pub fn with(mut self, algorithm: Algorithm, hex: &str) -> Result<Self, BadDigest> {
        self.set(algorithm, hex)?;
        Ok(self)
    }

    /// Removes and returns one digest.
    pub fn take(&mut self, algorithm: Algorithm) -> Option<String> {
        self.0[algorithm as usize].take()
    }

    /// The digests that are present, in Pulp's order.
    pub fn iter(&self) -> impl Iterator<Item = (Algorithm, &str)> {
        Algorithm::ALL.into_iter().filter_map(|algorithm| Some((algorithm, self.get(algorithm)?)))
    }

    /// Whether no digest is present.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }
}

/// The digests of hashers that saw the same body.
impl FromIterator<Hasher> for Digests {
    fn from_iter<I: IntoIterator<Item = Hasher>>(hashers: I) -> Self {
        let mut digests = Self::default();
        hashers.into_iter().for_each(|hasher| hasher.finish_into(&mut digests));
        digests
    }
}

impl fmt::Debug for Digests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Several digests and the length of one body, in one pass.
pub struct Hasher {
    size: u64,
    states: Vec<(Algorithm, State)>,
}

enum State {
    Md5(md5::Md5),
    Aws(aws::Context),
}

impl Hasher {
    /// A hasher that has seen nothing yet. An algorithm that is named twice is computed once.
    pub fn new(algorithms: &[Algorithm]) -> Self {
        let mut algorithms = algorithms.to_vec();
        algorithms.sort_unstable();
        algorithms.dedup();
        let states = algorithms.into_iter().map(|algorithm| (algorithm, State::new(algorithm))).collect();
        Self { size: 0, states }
    }

    /// Adds the next bytes of the body.
    pub fn update(&mut self, bytes: &[u8]) {
        // In pieces that stay in the processor's nearest cache while one algorithm after the other reads them.
        for piece in bytes.chunks(16 * 1024) {
            for (_, state) in &mut self.states {
                match state {
                    State::Md5(md5) => md5.update(piece),
                    State::Aws(context) => context.update(piece),
                }
            }
        }
        self.size += bytes.len() as u64;
    }

    /// How many bytes there were, and their digests.
    pub fn finish(self) -> (u64, Digests) {
        let (size, mut digests) = (self.size, Digests::default());
        self.finish_into(&mut digests);
        (size, digests)
    }

    fn finish_into(self, digests: &mut Digests) {
        for (algorithm, state) in self.states {
            digests.0[algorithm as usize] = Some(match state {
                State::Md5(md5) => hex_of(&md5.finalize()),
                State::Aws(context) => hex_of(context.finish().as_ref()),
            });
        }
    }
}

/// Bytes as hexadecimal digits. (`hex::encode` collects them one by one, which a sync of many small files feels.)
fn hex_of(bytes: &[u8]) -> String {
    let mut digits = vec![0; 2 * bytes.len()];
    hex::encode_to_slice(bytes, &mut digits).expect("there is room for two digits a byte");
    String::from_utf8(digits).expect("digits are text")
}

impl State {
    fn new(algorithm: Algorithm) -> Self {
        let algorithm = match algorithm {
            Algorithm::Md5 => return Self::Md5(md5::Md5::new()),
            Algorithm::Sha1 => &aws::SHA1_FOR_LEGACY_USE_ONLY,
            Algorithm::Sha224 => &aws::SHA224,
            Algorithm::Sha256 => &aws::SHA256,
            Algorithm::Sha384 => &aws::SHA384,
            Algorithm::Sha512 => &aws::SHA512,
        };
        Self::Aws(aws::Context::new(algorithm))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The digests of "abc": RFC 1321 for MD5, NIST's examples (FIPS 180) for the others.
    const ABC: [&str; 6] = [
        "900150983cd24fb0d6963f7d28e17f72",
        "a9993e364706816aba3e25717850c26c9cd0d89d",
        "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7",
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd\
         454d4423643ce80e2a9ac94fa54ca49f",
    ];

    #[test]
    fn all_digests_come_from_one_pass_over_pieces() {
        let mut hasher = Hasher::new(&Algorithm::ALL);
        hasher.update(b"a");
        hasher.update(b"");
        hasher.update(b"bc");
        let (size, digests) = hasher.finish();
        assert_eq!(size, 3);
        for (algorithm, expected) in Algorithm::ALL.into_iter().zip(ABC) {
            assert_eq!(digests.get(algorithm), Some(expected), "{algorithm}");
            assert_eq!(expected.len(), algorithm.hex_len());
        }
    }

    #[test]
    fn only_what_was_asked_for_is_computed() {
        let (_, digests) = Hasher::new(&[Algorithm::Sha256, Algorithm::Sha256]).finish();
        assert_eq!(digests.iter().count(), 1);
        assert_eq!(digests.sha256(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    #[test]
    fn names_parse_back_and_others_do_not() {
        for algorithm in Algorithm::ALL {
            assert_eq!(algorithm.name().parse(), Ok(algorithm));
        }
        assert!("sha3".parse::<Algorithm>().is_err());
    }

    #[test]
    fn a_digest_is_hexadecimal_of_the_right_length_in_any_case() {
        let mut digests = Digests::default();
        assert_eq!(digests.set(Algorithm::Md5, "abc"), Err(BadDigest(Algorithm::Md5)));
        assert!(digests.set(Algorithm::Md5, &"g".repeat(32)).is_err());
        assert!(digests.is_empty());
        digests.set(Algorithm::Md5, &ABC[0].to_ascii_uppercase()).unwrap();
        assert_eq!(digests.get(Algorithm::Md5), Some(ABC[0]));
        assert_eq!(
            Error::from(BadDigest(Algorithm::Md5)).to_string(),
            "md5: This is not a md5 digest: it has 32 hexadecimal digits."
        );
    }
}
