//! The `PULP_MANIFEST` format: a line a file, `path,sha256,size`.
//!
//! Fields are separated by commas and split from the right, because a path may hold commas itself; space around a field
//! means nothing. Empty lines and lines that begin with `#` are skipped. Nothing here reads or writes anything but text.
//!
//! ```
//! use pulp_file::manifest::Entry;
//!
//! let digest = "a".repeat(64);
//! let line = format!("disks/one, two.iso,{digest},1024");
//! let entry = Entry::parse(&line, 1)?.expect("neither empty nor a comment");
//! assert_eq!(entry.relative_path, "disks/one, two.iso");
//! assert_eq!(entry.to_string(), line);
//! assert!(Entry::parse("# written by hand", 2)?.is_none());
//! # Ok::<(), pulp_file::manifest::BadLine>(())
//! ```

use std::fmt;

use pulpcore::error::{Error, Result, Upstream};
use url::Url;

/// No line of a manifest is longer, in bytes. The longest path that file systems hold has 4096.
pub const LONGEST_LINE: usize = 8192;

/// A file that a manifest names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its path, relative to the manifest: canonical, see [`is_canonical`].
    pub relative_path: String,
    /// Its sha256 digest, in lower-case hex.
    pub sha256: String,
    /// Its length in bytes.
    pub size: u64,
}

/// A line that is no entry, by its number (from 1). The text is Pulp's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadLine(pub u64);

impl Entry {
    /// Reads one line (without its end). `None` for a line that says nothing.
    ///
    /// # Errors
    /// [`BadLine`], with the `number` of the line.
    pub fn parse(line: &str, number: u64) -> Result<Option<Self>, BadLine> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return Ok(None);
        }
        Self::split(line).map(Some).ok_or(BadLine(number))
    }

    fn split(line: &str) -> Option<Self> {
        let mut fields = line.rsplitn(3, ',').map(str::trim);
        let (size, sha256, path) = (fields.next()?, fields.next()?, fields.next()?);
        // `parse` alone would take a sign.
        let digits = !size.is_empty() && size.bytes().all(|byte| byte.is_ascii_digit());
        let size = if digits { size.parse().ok()? } else { return None };
        let hex = sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
        // A size that the database cannot hold is nonsense.
        (hex && is_canonical(path) && i64::try_from(size).is_ok()).then(|| Self {
            relative_path: path.to_owned(),
            sha256: sha256.to_ascii_lowercase(),
            size,
        })
    }
}

/// The line, without its end.
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{},{}", self.relative_path, self.sha256, self.size)
    }
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Error: Parsing of the manifest file failed on line:{}.\n\
             Please make sure the remote URL is pointing to a valid manifest file.\n\
             The manifest file should be composed of lines in the following format: <relative_path>,<digest>,<size>.",
            self.0
        )
    }
}

impl std::error::Error for BadLine {}

/// Whether a path names one file below a folder and nothing else: relative, without empty parts, without `.` and `..`,
/// without control characters, and without space around it, which a manifest could not hold.
///
/// ```
/// use pulp_file::manifest::is_canonical;
///
/// assert!(is_canonical("a/b c.txt"));
/// assert!(!is_canonical("/a") && !is_canonical("a/../b") && !is_canonical("a//b"));
/// ```
pub fn is_canonical(path: &str) -> bool {
    path.trim() == path
        && !path.contains(char::is_control)
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// Where a file stands whose path is relative to the manifest. A query stays, because it may be what opens the door; in a
/// `file://` URL the path is taken as it is written.
///
/// # Errors
/// [`Error::Upstream`] if the manifest's URL is none that has a path.
pub fn url_of(manifest: &str, path: &str) -> Result<String> {
    if manifest.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("file://")) {
        let folder = manifest.rfind('/').map_or("", |slash| &manifest[..=slash]);
        return Ok(format!("{folder}{path}"));
    }
    let bad = || Error::upstream(manifest, Upstream::Content("not a URL with a path".to_owned()));
    let mut url = Url::parse(manifest).map_err(|_| bad())?;
    url.set_fragment(None);
    url.path_segments_mut().map_err(|()| bad())?.pop().extend(path.split('/'));
    Ok(url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn entry(line: &str) -> Option<Entry> {
        Entry::parse(line, 7).expect("a good line")
    }

    #[test]
    fn a_line_is_split_from_the_right() {
        let found = entry(&format!(" a, b/c,d.txt , {} , 3 ", DIGEST.to_ascii_uppercase())).unwrap();
        assert_eq!(found, Entry { relative_path: "a, b/c,d.txt".into(), sha256: DIGEST.into(), size: 3 });
        assert_eq!(entry(&found.to_string()), Some(found));
    }

    #[test]
    fn lines_that_say_nothing_are_skipped() {
        for line in ["", "   ", "\t", "# a,b,c", "  #"] {
            assert_eq!(entry(line), None, "{line:?}");
        }
    }

    #[test]
    fn a_bad_line_is_named_by_its_number() {
        let size = "18446744073709551616";
        let bad = [
            "just text".to_owned(),
            format!("{DIGEST},3"),
            format!(",{DIGEST},3"),
            format!("/etc/passwd,{DIGEST},3"),
            format!("../a,{DIGEST},3"),
            format!("a/./b,{DIGEST},3"),
            format!("a//b,{DIGEST},3"),
            format!("a/,{DIGEST},3"),
            format!("a\tb,{DIGEST},3"),
            format!("a,{},3", &DIGEST[1..]),
            format!("a,{}g,3", &DIGEST[1..]),
            format!("a,{DIGEST},"),
            format!("a,{DIGEST},-3"),
            format!("a,{DIGEST},+3"),
            format!("a,{DIGEST},3.0"),
            format!("a,{DIGEST},{size}"),
            format!("a,{DIGEST},{}", u64::MAX),
        ];
        for line in bad {
            let error = Entry::parse(&line, 7).expect_err(&line);
            assert!(error.to_string().contains("failed on line:7."), "{error}");
        }
    }

    /// A generator of numbers that are the same in every run (xorshift).
    fn noise(state: &mut u64) -> u64 {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        *state
    }

    #[test]
    fn what_is_written_is_read_back() {
        const LETTERS: [&str; 12] = ["a", "Z", "9", ",", " ", "ä", "💾", "%", "?", "#x", "-", "."];
        let mut state = 42;
        let mut written = 0;
        for _ in 0..20_000 {
            let length = noise(&mut state) % 12 + 1;
            let mut path = String::new();
            for _ in 0..length {
                path.push_str(LETTERS[(noise(&mut state) % 12) as usize]);
                if noise(&mut state).is_multiple_of(5) {
                    path.push('/');
                }
            }
            if !is_canonical(&path) || path.starts_with('#') {
                continue;
            }
            written += 1;
            let whole = Entry { relative_path: path, sha256: DIGEST.into(), size: noise(&mut state) >> 1 };
            assert_eq!(entry(&whole.to_string()), Some(whole));
        }
        assert!(written > 5_000, "only {written} paths were canonical");
    }

    #[test]
    fn no_line_at_all_breaks_the_parser_or_leads_out_of_the_folder() {
        const PIECES: [&str; 14] =
            [",", "/", "..", ".", "#", " ", "\0", "\r", "é", "0", "99999999999999999999", DIGEST, "a", "\u{202e}"];
        let mut state = 4711;
        for _ in 0..100_000 {
            let line: String = (0..noise(&mut state) % 9).map(|_| PIECES[(noise(&mut state) % 14) as usize]).collect();
            if let Ok(Some(entry)) = Entry::parse(&line, 1) {
                assert!(is_canonical(&entry.relative_path), "{line:?}");
                assert_eq!(Entry::parse(&entry.to_string(), 1), Ok(Some(entry)), "{line:?}");
            }
        }
    }

    #[test]
    fn a_path_is_relative_to_the_manifest() {
        let url = |manifest, path| url_of(manifest, path).unwrap();
        assert_eq!(url("http://example.test/a/PULP_MANIFEST", "b/c.txt"), "http://example.test/a/b/c.txt");
        assert_eq!(url("http://example.test/M?token=x#y", "c"), "http://example.test/c?token=x");
        assert_eq!(url("http://example.test/a/M", "50% of #1?.txt"), "http://example.test/a/50%25%20of%20%231%3F.txt");
        assert_eq!(url("http://example.test/a/M", "ä:b"), "http://example.test/a/%C3%A4:b");
        assert_eq!(url("http://example.test", "c"), "http://example.test/c");
        assert_eq!(url("file:///srv/a/M", "50%/c d"), "file:///srv/a/50%/c d");
        assert!(url_of("nonsense", "c").is_err());
    }
}
