//! Artifacts in any object store.

use std::ops::Range;
use std::sync::Arc;

use axum::http::Method;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{Error as StoreError, GetOptions, GetRange, GetResult, ObjectStore, ObjectStoreExt};
use url::Url;
use uuid::Uuid;

use super::cloud::Cloud;
use super::holds::{Holds, Removing};
use super::links::Links;
use super::parts::{UPLOADS, upload_path};
use super::read::{Reading, within};
use super::receive::{Body, Received};
use super::send::Sender;
use super::{ARTIFACTS, Hold, Kept, artifact_path, is_artifact_name, not_found};
use crate::error::{Error, Result};

/// How many bodies of a batch are under way at a time: most are small, and wait for the store's answer.
const BODIES: usize = 16;

/// An object store; it makes durable what it acknowledges.
#[derive(Clone, Debug)]
pub(super) struct Remote {
    store: Arc<dyn ObjectStore>,
    sender: Arc<Sender>,
    links: Option<Arc<Links>>,
    holds: Arc<Holds>,
}

impl Remote {
    pub(super) fn new(Cloud { store, links }: Cloud) -> Self {
        let sender = Arc::new(Sender::new(Arc::clone(&store)));
        Self { store, sender, links: links.map(Arc::new), holds: Arc::default() }
    }

    pub(super) async fn keep(&self, batch: Vec<Received>) -> Result<Vec<Kept>> {
        stream::iter(batch).map(|received| self.keep_one(received)).buffered(BODIES).try_collect().await
    }

    async fn keep_one(&self, received: Received) -> Result<Kept> {
        let Received { size, digests, body } = received;
        let path = artifact_path(digests.sha256());
        let held = self.holds.hold(&path).await;
        let turn = held.turn.lock().await;
        self.sender.send(&parse(&path)?, size, body).await?;
        drop(turn);
        Ok(Kept { path, size, digests, hold: Hold::of(held) })
    }

    /// Puts a body at a path that is its alone.
    pub(super) async fn store(&self, path: &str, size: u64, body: Body) -> Result<()> {
        self.sender.send(&parse(path)?, size, body).await
    }

    /// Takes the paths that nobody in this process is about to use, and keeps others from it.
    pub(super) fn lock(&self, paths: &[String]) -> Removing {
        self.holds.remove(paths)
    }

    /// A URL under which a client can fetch an object by itself; `None` if this store cannot make one.
    pub(super) async fn link(&self, path: &str, method: Method, name: &str, media_type: &str) -> Result<Option<Url>> {
        match &self.links {
            Some(links) => links.link(&parse(path)?, method, name, media_type).await.map(Some),
            None => Ok(None),
        }
    }

    /// The artifacts' objects below a prefix that were put before a second of the Unix epoch.
    pub(super) async fn untouched(&self, below: String, since: i64) -> Result<Vec<String>> {
        let listed = self.store.list(Some(&Path::from(below)));
        let old = listed.try_filter_map(async |object| {
            let is_ours = object.location.filename().is_some_and(is_artifact_name);
            Ok((is_ours && object.last_modified.timestamp() < since).then(|| object.location.to_string()))
        });
        old.try_collect().await.map_err(failed)
    }

    /// The uploads of which parts are stored.
    pub(super) async fn uploads(&self) -> Result<Vec<Uuid>> {
        let listed = self.store.list_with_delimiter(Some(&Path::from(UPLOADS))).await.map_err(failed)?;
        let names = listed.common_prefixes.iter().filter_map(|path| Uuid::parse_str(path.filename()?).ok());
        Ok(names.collect())
    }

    /// Deletes the parts of an upload.
    pub(super) async fn discard(&self, upload: Uuid) -> Result<()> {
        let prefix = Path::from(upload_path(upload));
        let listed = self.store.list(Some(&prefix)).map_ok(|object| object.location.to_string());
        let parts: Vec<String> = listed.try_collect().await.map_err(failed)?;
        self.delete(&parts).await
    }

    pub(super) async fn read(&self, path: &str, range: Option<Range<u64>>) -> Result<Reading> {
        let location = parse(path)?;
        let Some(range) = range else { return Ok(reading(self.get(&location, None).await.map_err(missing)?)) };
        // A store refuses an empty range, and one that begins beyond the end, instead of yielding nothing.
        let refusal = match range.is_empty() {
            true => None,
            false => match self.get(&location, Some(GetRange::Bounded(range.clone()))).await {
                Ok(got) => return Ok(reading(got)),
                Err(error @ StoreError::NotFound { .. }) => return Err(missing(error)),
                Err(error) => Some(error),
            },
        };
        let size = self.store.head(&location).await.map_err(missing)?.size;
        let range = within(size, Some(range));
        match refusal {
            Some(error) if !range.is_empty() => Err(failed(error)),
            _ => Ok(Reading { size, range, body: stream::empty().boxed() }),
        }
    }

    async fn get(&self, location: &Path, range: Option<GetRange>) -> object_store::Result<GetResult> {
        self.store.get_opts(location, GetOptions { range, ..GetOptions::default() }).await
    }

    pub(super) async fn size(&self, path: &str) -> Result<Option<u64>> {
        let Ok(location) = parse(path) else { return Ok(None) };
        match self.store.head(&location).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    pub(super) async fn delete(&self, paths: &[String]) -> Result<()> {
        let locations: Vec<_> = paths.iter().filter_map(|path| parse(path).ok()).map(Ok).collect();
        let mut deleted = self.store.delete_stream(stream::iter(locations).boxed());
        while let Some(outcome) = deleted.next().await {
            match outcome {
                Err(StoreError::NotFound { .. }) => {}
                outcome => drop(outcome.map_err(failed)?),
            }
        }
        Ok(())
    }

    /// Whether the store answers, and knows the bucket and the key.
    pub(super) async fn answers(&self) -> Result<()> {
        match self.store.list(Some(&Path::from(format!("{ARTIFACTS}/00")))).next().await {
            Some(Err(error)) => Err(failed(error)),
            _ => Ok(()),
        }
    }
}

fn reading(got: GetResult) -> Reading {
    Reading { size: got.meta.size, range: got.range.clone(), body: got.into_stream().map_err(failed).boxed() }
}

/// A path that leads nowhere else; others cannot exist.
fn parse(path: &str) -> Result<Path> {
    match Path::parse(path) {
        Ok(parsed) if !parsed.as_ref().is_empty() => Ok(parsed),
        _ => Err(not_found()),
    }
}

fn missing(error: StoreError) -> Error {
    match error {
        StoreError::NotFound { .. } => not_found(),
        error => failed(error),
    }
}

/// What the store answers when it is away, or will not have us. The reason is for the log: it names hosts and buckets.
pub(super) fn failed(error: StoreError) -> Error {
    tracing::error!(%error, "the object storage failed");
    Error::Unavailable("The object storage cannot be used at the moment.".to_owned())
}
