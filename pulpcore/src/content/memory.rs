//! Small artifacts in memory, by digest: what is here is what was promised, whatever happens to files and rows.

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use moka::sync::Cache as Bounded;

use crate::error::{Error, Result};

/// The largest artifact that is held.
pub(super) const LARGEST: u64 = 64 * 1024;

/// What an entry takes beside its bytes, about.
const OVERHEAD: u32 = 256;

/// A SHA-256 digest.
pub(super) type Digest = [u8; 32];

/// Artifacts up to a bound, those that are asked for most.
pub(super) struct Memory {
    held: Option<Bounded<Digest, Bytes>>,
}

impl Memory {
    /// `bound`: bytes at most; 0 holds nothing.
    pub(super) fn new(bound: u64) -> Self {
        let weigh = |_: &Digest, bytes: &Bytes| u32::try_from(bytes.len()).unwrap_or(u32::MAX).saturating_add(OVERHEAD);
        Self { held: (bound > 0).then(|| Bounded::builder().weigher(weigh).max_capacity(bound).build()) }
    }

    /// Whether an artifact of this size is worth holding.
    pub(super) fn takes(&self, size: u64) -> bool {
        self.held.is_some() && size <= LARGEST
    }

    pub(super) fn get(&self, sha256: &Digest) -> Option<Bytes> {
        self.held.as_ref()?.get(sha256)
    }

    /// Holds a whole artifact from now on.
    ///
    /// # Errors
    /// [`Error::Internal`] if the bytes are not what the digest says: then the storage is damaged.
    pub(super) fn put(&self, sha256: &Digest, bytes: &Bytes) -> Result<()> {
        let Some(held) = &self.held else { return Ok(()) };
        if digest(&SHA256, bytes).as_ref() != sha256 {
            return Err(Error::internal(format!("the artifact {} is damaged", hex::encode(sha256))));
        }
        held.insert(*sha256, bytes.clone());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artifact(bytes: &[u8]) -> (Digest, Bytes) {
        (digest(&SHA256, bytes).as_ref().try_into().unwrap(), Bytes::copy_from_slice(bytes))
    }

    #[test]
    fn what_is_held_never_exceeds_the_bound() {
        let memory = Memory::new(100_000);
        for nth in 0..100_u8 {
            let (sha256, bytes) = artifact(&[nth; 3000]);
            memory.put(&sha256, &bytes).unwrap();
        }
        let held = memory.held.as_ref().unwrap();
        held.run_pending_tasks();
        assert!((50_000..=100_000).contains(&held.weighted_size()), "{}", held.weighted_size());
        let bytes: usize = held.iter().map(|(_, bytes)| bytes.len()).sum();
        assert!(bytes < 100_000, "{bytes}");
    }

    #[test]
    fn what_is_not_what_it_should_be_is_not_held() {
        let memory = Memory::new(100_000);
        let (sha256, bytes) = artifact(b"good");
        assert!(memory.put(&sha256, &Bytes::from_static(b"ruin")).is_err());
        assert_eq!(memory.get(&sha256), None);
        memory.put(&sha256, &bytes).unwrap();
        assert_eq!(memory.get(&sha256), Some(bytes));
    }

    #[test]
    fn nothing_is_held_unless_the_settings_say_so() {
        let memory = Memory::new(0);
        let (sha256, bytes) = artifact(b"good");
        memory.put(&sha256, &bytes).unwrap();
        assert_eq!((memory.get(&sha256), memory.takes(1)), (None, false));
        assert!(!Memory::new(1000).takes(LARGEST + 1));
    }
}
