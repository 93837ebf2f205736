//! One header: an index of entries, and a store that they point into. Every offset and every count is a stranger's.

use std::io::{self, Read};

use super::text::decoded;
use super::{BadPackage, bad};

/// The largest signature header, in bytes: rpm's own limit, for signatures of every file.
pub(super) const MOST_SIGNATURE_BYTES: u64 = 64 * 1024 * 1024;

/// The largest header, in bytes. Packages of a hundred thousand files have some 20 MiB.
pub(super) const MOST_HEADER_BYTES: u64 = 128 * 1024 * 1024;

/// rpm's own limit.
const MOST_ENTRIES: u32 = 0xffff;

/// The length of an entry, and of what comes before the entries, in bytes.
const ENTRY: usize = 16;

/// A header, as it came.
pub(super) struct Header {
    /// All of it, from the magic number to the end of the store.
    pub(super) bytes: Vec<u8>,
    entries: Vec<Entry>,
    store: usize,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    tag: u32,
    kind: u32,
    offset: u32,
    count: u32,
}

/// Kinds of values.
mod kind {
    pub(super) const INT8: u32 = 2;
    pub(super) const INT16: u32 = 3;
    pub(super) const INT32: u32 = 4;
    pub(super) const INT64: u32 = 5;
    pub(super) const STRING: u32 = 6;
    pub(super) const BINARY: u32 = 7;
    pub(super) const STRINGS: u32 = 8;
    pub(super) const TRANSLATED: u32 = 9;
}

/// Reads as much as fits, or says what is cut short.
pub(super) fn fill(source: &mut impl Read, into: &mut [u8], what: &str) -> Result<(), BadPackage> {
    source.read_exact(into).map_err(|error| failed(&error, what))
}

pub(super) fn failed(error: &io::Error, what: &str) -> BadPackage {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => bad(format!("The package is cut short: it ends in the {what}.")),
        _ => bad(format!("The package cannot be read: {error}.")),
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_be_bytes)
}

impl Header {
    /// Reads it, and says how long it is.
    pub(super) fn read(source: &mut impl Read, what: &str, most: u64) -> Result<(Self, u64), BadPackage> {
        let mut begin = [0; ENTRY];
        fill(source, &mut begin, what)?;
        if begin[..4] != [0x8e, 0xad, 0xe8, 1] {
            return Err(bad(format!("The package is damaged: its {what} does not begin as one.")));
        }
        let (count, size) = (word(&begin, 8), word(&begin, 12));
        let rest = u64::from(count) * ENTRY as u64 + u64::from(size);
        if count == 0 || count > MOST_ENTRIES || rest > most {
            return Err(bad(format!("The package's {what} has {count} entries and {size} bytes, which none has.")));
        }
        let mut bytes = begin.to_vec();
        // Memory is taken as the bytes come, so that a number alone costs nothing.
        let read = source.take(rest).read_to_end(&mut bytes).map_err(|error| failed(&error, what))?;
        if (read as u64) < rest {
            return Err(failed(&io::ErrorKind::UnexpectedEof.into(), what));
        }
        let store = ENTRY * (count as usize + 1);
        let entries = bytes[ENTRY..store].chunks_exact(ENTRY);
        let entries = entries.map(|entry| Entry {
            tag: word(entry, 0),
            kind: word(entry, 4),
            offset: word(entry, 8),
            count: word(entry, 12),
        });
        let entries = entries.collect();
        let length = bytes.len() as u64;
        Ok((Self { bytes, entries, store }, length))
    }

    /// Whether there is such an entry.
    pub(super) fn has(&self, tag: u32) -> bool {
        self.entry(tag).is_some()
    }

    fn entry(&self, tag: u32) -> Option<Entry> {
        self.entries.iter().find(|entry| entry.tag == tag).copied()
    }

    /// What the store holds from an entry's offset on.
    fn data(&self, entry: Entry) -> Result<&[u8], BadPackage> {
        self.bytes.get(self.store.saturating_add(entry.offset as usize)..).ok_or_else(|| damaged(entry))
    }

    /// A text, or the first of several: of texts in languages that is the one in none.
    pub(super) fn string(&self, tag: u32) -> Result<Option<String>, BadPackage> {
        let Some(entry) = self.entry(tag) else { return Ok(None) };
        match entry.kind {
            kind::STRING | kind::STRINGS | kind::TRANSLATED if entry.count > 0 => {
                let (text, _) = terminated(self.data(entry)?).ok_or_else(|| damaged(entry))?;
                Ok(Some(decoded(text)))
            }
            _ => Err(damaged(entry)),
        }
    }

    /// Texts; none if there is no such entry.
    pub(super) fn strings(&self, tag: u32) -> Result<Vec<String>, BadPackage> {
        let Some(entry) = self.entry(tag) else { return Ok(Vec::new()) };
        if !matches!(entry.kind, kind::STRING | kind::STRINGS | kind::TRANSLATED) {
            return Err(damaged(entry));
        }
        let mut rest = self.data(entry)?;
        // Each text has its end at least.
        let mut texts = Vec::with_capacity((entry.count as usize).min(rest.len()));
        for _ in 0..entry.count {
            let (text, after) = terminated(rest).ok_or_else(|| damaged(entry))?;
            texts.push(decoded(text));
            rest = after;
        }
        Ok(texts)
    }

    /// Numbers; none if there is no such entry.
    pub(super) fn numbers(&self, tag: u32) -> Result<Vec<u64>, BadPackage> {
        let Some(entry) = self.entry(tag) else { return Ok(Vec::new()) };
        let width = match entry.kind {
            kind::INT8 => 1,
            kind::INT16 => 2,
            kind::INT32 => 4,
            kind::INT64 => 8,
            _ => return Err(damaged(entry)),
        };
        let length = (entry.count as usize).saturating_mul(width);
        let bytes = self.data(entry)?.get(..length).ok_or_else(|| damaged(entry))?;
        Ok(bytes.chunks_exact(width).map(|one| one.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))).collect())
    }

    /// A number.
    pub(super) fn number(&self, tag: u32) -> Result<Option<u64>, BadPackage> {
        Ok(self.numbers(tag)?.first().copied())
    }

    /// Bytes.
    pub(super) fn binary(&self, tag: u32) -> Result<Option<&[u8]>, BadPackage> {
        let Some(entry) = self.entry(tag) else { return Ok(None) };
        if entry.kind != kind::BINARY {
            return Err(damaged(entry));
        }
        self.data(entry)?.get(..entry.count as usize).map(Some).ok_or_else(|| damaged(entry))
    }
}

/// A text up to its end, and what comes after that.
fn terminated(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

fn damaged(entry: Entry) -> BadPackage {
    let Entry { tag, kind, offset, count } = entry;
    bad(format!("The package is damaged: the entry {tag} of its header (kind {kind}, {count} at {offset}) is none."))
}

impl std::fmt::Debug for Header {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Header").field("entries", &self.entries.len()).field("bytes", &self.bytes.len()).finish()
    }
}
