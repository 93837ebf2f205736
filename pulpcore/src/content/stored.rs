//! Answering with an artifact that the storage holds.

use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use time::OffsetDateTime;

use super::conditions::{Version, Wanted};
use super::memory::{Digest, Memory};
use super::ranges::{Multipart, content_range, unsatisfiable};
use super::{ARTIFACT_SIZE, Ask, empty, media_type, text};
use crate::app::App;
use crate::error::{Error, Result};
use crate::storage::{Direct, Reading, Storage};

/// Bodies up to this size go out in one write with their headers; larger ones are streamed.
const AT_ONCE: u64 = 256 * 1024;

/// A file whose bytes are in the storage, with what every answer about it says, ready to be sent.
#[derive(Debug)]
pub(super) struct Stored {
    /// Its path in the storage.
    pub(super) file: Box<str>,
    /// What the file is called where it is served.
    name: Box<str>,
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
    /// So are these parts.
    Parts(Response, Multipart),
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
            name: path.rsplit('/').next().unwrap_or(path).into(),
            size,
            sha256: digest,
            modified,
            tag: HeaderValue::try_from(format!("\"{sha256}\"")).map_err(Error::internal)?,
            last_modified: HeaderValue::try_from(httpdate::fmt_http_date(modified)).map_err(Error::internal)?,
            length: HeaderValue::from(size),
            media_type: media_type(path),
        })
    }

    /// The same of what was found where an artifact may be missing.
    pub(super) fn of(
        file: Option<String>,
        size: Option<i64>,
        sha256: Option<String>,
        stored_at: Option<OffsetDateTime>,
        path: &str,
    ) -> Result<Option<Self>> {
        match (file, size, sha256, stored_at) {
            (Some(file), Some(size), Some(sha256), Some(stored_at)) => {
                Self::new(file, size, &sha256, stored_at, path).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// What a request wants of it.
    fn wanted(&self, ask: &Ask<'_>) -> Result<Wanted> {
        if ask.is_plain() {
            return Ok(Wanted::Whole);
        }
        // A header that was made of a digest is text.
        let tag = self.tag.to_str().map_err(Error::internal)?;
        Ok(Wanted::of(ask.headers(), &Version { tag: Some(tag), modified: Some(self.modified), size: Some(self.size) }))
    }

    /// The answer, as far as it needs no bytes.
    fn head(&self, wanted: Wanted, ask: &Ask<'_>) -> Result<Head> {
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
            Wanted::Parts(parts) => {
                let parts = Multipart::new(parts, self.size, &self.media_type)?;
                headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
                headers.insert(header::CONTENT_TYPE, parts.content_type()?);
                headers.insert(header::CONTENT_LENGTH, HeaderValue::from(parts.length()));
                return Ok(Head::Parts(empty(StatusCode::PARTIAL_CONTENT, headers), parts));
            }
            Wanted::Whole => (StatusCode::OK, 0..self.size, self.length.clone()),
        };
        headers.insert(header::CONTENT_TYPE, self.media_type.clone());
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        headers.insert(header::CONTENT_LENGTH, length);
        let response = empty(status, headers);
        Ok(if ask.is_head() { Head::Done(response) } else { Head::Begun(response, range) })
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
    let wanted = stored.wanted(ask)?;
    if let Wanted::Part(_) | Wanted::Parts(_) | Wanted::Whole = wanted
        && let Some(redirect) = redirect(app, stored, ask).await?
    {
        return Ok(redirect);
    }
    let (mut response, range) = match stored.head(wanted, ask)? {
        Head::Begun(response, range) => (response, range),
        Head::Parts(response, parts) => return several(app, stored, parts, response).await,
        Head::Done(response) => return Ok(response),
    };
    let is_whole = range == (0..stored.size);
    if let Some(bytes) = memory.get(&stored.sha256) {
        *response.body_mut() = Body::from(part(&bytes, &range));
        return Ok(response);
    }
    let reading = read(&app.storage, &stored.file, stored.size, range.clone(), ask.direct).await?;
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

/// Sends the client to the object store, if that is where the artifact lies and the operator wants it so. A client repeats
/// its range and its conditions there.
async fn redirect(app: &App, stored: &Stored, ask: &Ask<'_>) -> Result<Option<Response>> {
    if !redirects(app) {
        return Ok(None);
    }
    let method = if ask.is_head() { Method::HEAD } else { Method::GET };
    let media_type = stored.media_type.to_str().map_err(Error::internal)?;
    let Some(url) = app.storage.link(&stored.file, method, &stored.name, media_type).await? else { return Ok(None) };
    let mut response = text(StatusCode::FOUND);
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, HeaderValue::try_from(url.as_str()).map_err(Error::internal)?);
    headers.insert(ARTIFACT_SIZE, stored.length.clone());
    // Whoever has the URL may use it, for a while: a guard must be asked each time, and nobody keeps it for longer.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(Some(response))
}

/// Whether clients get what is stored from the object store itself.
pub(super) fn redirects(app: &App) -> bool {
    app.settings.redirect_to_object_storage && app.storage.is_remote()
}

/// The same if it needs neither waiting nor the storage.
pub(super) fn respond_at_once(memory: &Memory, stored: &Stored, ask: &Ask<'_>) -> Option<Response> {
    match stored.head(stored.wanted(ask).ok()?, ask).ok()? {
        Head::Done(response) => Some(response),
        Head::Parts(..) => None,
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

/// Answers with several parts of an artifact.
async fn several(app: &App, stored: &Stored, parts: Multipart, mut response: Response) -> Result<Response> {
    let (storage, file, size) = (app.storage.clone(), Arc::<str>::from(&*stored.file), stored.size);
    let body = parts.body(move |part| {
        let (storage, file) = (storage.clone(), Arc::clone(&file));
        async move { Ok(read(&storage, &file, size, part, None).await?.body) }
    });
    *response.body_mut() = body.await?;
    Ok(response)
}

/// Bytes of an artifact, if it is as large in the storage as it should be.
async fn read(storage: &Storage, file: &str, size: u64, range: Range<u64>, direct: Option<&Direct>) -> Result<Reading> {
    let reading = storage.read_for(file, Some(range), direct).await?;
    if reading.size != size {
        return Err(Error::internal(format!("{file} has {} bytes in the storage, not {size}", reading.size)));
    }
    Ok(reading)
}
