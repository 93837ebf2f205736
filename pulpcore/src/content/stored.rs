//! Answering with an artifact that the storage holds.

use std::ops::Range;
use std::time::SystemTime;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use time::OffsetDateTime;

use super::conditions::{Version, Wanted};
use super::memory::{Digest, Memory};
use super::{ARTIFACT_SIZE, Ask, empty, media_type};
use crate::app::App;
use crate::error::{Error, Result};

/// Bodies up to this size go out in one write with their headers; larger ones are streamed.
const AT_ONCE: u64 = 256 * 1024;

/// A file whose bytes are in the storage, with what every answer about it says, ready to be sent.
#[derive(Debug)]
pub(super) struct Stored {
    /// Its path in the storage.
    pub(super) file: Box<str>,
    pub(super) size: u64,
    pub(super) sha256: Digest,
    pub(super) modified: SystemTime,
    tag: HeaderValue,
    last_modified: HeaderValue,
    length: HeaderValue,
    media_type: HeaderValue,
}

/// How an answer begins.
enum Head {
    /// Its body is still to come: these bytes of the file.
    Begun(Response, Range<u64>),
    /// It needs no body.
    Done(Response),
}

impl Stored {
    /// An artifact's row as the file at a path.
    ///
    /// # Errors
    /// [`Error::Internal`] if the row makes no sense.
    pub(super) fn new(file: String, size: i64, sha256: &str, stored_at: OffsetDateTime, path: &str) -> Result<Self> {
        let mut digest = Digest::default();
        hex::decode_to_slice(sha256, &mut digest).map_err(Error::internal)?;
        let size = u64::try_from(size).map_err(Error::internal)?;
        let modified = SystemTime::from(stored_at);
        Ok(Self {
            file: file.into(),
            size,
            sha256: digest,
            modified,
            tag: HeaderValue::try_from(format!("\"{sha256}\"")).map_err(Error::internal)?,
            last_modified: HeaderValue::try_from(httpdate::fmt_http_date(modified)).map_err(Error::internal)?,
            length: HeaderValue::from(size),
            media_type: media_type(path),
        })
    }

    /// The answer, as far as it needs no bytes.
    fn head(&self, ask: &Ask<'_>) -> Result<Head> {
        // A header that was made of a digest is text.
        let tag = self.tag.to_str().map_err(Error::internal)?;
        let wanted = match ask.is_plain() {
            true => Wanted::Whole,
            false => {
                let version = Version { tag: Some(tag), modified: Some(self.modified), size: Some(self.size) };
                Wanted::of(ask.headers, &version)
            }
        };
        // Two more are added around every answer.
        let mut headers = HeaderMap::with_capacity(12);
        headers.insert(header::ETAG, self.tag.clone());
        headers.insert(header::LAST_MODIFIED, self.last_modified.clone());
        headers.insert(ARTIFACT_SIZE, self.length.clone());
        let (status, range, length) = match wanted {
            Wanted::NotModified => return Ok(Head::Done(empty(StatusCode::NOT_MODIFIED, headers))),
            Wanted::Changed => return Ok(Head::Done(empty(StatusCode::PRECONDITION_FAILED, headers))),
            Wanted::Unsatisfiable => {
                headers.insert(header::CONTENT_RANGE, unsatisfiable(self.size)?);
                headers.insert(header::CONTENT_TYPE, self.media_type.clone());
                return Ok(Head::Done(empty(StatusCode::RANGE_NOT_SATISFIABLE, headers)));
            }
            Wanted::Part(range) => {
                headers.insert(header::CONTENT_RANGE, content_range(&range, self.size)?);
                let length = HeaderValue::from(range.end - range.start);
                (StatusCode::PARTIAL_CONTENT, range, length)
            }
            Wanted::Whole => (StatusCode::OK, 0..self.size, self.length.clone()),
        };
        headers.insert(header::CONTENT_TYPE, self.media_type.clone());
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        headers.insert(header::CONTENT_LENGTH, length);
        let response = empty(status, headers);
        Ok(if ask.head { Head::Done(response) } else { Head::Begun(response, range) })
    }

    /// Some file with these bytes.
    #[cfg(test)]
    pub(super) fn sample(bytes: &[u8], path: &str) -> Self {
        let sha256 = hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes));
        let file = crate::storage::Storage::artifact_path(&sha256);
        Self::new(file, bytes.len() as i64, &sha256, OffsetDateTime::UNIX_EPOCH, path).unwrap()
    }
}

/// Answers with an artifact, or with what the conditions and the range of the request leave of it.
///
/// # Errors
/// [`Error::NotFound`] if the storage does not have it.
pub(super) async fn respond(app: &App, memory: &Memory, stored: &Stored, ask: &Ask<'_>) -> Result<Response> {
    let (mut response, range) = match stored.head(ask)? {
        Head::Begun(response, range) => (response, range),
        Head::Done(response) => return Ok(response),
    };
    let is_whole = range == (0..stored.size);
    if let Some(bytes) = memory.get(&stored.sha256) {
        *response.body_mut() = Body::from(part(&bytes, &range));
        return Ok(response);
    }
    let reading = app.storage.read(&stored.file, Some(range.clone())).await?;
    if reading.size != stored.size {
        let (file, size) = (&stored.file, stored.size);
        return Err(Error::internal(format!("{file} has {} bytes in the storage, not {size}", reading.size)));
    }
    *response.body_mut() = if range.end - range.start <= AT_ONCE {
        let bytes = reading.bytes().await?;
        if is_whole && memory.takes(stored.size) {
            memory.put(&stored.sha256, &bytes)?;
        }
        Body::from(bytes)
    } else {
        Body::from_stream(reading.body)
    };
    Ok(response)
}

/// The same if it needs neither waiting nor the storage.
pub(super) fn respond_at_once(memory: &Memory, stored: &Stored, ask: &Ask<'_>) -> Option<Response> {
    match stored.head(ask).ok()? {
        Head::Done(response) => Some(response),
        Head::Begun(mut response, range) => {
            *response.body_mut() = Body::from(part(&memory.get(&stored.sha256)?, &range));
            Some(response)
        }
    }
}

/// These bytes of an artifact in memory.
fn part(bytes: &Bytes, range: &Range<u64>) -> Bytes {
    // Lossless: what is in memory is small, and a range lies within it.
    let within = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
    bytes.slice(within(range.start)..within(range.end))
}

/// `Content-Range` of a part.
pub(super) fn content_range(range: &Range<u64>, size: u64) -> Result<HeaderValue> {
    HeaderValue::try_from(format!("bytes {}-{}/{size}", range.start, range.end - 1)).map_err(Error::internal)
}

/// `Content-Range` of no part.
pub(super) fn unsatisfiable(size: u64) -> Result<HeaderValue> {
    HeaderValue::try_from(format!("bytes */{size}")).map_err(Error::internal)
}
