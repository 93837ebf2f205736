//! Bodies on their way into an object store: in flat memory, and whole or not at all.
//!
//! A small body goes in one request that refuses to overwrite. A large one goes in parts that nobody sees until they are
//! put together; when one fails, or whoever sends it goes away, the parts are given up. Only a process that is killed can
//! leave parts behind; a rule of the bucket's life cycle removes such.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{Error as StoreError, MultipartUpload, ObjectStore, ObjectStoreExt, PutMode};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::blocking;
use super::receive::Body;
use super::remote::failed;
use super::spool::Spooled;
use crate::error::{Error, Result};

const MIB: u64 = 1024 * 1024;

/// The unit in which large bodies are sent; smaller ones go in one request. S3 wants parts of at least 5 MiB,
const PART: u64 = 8 * MIB;

/// and takes no more than so many.
const MOST_PARTS: u64 = 10_000;

/// How many MiB of spooled bodies are in memory at a time, over all of them.
const IN_FLIGHT: u32 = 48;

/// Sends bodies to a store.
#[derive(Debug)]
pub(super) struct Sender {
    store: Arc<dyn ObjectStore>,
    memory: Arc<Semaphore>,
}

impl Sender {
    pub(super) fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self { store, memory: Arc::new(Semaphore::new(IN_FLIGHT as usize)) }
    }

    /// Puts a verified body at a place, unless an object of its size is there.
    pub(super) async fn send(&self, location: &Path, size: u64, body: Body) -> Result<()> {
        let spooled = match body {
            Body::Memory(bytes) => return self.create(location, bytes).await,
            Body::Spooled(spooled) => spooled,
        };
        // A look costs less than to send it all for nothing; and no upload in parts can be conditional.
        if self.is_there(location, size).await? {
            return Ok(());
        }
        if size > PART {
            return self.upload(location, size, &spooled).await;
        }
        let _room = self.room(size).await?;
        let (_, bytes) = part(open(&spooled).await?, size).await?;
        self.create(location, bytes).await
    }

    /// Waits until so many bytes may be in memory.
    async fn room(&self, size: u64) -> Result<tokio::sync::OwnedSemaphorePermit> {
        let wanted = u32::try_from(size.div_ceil(MIB)).unwrap_or(IN_FLIGHT).min(IN_FLIGHT);
        Arc::clone(&self.memory).acquire_many_owned(wanted).await.map_err(Error::internal)
    }

    /// Whether an object of this size is there. One of another size is the ruin of something: a store shows an object
    /// whole or not at all.
    async fn is_there(&self, location: &Path, size: u64) -> Result<bool> {
        match self.store.head(location).await {
            Ok(meta) if meta.size == size => Ok(true),
            Ok(_) => {
                tracing::warn!(path = %location, "a damaged artifact is replaced");
                Ok(false)
            }
            Err(StoreError::NotFound { .. }) => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }

    /// Puts an object that is not overwritten if it is there, unless it is damaged.
    async fn create(&self, location: &Path, bytes: Bytes) -> Result<()> {
        match self.store.put_opts(location, bytes.clone().into(), PutMode::Create.into()).await {
            // Either it is there, or this store has no condition for it.
            Err(
                StoreError::AlreadyExists { .. } | StoreError::NotImplemented { .. } | StoreError::NotSupported { .. },
            ) => {
                if !self.is_there(location, bytes.len() as u64).await? {
                    self.store.put(location, bytes.into()).await.map_err(failed)?;
                }
                Ok(())
            }
            outcome => outcome.map(drop).map_err(failed),
        }
    }

    async fn upload(&self, location: &Path, size: u64, spooled: &Spooled) -> Result<()> {
        let file = open(spooled).await?;
        let part_size = PART.max(size.div_ceil(MOST_PARTS));
        let upload = self.store.put_multipart(location).await.map_err(failed)?;
        let mut upload = Unfinished { upload: Some(upload), parts: JoinSet::new() };
        let sent = self.send_parts(&mut upload, file, part_size).await;
        match sent {
            Ok(()) => upload.upload = None,
            Err(_) => {
                // A part that arrives after the upload was given up would stay.
                while upload.parts.join_next().await.is_some() {}
                give_up(upload.upload.take()).await;
            }
        }
        sent
    }

    async fn send_parts(&self, upload: &mut Unfinished, mut file: File, part_size: u64) -> Result<()> {
        loop {
            let room = self.room(part_size).await?;
            let (rest, bytes) = part(file, part_size).await?;
            if bytes.is_empty() {
                break;
            }
            file = rest;
            let sent = upload.open()?.put_part(bytes.into());
            // A task, so that it goes on, and makes room, while this one waits for room.
            upload.parts.spawn(async move {
                let sent = sent.await.map_err(failed);
                drop(room);
                sent
            });
            while let Some(sent) = upload.parts.try_join_next() {
                sent.map_err(Error::internal)??;
            }
        }
        while let Some(sent) = upload.parts.join_next().await {
            sent.map_err(Error::internal)??;
        }
        upload.open()?.complete().await.map(drop).map_err(failed)
    }
}

/// An upload in parts that was not put together yet.
struct Unfinished {
    upload: Option<Box<dyn MultipartUpload>>,
    parts: JoinSet<Result<()>>,
}

impl Unfinished {
    fn open(&mut self) -> Result<&mut Box<dyn MultipartUpload>> {
        self.upload.as_mut().ok_or_else(|| Error::internal("an upload goes on after its end"))
    }
}

/// Whoever waited for it has gone away.
impl Drop for Unfinished {
    fn drop(&mut self) {
        if self.upload.is_some()
            && let Ok(runtime) = Handle::try_current()
        {
            let (upload, mut parts) = (self.upload.take(), std::mem::take(&mut self.parts));
            runtime.spawn(async move {
                parts.shutdown().await;
                give_up(upload).await;
            });
        }
    }
}

async fn give_up(upload: Option<Box<dyn MultipartUpload>>) {
    if let Some(mut upload) = upload
        && let Err(error) = upload.abort().await
    {
        tracing::warn!(%error, "parts of a failed upload stay in the object store");
    }
}

async fn open(spooled: &Spooled) -> Result<File> {
    let path = spooled.path().to_owned();
    blocking(move || File::open(path)).await
}

/// Reads the next part of a file; empty at its end.
async fn part(file: File, size: u64) -> Result<(File, Bytes)> {
    blocking(move || {
        let mut part = Vec::new();
        (&file).take(size).read_to_end(&mut part)?;
        Ok((file, part.into()))
    })
    .await
}
