//! Blobs coming in: distribution specification 1.1, "Pushing blobs".
//!
//! A blob comes with one request, or in chunks: each is kept as an artifact before it is acknowledged, so that neither a
//! lost connection nor a crash takes what was acknowledged, and any process can go on. Most clients send one chunk and
//! close the session with its digest: then the chunk is the blob, and nothing is written twice.

mod finish;
mod mount;
mod session;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::Stream;
use pulpcore::error::{Error, Result};
use pulpcore::plugin::LiveCx;
use pulpcore::storage::ReceiveError;
use uuid::Uuid;

use self::session::Session;
use super::digest::Digest;
use super::errors::{Answer, Code, Failure};
use super::place::Place;
use super::range::{ChunkRange, Received};
use super::scope::Action;
use super::{CONTENT_DIGEST, header_of};

const UPLOAD_ID: HeaderName = HeaderName::from_static("docker-upload-uuid");

/// `POST`: a session, or the blob itself, or one of another repository.
pub(super) async fn begin(mut cx: LiveCx) -> Answer {
    let (place, repository, _) = Place::to_push(&cx).await?;
    if let Some(algorithm) = cx.query("digest-algorithm").filter(|known| !matches!(*known, "sha256" | "sha512")) {
        let message = format!("Digests of the algorithm '{algorithm}' are not supported: use sha256 or sha512.");
        return Err(Failure::new(Code::DigestInvalid, message));
    }
    if let Some(digest) = cx.query("mount") {
        let digest: Digest = digest.parse()?;
        if mount::mount(&cx, &repository, &digest).await? {
            return created(&place.name, &digest);
        }
    } else if let Some(digest) = cx.query("digest") {
        let digest: Digest = digest.parse()?;
        let body = body(&mut cx)?;
        finish::whole(&cx.app, repository.id, &digest, body, None).await?;
        return created(&place.name, &digest);
    }
    let session = Session::open(&cx.app, repository.id).await?;
    session.draw(StatusCode::ACCEPTED, &place.name)
}

/// `GET`: how much of a blob is there.
pub(super) async fn status(cx: LiveCx) -> Answer {
    let (place, session) = session(&cx).await?;
    session.draw(StatusCode::NO_CONTENT, &place.name)
}

/// `PATCH`: the next chunk.
pub(super) async fn append(mut cx: LiveCx) -> Answer {
    let (place, session) = session(&cx).await?;
    let size = next_chunk(&cx, &session, &place)?;
    let body = body(&mut cx)?;
    let session = match session.append(&cx.app, body, size).await? {
        Ok(session) => session,
        Err(now) => return Err(out_of_order(&now, &place)),
    };
    session.draw(StatusCode::ACCEPTED, &place.name)
}

/// `PUT`: the last chunk, if there is one more, and the digest of the whole.
pub(super) async fn close(mut cx: LiveCx) -> Answer {
    let digest: Digest = cx.query("digest").unwrap_or_default().parse()?;
    let (place, session) = session(&cx).await?;
    let size = next_chunk(&cx, &session, &place)?;
    let body = body(&mut cx)?;
    finish::session(&cx.app, session, &digest, body, size).await?;
    created(&place.name, &digest)
}

/// `DELETE`: the end of a session without a blob.
pub(super) async fn cancel(cx: LiveCx) -> Answer {
    let (_, session) = session(&cx).await?;
    session.cancel(&cx.app).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The session that a request names, and where it belongs.
async fn session(cx: &LiveCx) -> Answer<(Place, Session)> {
    let (place, repository, _) = Place::to_change(cx, Action::Push).await?;
    let id = Uuid::parse_str(cx.param("session")).ok();
    let session = match id {
        Some(id) => Session::find(&cx.app, id, repository.id).await?,
        None => None,
    };
    Ok((place, session.ok_or_else(unknown)?))
}

fn unknown() -> Failure {
    Failure::new(Code::BlobUploadUnknown, "There is no such upload, or not any more.")
}

/// How long the chunk of a request says that it is. It begins where the session stands.
fn next_chunk(cx: &LiveCx, session: &Session, place: &Place) -> Answer<Option<u64>> {
    let Some(range) = ChunkRange::of(&cx.parts.headers)? else { return Ok(None) };
    if range.first == session.size() { Ok(Some(range.len())) } else { Err(out_of_order(session, place)) }
}

fn out_of_order(session: &Session, place: &Place) -> Failure {
    let message = format!("The next chunk begins with byte {}.", session.size());
    let refused = Failure::new(Code::BlobUploadInvalid, message);
    let headers = session.headers(&place.name).unwrap_or_default();
    headers.into_iter().fold(refused, |refused, (name, value)| refused.with_header(name, value))
}

/// The body of a request, within the bound for files.
fn body(cx: &mut LiveCx) -> Result<impl Stream<Item = Result<Bytes>> + Send + Unpin + use<>> {
    let most = cx.app.settings.max_upload_size;
    cx.body(most)
}

/// The answer to whoever pushed a blob.
fn created(name: &str, digest: &Digest) -> Answer {
    let mut response = StatusCode::CREATED.into_response();
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, header_of(format!("/v2/{name}/blobs/{digest}"))?);
    headers.insert(CONTENT_DIGEST, header_of(digest)?);
    Ok(response)
}

/// A body that was not received.
fn refused(error: ReceiveError) -> Failure {
    match error {
        ReceiveError::Digest { expected, actual, .. } => {
            Failure::new(Code::DigestInvalid, format!("The digest of the blob is {actual}, not {expected}."))
        }
        ReceiveError::Size { expected, actual } => {
            Failure::new(Code::SizeInvalid, format!("The chunk has {actual} bytes, not {expected}."))
        }
        ReceiveError::Failed(Error::Malformed(said)) => {
            Failure::new(Code::BlobUploadInvalid, said).with_status(StatusCode::BAD_REQUEST)
        }
        ReceiveError::Failed(error) => error.into(),
    }
}

impl Session {
    fn headers(&self, name: &str) -> Answer<Vec<(HeaderName, HeaderValue)>> {
        Ok(vec![
            (header::LOCATION, header_of(format!("/v2/{name}/blobs/uploads/{}", self.id()))?),
            (header::RANGE, header_of(Received(self.size()))?),
            (UPLOAD_ID, header_of(self.id())?),
        ])
    }

    fn draw(&self, status: StatusCode, name: &str) -> Answer {
        let mut response: Response = status.into_response();
        response.headers_mut().extend(self.headers(name)?);
        Ok(response)
    }
}
