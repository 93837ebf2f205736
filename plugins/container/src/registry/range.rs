//! Ranges of uploads, which are not those of RFC 9110: `0-1023`, without a unit and without a total.
//!
//! Distribution specification 1.1, "Pushing a blob in chunks". Some clients write them as RFC 9110 has them; that is
//! understood, too.

use std::fmt;

use axum::http::{HeaderMap, header};

/// Where a chunk stands in its blob: its first and its last byte, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkRange {
    /// The first byte.
    pub first: u64,
    /// The last byte.
    pub last: u64,
}

/// A `Content-Range` that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("The header Content-Range of a chunk is '<first>-<last>', the positions of its first and its last byte.")]
pub struct BadRange;

impl ChunkRange {
    /// What the headers of a request say; none if they say nothing.
    ///
    /// ```
    /// use axum::http::{HeaderMap, HeaderValue, header};
    /// use pulp_container::registry::range::ChunkRange;
    ///
    /// let headers = HeaderMap::from_iter([(header::CONTENT_RANGE, HeaderValue::from_static("0-9"))]);
    /// let range = ChunkRange::of(&headers)?.expect("the header is there");
    /// assert_eq!((range.first, range.len()), (0, 10));
    /// # Ok::<(), pulp_container::registry::range::BadRange>(())
    /// ```
    ///
    /// # Errors
    /// [`BadRange`] if the header cannot be understood.
    pub fn of(headers: &HeaderMap) -> Result<Option<Self>, BadRange> {
        let Some(value) = headers.get(header::CONTENT_RANGE) else { return Ok(None) };
        value.to_str().ok().and_then(parse).map(Some).ok_or(BadRange)
    }

    /// How many bytes that is.
    #[expect(clippy::len_without_is_empty, reason = "a range has one byte at least")]
    pub fn len(self) -> u64 {
        self.last - self.first + 1
    }
}

fn parse(text: &str) -> Option<ChunkRange> {
    let text = text.trim();
    let text = text.strip_prefix("bytes ").or_else(|| text.strip_prefix("bytes=")).unwrap_or(text);
    let text = text.split_once('/').map_or(text, |(range, _)| range);
    let (first, last) = text.split_once('-')?;
    let range = ChunkRange { first: number(first)?, last: number(last)? };
    // The greatest number has no successor to be the length of.
    (range.first <= range.last && range.last < u64::MAX).then_some(range)
}

fn number(text: &str) -> Option<u64> {
    // `parse` alone would take a sign.
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// How much of an upload is there, as the header `Range` says it. Of nothing it says what of one byte, as everybody does.
#[derive(Clone, Copy, Debug)]
pub struct Received(pub u64);

impl fmt::Display for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0-{}", self.0.saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Option<(u64, u64)>, BadRange> {
        let headers = HeaderMap::from_iter([(header::CONTENT_RANGE, text.parse().unwrap())]);
        ChunkRange::of(&headers).map(|range| range.map(|range| (range.first, range.len())))
    }

    #[test]
    fn a_chunk_says_where_it_begins_and_ends() {
        assert_eq!(ChunkRange::of(&HeaderMap::new()), Ok(None));
        for (text, range) in [("0-0", (0, 1)), ("10-19", (10, 10)), ("bytes 0-9/10", (0, 10)), ("bytes=5-9", (5, 5))] {
            assert_eq!(of(text), Ok(Some(range)), "{text}");
        }
    }

    #[test]
    fn other_ranges_are_refused() {
        for text in ["", "-", "1", "1-", "-1", "2-1", "a-b", "+1-2", "0-18446744073709551615", "0-99999999999999999999"]
        {
            assert_eq!(of(text), Err(BadRange), "{text}");
        }
    }

    #[test]
    fn what_was_received_is_named_by_its_last_byte() {
        assert_eq!([0, 1, 10].map(|size| Received(size).to_string()), ["0-0", "0-0", "0-9"]);
    }
}
