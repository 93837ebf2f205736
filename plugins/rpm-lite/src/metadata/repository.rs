//! Writing a repository's metadata: each file is compressed and hashed while it is written, and is named by its checksum.
//!
//! ```
//! use pulp_rpm_lite::compression::Compression;
//! use pulp_rpm_lite::metadata::repository::{ChecksumKind, MetadataFile, Options, PackagesWriter};
//! use pulp_rpm_lite::package::Package;
//!
//! let options = Options { checksum: ChecksumKind::Sha256, compression: Compression::Gzip, timestamp: 1_700_000_000 };
//! let mut writer = PackagesWriter::new([Vec::new(), Vec::new(), Vec::new()], 1, options)?;
//! writer.add(&Package { name: "bear".to_owned(), ..Package::default() })?;
//! let [(primary, bytes), _, _] = writer.finish()?;
//! assert_eq!(primary.location_href, format!("repodata/{}-primary.xml.gz", primary.checksum.digest));
//! assert_eq!(primary.size, Some(bytes.len() as u64));
//! # Ok::<(), std::io::Error>(())
//! ```

use std::io::{self, Write};

use aws_lc_rs::digest::{self, Context};

use super::packages::write;
use super::repomd::{Checksum, Record};
use crate::compression::{Compression, Writer};
use crate::package::Package;

/// How much text is gathered before it is hashed and compressed, in bytes.
const GATHERED: usize = 256 * 1024;

/// Kinds of checksums that metadata is published with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChecksumKind {
    /// For clients of old.
    Sha1,
    /// Rare.
    Sha224,
    /// What everybody reads.
    Sha256,
    /// Longer.
    Sha384,
    /// The longest.
    Sha512,
}

impl ChecksumKind {
    /// By its name in metadata.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Sha1, Self::Sha224, Self::Sha256, Self::Sha384, Self::Sha512]
            .into_iter()
            .find(|kind| kind.name() == name)
    }

    /// Its name in metadata.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha224 => "sha224",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    fn begin(self) -> Context {
        Context::new(match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha224 => &digest::SHA224,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        })
    }

    fn end(self, context: Context) -> Checksum {
        Checksum { kind: self.name().to_owned(), digest: hex::encode(context.finish()) }
    }
}

/// How files are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The checksums of the files.
    pub checksum: ChecksumKind,
    /// How they are compressed.
    pub compression: Compression,
    /// When they are said to have been made, in seconds since 1970. The same time and the same content make the same files.
    pub timestamp: i64,
}

/// Hashes and counts what goes to a target.
struct Hashing<W> {
    target: W,
    context: Context,
    size: u64,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.target.write(bytes)?;
        self.context.update(&bytes[..length]);
        self.size += length as u64;
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.target.flush()
    }
}

/// A file of metadata that is being written.
pub struct MetadataFile<W: Write> {
    kind: String,
    name: String,
    options: Options,
    opened: Hashing<Writer<Hashing<W>>>,
}

impl<W: Write> MetadataFile<W> {
    /// Begins a file of a kind, such as `updateinfo`, with a name without its compression, such as `updateinfo.xml`.
    ///
    /// # Errors
    /// If the target cannot be written to, or the compression is one that is only read.
    pub fn new(kind: &str, name: &str, target: W, options: Options) -> io::Result<Self> {
        let context = || options.checksum.begin();
        let inner = Hashing { target, context: context(), size: 0 };
        let writer = Writer::new(inner, options.compression)?;
        let opened = Hashing { target: writer, context: context(), size: 0 };
        Ok(Self { kind: kind.to_owned(), name: name.to_owned(), options, opened })
    }

    /// Ends it: what `repomd.xml` says of it, and the target. The file must be at the record's location.
    ///
    /// # Errors
    /// If the target cannot be written to.
    pub fn finish(self) -> io::Result<(Record, W)> {
        let Self { kind, name, options: Options { checksum, compression, timestamp }, opened } = self;
        let closed = opened.target.finish()?;
        let whole = checksum.end(closed.context);
        let location_href = format!("repodata/{}-{name}{}", whole.digest, compression.suffix());
        let record = Record {
            kind,
            checksum: whole,
            // What is not compressed has nothing to be opened.
            open_checksum: (compression != Compression::None).then(|| checksum.end(opened.context)),
            location_href,
            timestamp,
            size: Some(closed.size),
            open_size: (compression != Compression::None).then_some(opened.size),
            ..Record::default()
        };
        Ok((record, closed.target))
    }
}

impl<W: Write> Write for MetadataFile<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.opened.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.opened.flush()
    }
}

impl<W: Write> std::fmt::Debug for MetadataFile<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MetadataFile").field("kind", &self.kind).field("options", &self.options).finish_non_exhaustive()
    }
}

/// One of the three files that list packages: text is gathered before it is hashed and compressed.
pub struct PackagesFile<W: Write> {
    file: MetadataFile<W>,
    text: String,
    record: fn(&mut String, &Package),
    end: &'static str,
}

impl<W: Write> PackagesFile<W> {
    /// Begins `primary`. How many packages there will be stands at its beginning.
    ///
    /// # Errors
    /// As [`MetadataFile::new`]; so for the other two.
    pub fn primary(target: W, count: u64, options: Options) -> io::Result<Self> {
        Self::new("primary", target, write::primary_begin(count), write::primary, write::PRIMARY_END, options)
    }

    /// Begins `filelists`.
    ///
    /// # Errors
    /// As above.
    pub fn filelists(target: W, count: u64, options: Options) -> io::Result<Self> {
        Self::new("filelists", target, write::filelists_begin(count), write::filelists, write::FILELISTS_END, options)
    }

    /// Begins `other`.
    ///
    /// # Errors
    /// As above.
    pub fn other(target: W, count: u64, options: Options) -> io::Result<Self> {
        Self::new("other", target, write::other_begin(count), write::other, write::OTHER_END, options)
    }

    fn new(
        kind: &str,
        target: W,
        begin: String,
        record: fn(&mut String, &Package),
        end: &'static str,
        options: Options,
    ) -> io::Result<Self> {
        let file = MetadataFile::new(kind, &format!("{kind}.xml"), target, options)?;
        Ok(Self { file, text: begin, record, end })
    }

    /// Adds a package.
    ///
    /// # Errors
    /// If the target cannot be written to.
    pub fn add(&mut self, package: &Package) -> io::Result<()> {
        (self.record)(&mut self.text, package);
        if self.text.len() >= GATHERED {
            self.file.write_all(self.text.as_bytes())?;
            self.text.clear();
        }
        Ok(())
    }

    /// Ends it: what `repomd.xml` says of it, and the target.
    ///
    /// # Errors
    /// If the target cannot be written to.
    pub fn finish(mut self) -> io::Result<(Record, W)> {
        self.text.push_str(self.end);
        self.file.write_all(self.text.as_bytes())?;
        self.file.finish()
    }
}

impl<W: Write> std::fmt::Debug for PackagesFile<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PackagesFile").field("file", &self.file).finish_non_exhaustive()
    }
}

/// Writes `primary`, `filelists` and `other`, a package at a time.
#[derive(Debug)]
pub struct PackagesWriter<W: Write>([PackagesFile<W>; 3]);

impl<W: Write> PackagesWriter<W> {
    /// Begins the three files, in this order. How many packages there will be stands at their beginnings.
    ///
    /// # Errors
    /// As [`MetadataFile::new`].
    pub fn new([primary, filelists, other]: [W; 3], count: u64, options: Options) -> io::Result<Self> {
        Ok(Self([
            PackagesFile::primary(primary, count, options)?,
            PackagesFile::filelists(filelists, count, options)?,
            PackagesFile::other(other, count, options)?,
        ]))
    }

    /// Adds a package.
    ///
    /// # Errors
    /// If a target cannot be written to.
    pub fn add(&mut self, package: &Package) -> io::Result<()> {
        self.0.iter_mut().try_for_each(|file| file.add(package))
    }

    /// Ends the three files: what `repomd.xml` says of them, and the targets.
    ///
    /// # Errors
    /// If a target cannot be written to.
    pub fn finish(self) -> io::Result<[(Record, W); 3]> {
        let [primary, filelists, other] = self.0;
        Ok([primary.finish()?, filelists.finish()?, other.finish()?])
    }
}

#[cfg(test)]
mod tests;
