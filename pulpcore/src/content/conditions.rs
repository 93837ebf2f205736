//! Conditional requests (RFC 9110, section 13): what a client wants of a file, given what it has.
//!
//! [`ranges`](super::ranges) reads the `Range` header; whether it counts is decided here.
//!
//! `If-Modified-Since` holds only for the very time that this server gave. The standard foresees that (section 13.1.3,
//! last paragraph) for servers that go back to what they had before, which is what a rolled back publication is: the older
//! file is not what a client has that saw the newer one.

use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::{HeaderMap, HeaderName, header};

use super::ranges::Asked;

/// What the headers of a request are held against.
#[derive(Debug)]
pub(super) struct Version<'a> {
    /// The strong entity tag, with its quotes.
    pub(super) tag: Option<&'a str>,
    /// When it was last changed.
    pub(super) modified: Option<SystemTime>,
    /// How many bytes it has.
    pub(super) size: Option<u64>,
}

/// What to answer with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it.
    Whole,
    /// These bytes, never none.
    Part(Range<u64>),
    /// These bytes: several parts in ascending order, with bytes between them. Whoever cannot send parts sends the whole.
    Parts(Vec<Range<u64>>),
    /// The client has it: 304.
    NotModified,
    /// The client wanted another one: 412.
    Changed,
    /// Bytes that there are not: 416.
    Unsatisfiable,
}

impl Wanted {
    /// Conditions first, then the range, in the order of section 13.2.2. For GET and HEAD; a `Range` means nothing to
    /// HEAD (section 14.2) and must have been taken out of its headers.
    pub(super) fn of(headers: &HeaderMap, version: &Version<'_>) -> Self {
        let modified = version.modified.map(whole_seconds);
        match matches(headers, header::IF_MATCH, version.tag, Comparison::Strong) {
            Some(false) => return Self::Changed,
            Some(true) => {}
            None => {
                let unmodified_since = modified.zip(date(headers, header::IF_UNMODIFIED_SINCE));
                if unmodified_since.is_some_and(|(modified, date)| modified > date) {
                    return Self::Changed;
                }
            }
        }
        match matches(headers, header::IF_NONE_MATCH, version.tag, Comparison::Weak) {
            Some(true) => return Self::NotModified,
            Some(false) => {}
            None => {
                if modified.is_some() && date(headers, header::IF_MODIFIED_SINCE) == modified {
                    return Self::NotModified;
                }
            }
        }
        let (Some(range), Some(size)) = (only(headers, header::RANGE), version.size) else { return Self::Whole };
        if !is_same(headers, version.tag, modified) {
            return Self::Whole;
        }
        match Asked::of(range, size) {
            Asked::Nothing => Self::Whole,
            Asked::Unsatisfiable => Self::Unsatisfiable,
            Asked::Parts(mut parts) => match parts.pop() {
                Some(part) if parts.is_empty() => Self::Part(part),
                last => {
                    parts.extend(last);
                    Self::Parts(parts)
                }
            },
        }
    }
}

/// How entity tags are compared (section 8.8.3.2).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Strong,
    Weak,
}

/// Whether a list of entity tags, over any number of lines, names the one; `None` if there is no list. `*` names each.
fn matches(headers: &HeaderMap, name: HeaderName, tag: Option<&str>, comparison: Comparison) -> Option<bool> {
    let mut lines = headers.get_all(name).iter().map(|line| line.as_bytes().trim_ascii()).peekable();
    lines.peek()?;
    Some(lines.any(|line| line == b"*" || tag.is_some_and(|tag| names(line, tag.as_bytes(), comparison))))
}

/// Whether a line names the tag. Our tags are of hexadecimal digits, so nothing is lost where another one is split at a
/// comma that it has in it.
fn names(line: &[u8], tag: &[u8], comparison: Comparison) -> bool {
    line.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).any(|one| {
        let weak = one.strip_prefix(b"W/").filter(|_| comparison == Comparison::Weak);
        one == tag || weak == Some(tag)
    })
}

/// Whether a range is asked of this very version, or of whatever there is (section 13.1.5).
fn is_same(headers: &HeaderMap, tag: Option<&str>, modified: Option<SystemTime>) -> bool {
    if !headers.contains_key(header::IF_RANGE) {
        return true;
    }
    match only(headers, header::IF_RANGE) {
        Some(text) if text.starts_with('"') => tag == Some(text),
        Some(_) => modified.is_some() && date(headers, header::IF_RANGE) == modified,
        None => false,
    }
}

/// The value of a header that is not a list. If there are several, nobody can tell which of them is meant: none.
fn only(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut lines = headers.get_all(name).iter();
    let line = lines.next()?;
    if lines.next().is_some() {
        return None;
    }
    line.to_str().ok().map(str::trim)
}

/// A date in any of the three formats; what is none is ignored.
fn date(headers: &HeaderMap, name: HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(only(headers, name)?).ok()
}

/// The time as a header can say it.
fn whole_seconds(time: SystemTime) -> SystemTime {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: &str = "\"abc\"";

    fn wanted(headers: &[(&'static str, &str)]) -> Wanted {
        let modified = UNIX_EPOCH + Duration::from_millis(1_000_000_500);
        wanted_of(headers, &Version { tag: Some(TAG), modified: Some(modified), size: Some(38) })
    }

    fn wanted_of(headers: &[(&'static str, &str)], version: &Version<'_>) -> Wanted {
        let headers = headers.iter().map(|(name, value)| {
            let value = axum::http::HeaderValue::from_bytes(value.as_bytes()).unwrap();
            (HeaderName::from_static(name), value)
        });
        let mut map = HeaderMap::new();
        headers.for_each(|(name, value)| {
            map.append(name, value);
        });
        Wanted::of(&map, version)
    }

    /// The second of `modified`, the one before and the one after.
    const DATES: [&str; 3] =
        ["Mon, 12 Jan 1970 13:46:40 GMT", "Mon, 12 Jan 1970 13:46:39 GMT", "Mon, 12 Jan 1970 13:46:41 GMT"];

    #[test]
    fn ranges_are_one_part_several_or_none() {
        for (range, expected) in [
            ("bytes=0-3", Wanted::Part(0..4)),
            ("bytes=0-1,3-4", Wanted::Parts(vec![0..2, 3..5])),
            ("bytes=38-", Wanted::Unsatisfiable),
            ("lines=0-1", Wanted::Whole),
        ] {
            assert_eq!(wanted(&[("range", range)]), expected, "{range}");
        }
        assert_eq!(wanted(&[("range", "bytes=0-1"), ("range", "bytes=0-1")]), Wanted::Whole, "which of the two?");
    }

    #[test]
    fn who_has_it_need_not_get_it() {
        for list in [TAG, "*", "\"x\", \"abc\"", "W/\"abc\"", "\"a,b\",\"abc\""] {
            assert_eq!(wanted(&[("if-none-match", list)]), Wanted::NotModified, "{list}");
        }
        assert_eq!(wanted(&[("if-none-match", "\"x\""), ("if-none-match", TAG)]), Wanted::NotModified);
        for list in ["\"x\"", "\"ä\"", "abc", "\"*\"", "", "w/\"abc\""] {
            assert_eq!(wanted(&[("if-none-match", list), ("if-modified-since", DATES[0])]), Wanted::Whole, "{list}");
        }
        assert_eq!(wanted(&[("if-modified-since", DATES[0])]), Wanted::NotModified);
        for date in [DATES[1], DATES[2], "yesterday"] {
            assert_eq!(wanted(&[("if-modified-since", date)]), Wanted::Whole, "{date}");
        }
    }

    #[test]
    fn who_wants_another_one_gets_none() {
        for list in ["W/\"abc\"", "\"x\"", "\"ä\"", ""] {
            assert_eq!(wanted(&[("if-match", list)]), Wanted::Changed, "{list}");
        }
        for list in [TAG, "*", "\"x\" , \"abc\""] {
            assert_eq!(wanted(&[("if-match", list), ("if-unmodified-since", DATES[1])]), Wanted::Whole, "{list}");
        }
        assert_eq!(wanted(&[("if-unmodified-since", DATES[1])]), Wanted::Changed);
        for date in [DATES[0], DATES[2], "yesterday"] {
            assert_eq!(wanted(&[("if-unmodified-since", date)]), Wanted::Whole, "{date}");
        }
    }

    #[test]
    fn a_part_of_another_one_is_of_no_use() {
        let range = ("range", "bytes=0-1");
        for (condition, expected) in [
            (TAG, Wanted::Part(0..2)),
            ("\"x\"", Wanted::Whole),
            ("W/\"abc\"", Wanted::Whole),
            ("\"ä\"", Wanted::Whole),
            (DATES[0], Wanted::Part(0..2)),
            (DATES[1], Wanted::Whole),
            (DATES[2], Wanted::Whole),
        ] {
            assert_eq!(wanted(&[range, ("if-range", condition)]), expected, "{condition}");
        }
    }

    #[test]
    fn of_what_is_not_known_nothing_is_claimed() {
        let unknown = Version { tag: None, modified: None, size: None };
        for (header, expected) in [
            (("if-match", TAG), Wanted::Changed),
            (("if-match", "*"), Wanted::Whole),
            (("if-none-match", TAG), Wanted::Whole),
            (("if-none-match", "*"), Wanted::NotModified),
            (("if-modified-since", DATES[2]), Wanted::Whole),
            (("if-unmodified-since", DATES[1]), Wanted::Whole),
            (("range", "bytes=0-1"), Wanted::Whole),
        ] {
            assert_eq!(wanted_of(&[header], &unknown), expected, "{header:?}");
        }
    }
}
