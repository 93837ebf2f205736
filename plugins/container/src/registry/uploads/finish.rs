//! From chunks to a blob.

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt, TryStreamExt};
use pulpcore::app::App;
use pulpcore::artifacts;
use pulpcore::error::{Error, Result};
use pulpcore::models::artifact;
use pulpcore::storage::{Algorithm, Expected};
use uuid::Uuid;

use super::session::Session;
use super::{refused, unknown};
use crate::registry::digest::Digest;
use crate::registry::errors::{Answer, Code, Failure};
use crate::registry::units;

/// Makes a blob of a session's chunks, and the last one, which may be nothing; `size` is what that one must have. The
/// session is over then. If it fails, it goes on as it was.
pub(super) async fn session(
    app: &App,
    session: Session,
    digest: &Digest,
    body: impl Stream<Item = Result<Bytes>> + Send + Unpin + 'static,
    size: Option<u64>,
) -> Answer<()> {
    let chunks = session.chunks(app).await?.ok_or_else(unknown)?;
    let (repository, id) = (session.repository(), session.id());
    let mut body = body;
    let first = first(&mut body).await?;
    if let ([only], None) = (chunks.as_slice(), &first) {
        match of(only, digest) {
            Some(hex) if hex == digest.hex() => {
                units::keep_blob(app, repository, digest, only, Some(id)).await?;
                return Ok(());
            }
            Some(hex) => {
                let message = format!("The digest of the blob is {hex}, not {}.", digest.hex());
                return Err(Failure::new(Code::DigestInvalid, message));
            }
            // Its algorithm is not among those that the artifact was hashed with.
            None => {}
        }
    }
    let last = stream::iter(first.map(Ok)).chain(body);
    let parts = stream::iter(chunks.into_iter().map(Ok::<_, Error>)).and_then({
        let storage = app.storage.clone();
        move |artifact: artifact::Model| {
            let storage = storage.clone();
            async move { Ok::<_, Error>(storage.read(&artifact.file, None).await?.body) }
        }
    });
    let before: BoxStream<'static, Result<Bytes>> = parts.try_flatten().boxed();
    let total = size.map(|size| session.size() + size);
    receive(app, repository, digest, before.chain(last), total, Some(id)).await
}

/// Makes a blob of a body.
pub(super) async fn whole(
    app: &App,
    repository: Uuid,
    digest: &Digest,
    body: impl Stream<Item = Result<Bytes>> + Send,
    upload: Option<Uuid>,
) -> Answer<()> {
    receive(app, repository, digest, body, None, upload).await
}

async fn receive(
    app: &App,
    repository: Uuid,
    digest: &Digest,
    body: impl Stream<Item = Result<Bytes>> + Send,
    size: Option<u64>,
    upload: Option<Uuid>,
) -> Answer<()> {
    let expected = Expected { size, digests: digest.expected(), max_size: Some(app.settings.max_upload_size) };
    let received = app.storage.receive(body, &expected).await.map_err(refused)?;
    let (artifact, _) = artifacts::save(app, received).await?;
    units::keep_blob(app, repository, digest, &artifact, upload).await?;
    Ok(())
}

/// What an artifact has of a digest's algorithm.
fn of<'a>(artifact: &'a artifact::Model, digest: &Digest) -> Option<&'a str> {
    match digest.algorithm() {
        Algorithm::Sha256 => Some(&artifact.sha256),
        Algorithm::Sha512 => artifact.sha512.as_deref(),
        _ => None,
    }
}

/// The first bytes of a body; none if it has none.
async fn first(body: &mut (impl Stream<Item = Result<Bytes>> + Unpin)) -> Answer<Option<Bytes>> {
    while let Some(piece) = body.next().await {
        let piece = piece?;
        if !piece.is_empty() {
            return Ok(Some(piece));
        }
    }
    Ok(None)
}
