//! Content that only a remote has: fetched, verified and kept while it is served.
//!
//! Whoever asks for the same file at the same moment shares one download ([`flight`]). It goes to a temporary file, and
//! each client follows that file at a pace of its own ([`flights`]): a slow one holds up nobody, one that comes late reads
//! what is there, and a thousand cost no more memory than their blocks.
//!
//! The bytes go to the clients as they come, except for the last 64 KiB of each answer, which wait until everything is
//! verified (and kept). So a client never gets a wrong file, or a part of one, to its end: the answer breaks off, and the
//! connection (HTTP/2: the stream) with it. What fits into 64 KiB is verified before anything is said. As long as nothing
//! was said, the next remote is asked. That makes it safe to announce a length where Pulp sends chunks: it is announced
//! when the remote artifact or the remote itself says it.
//!
//! - A remote artifact that turned out wrong breaks its answer off, and is left alone for five minutes, as in Pulp. If none
//!   other is left, or none can be reached or has the file, that is a 404, as in Pulp.
//! - A download that is being kept goes on when all its clients have left, unless too many do that already. One that is not
//!   kept ends with the last of them.
//! - `on_demand = "stream"`, and remotes whose policy is `streamed`, never keep anything, nor does a process that found out
//!   that it may not write ([`writing`]). Where there is no room for a temporary file either, each client has a download of
//!   its own ([`alone`]).
//! - Conditions are answered, and so is HEAD, from what was promised, without asking the remote. A part of a file waits for
//!   the whole to be verified, as far as its last 64 KiB are concerned.

mod alone;
mod flight;
mod flights;
mod sources;
mod tap;
mod writing;

use std::io;
use std::ops::Range;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream;
use tokio::sync::Semaphore;
use uuid::Uuid;

use self::flight::Flight;
pub(super) use self::flight::{Cargo, Purpose};
pub(super) use self::flights::Told;
use self::flights::{Beginning, Flights};
pub(super) use self::sources::Promised;
use self::sources::Sources;
use self::writing::Writing;
use super::conditions::{Version, Wanted};
use super::memory::Memory;
use super::ranges::{content_range, unsatisfiable};
use super::stored;
use super::{ARTIFACT_SIZE, Ask, empty, media_type};
use crate::app::App;
use crate::error::{Error, Result, Upstream};
use crate::settings;

/// How many downloads may go on without a client at a time.
const LEFT_ALONE: usize = 32;

/// Serves what only remotes have.
pub(super) struct OnDemand(Arc<Shared>);

/// What all downloads share.
struct Shared {
    app: App,
    memory: Arc<Memory>,
    sources: Sources,
    flights: Arc<Flights>,
    writing: Writing,
    left_alone: Semaphore,
}

/// Why something could not be served. Of several reasons the greatest counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Failure {
    /// It is not there.
    Absent,
    /// It cannot be had.
    Unreachable,
    /// It did not come in time.
    Late,
    /// It is not what was promised.
    Wrong,
    /// There is no room for the temporary file that others could read as well.
    NoRoom,
}

impl OnDemand {
    pub(super) fn new(app: App, memory: Arc<Memory>) -> Self {
        Self(Arc::new(Shared {
            memory,
            sources: Sources::new(app.clone()),
            app,
            flights: Arc::default(),
            writing: Writing::default(),
            left_alone: Semaphore::new(LEFT_ALONE),
        }))
    }

    /// How large a file is, if its remote says so: it is asked for, and not taken.
    pub(super) async fn size(&self, promised: &Promised) -> Result<Option<u64>, Failure> {
        let download = self.0.ask(promised).await?;
        self.0.agreed(promised, download.content_length()).await
    }

    /// Serves a content artifact from the first of its remotes that has it. `None` if there is none that may be asked.
    pub(super) async fn respond(&self, unit: Uuid, name: &str, ask: &Ask<'_>) -> Result<Option<Response>> {
        if self.0.app.settings.on_demand == settings::OnDemand::Off {
            return Ok(None);
        }
        let mut promises = self.0.sources.of(unit).await?;
        if promises.is_empty() {
            return Ok(None);
        }
        promises.retain(|promised| !promised.is_cooling);
        let Some(first) = promises.first() else { return Ok(Some(not_now())) };
        if let Some(answer) = answer_unasked(first, name, ask)? {
            return Ok(Some(answer));
        }
        Ok(Some(match self.serve(Cargo { purpose: Purpose::Known(unit), promises }, name, ask).await? {
            Ok(response) => response,
            Err(Failure::Wrong) => broken_off(),
            Err(_) => not_now(),
        }))
    }

    /// Serves what a download brings: the one that is under way, or else a new one. Returns when the first bytes may go
    /// out.
    pub(super) async fn serve(&self, cargo: Cargo, name: &str, ask: &Ask<'_>) -> Result<Result<Response, Failure>> {
        let begin = |landing| Flight::begin(Arc::clone(&self.0), cargo.clone(), landing);
        let mut follower = self.0.flights.join(cargo.purpose.key(), begin);
        let told = match follower.begun().await? {
            Beginning::Begun(told) => told,
            Beginning::Stored(stored) => {
                return stored::respond(&self.0.app, &self.0.memory, &stored, ask).await.map(Ok);
            }
            Beginning::Failed(Failure::NoRoom) => return alone::respond(&self.0, &cargo, name, ask).await,
            Beginning::Failed(failure) => return Ok(Err(failure)),
        };
        let (mut response, range) = match head(&told, name, ask)? {
            Head::Begun(response, range) => (response, range),
            Head::Done(response) => return Ok(Ok(response)),
        };
        let (from, to) = (range.as_ref().map_or(0, |range| range.start), range.map(|range| range.end));
        if let Err(failure) = follower.reach(from, to).await? {
            return Ok(Err(failure));
        }
        *response.body_mut() = Body::from_stream(follower.body(from, to));
        Ok(Ok(response))
    }
}

impl Failure {
    /// What an answer that did not begin comes down to.
    pub(super) fn of(error: &Error) -> Self {
        match error {
            Error::Upstream { problem: Upstream::Status(404 | 410), .. } => Self::Absent,
            Error::Upstream { problem: Upstream::Timeout(_), .. } => Self::Late,
            _ => Self::Unreachable,
        }
    }
}

/// What needs no remote: the answer to HEAD, and to a client that has the file.
fn answer_unasked(promised: &Promised, name: &str, ask: &Ask<'_>) -> Result<Option<Response>> {
    Ok(match head(&Told::of(promised, promised.expected.size), name, ask)? {
        Head::Begun(response, _) => ask.is_head().then_some(response),
        Head::Done(response) => Some(response),
    })
}

/// How an answer begins.
pub(super) enum Head {
    /// Its body is still to come: these bytes of the file, or all of them if nobody knows how many there are.
    Begun(Response, Option<Range<u64>>),
    /// It needs no body.
    Done(Response),
}

/// The answer to a request, as far as it needs no bytes.
pub(super) fn head(told: &Told, name: &str, ask: &Ask<'_>) -> Result<Head> {
    let (tag, size) = (told.tag.as_deref(), told.size);
    let mut headers = HeaderMap::with_capacity(6);
    if let Some(tag) = tag {
        headers.insert(header::ETAG, HeaderValue::try_from(tag).map_err(Error::internal)?);
    }
    if let Some(size) = size {
        headers.insert(ARTIFACT_SIZE, HeaderValue::from(size));
    }
    let wanted = Wanted::of(ask.headers(), &Version { tag, modified: None, size });
    let (status, range) = match (wanted, size) {
        (Wanted::NotModified, _) => return Ok(Head::Done(empty(StatusCode::NOT_MODIFIED, headers))),
        (Wanted::Changed, _) => return Ok(Head::Done(empty(StatusCode::PRECONDITION_FAILED, headers))),
        (Wanted::Unsatisfiable, size) => {
            headers.insert(header::CONTENT_RANGE, unsatisfiable(size.unwrap_or_default())?);
            return Ok(Head::Done(empty(StatusCode::RANGE_NOT_SATISFIABLE, headers)));
        }
        (Wanted::Part(range), Some(size)) => {
            headers.insert(header::CONTENT_RANGE, content_range(&range, size)?);
            (StatusCode::PARTIAL_CONTENT, Some(range))
        }
        (_, size) => (StatusCode::OK, size.map(|size| 0..size)),
    };
    headers.insert(header::CONTENT_TYPE, media_type(name));
    if let Some(range) = &range {
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
    }
    Ok(Head::Begun(empty(status, headers), range))
}

/// A 404 that may be none in a moment, so that nobody should remember it.
pub(super) fn not_now() -> Response {
    let text = "404: Not Found (no remote delivers this file at the moment)";
    (StatusCode::NOT_FOUND, [(header::CACHE_CONTROL, "no-store")], text).into_response()
}

/// An answer that breaks off at once: the client must not take anything for the file, nor its absence for a fact.
pub(super) fn broken_off() -> Response {
    Response::new(Body::from_stream(stream::iter([Err::<Bytes, _>(reset())])))
}

fn reset() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}
