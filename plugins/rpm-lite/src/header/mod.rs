//! Packages as files: what the headers of an `.rpm` say, for [`Package`].
//!
//! A file is a lead of 96 bytes, a header with signatures and digests, the header with what the package is, and the payload
//! (rpm's `docs/manual/format_v4.md`). Read are files of rpm 3, 4 and 6, of binaries and sources. What is made of them is what
//! `createrepo_c` makes of them, quirks and all, because that is what repositories hold; the tests compare the two.
//!
//! A parser of its own, not the crate `rpm`: that one takes its sizes and offsets from the file, and panics over those that
//! lead out of it.
//!
//! ```no_run
//! use pulp_rpm_lite::header::{OfFile, Rpm};
//!
//! let mut file = std::io::BufReader::new(std::fs::File::open("bear-4.1-1.noarch.rpm")?);
//! let rpm = Rpm::read(&mut file)?;
//! rpm.verify_payload(&mut file)?;
//! let package = rpm.package(OfFile { location_href: "bear-4.1-1.noarch.rpm".to_owned(), ..OfFile::default() })?;
//! println!("{} {}", package.name, package.summary);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod dependencies;
mod digests;
mod files;
mod index;
mod signers;
mod tags;
mod text;

use std::io::Read;

use self::index::Header;
use crate::package::{Changelog, Package};

/// Why something is no package that can be read: a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadPackage(pub String);

fn bad(message: impl Into<String>) -> BadPackage {
    BadPackage(message.into())
}

/// The length of the lead, in bytes.
const LEAD: u64 = 96;

/// The headers of a package.
#[derive(Debug)]
pub struct Rpm {
    signature: Header,
    header: Header,
    /// Where the header begins in the file, and where the payload does.
    start: u64,
    end: u64,
}

/// What is known of a package from outside its file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OfFile {
    /// The checksum of the file, in lower-case hex.
    pub pkg_id: String,
    /// Of which kind the checksum is.
    pub checksum_type: String,
    /// Where the file is in its repository.
    pub location_href: String,
    /// The size of the file, in bytes.
    pub size: u64,
    /// When the file was last changed, in seconds since 1970.
    pub time: i64,
}

impl Rpm {
    /// Reads everything before the payload, and holds the header against its digests.
    ///
    /// # Errors
    /// [`BadPackage`] if it is no package, ends too early, or is damaged.
    pub fn read(source: &mut impl Read) -> Result<Self, BadPackage> {
        let mut lead = [0; LEAD as usize];
        index::fill(source, &mut lead, "lead")?;
        if lead[..4] != [0xed, 0xab, 0xee, 0xdb] {
            return Err(bad("The file is no RPM package: it does not begin as one."));
        }
        let major = lead[4];
        if !matches!(major, 3 | 4) {
            return Err(bad(format!("Packages of the format {major} are not known.")));
        }
        let (signature, length) = Header::read(source, "signature header", index::MOST_SIGNATURE_BYTES)?;
        // The header that follows begins at a multiple of eight.
        let padding = length.next_multiple_of(8) - length;
        index::fill(source, &mut [0; 8][..padding as usize], "signature header")?;
        let start = LEAD + length + padding;
        let (header, length) = Header::read(source, "header", index::MOST_HEADER_BYTES)?;
        let rpm = Self { signature, header, start, end: start + length };
        rpm.verify_header()?;
        Ok(rpm)
    }

    /// Whether the package is source code.
    pub fn is_source(&self) -> bool {
        self.header.has(tags::SOURCE_PACKAGE) || !self.header.has(tags::SOURCE_RPM)
    }

    /// What a repository says of the package.
    ///
    /// # Errors
    /// [`BadPackage`] if the header lacks what every package has, or is damaged.
    pub fn package(&self, file: OfFile) -> Result<Package, BadPackage> {
        let header = &self.header;
        let text = |tag| header.string(tag).map(Option::unwrap_or_default);
        let named = |tag, what| match header.string(tag)? {
            Some(text) if !text.is_empty() => Ok(text),
            _ => Err(bad(format!("The package has no {what}."))),
        };
        let number = |tag| header.number(tag).map(|number| number.map(signed));
        let mut package = Package {
            name: named(tags::NAME, "name")?,
            epoch: header.number(tags::EPOCH)?.unwrap_or_default().to_string(),
            version: named(tags::VERSION, "version")?,
            release: named(tags::RELEASE, "release")?,
            arch: if self.is_source() { "src".to_owned() } else { named(tags::ARCH, "architecture")? },
            pkg_id: file.pkg_id,
            checksum_type: file.checksum_type,
            summary: text(tags::SUMMARY)?,
            description: text(tags::DESCRIPTION)?,
            url: text(tags::URL)?,
            changelogs: self.changelogs()?,
            files: files::read(header)?,
            location_href: file.location_href,
            rpm_buildhost: text(tags::BUILD_HOST)?,
            rpm_group: text(tags::GROUP)?,
            rpm_license: text(tags::LICENSE)?,
            rpm_packager: text(tags::PACKAGER)?,
            rpm_sourcerpm: text(tags::SOURCE_RPM)?,
            rpm_vendor: text(tags::VENDOR)?,
            rpm_header_start: signed(self.start),
            rpm_header_end: signed(self.end),
            size_archive: self.archive_size()?,
            size_installed: number(tags::LONG_SIZE)?.or(number(tags::SIZE)?).unwrap_or_default(),
            size_package: signed(file.size),
            time_build: number(tags::BUILD_TIME)?.unwrap_or_default(),
            time_file: file.time,
            ..Package::default()
        };
        dependencies::read(header, &mut package)?;
        // Packages of old did not say that they provide themselves; rpm adds it where the list of files is of old, too.
        if !header.has(tags::DIR_NAMES) && !self.is_source() {
            dependencies::provide_itself(&mut package);
        }
        Ok(package)
    }

    /// The size of the payload as it is unpacked: the signature header says it of rpm 4, the header of others.
    fn archive_size(&self) -> Result<i64, BadPackage> {
        let places = [
            (&self.signature, tags::SIGNATURE_LONG_ARCHIVE_SIZE),
            (&self.signature, tags::SIGNATURE_PAYLOAD_SIZE),
            (&self.header, tags::LONG_ARCHIVE_SIZE),
            (&self.header, tags::ARCHIVE_SIZE),
            (&self.header, tags::PAYLOAD_SIZE_ALT),
        ];
        for (header, tag) in places {
            if let Some(size) = header.number(tag)? {
                return Ok(signed(size));
            }
        }
        Ok(0)
    }

    /// What changed, the oldest first. Entries of one time are told apart by a second each, as createrepo_c does it.
    fn changelogs(&self) -> Result<Vec<Changelog>, BadPackage> {
        let times = self.header.numbers(tags::CHANGELOG_TIME)?;
        let names = self.header.strings(tags::CHANGELOG_NAME)?;
        let texts = self.header.strings(tags::CHANGELOG_TEXT)?;
        let mut entries: Vec<Changelog> = Vec::with_capacity(times.len());
        let mut last = 0;
        for ((time, author), text) in times.into_iter().zip(names).zip(texts) {
            let time = signed(time);
            if time == last {
                let mut taken = time;
                for entry in entries.iter_mut().rev().take_while(|entry| {
                    let meets = entry.time == taken;
                    taken += i64::from(meets);
                    meets
                }) {
                    entry.time += 1;
                }
            } else {
                last = time;
            }
            entries.push(Changelog { author: author.trim_end_matches(' ').to_owned(), time, text });
        }
        entries.reverse();
        Ok(entries)
    }
}

/// Numbers of headers have no sign; the database's have one.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
