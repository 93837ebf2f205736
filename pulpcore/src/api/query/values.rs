//! The values of filters. Each parser names the filter in its error, with the words that Django's forms use.

use time::format_description::well_known::Rfc3339;
use time::{Date, OffsetDateTime, PrimitiveDateTime, Time, UtcOffset};
use uuid::Uuid;

use crate::error::{Error, Result};

/// The most values that one comma list may hold.
pub const MAX_LIST: usize = 10_000;

/// `true`, `false`, `1` or `0`, in any case.
///
/// # Errors
/// [`Error::Invalid`] for anything else. (Pulp ignores such a filter and answers with every row.)
pub fn boolean(filter: &str, text: &str) -> Result<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(Error::invalid(filter, "Must be a valid boolean.")),
    }
}

/// A whole number.
///
/// # Errors
/// [`Error::Invalid`]: "Enter a number."
pub fn integer(filter: &str, text: &str) -> Result<i64> {
    text.trim().parse().map_err(|_| Error::invalid(filter, "Enter a number."))
}

/// A point in time, as [`parse_datetime`] reads it.
///
/// # Errors
/// [`Error::Invalid`]: "Enter a valid date/time."
pub fn datetime(filter: &str, text: &str) -> Result<OffsetDateTime> {
    // A plus sign that was not escaped arrives as a space.
    let text = text.trim();
    let repaired = match text.rsplit_once(' ') {
        Some((left, right)) if left.contains(['T', 't']) => format!("{left}+{right}"),
        _ => text.to_owned(),
    };
    parse_datetime(&repaired).ok_or_else(|| Error::invalid(filter, "Enter a valid date/time."))
}

/// A UUID, in any of its usual spellings.
///
/// # Errors
/// [`Error::Invalid`]: "Enter a valid UUID."
pub fn uuid(filter: &str, text: &str) -> Result<Uuid> {
    Uuid::parse_str(text.trim()).map_err(|_| Error::invalid(filter, "Enter a valid UUID."))
}

/// One of a closed set of words.
///
/// # Errors
/// [`Error::Invalid`]: "Select a valid choice. …"
pub fn choice<'a>(filter: &str, text: &'a str, choices: &[&str]) -> Result<&'a str> {
    let text = text.trim();
    match choices.contains(&text) {
        true => Ok(text),
        false => {
            let message = format!("Select a valid choice. {text} is not one of the available choices.");
            Err(Error::invalid(filter, message))
        }
    }
}

/// A comma list, each item read by `item` (e.g. [`uuid()`]). An empty text is an empty list.
///
/// # Errors
/// The item's error, or [`Error::Invalid`] beyond [`MAX_LIST`] items.
pub fn list<'a, T>(filter: &str, text: &'a str, item: impl Fn(&str, &'a str) -> Result<T>) -> Result<Vec<T>> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    if text.bytes().filter(|byte| *byte == b',').count() >= MAX_LIST {
        return Err(Error::invalid(filter, format!("Ensure this list has no more than {MAX_LIST} items.")));
    }
    text.split(',').map(|part| item(filter, part.trim())).collect()
}

/// A comma list of texts: [`list`] without a rule for its items.
///
/// # Errors
/// [`Error::Invalid`] beyond [`MAX_LIST`] items.
pub fn strings(filter: &str, text: &str) -> Result<Vec<String>> {
    list(filter, text, |_, part| Ok(part.to_owned()))
}

/// The two ends of a `__range` filter.
///
/// # Errors
/// The item's error, or [`Error::Invalid`]: "Range query expects two values."
pub fn range<'a, T>(filter: &str, text: &'a str, item: impl Fn(&str, &'a str) -> Result<T>) -> Result<(T, T)> {
    match text.split_once(',') {
        Some((from, to)) if !to.contains(',') => Ok((item(filter, from.trim())?, item(filter, to.trim())?)),
        _ => Err(Error::invalid(filter, "Range query expects two values.")),
    }
}

/// Reads RFC 3339 and its relaxed relatives: a date alone (midnight), a space for the `T`, no seconds, no offset (UTC),
/// an offset without a colon or without minutes. The result is in UTC.
pub fn parse_datetime(text: &str) -> Option<OffsetDateTime> {
    // The longest form that is read: 2024-01-01T00:00:00.000000000+00:00.
    if text.len() > 40 || !text.is_ascii() {
        return None;
    }
    if let Ok(exact) = OffsetDateTime::parse(text, &Rfc3339) {
        return exact.checked_to_offset(UtcOffset::UTC);
    }
    let date = date(text.get(..10)?)?;
    let Some(rest) = text[10..].strip_prefix(['T', 't', ' ']) else {
        return text[10..].is_empty().then(|| date.midnight().assume_utc());
    };
    let (clock, offset) = match rest.find(['Z', 'z', '+', '-']) {
        Some(at) => (&rest[..at], offset(&rest[at..])?),
        None => (rest, UtcOffset::UTC),
    };
    PrimitiveDateTime::new(date, time(clock)?).assume_offset(offset).checked_to_offset(UtcOffset::UTC)
}

/// Reads a date: `YYYY-MM-DD`.
pub fn date(text: &str) -> Option<Date> {
    let mut parts = text.splitn(3, '-');
    let year: u16 = digits(parts.next()?, 4)?;
    let month: u8 = digits(parts.next()?, 2)?;
    Date::from_calendar_date(i32::from(year), month.try_into().ok()?, digits(parts.next()?, 2)?).ok()
}

fn time(text: &str) -> Option<Time> {
    let (whole, fraction) = text.split_once(['.', ',']).unwrap_or((text, "0"));
    let mut parts = whole.split(':');
    let (hour, minute) = (digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    let second = parts.next().map_or(Some(0), |second| digits(second, 2))?;
    if parts.next().is_some() || !(1..=9).contains(&fraction.len()) {
        return None;
    }
    let nanosecond = digits::<u32>(fraction, fraction.len())? * 10_u32.pow(9 - fraction.len() as u32);
    Time::from_hms_nano(hour, minute, second, nanosecond).ok()
}

fn offset(text: &str) -> Option<UtcOffset> {
    let (sign, rest) = match text.split_at(1) {
        ("Z" | "z", rest) => return rest.is_empty().then_some(UtcOffset::UTC),
        ("+", rest) => (1, rest),
        (_, rest) => (-1, rest),
    };
    let minutes = rest.get(2..)?;
    let hours: i8 = digits(rest.get(..2)?, 2)?;
    let minutes: i8 = match minutes.strip_prefix(':').unwrap_or(minutes) {
        "" => 0,
        minutes => digits(minutes, 2)?,
    };
    (hours < 24 && minutes < 60).then(|| UtcOffset::from_hms(sign * hours, sign * minutes, 0).ok())?
}

fn digits<T: std::str::FromStr>(text: &str, count: usize) -> Option<T> {
    (text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn scalars_are_read_or_explained() {
        assert!(boolean("f", "True").unwrap() && boolean("f", "1").unwrap() && !boolean("f", "false").unwrap());
        assert_eq!(boolean("f", "maybe").unwrap_err().to_string(), "f: Must be a valid boolean.");
        assert_eq!(integer("f", " -5 ").unwrap(), -5);
        assert_eq!(integer("f", "abc").unwrap_err().to_string(), "f: Enter a number.");
        assert_eq!(uuid("f", "x").unwrap_err().to_string(), "f: Enter a valid UUID.");
        assert_eq!(
            choice("state", "done", &["failed"]).unwrap_err().to_string(),
            "state: Select a valid choice. done is not one of the available choices."
        );
        assert_eq!(choice("state", "failed", &["failed"]).unwrap(), "failed");
    }

    #[test]
    fn times_are_read_in_every_usual_spelling() {
        for (text, expected) in [
            ("2024-02-29T12:30:15.25Z", datetime!(2024-02-29 12:30:15.25 UTC)),
            ("2024-02-29T12:30:15+02:00", datetime!(2024-02-29 10:30:15 UTC)),
            ("2024-02-29T12:30:15 02:00", datetime!(2024-02-29 10:30:15 UTC)),
            ("2024-02-29 12:30", datetime!(2024-02-29 12:30 UTC)),
            ("2024-02-29T12:30:15.123456", datetime!(2024-02-29 12:30:15.123456 UTC)),
            ("2024-02-29T12:30-0130", datetime!(2024-02-29 14:00 UTC)),
            ("2024-02-29T12:30-01", datetime!(2024-02-29 13:30 UTC)),
            ("2024-02-29", datetime!(2024-02-29 0:00 UTC)),
        ] {
            assert_eq!(super::datetime("f", text).unwrap(), expected, "{text}");
        }
        for text in [
            "",
            "yesterday",
            "2023-02-29",
            "2024-02-29T25:00",
            "2024-02-29T12",
            "2024-2-29",
            "2024-02-29T12:30+2",
            "2024-02-29T12:30:00.",
            "2024-02-29T12:30Zx",
            "2024-02-29T12:30+99:00",
            "２０24-02-29",
            "9999-12-31T23:59:59-23:00",
        ] {
            assert_eq!(super::datetime("f", text).unwrap_err().to_string(), "f: Enter a valid date/time.", "{text}");
        }
    }

    #[test]
    fn lists_and_ranges() {
        assert_eq!(strings("f", "a, b,c").unwrap(), ["a", "b", "c"]);
        assert_eq!(strings("f", "").unwrap(), Vec::<String>::new());
        assert_eq!(list("f", "1,x", integer).unwrap_err().to_string(), "f: Enter a number.");
        assert!(strings("f", &",".repeat(MAX_LIST)).is_err());
        assert_eq!(range("f", "1,2", integer).unwrap(), (1, 2));
        for text in ["1", "1,2,3", ""] {
            assert_eq!(range("f", text, integer).unwrap_err().to_string(), "f: Range query expects two values.");
        }
    }
}
