//! Parts of a file (RFC 9110, section 14): which bytes a `Range` header means, and how several parts are sent at once.
//!
//! What such a request can cost is bounded: parts are sorted, those that overlap or touch become one, so no byte goes out
//! twice; a header that names too many, or many whose frames would outweigh the file, is answered with the whole file, as
//! the standard lets a server do with any `Range`.

use std::future::Future;
use std::ops::Range;

use axum::body::Body;
use axum::http::HeaderValue;
use bytes::Bytes;
use futures::TryStreamExt;
use futures::stream::BoxStream;

use crate::error::{Error, Result};

/// How many ranges one header may name. Clients of zchunk files ask for up to 256 at once.
const MOST: usize = 256;

/// How many parts are always sent as parts, however small the file is.
const FEW: usize = 8;

/// About what the frame of a part weighs, in bytes.
const FRAME: u64 = 160;

/// What a `Range` header asks for, of a file of a known size.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Nothing that this server reads: the header counts as absent.
    Nothing,
    /// Only bytes that there are not.
    Unsatisfiable,
    /// These parts: at least one, none empty, in ascending order, with bytes between them.
    Parts(Vec<Range<u64>>),
}

impl Asked {
    /// Reads a header. Other units than bytes and malformed headers are ignored (sections 14.2 and 14.1.1).
    pub(super) fn of(header: &str, size: u64) -> Self {
        let Some(specs) = specs(header) else { return Self::Nothing };
        let mut satisfiable = false;
        let mut parts = Vec::with_capacity(specs.len());
        for spec in specs {
            let (part, holds) = match spec {
                Spec::From(first, last) => (first..last.saturating_add(1).min(size), first < size),
                Spec::Last(length) => (size.saturating_sub(length)..size, length > 0),
            };
            satisfiable |= holds;
            if holds && !part.is_empty() {
                parts.push(part);
            }
        }
        let parts = united(parts);
        let bytes: u64 = parts.iter().map(|part| part.end - part.start).sum();
        match parts.len() {
            0 if !satisfiable => Self::Unsatisfiable,
            // The last bytes of an empty file: that can be satisfied, and no `Content-Range` can say so.
            0 => Self::Nothing,
            count if count > FEW && bytes + count as u64 * FRAME >= size => Self::Nothing,
            _ => Self::Parts(parts),
        }
    }
}

/// One range of a header.
enum Spec {
    /// From one byte to another, which is included.
    From(u64, u64),
    /// So many bytes from the end.
    Last(u64),
}

/// The ranges of a header; `None` if it is malformed, of another unit, or too long.
fn specs(header: &str) -> Option<Vec<Spec>> {
    let (unit, set) = header.trim().split_once('=')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let mut specs = Vec::new();
    // Empty elements of a list are skipped (section 5.6.1.2).
    for spec in set.split(',').map(|spec| spec.trim_matches([' ', '\t'])).filter(|spec| !spec.is_empty()) {
        if specs.len() == MOST {
            return None;
        }
        specs.push(match spec.split_once('-')? {
            ("", length) => Spec::Last(number(length)?),
            (first, "") => Spec::From(number(first)?, u64::MAX),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                if first > last {
                    return None;
                }
                Spec::From(first, last)
            }
        });
    }
    (!specs.is_empty()).then_some(specs)
}

/// A position; one that is too large to count lies beyond every file.
fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

/// The same bytes in ascending order, each once (section 15.3.7.2 lets parts be joined and reordered).
fn united(mut parts: Vec<Range<u64>>) -> Vec<Range<u64>> {
    parts.sort_unstable_by_key(|part| part.start);
    let mut united: Vec<Range<u64>> = Vec::with_capacity(parts.len());
    for part in parts {
        match united.last_mut() {
            Some(last) if part.start <= last.end => last.end = last.end.max(part.end),
            _ => united.push(part),
        }
    }
    united
}

/// Several parts of a file in one body: `multipart/byteranges`.
#[derive(Debug)]
pub(super) struct Multipart {
    /// The parts, each with the frame that goes before it.
    parts: Vec<(Bytes, Range<u64>)>,
    end: Bytes,
    boundary: String,
}

impl Multipart {
    /// Of a file of this size and media type.
    pub(super) fn new(parts: Vec<Range<u64>>, size: u64, media_type: &HeaderValue) -> Result<Self> {
        // Nobody can foresee it, so that no file can hold it.
        let boundary = format!("{:032x}", rand::random::<u128>());
        let media_type = media_type.to_str().map_err(Error::internal)?;
        let frame = |(nth, part): (usize, Range<u64>)| {
            let before = if nth == 0 { "" } else { "\r\n" };
            let range = in_words(&part, size);
            let frame = format!("{before}--{boundary}\r\nContent-Type: {media_type}\r\nContent-Range: {range}\r\n\r\n");
            (Bytes::from(frame), part)
        };
        let parts = parts.into_iter().enumerate().map(frame).collect();
        Ok(Self { parts, end: Bytes::from(format!("\r\n--{boundary}--\r\n")), boundary })
    }

    /// `Content-Type` of the whole.
    pub(super) fn content_type(&self) -> Result<HeaderValue> {
        let type_ = format!("multipart/byteranges; boundary={}", self.boundary);
        HeaderValue::try_from(type_).map_err(Error::internal)
    }

    /// How many bytes the whole has.
    pub(super) fn length(&self) -> u64 {
        let parts = self.parts.iter().map(|(frame, part)| frame.len() as u64 + part.end - part.start);
        parts.sum::<u64>() + self.end.len() as u64
    }

    /// The whole, with the parts as `read` opens them: one at a time, the first before this returns.
    ///
    /// # Errors
    /// What opening the first part fails with. Later ones break the body off.
    pub(super) async fn body<F, R>(self, read: F) -> Result<Body>
    where
        F: Fn(Range<u64>) -> R + Send + 'static,
        R: Future<Output = Result<BoxStream<'static, Result<Bytes>>>> + Send,
    {
        let Some((_, first)) = self.parts.first() else { return Err(Error::internal("a multipart of no parts")) };
        let mut opened = Some(read(first.clone()).await?);
        let whole: BoxStream<'static, Result<Bytes>> = Box::pin(async_stream::try_stream! {
            for (frame, part) in self.parts {
                yield frame;
                let mut blocks = match opened.take() {
                    Some(blocks) => blocks,
                    None => read(part).await?,
                };
                while let Some(block) = blocks.try_next().await? {
                    yield block;
                }
            }
            yield self.end;
        });
        Ok(Body::from_stream(whole))
    }
}

/// `Content-Range` of a part, which is not empty.
pub(super) fn content_range(part: &Range<u64>, size: u64) -> Result<HeaderValue> {
    HeaderValue::try_from(in_words(part, size)).map_err(Error::internal)
}

/// `Content-Range` of no part.
pub(super) fn unsatisfiable(size: u64) -> Result<HeaderValue> {
    HeaderValue::try_from(format!("bytes */{size}")).map_err(Error::internal)
}

fn in_words(part: &Range<u64>, size: u64) -> String {
    format!("bytes {}-{}/{size}", part.start, part.end.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use futures::{StreamExt, stream};

    use super::*;

    /// Parts from one byte up to another.
    fn parts(parts: &[(u64, u64)]) -> Asked {
        Asked::Parts(parts.iter().map(|(from, to)| *from..*to).collect())
    }

    #[test]
    fn one_range_is_cut_off_at_the_end() {
        for (range, expected) in [
            ("0-3", (0, 4)),
            ("5-", (5, 38)),
            ("-4", (34, 38)),
            ("-99", (0, 38)),
            ("1-99", (1, 38)),
            ("37-37", (37, 38)),
            ("00-03", (0, 4)),
            ("1-99999999999999999999999", (1, 38)),
            ("-99999999999999999999999", (0, 38)),
        ] {
            assert_eq!(Asked::of(&format!("bytes={range}"), 38), parts(&[expected]), "{range}");
        }
    }

    #[test]
    fn several_are_sorted_and_those_that_overlap_or_touch_become_one() {
        for (ranges, expected) in [
            ("0-1,3-4", parts(&[(0, 2), (3, 5)])),
            ("3-4, 0-1", parts(&[(0, 2), (3, 5)])),
            ("0-1,2-4", parts(&[(0, 5)])),
            ("0-9,5-20,8-8", parts(&[(0, 21)])),
            ("-1,0-0", parts(&[(0, 1), (37, 38)])),
            ("0-0,99-,-0", parts(&[(0, 1)])),
            (",,0-0 ,\t2-2,", parts(&[(0, 1), (2, 3)])),
            ("0-,0-,0-,0-", parts(&[(0, 38)])),
        ] {
            assert_eq!(Asked::of(&format!("bytes={ranges}"), 38), expected, "{ranges}");
        }
    }

    #[test]
    fn what_lies_beyond_the_end_cannot_be_had() {
        for range in ["bytes=38-", "bytes=-0", "bytes=38-40,99-", "BYTES=99999999999999999999999-"] {
            assert_eq!(Asked::of(range, 38), Asked::Unsatisfiable, "{range}");
        }
        assert_eq!(Asked::of("bytes=0-", 0), Asked::Unsatisfiable);
        assert_eq!(Asked::of("bytes=0-0,-5", 0), Asked::Nothing);
    }

    #[test]
    fn other_units_and_nonsense_are_ignored() {
        for header in [
            "",
            "-",
            "=",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes=-",
            "bytes 0-1",
            "bytes =0-1",
            "lines=0-1",
            "bytes=x-y",
            "bytes=9-3",
            "bytes=+1-2",
            "bytes=1-2-3",
            "bytes=0-1;2-3",
            "bytes=0-1,x",
            "bytes=0 - 1",
            "bytes=--1",
            "bytes=1",
            "bytes=0x1-0x2",
        ] {
            assert_eq!(Asked::of(header, 38), Asked::Nothing, "{header}");
        }
    }

    #[test]
    fn too_many_ranges_and_tiny_ones_of_a_small_file_are_the_whole() {
        let every_other = |count: u64| {
            let ranges: Vec<_> = (0..count).map(|nth| format!("{0}-{0}", nth * 2)).collect();
            format!("bytes={}", ranges.join(","))
        };
        let Asked::Parts(parts) = Asked::of(&every_other(256), 1 << 20) else { panic!("256 are fine") };
        assert_eq!(parts.len(), 256);
        assert_eq!(Asked::of(&every_other(257), 1 << 20), Asked::Nothing);
        assert_eq!(Asked::of(&every_other(9), 38), Asked::Nothing);
        assert!(matches!(Asked::of(&every_other(8), 38), Asked::Parts(_)));
    }

    #[tokio::test]
    async fn several_parts_are_framed_and_their_length_is_known() {
        let text = "alpha beta";
        let parts = Multipart::new(vec![0..2, 9..10], 10, &HeaderValue::from_static("text/plain")).unwrap();
        let (boundary, length) = (parts.boundary.clone(), parts.length());
        assert_eq!(parts.content_type().unwrap(), format!("multipart/byteranges; boundary={boundary}"));
        let read = move |part: Range<u64>| async move {
            let bytes = Bytes::from_static(&text.as_bytes()[part.start as usize..part.end as usize]);
            Ok(stream::iter([Ok(bytes)]).boxed())
        };
        let body = axum::body::to_bytes(parts.body(read).await.unwrap(), 1024).await.unwrap();
        let expected = format!(
            "--{boundary}\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/10\r\n\r\nal\r\n\
             --{boundary}\r\nContent-Type: text/plain\r\nContent-Range: bytes 9-9/10\r\n\r\na\r\n--{boundary}--\r\n"
        );
        assert_eq!((str::from_utf8(&body).unwrap(), body.len() as u64), (&*expected, length));
    }

    #[tokio::test]
    async fn what_is_not_there_is_known_before_anything_is_said() {
        let parts = Multipart::new(vec![0..2, 9..10], 10, &HeaderValue::from_static("text/plain")).unwrap();
        let outcome = parts.body(|_| async { Err(Error::NotFound("It is gone.".to_owned())) }).await;
        assert!(matches!(outcome, Err(Error::NotFound(_))));
    }
}
