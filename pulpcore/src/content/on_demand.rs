//! Content that only a remote has: fetched, verified and kept while it is served.
//!
//! The body goes to the client as it comes, except for its last piece, which waits until everything is verified (and
//! kept). So a client never gets a wrong file to its end: the answer breaks off, and the connection with it. What fits
//! one piece is verified before anything is said, and another remote can still be asked. That makes it safe to announce
//! a length where Pulp sends chunks: it is announced when the remote artifact or the remote itself says it.
//!
//! - A remote artifact that turned out wrong is left alone for five minutes, and so is everybody who asks for nothing
//!   else: their connections break off as the first one's did, as in Pulp. A remote that cannot be reached, or that does
//!   not have the file, is a 404, as in Pulp.
//! - A download that is being kept goes on when its client hangs up, unless too many do that already. One that is not
//!   ends with its client.
//! - While a file is being kept, further requests for it are streamed without being kept.
//! - `on_demand = "stream"`, and remotes whose policy is `streamed`, never keep anything; the former writes nothing.
//! - HEAD answers from what is known, without asking the remote.

mod sources;
mod tap;

use std::collections::HashSet;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};
use tokio::sync::{Semaphore, mpsc};
use tracing::Instrument;
use uuid::Uuid;

use self::sources::{Promised, Sources};
use self::tap::{Piece, Tap};
use super::conditions::{Version, Wanted};
use super::ranges::{content_range, unsatisfiable};
use super::{ARTIFACT_SIZE, Ask, empty, media_type};
use crate::app::App;
use crate::artifacts;
use crate::error::{Error, Result};
use crate::models::{artifact, content_artifact};
use crate::settings;
use crate::storage::{Expected, Hasher, ReceiveError, Received};
use crate::sync::download::{Request, fetch};

/// How many downloads may go on without a client at a time.
const LEFT_ALONE: usize = 32;

/// How many pieces may be on their way to the client.
const PIECES: usize = 4;

/// Serves what only remotes have.
pub(super) struct OnDemand {
    app: App,
    sources: Sources,
    /// The content artifacts that are being kept.
    keeping: Arc<Mutex<HashSet<Uuid>>>,
    left_alone: Arc<Semaphore>,
}

/// Why a remote artifact could not be served.
enum Failure {
    /// It is not what was promised.
    Wrong,
    /// It could not be had.
    Absent,
}

impl OnDemand {
    pub(super) fn new(app: App) -> Self {
        let sources = Sources::new(app.clone());
        Self { app, sources, keeping: Arc::default(), left_alone: Arc::new(Semaphore::new(LEFT_ALONE)) }
    }

    /// Serves a content artifact from the first of its remotes that has it. `None` if none has, or none may be asked.
    pub(super) async fn respond(&self, unit: Uuid, name: &str, ask: &Ask<'_>) -> Result<Option<Response>> {
        if self.app.settings.on_demand == settings::OnDemand::Off {
            return Ok(None);
        }
        let promises = self.sources.of(unit).await?;
        let mut any_wrong = false;
        for promised in &promises {
            if promised.is_cooling {
                any_wrong = true;
                continue;
            }
            if let Some(answer) = answer_unasked(promised, name, ask)? {
                return Ok(Some(answer));
            }
            match self.open(unit, promised, name, ask).await? {
                Ok(response) => return Ok(Some(response)),
                Err(Failure::Wrong) => any_wrong = true,
                Err(Failure::Absent) => {}
            }
        }
        Ok(any_wrong.then(broken_off))
    }

    /// Asks one remote; returns when the first piece may go out.
    async fn open(
        &self,
        unit: Uuid,
        promised: &Promised,
        name: &str,
        ask: &Ask<'_>,
    ) -> Result<Result<Response, Failure>> {
        let downloader = match self.sources.downloader(promised) {
            Ok(downloader) => downloader,
            Err(error) => {
                tracing::warn!(remote = promised.remote.name, "a remote cannot be used: {}", error.log());
                return Ok(Err(Failure::Absent));
            }
        };
        let request = Request::get(&promised.url);
        let began = Instant::now();
        let fetched = fetch(&*downloader, request, |download| async { Ok(download) }).await;
        self.app.traffic.upstream(began.elapsed());
        let download = match fetched {
            Ok(download) => download,
            Err(error) => {
                tracing::warn!(remote = promised.remote.name, "content is not served on demand: {}", error.log());
                return Ok(Err(Failure::Absent));
            }
        };
        let announced = download.content_length();
        if let (Some(announced), Some(size)) = (announced, promised.expected.size)
            && announced != size
        {
            tracing::warn!(url = promised.url, announced, size, "a remote has a file of another size");
            self.sources.cool(promised).await;
            return Ok(Err(Failure::Wrong));
        }
        let size = promised.expected.size.or(announced);
        let (mut response, range) = match head(promised, size, name, ask)? {
            Head::Begun(response, range) => (response, range),
            Head::Done(response) => return Ok(Ok(response)),
        };

        let (sender, mut pieces) = mpsc::channel(PIECES);
        let tap = Tap::new(sender, range);
        let keeping = self.begin_keeping(unit, promised);
        let pump = Pump {
            app: self.app.clone(),
            sources: self.sources.clone(),
            left_alone: Arc::clone(&self.left_alone),
            unit,
            promised: promised.clone(),
            keeping,
        };
        // A task of its own, because what is being kept does not end with the client.
        tokio::spawn(pump.run(download.body, tap).in_current_span());
        *response.body_mut() = match pieces.recv().await {
            Some(Piece::Bytes(first)) => Body::from_stream(body(first, pieces)),
            Some(Piece::End) => Body::empty(),
            Some(Piece::Broken(failure)) => return Ok(Err(failure)),
            None => return Err(Error::internal("a download ended without an outcome")),
        };
        Ok(Ok(response))
    }

    /// Whether this request is the one that keeps the file: the first of those under way.
    fn begin_keeping(&self, unit: Uuid, promised: &Promised) -> Option<Keeping> {
        if self.app.settings.on_demand != settings::OnDemand::Save || promised.remote.policy == "streamed" {
            return None;
        }
        let first = self.keeping.lock().unwrap_or_else(PoisonError::into_inner).insert(unit);
        first.then(|| Keeping { unit, all: Arc::clone(&self.keeping) })
    }
}

/// The mark that a content artifact is being kept; it goes when it is dropped.
struct Keeping {
    unit: Uuid,
    all: Arc<Mutex<HashSet<Uuid>>>,
}

impl Drop for Keeping {
    fn drop(&mut self) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.unit);
    }
}

/// One download on its way to the client, the verification, and the storage.
struct Pump {
    app: App,
    sources: Sources,
    left_alone: Arc<Semaphore>,
    unit: Uuid,
    promised: Promised,
    keeping: Option<Keeping>,
}

impl Pump {
    async fn run(self, mut body: BoxStream<'static, Result<Bytes>>, mut tap: Tap<Failure>) {
        let expected = &self.promised.expected;
        let is_kept = self.keeping.is_some();
        let (client, left_alone) = (&mut tap, &self.left_alone);
        let passing = async_stream::try_stream! {
            let mut alone = None;
            while let Some(piece) = body.try_next().await? {
                client.pass(&piece).await;
                if client.is_gone() && alone.is_none() {
                    if !is_kept {
                        Err(Error::Canceled)?;
                    }
                    alone = Some(left_alone.try_acquire().map_err(|_| Error::Canceled)?);
                }
                yield piece;
            }
        };
        let outcome = if is_kept {
            self.app.storage.receive(passing, expected).await.map(Some)
        } else {
            verify(passing, expected).await.map(|()| None)
        };
        match outcome {
            Ok(received) => {
                if let Some(received) = received
                    && let Err(error) = keep(&self.app, self.unit, received).await
                {
                    tracing::error!(url = self.promised.url, "served content is not kept: {}", error.log());
                }
                drop(self.keeping);
                tap.finish().await;
            }
            Err(ReceiveError::Failed(Error::Canceled)) => {}
            Err(ReceiveError::Failed(error)) => {
                tracing::warn!(url = self.promised.url, "serving on demand failed: {}", error.log());
                tap.fail(Failure::Absent).await;
            }
            Err(mismatch) => {
                let error = mismatch.upstream(&self.promised.url);
                tracing::warn!(remote = self.promised.remote.name, "a remote sent something else: {error}");
                self.sources.cool(&self.promised).await;
                tap.fail(Failure::Wrong).await;
            }
        }
    }
}

/// The rest of a body behind its first piece; it breaks off unless the rest ends as it should.
fn body(first: Bytes, pieces: mpsc::Receiver<Piece<Failure>>) -> impl Stream<Item = io::Result<Bytes>> + Send {
    let rest = stream::unfold(Some(pieces), |pieces| async move {
        let mut pieces = pieces?;
        match pieces.recv().await {
            Some(Piece::Bytes(piece)) => Some((Ok(piece), Some(pieces))),
            Some(Piece::End) => None,
            Some(Piece::Broken(_)) | None => Some((Err(reset()), None)),
        }
    });
    stream::iter([Ok(first)]).chain(rest)
}

/// Reads a body to its end and holds it against what was promised, without keeping anything.
async fn verify(body: impl Stream<Item = Result<Bytes>>, expected: &Expected) -> Result<(), ReceiveError> {
    let algorithms: Vec<_> = expected.digests.iter().map(|(algorithm, _)| algorithm).collect();
    let mut hasher = Hasher::new(&algorithms);
    let mut body = std::pin::pin!(body);
    while let Some(piece) = body.try_next().await? {
        hasher.update(&piece);
    }
    let (actual, digests) = hasher.finish();
    if let Some(expected) = expected.size
        && expected != actual
    {
        return Err(ReceiveError::Size { expected, actual });
    }
    for (algorithm, promised) in expected.digests.iter() {
        let actual = digests.get(algorithm).unwrap_or_default();
        if actual != promised {
            let (expected, actual) = (promised.to_owned(), actual.to_owned());
            return Err(ReceiveError::Digest { algorithm, expected, actual });
        }
    }
    Ok(())
}

/// Makes received bytes those of a content artifact. Doing it twice changes nothing.
async fn keep(app: &App, unit: Uuid, received: Received) -> Result<()> {
    let kept = app.storage.keep_one(received).await?;
    let tx = app.db.write().await?;
    let same = [artifact::Column::PulpDomainId, artifact::Column::Sha256];
    artifact::Entity::insert(artifacts::row(app.domain, &kept))
        // Spares the row that is there from orphan cleanup until it is referred to.
        .on_conflict(OnConflict::columns(same).update_column(artifact::Column::TimestampOfInterest).to_owned())
        .exec_without_returning(&*tx)
        .await?;
    let found = artifacts::by_sha256(&*tx, app.domain, kept.digests.sha256()).await?;
    let found = found.ok_or_else(|| Error::internal("an artifact that was just saved is gone"))?;
    content_artifact::Entity::update_many()
        .col_expr(content_artifact::Column::ArtifactId, Expr::value(found.pulp_id))
        .filter(content_artifact::Column::PulpId.eq(unit))
        .exec(&*tx)
        .await?;
    tx.commit().await
}

/// What needs no remote: the answer to HEAD, and to a client that has the file.
fn answer_unasked(promised: &Promised, name: &str, ask: &Ask<'_>) -> Result<Option<Response>> {
    Ok(match head(promised, promised.expected.size, name, ask)? {
        Head::Begun(response, _) => ask.head.then_some(response),
        Head::Done(response) => Some(response),
    })
}

/// How an answer begins.
enum Head {
    /// Its body is still to come: these bytes of the file, or all of them if nobody knows how many there are.
    Begun(Response, Option<Range<u64>>),
    /// It needs no body.
    Done(Response),
}

/// The answer to a request, as far as it needs no bytes.
fn head(promised: &Promised, size: Option<u64>, name: &str, ask: &Ask<'_>) -> Result<Head> {
    let sha256 = promised.expected.digests.sha256();
    let tag = (!sha256.is_empty()).then(|| format!("\"{sha256}\""));
    let mut headers = HeaderMap::with_capacity(6);
    if let Some(tag) = &tag {
        headers.insert(header::ETAG, HeaderValue::try_from(tag).map_err(Error::internal)?);
    }
    if let Some(size) = size {
        headers.insert(ARTIFACT_SIZE, HeaderValue::from(size));
    }
    let wanted = Wanted::of(ask.headers, &Version { tag: tag.as_deref(), modified: None, size });
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

/// An answer that breaks off at once: the client must not take anything for the file, nor its absence for a fact.
fn broken_off() -> Response {
    Response::new(Body::from_stream(stream::iter([Err::<Bytes, _>(reset())])))
}

fn reset() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}
