//! A request and what comes back.

use std::fmt;

use axum::http::HeaderMap;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderName};
use bytes::{Bytes, BytesMut};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};

use crate::error::{Error, Result, Upstream, shown};

/// What is asked of a remote.
#[derive(Clone, Default)]
pub struct Request {
    /// The URL, absolute.
    pub url: String,
    /// Headers to send besides the remote's, and instead of those of the same name. They go to the host of
    /// [`url`](Self::url), whichever it is; after a redirect to another host the credentials among them are left out.
    pub headers: Vec<(String, String)>,
    /// Only these bytes. Whether the remote kept to it, [`Download::is_partial`] tells.
    pub range: Option<ByteRange>,
    /// Only the headers: the body is empty. (`HEAD`; a local file costs nothing to open and comes whole.)
    pub head: bool,
}

impl Request {
    /// Asks for everything at `url`.
    pub fn get(url: impl Into<String>) -> Self {
        Self { url: url.into(), ..Self::default() }
    }

    /// Asks for the headers at `url`.
    pub fn head(url: impl Into<String>) -> Self {
        Self { head: true, ..Self::get(url) }
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Only for these bytes.
    #[must_use]
    pub fn range(mut self, range: ByteRange) -> Self {
        self.range = Some(range);
        self
    }
}

/// Headers may hold credentials: their names are all that is shown; so may the URL.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("Request")
            .field("url", &shown(&self.url))
            .field("headers", &names)
            .field("range", &self.range)
            .finish()
    }
}

/// Some of a file's bytes, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    /// The first byte.
    pub first: u64,
    /// The last byte, which belongs to the range; `None` is the file's end.
    pub last: Option<u64>,
}

/// As in the `Range` header (RFC 9110, section 14.1.2).
impl fmt::Display for ByteRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bytes={}-", self.first)?;
        self.last.map_or(Ok(()), |last| write!(f, "{last}"))
    }
}

/// An answer that has begun: its headers are here, its body is on the way.
///
/// The bytes are as they came, whatever `Content-Encoding` says: digests are made of what a repository stores. A body that
/// ends early, stalls or breaks ends in an error; one that ends without has as many bytes as were announced.
pub struct Download {
    /// Where the bytes come from, after redirects. It may be signed: not for logs or errors.
    pub url: String,
    /// The status; always a success. Local files answer 200 or 206.
    pub status: u16,
    /// The headers of the answer. Local files have a `Content-Length`.
    pub headers: HeaderMap,
    /// The bytes.
    pub body: BoxStream<'static, Result<Bytes>>,
    /// What errors name.
    pub(super) asked: String,
}

impl Download {
    /// An answer to a request for `asked`, for downloaders that are not made of this module's.
    pub fn new(asked: &Request, headers: HeaderMap, body: BoxStream<'static, Result<Bytes>>) -> Self {
        Self { url: asked.url.clone(), status: 200, headers, body, asked: asked.url.clone() }
    }

    /// How many bytes were announced.
    pub fn content_length(&self) -> Option<u64> {
        self.text(&CONTENT_LENGTH)?.parse().ok()
    }

    /// The media type, with its parameters.
    pub fn content_type(&self) -> Option<&str> {
        self.text(&CONTENT_TYPE)
    }

    /// The entity tag, with its quotes.
    pub fn etag(&self) -> Option<&str> {
        self.text(&ETAG)
    }

    /// Whether the body is the range that was asked for; otherwise it is the whole file.
    pub fn is_partial(&self) -> bool {
        self.status == 206
    }

    /// The whole body, if it is no longer than `max` bytes.
    ///
    /// # Errors
    /// [`Upstream::Content`] if it is longer; what the body ends in.
    pub async fn bytes(mut self, max: usize) -> Result<Bytes> {
        let too_long = || Error::upstream(&self.asked, Upstream::Content(format!("more than {max} bytes")));
        if self.content_length().is_some_and(|length| length > max as u64) {
            return Err(too_long());
        }
        let Some(first) = self.body.try_next().await? else { return Ok(Bytes::new()) };
        let Some(second) = self.body.try_next().await? else {
            return if first.len() > max { Err(too_long()) } else { Ok(first) };
        };
        let mut whole = BytesMut::from(first);
        let mut next = Some(second);
        while let Some(chunk) = next {
            if whole.len() + chunk.len() > max {
                return Err(too_long());
            }
            whole.extend_from_slice(&chunk);
            next = self.body.try_next().await?;
        }
        Ok(whole.freeze())
    }

    /// The body as UTF-8 lines without their ends (`\n` or `\r\n`), each no longer than `max` bytes.
    ///
    /// # Errors
    /// The stream ends with [`Upstream::Content`] at a line that is longer, or that is not UTF-8.
    pub fn lines(self, max: usize) -> BoxStream<'static, Result<String>> {
        let Self { mut body, asked, .. } = self;
        let bad = move |what: String| Error::upstream(&asked, Upstream::Content(what));
        let line = move |mut bytes: BytesMut, number: u64| {
            if bytes.last() == Some(&b'\r') {
                bytes.truncate(bytes.len() - 1);
            }
            if bytes.len() > max {
                return Err(bad(format!("line {number} has more than {max} bytes")));
            }
            String::from_utf8(bytes.into()).map_err(|_| bad(format!("line {number} is not UTF-8")))
        };
        async_stream::try_stream! {
            let mut rest = BytesMut::new();
            let mut number = 1;
            while let Some(chunk) = body.try_next().await? {
                // What is left over holds no line end: only the new bytes need be searched.
                let mut from = rest.len();
                rest.extend_from_slice(&chunk);
                while let Some(at) = rest[from..].iter().position(|byte| *byte == b'\n') {
                    let mut whole = rest.split_to(from + at + 1);
                    whole.truncate(from + at);
                    yield line(whole, number)?;
                    number += 1;
                    from = 0;
                }
                // One more than `max`: the byte may be the `\r` of a line end.
                if rest.len() > max + 1 {
                    line(rest.split(), number)?;
                }
            }
            if !rest.is_empty() {
                yield line(rest, number)?;
            }
        }
        .boxed()
    }

    fn text(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download").field("url", &self.asked).field("status", &self.status).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    fn download(chunks: &[&'static str]) -> Download {
        let chunks: Vec<_> = chunks.iter().map(|chunk| Ok(Bytes::from_static(chunk.as_bytes()))).collect();
        Download::new(&Request::get("http://example.test/a"), HeaderMap::new(), stream::iter(chunks).boxed())
    }

    #[tokio::test]
    async fn a_body_is_read_whole_up_to_the_bound() {
        assert_eq!(download(&[]).bytes(0).await.unwrap(), "");
        assert_eq!(download(&["abc"]).bytes(3).await.unwrap(), "abc");
        assert_eq!(download(&["ab", "c", "d"]).bytes(4).await.unwrap(), "abcd");
        for chunks in [&["abcd"][..], &["ab", "c", "d"]] {
            let error = download(chunks).bytes(3).await.unwrap_err();
            assert_eq!(error.to_string(), "http://example.test/a: more than 3 bytes");
        }
    }

    #[tokio::test]
    async fn lines_come_whole_however_the_body_was_cut() {
        let lines = |chunks: &[&'static str]| download(chunks).lines(4).try_collect::<Vec<_>>();
        assert_eq!(lines(&["a\nbb\r", "\n", "\ncc", "cc\r\n"]).await.unwrap(), ["a", "bb", "", "cccc"]);
        assert_eq!(lines(&["a\nno e"]).await.unwrap(), ["a", "no e"]);
        assert_eq!(lines(&[]).await.unwrap(), [""; 0]);
        for long in [&["a\n12345\n"][..], &["a\n123", "4567"], &["a\n12345"]] {
            let error = lines(long).await.unwrap_err();
            assert_eq!(error.to_string(), "http://example.test/a: line 2 has more than 4 bytes");
        }
    }
}
