//! Answering with an artifact that the storage holds.

use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;

use super::conditions::{Version, Wanted};
use super::ranges::{Multipart, content_range, unsatisfiable};
use super::resolve::Stored;
use super::{ARTIFACT_SIZE, Ask, empty, media_type, text};
use crate::app::App;
use crate::error::{Error, Result};
use crate::storage::{Reading, Storage};

/// Bodies up to this size go out in one write with their headers; larger ones are streamed.
const AT_ONCE: u64 = 256 * 1024;

/// Answers with an artifact, or with what the conditions and the range of the request leave of it.
///
/// # Errors
/// [`Error::NotFound`] if the storage does not have it.
pub(super) async fn respond(app: &App, stored: &Stored, name: &str, ask: &Ask<'_>) -> Result<Response> {
    let size = u64::try_from(stored.size).map_err(Error::internal)?;
    let tag = format!("\"{}\"", stored.sha256);
    let modified = SystemTime::from(stored.stored_at);
    let version = Version { tag: Some(&tag), modified: Some(modified), size: Some(size) };

    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(header::ETAG, HeaderValue::try_from(&tag).map_err(Error::internal)?);
    let date = HeaderValue::try_from(httpdate::fmt_http_date(modified)).map_err(Error::internal)?;
    headers.insert(header::LAST_MODIFIED, date);
    headers.insert(ARTIFACT_SIZE, HeaderValue::from(size));
    let wanted = Wanted::of(ask.headers, &version);
    if let Wanted::Part(_) | Wanted::Parts(_) | Wanted::Whole = wanted
        && let Some(redirect) = redirect(app, stored, name, ask).await?
    {
        return Ok(redirect);
    }
    let (status, range) = match wanted {
        Wanted::NotModified => return Ok(empty(StatusCode::NOT_MODIFIED, headers)),
        Wanted::Changed => return Ok(empty(StatusCode::PRECONDITION_FAILED, headers)),
        Wanted::Unsatisfiable => {
            headers.insert(header::CONTENT_RANGE, unsatisfiable(size)?);
            headers.insert(header::CONTENT_TYPE, media_type(name));
            return Ok(empty(StatusCode::RANGE_NOT_SATISFIABLE, headers));
        }
        Wanted::Part(range) => {
            headers.insert(header::CONTENT_RANGE, content_range(&range, size)?);
            (StatusCode::PARTIAL_CONTENT, range)
        }
        Wanted::Parts(parts) => {
            headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
            return several(app, stored, Multipart::new(parts, size, &media_type(name))?, headers).await;
        }
        Wanted::Whole => (StatusCode::OK, 0..size),
    };
    headers.insert(header::CONTENT_TYPE, media_type(name));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
    let mut response = empty(status, headers);
    if ask.head {
        return Ok(response);
    }
    let reading = read(&app.storage, stored, range.clone()).await?;
    *response.body_mut() = if range.end - range.start <= AT_ONCE {
        Body::from(reading.bytes().await?)
    } else {
        Body::from_stream(reading.body)
    };
    Ok(response)
}

/// Sends the client to the object store, if that is where the artifact lies and the operator wants it so. A client repeats
/// its range and its conditions there.
async fn redirect(app: &App, stored: &Stored, name: &str, ask: &Ask<'_>) -> Result<Option<Response>> {
    if !app.settings.redirect_to_object_storage || !app.storage.is_remote() {
        return Ok(None);
    }
    let method = if ask.head { Method::HEAD } else { Method::GET };
    let (last, media_type) = (name.rsplit('/').next().unwrap_or(name), media_type(name));
    let media_type = media_type.to_str().map_err(Error::internal)?;
    let Some(url) = app.storage.link(&stored.file, method, last, media_type).await? else { return Ok(None) };
    let mut response = text(StatusCode::FOUND);
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, HeaderValue::try_from(url.as_str()).map_err(Error::internal)?);
    headers.insert(ARTIFACT_SIZE, HeaderValue::from(stored.size));
    // Whoever has the URL may use it, for a while: a guard must be asked each time, and nobody keeps it for longer.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(Some(response))
}

/// Answers with several parts of an artifact.
async fn several(app: &App, stored: &Stored, parts: Multipart, mut headers: HeaderMap) -> Result<Response> {
    headers.insert(header::CONTENT_TYPE, parts.content_type()?);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(parts.length()));
    let mut response = empty(StatusCode::PARTIAL_CONTENT, headers);
    let (storage, stored) = (app.storage.clone(), Arc::new(stored.clone()));
    let body = parts.body(move |part| {
        let (storage, stored) = (storage.clone(), Arc::clone(&stored));
        async move { Ok(read(&storage, &stored, part).await?.body) }
    });
    *response.body_mut() = body.await?;
    Ok(response)
}

/// Bytes of an artifact, if it is as large in the storage as it should be.
async fn read(storage: &Storage, stored: &Stored, range: Range<u64>) -> Result<Reading> {
    let reading = storage.read(&stored.file, Some(range)).await?;
    if i64::try_from(reading.size).ok() != Some(stored.size) {
        let (file, actual, size) = (&stored.file, reading.size, stored.size);
        return Err(Error::internal(format!("{file} has {actual} bytes in the storage, not {size}")));
    }
    Ok(reading)
}
