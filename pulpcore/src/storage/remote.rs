//! Artifacts in any object store.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{Error as StoreError, GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutMode, WriteMultipart};
use uuid::Uuid;

use super::parts::{UPLOADS, upload_path};
use super::read::{Reading, within};
use super::receive::{Body, Received};
use super::spool::Spooled;
use super::{Hold, Kept, artifact_path, blocking, is_artifact_name, not_found};
use crate::error::{Error, Result};

/// The unit in which large bodies are sent; smaller ones go in one request. S3 wants parts of at least 5 MiB.
const PART: usize = 8 * 1024 * 1024;

/// How many parts of a body are under way at a time, and how many bodies of a batch. Together they bound the memory.
const PARTS: usize = 2;
const BODIES: usize = 4;

/// An object store; it makes durable what it acknowledges.
#[derive(Clone, Debug)]
pub(super) struct Remote(Arc<dyn ObjectStore>);

impl Remote {
    pub(super) fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self(store)
    }

    pub(super) async fn keep(&self, batch: Vec<Received>) -> Result<Vec<Kept>> {
        stream::iter(batch).map(|received| self.keep_one(received)).buffered(BODIES).try_collect().await
    }

    async fn keep_one(&self, received: Received) -> Result<Kept> {
        let Received { size, digests, body } = received;
        let path = artifact_path(digests.sha256());
        self.store(&path, size, body).await?;
        Ok(Kept { path, size, digests, hold: Hold::default() })
    }

    /// Puts a body at a path.
    pub(super) async fn store(&self, path: &str, size: u64, body: Body) -> Result<()> {
        let location = parse(path)?;
        match body {
            Body::Memory(bytes) => self.create(&location, bytes).await,
            Body::Spooled(spooled) if size <= PART as u64 => {
                let (_, bytes) = part(open(&spooled).await?).await?;
                self.create(&location, bytes).await
            }
            Body::Spooled(spooled) => {
                // A multipart upload cannot be conditional everywhere.
                if self.size(path).await? == Some(size) { Ok(()) } else { self.upload(&location, &spooled).await }
            }
        }
    }

    /// The artifacts' objects below a prefix that were put before a second of the Unix epoch.
    pub(super) async fn untouched(&self, below: String, since: i64) -> Result<Vec<String>> {
        let listed = self.0.list(Some(&Path::from(below)));
        let old = listed.try_filter_map(async |object| {
            let is_ours = object.location.filename().is_some_and(is_artifact_name);
            Ok((is_ours && object.last_modified.timestamp() < since).then(|| object.location.to_string()))
        });
        Ok(old.try_collect().await?)
    }

    /// The uploads of which parts are stored.
    pub(super) async fn uploads(&self) -> Result<Vec<Uuid>> {
        let listed = self.0.list_with_delimiter(Some(&Path::from(UPLOADS))).await?;
        let names = listed.common_prefixes.iter().filter_map(|path| Uuid::parse_str(path.filename()?).ok());
        Ok(names.collect())
    }

    /// Deletes the parts of an upload.
    pub(super) async fn discard(&self, upload: Uuid) -> Result<()> {
        let prefix = Path::from(upload_path(upload));
        let parts: Vec<String> =
            self.0.list(Some(&prefix)).map_ok(|object| object.location.to_string()).try_collect().await?;
        self.delete(&parts).await
    }

    /// Puts an object that is not overwritten if it exists, unless it is damaged.
    async fn create(&self, location: &Path, bytes: Bytes) -> Result<()> {
        match self.0.put_opts(location, bytes.clone().into(), PutMode::Create.into()).await {
            Err(StoreError::AlreadyExists { .. }) => {
                if self.0.head(location).await?.size != bytes.len() as u64 {
                    tracing::warn!(path = %location, "a damaged artifact is replaced");
                    self.0.put(location, bytes.into()).await?;
                }
                Ok(())
            }
            outcome => Ok(outcome.map(drop)?),
        }
    }

    async fn upload(&self, location: &Path, spooled: &Spooled) -> Result<()> {
        let mut file = open(spooled).await?;
        let mut upload = WriteMultipart::new_with_chunk_size(self.0.put_multipart(location).await?, PART);
        let sent: Result<()> = async {
            loop {
                let (rest, bytes) = part(file).await?;
                if bytes.is_empty() {
                    return Ok(());
                }
                file = rest;
                upload.wait_for_capacity(PARTS).await?;
                upload.put(bytes);
            }
        }
        .await;
        match sent {
            Ok(()) => Ok(upload.finish().await.map(drop)?),
            Err(error) => {
                if let Err(error) = upload.abort().await {
                    tracing::warn!(%error, "parts of a failed upload stay in the object store");
                }
                Err(error)
            }
        }
    }

    pub(super) async fn read(&self, path: &str, range: Option<Range<u64>>) -> Result<Reading> {
        let location = parse(path)?;
        let asked = match &range {
            Some(range) => {
                // A store refuses an empty range, and one that begins beyond the end, instead of yielding nothing.
                let size = self.0.head(&location).await.map_err(missing)?.size;
                let range = within(size, Some(range.clone()));
                if range.is_empty() {
                    return Ok(Reading { size, range, body: stream::empty().boxed() });
                }
                Some(GetRange::Bounded(range))
            }
            None => None,
        };
        let options = GetOptions { range: asked, ..GetOptions::default() };
        let got = self.0.get_opts(&location, options).await.map_err(missing)?;
        let (size, range) = (got.meta.size, got.range.clone());
        Ok(Reading { size, range, body: got.into_stream().map_err(Error::from).boxed() })
    }

    pub(super) async fn size(&self, path: &str) -> Result<Option<u64>> {
        let Ok(location) = parse(path) else { return Ok(None) };
        match self.0.head(&location).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn delete(&self, paths: &[String]) -> Result<()> {
        let locations: Vec<_> = paths.iter().filter_map(|path| parse(path).ok()).map(Ok).collect();
        let mut deleted = self.0.delete_stream(stream::iter(locations).boxed());
        while let Some(outcome) = deleted.next().await {
            match outcome {
                Err(StoreError::NotFound { .. }) => {}
                outcome => drop(outcome?),
            }
        }
        Ok(())
    }
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
        error => error.into(),
    }
}

async fn open(spooled: &Spooled) -> Result<File> {
    let path = spooled.path().to_owned();
    blocking(move || File::open(path)).await
}

/// Reads the next part of a file; empty at its end.
async fn part(file: File) -> Result<(File, Bytes)> {
    blocking(move || {
        let mut part = Vec::new();
        (&file).take(PART as u64).read_to_end(&mut part)?;
        Ok((file, part.into()))
    })
    .await
}
