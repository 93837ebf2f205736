//! Whether the bytes are those that the packager made: the digests of the header and of the payload, and the size.

use std::io::Read;

use aws_lc_rs::digest::{self, Context};
use md5::{Digest, Md5};

use super::index::failed;
use super::{BadPackage, Rpm, bad, tags};

/// The number of sha256 among algorithms of digests (RFC 9580, section 9.5).
const SHA256: u64 = 8;

/// How much of the payload is read at a time, in bytes.
const CHUNK: usize = 64 * 1024;

impl Rpm {
    /// Holds the header against what the signature header says of it.
    pub(super) fn verify_header(&self) -> Result<(), BadPackage> {
        for (tag, algorithm) in
            [(tags::SIGNATURE_SHA1, &digest::SHA1_FOR_LEGACY_USE_ONLY), (tags::SIGNATURE_SHA256, &digest::SHA256)]
        {
            if let Some(said) = self.signature.string(tag)? {
                let real = hex::encode(digest::digest(algorithm, &self.header.bytes));
                if !said.eq_ignore_ascii_case(&real) {
                    return Err(bad(
                        "The package is damaged: its header does not have the digest that it should have.",
                    ));
                }
            }
        }
        Ok(())
    }

    /// Reads the rest of the file, and holds it against the size and the digests that are known of it. Gives the size of the
    /// whole file, in bytes.
    ///
    /// # Errors
    /// [`BadPackage`] if it ends too early, or is damaged.
    pub fn verify_payload(&self, source: &mut impl Read) -> Result<u64, BadPackage> {
        let mut sha256 = Context::new(&digest::SHA256);
        let mut md5 = Md5::new();
        md5.update(&self.header.bytes);
        let mut size = self.header.bytes.len() as u64;
        let mut chunk = vec![0; CHUNK];
        loop {
            let length = source.read(&mut chunk).map_err(|error| failed(&error, "payload"))?;
            if length == 0 {
                break;
            }
            sha256.update(&chunk[..length]);
            md5.update(&chunk[..length]);
            size += length as u64;
        }
        let said = match self.signature.number(tags::SIGNATURE_LONG_SIZE)? {
            Some(said) => Some(said),
            None => self.signature.number(tags::SIGNATURE_SIZE)?,
        };
        if said.is_some_and(|said| size < said) {
            return Err(failed(&std::io::ErrorKind::UnexpectedEof.into(), "payload"));
        }
        let damaged = || bad("The package is damaged: its payload does not have the digest that it should have.");
        if self.header.number(tags::PAYLOAD_SHA256_ALGORITHM)? == Some(SHA256)
            && let Some(said) = self.header.string(tags::PAYLOAD_SHA256)?
            && !said.eq_ignore_ascii_case(&hex::encode(sha256.finish()))
        {
            return Err(damaged());
        }
        if let Some(said) = self.signature.binary(tags::SIGNATURE_MD5)?
            && said != md5.finalize().as_slice()
        {
            return Err(damaged());
        }
        Ok(self.start + size)
    }
}
