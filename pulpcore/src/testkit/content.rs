//! The files that a [`FixtureServer`](super::FixtureServer) offers, and where their bytes come from.

use std::ops::Range;
use std::sync::{LazyLock, OnceLock};
use std::time::SystemTime;

use aws_lc_rs::digest;
use axum::http::HeaderValue;
use bytes::Bytes;

/// A file on offer, with what its headers say.
#[derive(Debug)]
pub(super) struct File {
    pub(super) content: Content,
    pub(super) modified: HeaderValue,
    sha256: OnceLock<String>,
    pub(super) tag: HeaderValue,
}

impl File {
    pub(super) fn new(content: Content) -> Self {
        let tag = match &content {
            Content::Memory(bytes) => {
                format!("\"{}\"", hex::encode(&digest::digest(&digest::SHA256, bytes).as_ref()[..16]))
            }
            Content::Generated { seed, size } => format!("\"{seed:x}-{size:x}\""),
        };
        let ascii = |text: String| HeaderValue::try_from(text).expect("hex digits and dates are header values");
        let modified = ascii(httpdate::fmt_http_date(SystemTime::now()));
        Self { content, modified, sha256: OnceLock::new(), tag: ascii(tag) }
    }

    pub(super) fn sha256(&self) -> &str {
        self.sha256.get_or_init(|| {
            let mut hash = digest::Context::new(&digest::SHA256);
            self.content.chunks(0..self.content.size()).for_each(|chunk| hash.update(&chunk));
            hex::encode(hash.finish())
        })
    }
}

/// Where a file's bytes come from.
#[derive(Debug, Clone)]
pub(super) enum Content {
    Memory(Bytes),
    Generated { seed: u64, size: u64 },
}

/// The size of the pieces in which generated content is made. Each is the same noise behind its own sixteen bytes, which
/// hold the file's seed and the block's number: as fast as copying, and no two blocks are alike.
const BLOCK: u64 = 64 * 1024;

static NOISE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    // SplitMix64 (Steele, Lea, Flood 2014): small, and good enough not to compress.
    let mut state = 0_u64;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    (0..BLOCK / 8).flat_map(|_| next().to_le_bytes()).collect()
});

impl Content {
    pub(super) fn generated(path: &str, size: u64) -> Self {
        let hash = digest::digest(&digest::SHA256, path.as_bytes());
        let seed = hash.as_ref()[..8].iter().fold(0, |seed, byte| seed << 8 | u64::from(*byte));
        Self::Generated { seed, size }
    }

    pub(super) fn size(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::Generated { size, .. } => *size,
        }
    }

    /// The bytes of `range`, which must lie within the content, piece by piece.
    pub(super) fn chunks(&self, range: Range<u64>) -> Chunks {
        Chunks { content: self.clone(), range }
    }
}

/// The pieces of a range of a [`Content`].
#[derive(Debug, Clone)]
pub(super) struct Chunks {
    content: Content,
    range: Range<u64>,
}

impl Iterator for Chunks {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let Range { start, end } = self.range;
        if start >= end {
            return None;
        }
        match &self.content {
            Content::Memory(bytes) => {
                self.range.start = end;
                Some(bytes.slice(start as usize..end as usize))
            }
            Content::Generated { seed, .. } => {
                let block = start / BLOCK;
                let (from, to) = ((start % BLOCK) as usize, (end - block * BLOCK).min(BLOCK) as usize);
                let mut bytes = NOISE[..to].to_vec();
                let own = [seed.to_le_bytes(), block.to_le_bytes()].concat();
                bytes.iter_mut().zip(own).for_each(|(byte, own)| *byte = own);
                self.range.start = block * BLOCK + to as u64;
                Some(Bytes::from(bytes).slice(from..))
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let Range { start, end } = self.range;
        let pieces = match &self.content {
            _ if start >= end => 0,
            Content::Memory(_) => 1,
            Content::Generated { .. } => (end.div_ceil(BLOCK) - start / BLOCK) as usize,
        };
        (pieces, Some(pieces))
    }
}

impl ExactSizeIterator for Chunks {}
