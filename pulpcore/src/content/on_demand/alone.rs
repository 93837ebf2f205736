//! A download for one client alone: for a process that has no room for the temporary file which others could share.
//!
//! Nothing is written, and nothing is remembered but a few pieces on their way: the remote is asked as fast as the client
//! takes what it sends, and no longer than the client stays.

use std::io;
use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::Instrument;

use super::flight::observed;
use super::flights::Told;
use super::tap::{Piece, Tap};
use super::{Cargo, Failure, Head, Promised, Shared, head, reset};
use crate::content::Ask;
use crate::error::{Error, Result};
use crate::storage::{Expected, Hasher, ReceiveError};

/// How many pieces may be on their way to the client.
const PIECES: usize = 4;

/// Answers from the first remote that delivers.
pub(super) async fn respond(
    shared: &Arc<Shared>,
    cargo: &Cargo,
    name: &str,
    ask: &Ask<'_>,
) -> Result<Result<Response, Failure>> {
    let mut worst = Failure::Absent;
    for promised in &cargo.promises {
        match open(shared, promised, name, ask).await? {
            Ok(response) => return Ok(Ok(response)),
            Err(failure) => worst = worst.max(failure),
        }
    }
    Ok(Err(worst))
}

/// Asks one remote; returns when the first piece may go out.
async fn open(
    shared: &Arc<Shared>,
    promised: &Promised,
    name: &str,
    ask: &Ask<'_>,
) -> Result<Result<Response, Failure>> {
    let begun = Instant::now();
    let download = match shared.ask(promised).await {
        Ok(download) => download,
        Err(failure) => return Ok(Err(failure)),
    };
    let size = match shared.agreed(promised, download.content_length()).await {
        Ok(size) => size,
        Err(failure) => return Ok(Err(failure)),
    };
    let (mut response, range) = match head(&Told::of(promised, size), name, ask)? {
        Head::Begun(response, range) => (response, range),
        Head::Done(response) => return Ok(Ok(response)),
    };
    let (sender, mut pieces) = mpsc::channel(PIECES);
    let pumping = pump(Arc::clone(shared), promised.clone(), download.body, Tap::new(sender, range), begun);
    tokio::spawn(pumping.in_current_span());
    *response.body_mut() = match pieces.recv().await {
        Some(Piece::Bytes(first)) => Body::from_stream(body(first, pieces)),
        Some(Piece::End) => Body::empty(),
        Some(Piece::Broken(failure)) => return Ok(Err(failure)),
        None => return Err(Error::internal("a download ended without an outcome")),
    };
    Ok(Ok(response))
}

/// Passes a body on to the client and the verification.
async fn pump(
    shared: Arc<Shared>,
    promised: Promised,
    mut body: BoxStream<'static, Result<Bytes>>,
    mut tap: Tap<Failure>,
    begun: Instant,
) {
    let client = &mut tap;
    let passing = async_stream::try_stream! {
        while let Some(piece) = body.try_next().await? {
            client.pass(&piece).await;
            if client.is_gone() {
                Err(Error::Canceled)?;
            }
            yield piece;
        }
    };
    let outcome = match verify(passing, &promised.expected).await {
        Ok(size) => Ok(size),
        Err(ReceiveError::Failed(Error::Canceled)) => return,
        Err(ReceiveError::Failed(error)) => {
            tracing::warn!(remote = promised.remote.name, "a download broke off: {}", error.log());
            Err(Failure::of(&error))
        }
        Err(mismatch) => {
            let error = mismatch.upstream(&promised.url);
            tracing::warn!(remote = promised.remote.name, "a remote sent something else: {error}");
            shared.sources.cool(&promised, &shared.writing).await;
            Err(Failure::Wrong)
        }
    };
    observed(&promised, begun, outcome);
    match outcome {
        Ok(_) => tap.finish().await,
        Err(failure) => tap.fail(failure).await,
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

/// Reads a body to its end and holds it against what was promised; gives its size.
async fn verify(body: impl Stream<Item = Result<Bytes>>, expected: &Expected) -> Result<u64, ReceiveError> {
    let algorithms: Vec<_> = expected.digests.iter().map(|(algorithm, _)| algorithm).collect();
    let mut hasher = Hasher::new(&algorithms);
    let mut body = std::pin::pin!(body);
    let mut size = 0;
    while let Some(piece) = body.try_next().await? {
        size += piece.len() as u64;
        expected.admit(size)?;
        hasher.update(&piece);
    }
    let (size, digests) = hasher.finish();
    expected.verify(size, &digests)?;
    Ok(size)
}
