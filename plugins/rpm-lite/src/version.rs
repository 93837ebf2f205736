//! How rpm orders versions: epoch, version and release, each by its segments.
//!
//! The rules are those of rpm's `rpmvercmp`: runs of digits and runs of letters are compared one after the other, what is
//! between them only separates, digits are newer than letters, `~` sorts before everything, even the end (`1.0~rc1` is
//! older than `1.0`), and `^` right after the end (`1.0^git1` is newer than `1.0` and older than `1.0.1`).
//!
//! ```
//! use std::cmp::Ordering;
//! use pulp_rpm_lite::version::{compare, sort_key};
//!
//! assert_eq!(compare("1.10", "1.9"), Ordering::Greater);
//! assert_eq!(compare("1.0~rc1", "1.0"), Ordering::Less);
//! assert!(sort_key("1", "0.1", "1") > sort_key("0", "9", "1"));
//! ```

use std::cmp::Ordering;

/// What one segment is; the order of the variants is the order of versions that differ here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Segment<'a> {
    Tilde,
    End,
    Caret,
    Letters(&'a [u8]),
    Number(Number<'a>),
}

/// Digits without leading zeros: more of them are more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Number<'a>(&'a [u8]);

impl Ord for Number<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.cmp(other.0))
    }
}

impl PartialOrd for Number<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The segments of one part, ending with [`Segment::End`] for ever.
struct Segments<'a>(&'a [u8]);

impl<'a> Segments<'a> {
    fn next(&mut self) -> Segment<'a> {
        let separates = |byte: &u8| !byte.is_ascii_alphanumeric() && !matches!(byte, b'~' | b'^');
        let begin = self.0.iter().position(|byte| !separates(byte)).unwrap_or(self.0.len());
        let rest = &self.0[begin..];
        let (length, segment) = match rest.first() {
            None => (0, Segment::End),
            Some(b'~') => (1, Segment::Tilde),
            Some(b'^') => (1, Segment::Caret),
            Some(byte) if byte.is_ascii_digit() => {
                let digits = run(rest, u8::is_ascii_digit);
                let zeros = run(digits, |byte| *byte == b'0').len();
                (digits.len(), Segment::Number(Number(&digits[zeros..])))
            }
            Some(_) => {
                let letters = run(rest, u8::is_ascii_alphabetic);
                (letters.len(), Segment::Letters(letters))
            }
        };
        self.0 = &rest[length..];
        segment
    }
}

fn run(bytes: &[u8], is: impl Fn(&u8) -> bool) -> &[u8] {
    &bytes[..bytes.iter().position(|byte| !is(byte)).unwrap_or(bytes.len())]
}

/// Compares two versions, or two releases.
pub fn compare(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (Segments(left.as_bytes()), Segments(right.as_bytes()));
    loop {
        let (one, other) = (left.next(), right.next());
        match one.cmp(&other) {
            Ordering::Equal if one == Segment::End => return Ordering::Equal,
            Ordering::Equal => {}
            different => return different,
        }
    }
}

/// Compares two packages of one name, each by its epoch (none is `0`), version and release.
pub fn compare_all(left: (&str, &str, &str), right: (&str, &str, &str)) -> Ordering {
    compare(epoch(left.0), epoch(right.0)).then_with(|| compare(left.1, right.1)).then_with(|| compare(left.2, right.2))
}

/// Bytes that are ordered as the versions are, so that a database can do it.
pub fn sort_key(epoch_text: &str, version: &str, release: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(version.len() + release.len() + 16);
    for part in [epoch(epoch_text), version, release] {
        let mut segments = Segments(part.as_bytes());
        loop {
            match segments.next() {
                Segment::Tilde => key.push(1),
                Segment::End => break key.push(2),
                Segment::Caret => key.push(3),
                Segment::Letters(letters) => {
                    key.push(4);
                    key.extend_from_slice(letters);
                    key.push(0);
                }
                Segment::Number(Number(digits)) => {
                    key.push(5);
                    // The length goes first: 1 byte, or the sign that 4 follow.
                    match u8::try_from(digits.len()) {
                        Ok(length) if length < u8::MAX => key.push(length),
                        _ => {
                            key.push(u8::MAX);
                            key.extend_from_slice(&u32::try_from(digits.len()).unwrap_or(u32::MAX).to_be_bytes());
                        }
                    }
                    key.extend_from_slice(digits);
                }
            }
        }
    }
    key
}

fn epoch(text: &str) -> &str {
    if text.is_empty() { "0" } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each is older than the next. From rpm's own tests (`tests/rpmvercmp.at`) and from packages in use.
    const RISING: [&str; 23] = [
        "1.0~alpha",
        "1.0~alpha1",
        "1.0~beta",
        "1.0~rc1~git123",
        "1.0~rc1",
        "1.0",
        "1.0^",
        "1.0^git1~pre",
        "1.0^git1",
        "1.0^20160101",
        "1.0^20160102",
        "1.0a",
        "1.0b",
        "1.0.1",
        "1.0.1.a",
        "1.0.1.9",
        "1.0.1.10",
        "2.0",
        "2.0.1",
        "2.0.1a",
        "5.5p1",
        "5.5p10",
        "20101121",
    ];

    #[test]
    fn versions_rise() {
        for (index, left) in RISING.iter().enumerate() {
            for (other, right) in RISING.iter().enumerate() {
                assert_eq!(compare(left, right), index.cmp(&other), "{left} {right}");
            }
        }
    }

    #[test]
    fn what_only_separates_and_leading_zeros_mean_nothing() {
        for (left, right) in
            [("1.0", "1_0"), ("1..0", "1.0"), ("1.0.", "1.0"), ("1.05", "1.5"), ("fc4", "fc.4"), ("", "")]
        {
            assert_eq!(compare(left, right), Ordering::Equal, "{left} {right}");
            assert_eq!(sort_key("0", left, "1"), sort_key("", right, "1"), "{left} {right}");
        }
        assert_eq!(compare("2a", "2.0"), Ordering::Less);
        assert_eq!(compare("xyz.4", "8"), Ordering::Less);
        assert_eq!(compare("1.0é", "1.0"), Ordering::Equal);
    }

    #[test]
    fn an_epoch_counts_first_and_a_release_last() {
        assert_eq!(compare_all(("1", "1", "1"), ("", "9", "9")), Ordering::Greater);
        assert_eq!(compare_all(("10", "1", "1"), ("9", "1", "1")), Ordering::Greater);
        assert_eq!(compare_all(("0", "1", "1.el9"), ("", "1", "1.el9_2")), Ordering::Less);
    }

    #[test]
    fn keys_are_ordered_as_versions_are() {
        const PIECES: [&str; 16] =
            ["~", "^", ".", "-", "a", "b", "ab", "A", "0", "00", "1", "9", "10", "99", "_", "184467440737095516160"];
        let mut state: u64 = 88_172_645_463_325_252;
        let mut next = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let mut text = || -> String { (0..next() % 6).map(|_| PIECES[(next() % 16) as usize]).collect() };
        for _ in 0..20_000 {
            let (left, right) = ((text(), text()), (text(), text()));
            let order = compare_all(("0", &left.0, &left.1), ("0", &right.0, &right.1));
            assert_eq!(
                sort_key("0", &left.0, &left.1).cmp(&sort_key("0", &right.0, &right.1)),
                order,
                "{left:?} {right:?}"
            );
        }
        let long = "1".repeat(300);
        assert!(sort_key("0", &long, "1") > sort_key("0", "9", "1"));
    }
}
