//! Conditional and partial requests (RFC 9110, sections 13 and 14): what a client wants of a file, given what it has.

use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::{HeaderMap, HeaderName, header};

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
    /// The client has it: 304.
    NotModified,
    /// The client wanted another one: 412.
    Changed,
    /// Bytes that there are not: 416.
    Unsatisfiable,
}

impl Wanted {
    /// Conditions first, then the range, in the order of RFC 9110, section 13.2.2.
    pub(super) fn of(headers: &HeaderMap, version: &Version<'_>) -> Self {
        let modified = version.modified.map(whole_seconds);
        let matches = |list: &str, weak: bool| {
            list.trim() == "*"
                || version.tag.is_some_and(|tag| {
                    list.split(',')
                        .map(str::trim)
                        .any(|one| one == tag || weak && one.strip_prefix("W/").is_some_and(|one| one == tag))
                })
        };
        match (text(headers, header::IF_MATCH), date(headers, header::IF_UNMODIFIED_SINCE)) {
            (Some(list), _) if !matches(list, false) => return Self::Changed,
            (None, Some(date)) if modified.is_some_and(|modified| modified > date) => return Self::Changed,
            _ => {}
        }
        match (text(headers, header::IF_NONE_MATCH), date(headers, header::IF_MODIFIED_SINCE)) {
            (Some(list), _) if matches(list, true) => return Self::NotModified,
            (None, Some(date)) if modified.is_some_and(|modified| modified <= date) => return Self::NotModified,
            _ => {}
        }
        let (Some(range), Some(size)) = (text(headers, header::RANGE), version.size) else { return Self::Whole };
        let same = match text(headers, header::IF_RANGE) {
            None => true,
            Some(tag) if tag.starts_with('"') => version.tag == Some(tag),
            Some(_) => modified.is_some() && date(headers, header::IF_RANGE) == modified,
        };
        if !same {
            return Self::Whole;
        }
        match range_of(range, size) {
            Some(range) => Self::Part(range),
            None => Self::Unsatisfiable,
        }
    }
}

/// Reads a `Range` header. Several ranges, other units and nonsense cannot be satisfied, as in Pulp (the standard would
/// also let them be ignored).
fn range_of(header: &str, size: u64) -> Option<Range<u64>> {
    let (first, last) = header.trim().strip_prefix("bytes=")?.split_once('-')?;
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok())?;
    let range = match (first.trim(), last.trim()) {
        ("", suffix) => size.saturating_sub(number(suffix)?)..size,
        (first, "") => number(first)?..size,
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if first > last {
                return None;
            }
            first..last.saturating_add(1).min(size)
        }
    };
    (range.start < range.end).then_some(range)
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

fn date(headers: &HeaderMap, name: HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(text(headers, name)?).ok()
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
        let headers: HeaderMap =
            headers.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect();
        let modified = UNIX_EPOCH + Duration::from_millis(1_000_000_500);
        Wanted::of(&headers, &Version { tag: Some(TAG), modified: Some(modified), size: Some(38) })
    }

    /// The second of `modified`, the one before and the one after.
    const DATES: [&str; 3] =
        ["Mon, 12 Jan 1970 13:46:40 GMT", "Mon, 12 Jan 1970 13:46:39 GMT", "Mon, 12 Jan 1970 13:46:41 GMT"];

    #[test]
    fn one_range_of_bytes_is_cut_off_at_the_end() {
        for (range, expected) in
            [("0-3", 0..4), ("5-", 5..38), ("-4", 34..38), ("-99", 0..38), ("1-99", 1..38), ("37-37", 37..38)]
        {
            assert_eq!(wanted(&[("range", &format!("bytes={range}"))]), Wanted::Part(expected), "{range}");
        }
    }

    #[test]
    fn other_ranges_cannot_be_satisfied() {
        for range in
            ["bytes=38-", "bytes=9-3", "bytes=0-1,3-4", "lines=0-1", "bytes=x-y", "bytes=-0", "bytes=+1-2", "-"]
        {
            assert_eq!(wanted(&[("range", range)]), Wanted::Unsatisfiable, "{range}");
        }
    }

    #[test]
    fn who_has_it_need_not_get_it() {
        for list in [TAG, "*", "\"x\", \"abc\"", "W/\"abc\""] {
            assert_eq!(wanted(&[("if-none-match", list)]), Wanted::NotModified, "{list}");
        }
        assert_eq!(wanted(&[("if-none-match", "\"x\""), ("if-modified-since", DATES[2])]), Wanted::Whole);
        assert_eq!(wanted(&[("if-modified-since", DATES[0])]), Wanted::NotModified);
        assert_eq!(wanted(&[("if-modified-since", DATES[1])]), Wanted::Whole);
        assert_eq!(wanted(&[("if-modified-since", "yesterday")]), Wanted::Whole);
    }

    #[test]
    fn who_wants_another_one_gets_none() {
        assert_eq!(wanted(&[("if-match", "W/\"abc\"")]), Wanted::Changed);
        assert_eq!(wanted(&[("if-match", TAG)]), Wanted::Whole);
        assert_eq!(wanted(&[("if-unmodified-since", DATES[1])]), Wanted::Changed);
        assert_eq!(wanted(&[("if-unmodified-since", DATES[0])]), Wanted::Whole);
    }

    #[test]
    fn a_part_of_another_one_is_of_no_use() {
        let range = ("range", "bytes=0-1");
        for (condition, expected) in [
            (TAG, Wanted::Part(0..2)),
            ("\"x\"", Wanted::Whole),
            ("W/\"abc\"", Wanted::Whole),
            (DATES[0], Wanted::Part(0..2)),
            (DATES[1], Wanted::Whole),
        ] {
            assert_eq!(wanted(&[range, ("if-range", condition)]), expected, "{condition}");
        }
    }
}
