//! Compressed files: which way, in as a stream that is bounded, out as a stream.
//!
//! Metadata comes from strangers. A few kilobytes may stand for terabytes, so nothing is decompressed without [`Limits`], and
//! no decoder gets more memory than [`MOST_MEMORY`].

mod read;
mod write;

pub use self::read::{Limits, MOST_MEMORY, reader};
pub use self::write::Writer;

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all.
    None,
    /// `.gz`, RFC 1952.
    Gzip,
    /// `.zst`, RFC 8878.
    Zstd,
    /// `.xz`; only read.
    Xz,
    /// `.bz2`; only read.
    Bzip2,
}

impl Compression {
    /// What the first bytes of a file (six are enough) say.
    pub fn of_magic(bytes: &[u8]) -> Self {
        match bytes {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [b'B', b'Z', b'h', ..] => Self::Bzip2,
            _ => Self::None,
        }
    }

    /// What the end of a file's name says.
    pub fn of_name(name: &str) -> Self {
        match name.rsplit_once('.').map(|(_, ending)| ending) {
            Some("gz") => Self::Gzip,
            Some("zst") => Self::Zstd,
            Some("xz") => Self::Xz,
            Some("bz2") => Self::Bzip2,
            _ => Self::None,
        }
    }

    /// The end of a file's name, with its dot.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
            Self::Xz => ".xz",
            Self::Bzip2 => ".bz2",
        }
    }
}

#[cfg(test)]
mod tests;
