//! The files that a [`FixtureServer`](super::FixtureServer) offers: what is sent of them, and where their bytes come from.

use std::ops::Range;
use std::sync::{LazyLock, OnceLock};
use std::time::SystemTime;

use aws_lc_rs::digest;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;

/// A file on offer, with what its headers say.
#[derive(Debug)]
pub(super) struct File {
    pub(super) content: Content,
    modified: HeaderValue,
    sha256: OnceLock<String>,
    tag: HeaderValue,
}

impl File {
    pub(super) fn new(content: Content) -> Self {
        let tag = match &content {
            Content::Memory(bytes) => {
                format!("\"{}\"", hex::encode(&digest::digest(&digest::SHA256, bytes).as_ref()[..16]))
            }
            Content::Generated { seed, size } => format!("\"{seed:x}-{size:x}\""),
        };
        let ascii = |text: String| HeaderValue::try_from(text).expect("hex digits and dates are header values");
        let modified = ascii(httpdate::fmt_http_date(SystemTime::now()));
        Self { content, modified, sha256: OnceLock::new(), tag: ascii(tag) }
    }

    pub(super) fn sha256(&self) -> &str {
        self.sha256.get_or_init(|| {
            let mut hash = digest::Context::new(&digest::SHA256);
            self.content.chunks(0..self.content.size()).for_each(|chunk| hash.update(&chunk));
            hex::encode(hash.finish())
        })
    }
}

/// Which part of a file a request is answered with.
pub(super) enum Choice {
    Whole,
    Part(Range<u64>),
    NotModified,
    Unsatisfiable,
}

impl Choice {
    /// Conditions first, then the range, as RFC 9110 §13.2.2 orders them.
    pub(super) fn of(file: &File, headers: &HeaderMap) -> Self {
        let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let unchanged = match (text(header::IF_NONE_MATCH), text(header::IF_MODIFIED_SINCE)) {
            (Some(tags), _) => {
                tags == "*" || tags.split(',').any(|tag| tag.trim().trim_start_matches("W/") == file.tag)
            }
            // What we sent is what an honest client sends back.
            (None, Some(date)) => date == file.modified,
            (None, None) => false,
        };
        if unchanged {
            return Self::NotModified;
        }
        let fresh = text(header::IF_RANGE).is_none_or(|tag| tag == file.tag || tag == file.modified);
        match text(header::RANGE).filter(|_| fresh) {
            Some(range) => Self::range(range, file.content.size()),
            None => Self::Whole,
        }
    }

    /// Reads a `Range` header. Several ranges, other units and nonsense are ignored, as RFC 9110 §14.2 permits.
    fn range(header: &str, size: u64) -> Self {
        let Some((first, last)) = header.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
            return Self::Whole;
        };
        let range = match (first.parse::<u64>(), last.parse::<u64>()) {
            (Ok(first), Ok(last)) if first <= last => first..last.saturating_add(1).min(size),
            (Ok(first), Err(_)) if last.is_empty() => first..size,
            (Err(_), Ok(suffix)) if first.is_empty() => size.saturating_sub(suffix)..size,
            _ => return Self::Whole,
        };
        if range.is_empty() { Self::Unsatisfiable } else { Self::Part(range) }
    }

    pub(super) fn respond(self, file: &File, body: impl FnOnce(Range<u64>) -> Body) -> Response {
        let size = file.content.size();
        let (status, range, of) = match self {
            Self::Whole => (StatusCode::OK, 0..size, None),
            Self::Part(range) => {
                let of = format!("bytes {}-{}/{size}", range.start, range.end - 1);
                (StatusCode::PARTIAL_CONTENT, range, Some(of))
            }
            Self::NotModified => (StatusCode::NOT_MODIFIED, 0..0, None),
            Self::Unsatisfiable => (StatusCode::RANGE_NOT_SATISFIABLE, 0..0, Some(format!("bytes */{size}"))),
        };
        let length = range.end - range.start;
        let mut response = if status.is_success() { Response::new(body(range)) } else { Response::new(Body::empty()) };
        *response.status_mut() = status;
        let headers = response.headers_mut();
        if status != StatusCode::NOT_MODIFIED {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        if let Some(of) = of {
            headers.insert(header::CONTENT_RANGE, HeaderValue::try_from(of).expect("digits are a header value"));
        }
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        headers.insert(header::ETAG, file.tag.clone());
        headers.insert(header::LAST_MODIFIED, file.modified.clone());
        response
    }
}

/// Where a file's bytes come from.
#[derive(Debug, Clone)]
pub(super) enum Content {
    Memory(Bytes),
    Generated { seed: u64, size: u64 },
}

/// The size of the pieces in which generated content is made. Each is the same noise behind its own sixteen bytes, which
/// hold the file's seed and the block's number: as fast as copying, and no two blocks are alike.
const BLOCK: u64 = 64 * 1024;

static NOISE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    // SplitMix64 (Steele, Lea, Flood 2014): small, and good enough not to compress.
    let mut state = 0_u64;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    (0..BLOCK / 8).flat_map(|_| next().to_le_bytes()).collect()
});

impl Content {
    pub(super) fn generated(path: &str, size: u64) -> Self {
        let hash = digest::digest(&digest::SHA256, path.as_bytes());
        let seed = hash.as_ref()[..8].iter().fold(0, |seed, byte| seed << 8 | u64::from(*byte));
        Self::Generated { seed, size }
    }

    pub(super) fn size(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::Generated { size, .. } => *size,
        }
    }

    /// The bytes of `range`, which must lie within the content, piece by piece.
    pub(super) fn chunks(&self, range: Range<u64>) -> Chunks {
        Chunks { content: self.clone(), range }
    }
}

/// The pieces of a range of a [`Content`].
#[derive(Debug, Clone)]
pub(super) struct Chunks {
    content: Content,
    range: Range<u64>,
}

impl Iterator for Chunks {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let Range { start, end } = self.range;
        if start >= end {
            return None;
        }
        match &self.content {
            Content::Memory(bytes) => {
                self.range.start = end;
                Some(bytes.slice(start as usize..end as usize))
            }
            Content::Generated { seed, .. } => {
                let block = start / BLOCK;
                let (from, to) = ((start % BLOCK) as usize, (end - block * BLOCK).min(BLOCK) as usize);
                let mut bytes = NOISE[..to].to_vec();
                let own = [seed.to_le_bytes(), block.to_le_bytes()].concat();
                bytes.iter_mut().zip(own).for_each(|(byte, own)| *byte = own);
                self.range.start = block * BLOCK + to as u64;
                Some(Bytes::from(bytes).slice(from..))
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let Range { start, end } = self.range;
        let pieces = match &self.content {
            _ if start >= end => 0,
            Content::Memory(_) => 1,
            Content::Generated { .. } => (end.div_ceil(BLOCK) - start / BLOCK) as usize,
        };
        (pieces, Some(pieces))
    }
}

impl ExactSizeIterator for Chunks {}
