//! Epoch, version and release as one text that databases sort as rpm does.
//!
//! rpm compares versions piece by piece (`rpmvercmp`): runs of digits as numbers, runs of letters as text, a number is
//! newer than letters, what goes on is newer than what ends, `~` is older than the end and `^` newer than it but older than
//! anything else; whatever else stands between the pieces means nothing. The key spells each piece so that plain comparison
//! says the same, in hexadecimal, so that every collation agrees.

use std::fmt::Write;

const TILDE: u8 = 1;
const END: u8 = 2;
const CARET: u8 = 3;
const LETTERS: u8 = 4;
const DIGITS: u8 = 5;

/// The key of an epoch, a version and a release. A missing epoch is 0.
pub fn sort_key(epoch: &str, version: &str, release: &str) -> String {
    let mut key = Vec::with_capacity(version.len() + release.len() + 8);
    let epoch = if epoch.is_empty() { "0" } else { epoch };
    for part in [epoch, version, release] {
        put(&mut key, part);
    }
    let mut text = String::with_capacity(key.len() * 2);
    for byte in key {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn put(key: &mut Vec<u8>, part: &str) {
    let mut rest = part.as_bytes();
    while let [first, after @ ..] = rest {
        match first {
            b'~' => key.push(TILDE),
            b'^' => key.push(CARET),
            b'0'..=b'9' => {
                let end = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
                let zeros = rest[..end].iter().take_while(|digit| **digit == b'0').count();
                let number = &rest[zeros..end];
                key.push(DIGITS);
                // The longer number is the larger one.
                let length = u16::try_from(number.len()).unwrap_or(u16::MAX);
                key.extend(length.to_be_bytes());
                key.extend(number);
                rest = &rest[end..];
                continue;
            }
            letter if letter.is_ascii_alphabetic() => {
                let end = rest.iter().position(|byte| !byte.is_ascii_alphabetic()).unwrap_or(rest.len());
                key.push(LETTERS);
                key.extend(&rest[..end]);
                key.push(0);
                rest = &rest[end..];
                continue;
            }
            _ => {}
        }
        rest = after;
    }
    key.push(END);
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use super::*;

    #[test]
    fn keys_are_ordered_as_rpm_orders_versions() {
        // From rpm's own tests (tests/rpmvercmp.at).
        for (one, other, order) in [
            ("1.0", "1.0", Ordering::Equal),
            ("1.0", "2.0", Ordering::Less),
            ("2.0.1", "2.0", Ordering::Greater),
            ("2.0.1a", "2.0.1", Ordering::Greater),
            ("5.5p1", "5.5p10", Ordering::Less),
            ("10xyz", "10.1xyz", Ordering::Less),
            ("xyz10", "xyz10.1", Ordering::Less),
            ("xyz.4", "8", Ordering::Less),
            ("5.5p2", "5.6p1", Ordering::Less),
            ("5.6p1", "6.5p1", Ordering::Less),
            ("6.0.rc1", "6.0", Ordering::Greater),
            ("10b2", "10a1", Ordering::Greater),
            ("1.0aa", "1.0a", Ordering::Greater),
            ("10.0001", "10.1", Ordering::Equal),
            ("10.0001", "10.0039", Ordering::Less),
            ("4.999.9", "5.0", Ordering::Less),
            ("20101121", "20101122", Ordering::Less),
            ("2_0", "2.0", Ordering::Equal),
            ("a+", "a_", Ordering::Equal),
            ("+", "_", Ordering::Equal),
            ("1.0~rc1", "1.0", Ordering::Less),
            ("1.0~rc1", "1.0~rc2", Ordering::Less),
            ("1.0~rc1~git123", "1.0~rc1", Ordering::Less),
            ("1.0^", "1.0", Ordering::Greater),
            ("1.0^git1", "1.0", Ordering::Greater),
            ("1.0^git1", "1.0^git2", Ordering::Less),
            ("1.0^git1", "1.01", Ordering::Less),
            ("1.0^20160101", "1.0.1", Ordering::Less),
            ("1.0^20160102", "1.0^20160101^git1", Ordering::Greater),
            ("1.0~rc1^git1", "1.0~rc1", Ordering::Greater),
            ("1.0^git1~pre", "1.0^git1", Ordering::Less),
            ("1.0^", "1.0.", Ordering::Greater),
        ] {
            assert_eq!(sort_key("0", one, "1").cmp(&sort_key("", other, "1")), order, "{one} {other}");
            assert_eq!(sort_key("0", other, "1").cmp(&sort_key("0", one, "1")), order.reverse(), "{other} {one}");
        }
        assert!(sort_key("1", "1", "1") > sort_key("0", "99", "1"));
        assert!(sort_key("10", "1", "1") > sort_key("9", "99", "1"));
        assert!(sort_key("0", "1", "2.el9") > sort_key("0", "1", "2"));
    }
}
