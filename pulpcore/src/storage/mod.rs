//! Artifacts: bytes that are named by their SHA-256 digest, written once and never changed.
//!
//! A body comes in through [`Storage::receive`], which hashes it with every configured algorithm while it streams and
//! verifies what its sender promised; only then [`Storage::keep`] names it. No artifact is named before its digest is
//! verified, none is overwritten, and what fails on the way leaves nothing. Whole bodies or ranges go out through
//! [`Storage::read`].
//!
//! The bytes lie in a local folder (the default) or in any [`ObjectStore`], under the paths that Pulp uses.

mod barrier;
mod buffers;
mod cloud;
mod digest;
mod direct;
mod folder;
mod growing;
mod holds;
mod lanes;
#[cfg_attr(
    not(any(feature = "s3", feature = "azure", feature = "gcs")),
    allow(dead_code, reason = "what only the clouds can do is compiled and tested in every build")
)]
mod links;
mod obstacle;
mod parts;
mod read;
mod receive;
mod remote;
mod room;
mod running;
mod send;
mod spool;
#[cfg(test)]
mod tests;
#[cfg(target_os = "linux")]
mod unnamed;

use std::any::Any;
use std::collections::HashSet;
use std::fmt;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use axum::http::Method;
use bytes::Bytes;
use futures::Stream;
use object_store::ObjectStore;
use time::OffsetDateTime;
use tokio::task::JoinError;
use url::Url;
use uuid::Uuid;

pub use self::digest::{Algorithm, BadDigest, Digests, Hasher, UnknownAlgorithm};
pub(crate) use self::direct::Direct;
pub use self::growing::{Arrived, Arriving, Growing};
pub(crate) use self::obstacle::Obstacle;
pub use self::parts::Part;
pub use self::read::Reading;
pub use self::receive::{Expected, IN_MEMORY, ReceiveError, Received};
use self::{cloud::Cloud, folder::Folder, remote::Remote, spool::Spool};
use crate::error::{Error, Result};
use crate::settings::StorageSettings;

/// Where artifacts lie and how they come there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageConfig {
    /// The media folder. Made if missing.
    pub root: PathBuf,
    /// The folder for temporary files. Made when the first is; best on the filesystem of `root`, where naming needs no
    /// copy.
    pub spool: PathBuf,
    /// Whether [`Storage::keep`] returns only when a power cut cannot take back what it did.
    pub durable: bool,
    /// What is computed for every artifact. SHA-256 always is.
    pub algorithms: Vec<Algorithm>,
}

/// The artifacts of this server. Cheap to clone.
#[derive(Clone)]
pub struct Storage(Arc<Inner>);

struct Inner {
    backend: Backend,
    spool: Arc<Spool>,
    algorithms: Vec<Algorithm>,
}

enum Backend {
    Folder(Arc<Folder>),
    Remote(Remote),
}

/// How many files are locked at a time: each is an open file.
const LOCKS: usize = 200;

/// An artifact that has its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its path in the storage, see [`Storage::artifact_path`].
    pub path: String,
    /// How many bytes it has.
    pub size: u64,
    /// Its digests, by the configured algorithms.
    pub digests: Digests,
    /// Keep this until the artifact's row is committed: see [`Storage::remove_unused`].
    hold: Hold,
}

/// Keeps what is there from being removed as unused before its new user has said so in the database.
#[derive(Clone, Debug, Default)]
struct Hold(
    #[expect(dead_code, reason = "what it holds is released when it is dropped")] Option<Arc<dyn Any + Send + Sync>>,
);

impl Hold {
    /// Of a file with a lock, or of an object's path.
    fn of(held: impl Any + Send + Sync) -> Self {
        Self(Some(Arc::new(held)))
    }
}

/// How a file came to its name is no part of what it is.
impl PartialEq for Hold {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Hold {}

/// How full the filesystem of the media folder is, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// What the filesystem holds.
    pub total: u64,
    /// What is taken, by whomever.
    pub used: u64,
    /// What this process may still take: less than the difference if some is reserved for the superuser.
    pub free: u64,
}

impl Storage {
    /// Artifacts in a local folder.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if a folder cannot be made or opened.
    pub async fn open(config: StorageConfig) -> Result<Self> {
        let (root, durable) = (config.root.clone(), config.durable);
        let folder =
            tokio::task::spawn_blocking(move || Folder::open(&root, durable)).await.map_err(Error::internal)??;
        Self::with_backend(Backend::Folder(Arc::new(folder)), config).await
    }

    /// Artifacts where the settings say. Of the configuration, `root` and `durable` are for a folder.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if this build lacks such a storage, if the settings do not suffice for it, or if a folder cannot
    /// be made or opened. Whether an object store answers is not asked: it may be away for a moment.
    pub async fn open_as(settings: &StorageSettings, config: StorageConfig) -> Result<Self> {
        match cloud::connect(settings)? {
            None => Self::open(config).await,
            Some(cloud) => Self::with_backend(Backend::Remote(Remote::new(cloud)), config).await,
        }
    }

    /// Artifacts in an object store. Of the configuration, `root` and `durable` mean nothing then.
    ///
    /// # Errors
    ///
    /// None yet; the store is asked when something is read or kept.
    pub async fn open_store(store: Arc<dyn ObjectStore>, config: StorageConfig) -> Result<Self> {
        Self::with_backend(Backend::Remote(Remote::new(Cloud { store, links: None })), config).await
    }

    async fn with_backend(backend: Backend, config: StorageConfig) -> Result<Self> {
        let StorageConfig { spool: path, mut algorithms, .. } = config;
        algorithms.push(Algorithm::Sha256);
        algorithms.sort_unstable();
        algorithms.dedup();
        let spool = Spool::new(path);
        Ok(Self(Arc::new(Inner { backend, spool: Arc::new(spool), algorithms })))
    }

    /// The algorithms by which artifacts are hashed, in Pulp's order.
    pub fn algorithms(&self) -> &[Algorithm] {
        &self.0.algorithms
    }

    /// Receives a body, hashes it as it comes, and verifies what was promised about it.
    ///
    /// Bodies up to [`IN_MEMORY`] bytes stay in memory, larger ones go to a temporary file; memory stays flat. The
    /// bound of [`Expected::max_size`] and a promised size hold while it streams. Dropping the future, or what it
    /// returns, removes what was received.
    ///
    /// # Errors
    ///
    /// [`ReceiveError::Digest`] and [`ReceiveError::Size`] for a broken promise; [`Error::TooLarge`], the stream's own
    /// error, or a fault of the storage as [`ReceiveError::Failed`].
    pub async fn receive<S>(&self, stream: S, expected: &Expected) -> Result<Received, ReceiveError>
    where
        S: Stream<Item = Result<Bytes>> + Send,
    {
        receive::receive(&self.0.spool, &self.0.algorithms, stream, expected).await
    }

    /// Makes room for a body that others read while it comes in; `size` is what it must have, if that is known.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if there can be no temporary file.
    pub async fn grow(&self, size: Option<u64>) -> Result<Growing> {
        Growing::open(&self.0.spool, size).await
    }

    /// [`Self::receive`] for a body that others read while it comes in: `grown` is told how many of its bytes are in the
    /// file of `growing`, each time that there are more. With `keep`, what arrived can be kept; without, no more digests
    /// are computed than were promised.
    ///
    /// # Errors
    ///
    /// As [`Self::receive`].
    pub async fn receive_growing<S>(
        &self,
        growing: Growing,
        stream: S,
        expected: &Expected,
        keep: bool,
        grown: Arc<dyn Fn(u64) + Send + Sync>,
    ) -> Result<Arrived, ReceiveError>
    where
        S: Stream<Item = Result<Bytes>> + Send,
    {
        growing::receive(growing, &self.0.algorithms, stream, expected, keep, grown).await
    }

    /// Names received bodies, and makes the whole batch durable once (if so configured) before it returns. The
    /// results are in the order of the batch.
    ///
    /// What is there already, in the same size, is left as it is and counts as kept. When one fails, those before it
    /// may have been named; nothing refers to them, and keeping them again succeeds.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the storage is full or does not answer, [`Error::Internal`] for any other fault.
    pub async fn keep(&self, batch: Vec<Received>) -> Result<Vec<Kept>> {
        match &self.0.backend {
            Backend::Folder(folder) => folder.keep(&self.0.spool, batch).await,
            Backend::Remote(remote) => remote.keep(batch).await,
        }
    }

    /// [`Self::keep`] for a single body.
    ///
    /// # Errors
    ///
    /// As [`Self::keep`].
    pub async fn keep_one(&self, received: Received) -> Result<Kept> {
        let kept = self.keep(vec![received]).await?;
        kept.into_iter().next().ok_or_else(|| Error::internal("a kept body got lost"))
    }

    /// The bytes at a path, or a range of them (the end excluded). A range is cut off at the end of the whole, which
    /// can leave nothing: see [`Reading::range`].
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if nothing is there, or if the path leads out of the storage.
    pub async fn read(&self, path: &str, range: Option<Range<u64>>) -> Result<Reading> {
        self.read_for(path, range, None).await
    }

    /// The same for a connection that can send files: where they are local and large, the body yields placeholders, which
    /// nobody may look into on their way.
    pub(crate) async fn read_for(
        &self,
        path: &str,
        range: Option<Range<u64>>,
        connection: Option<&Direct>,
    ) -> Result<Reading> {
        match &self.0.backend {
            Backend::Folder(folder) => folder.read(path, range, connection).await,
            Backend::Remote(remote) => remote.read(path, range).await,
        }
    }

    /// How many bytes lie at a path; `None` if nothing is there.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if the storage cannot tell.
    pub async fn size(&self, path: &str) -> Result<Option<u64>> {
        match &self.0.backend {
            Backend::Folder(folder) => folder.size(path).await,
            Backend::Remote(remote) => remote.size(path).await,
        }
    }

    /// Whether something lies at a path.
    ///
    /// # Errors
    ///
    /// As [`Self::size`].
    pub async fn exists(&self, path: &str) -> Result<bool> {
        Ok(self.size(path).await?.is_some())
    }

    /// Deletes what lies at the paths. What is missing is a success.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] for the first that cannot be deleted; others may remain too.
    pub async fn delete(&self, paths: &[String]) -> Result<()> {
        match &self.0.backend {
            Backend::Folder(folder) => folder.delete(paths).await,
            Backend::Remote(remote) => remote.delete(paths).await,
        }
    }

    /// Removes artifacts that nothing uses any more, their rows being deleted already; says how many.
    ///
    /// Whoever keeps the same bytes in this very moment finds them here and is about to insert a row. So what is being
    /// kept is spared ([`Kept`] holds a lock until it is dropped), and `used` has the last word: it is asked for those of
    /// the given paths that have a row, after nobody can begin to use the others any more. (An object store knows no
    /// locks, and a lock is seen by this process alone: between processes `used` is all there is.)
    ///
    /// # Errors
    ///
    /// The error of `used`, or [`Error::Internal`] if the storage fails; then some remain.
    pub async fn remove_unused<F, Fut>(&self, paths: Vec<String>, used: F) -> Result<u64>
    where
        F: Fn(Vec<String>) -> Fut + Send + Sync,
        Fut: Future<Output = Result<HashSet<String>>> + Send,
    {
        let mut removed = 0;
        for paths in paths.chunks(LOCKS) {
            match &self.0.backend {
                Backend::Folder(folder) => {
                    let mut locked = folder.lock(paths.to_vec()).await?;
                    let used = used(locked.iter().map(|(path, ..)| path.clone()).collect()).await?;
                    locked.retain(|(path, ..)| !used.contains(path));
                    removed += locked.len() as u64;
                    folder.unlink(locked).await?;
                }
                Backend::Remote(remote) => {
                    let locked = remote.lock(paths);
                    let used = used(locked.paths.clone()).await?;
                    let unused: Vec<_> = locked.paths.iter().filter(|path| !used.contains(*path)).cloned().collect();
                    remote.delete(&unused).await?;
                    removed += unused.len() as u64;
                }
            }
        }
        Ok(removed)
    }

    /// The artifacts' files whose digests begin with this byte and that were neither written nor named since a time,
    /// whether anybody knows them or not. A 256th part of all of them, so that a list stays short.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if the storage fails.
    pub async fn untouched(&self, first: u8, since: OffsetDateTime) -> Result<Vec<String>> {
        let below = format!("{ARTIFACTS}/{first:02x}");
        match &self.0.backend {
            Backend::Folder(folder) => folder.untouched(below, since.unix_timestamp()).await,
            Backend::Remote(remote) => remote.untouched(below, since.unix_timestamp()).await,
        }
    }

    /// Receives a part of an upload: in a folder straight to its place, in an object store as an object of its own.
    ///
    /// With `replaces` there is something in that place already: then the part is verified before it goes there. A new
    /// part that is not what was promised leaves garbage in its place; it counts only once the caller has recorded it.
    ///
    /// # Errors
    ///
    /// As [`Self::receive`].
    pub async fn receive_part<S>(
        &self,
        upload: Uuid,
        offset: u64,
        replaces: bool,
        stream: S,
        expected: &Expected,
    ) -> Result<Part, ReceiveError>
    where
        S: Stream<Item = Result<Bytes>> + Send,
    {
        match &self.0.backend {
            Backend::Folder(folder) => parts::place(folder, &self.0, upload, offset, replaces, stream, expected).await,
            Backend::Remote(remote) => parts::put(remote, &self.0.spool, upload, offset, stream, expected).await,
        }
    }

    /// Reads a part back, to verify what was promised of it only after it had come.
    ///
    /// # Errors
    ///
    /// As [`Self::receive`].
    pub async fn verify_part(&self, part: &Part, expected: &Expected) -> Result<(), ReceiveError> {
        let from = if self.is_remote() { 0 } else { part.offset };
        let body = self.read(&part.path, Some(from..from + part.size)).await?.body;
        receive::hash(&[], body, expected).await.map(drop)
    }

    /// Puts the parts of an upload together, verifies the whole and keeps it. What was promised must include the size and
    /// the SHA-256 digest. It fails without having changed anything, and after a crash it can be repeated.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if parts are missing; else as [`Self::receive`] and [`Self::keep`].
    pub async fn assemble(&self, upload: Uuid, parts: &[Part], expected: &Expected) -> Result<Kept, ReceiveError> {
        let algorithms = &self.0.algorithms;
        match &self.0.backend {
            Backend::Folder(folder) => parts::name(folder, algorithms, upload, parts, expected).await,
            Backend::Remote(remote) => {
                let received = parts::join(remote, &self.0.spool, algorithms, parts, expected).await?;
                Ok(self.keep_one(received).await?)
            }
        }
    }

    /// Removes all parts of an upload. None is a success.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if the storage fails.
    pub async fn discard_upload(&self, upload: Uuid) -> Result<()> {
        match &self.0.backend {
            Backend::Folder(folder) => folder.discard(upload).await,
            Backend::Remote(remote) => remote.discard(upload).await,
        }
    }

    /// The uploads of which parts lie here, whether anybody still knows them or not.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if the storage fails.
    pub async fn uploads(&self) -> Result<Vec<Uuid>> {
        match &self.0.backend {
            Backend::Folder(folder) => folder.uploads().await,
            Backend::Remote(remote) => remote.uploads().await,
        }
    }

    /// How full the media folder's filesystem is; `None` for an object store, which has no end.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if the filesystem cannot tell.
    pub fn usage(&self) -> Result<Option<Usage>> {
        match &self.0.backend {
            Backend::Folder(folder) => folder.usage().map(Some),
            Backend::Remote(_) => Ok(None),
        }
    }

    /// The path of an artifact in the storage: Pulp's `artifact/ab/cdef…`. What is no digest gives a path at which
    /// nothing can lie.
    pub fn artifact_path(sha256: &str) -> String {
        artifact_path(sha256)
    }

    /// A URL under which whoever has it can fetch what lies at a path from the object store, by this method, for a while
    /// ([`StorageSettings::url_lifetime`]). The store is asked to send it under this name and as this media type; Azure
    /// cannot be. `None` if it lies in a folder. Whether something is there is not looked up.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] if the cloud does not sign.
    pub async fn link(&self, path: &str, method: Method, name: &str, media_type: &str) -> Result<Option<Url>> {
        match &self.0.backend {
            Backend::Folder(_) => Ok(None),
            Backend::Remote(remote) => remote.link(path, method, name, media_type).await,
        }
    }

    /// Whether artifacts lie in an object store.
    pub fn is_remote(&self) -> bool {
        matches!(self.0.backend, Backend::Remote(_))
    }

    /// Where a path lies on the local disk, if it lies there at all; whether something is there is not looked up.
    pub fn local_path(&self, path: &str) -> Option<PathBuf> {
        match &self.0.backend {
            Backend::Folder(folder) => folder.local(path),
            Backend::Remote(_) => None,
        }
    }

    /// Makes the folder for temporary files now, so that whoever is to receive something learns at once that it cannot.
    ///
    /// # Errors
    /// [`Error::Config`] if it cannot be made.
    pub async fn open_spool(&self) -> Result<()> {
        let spool = Arc::clone(&self.0.spool);
        let opened = tokio::task::spawn_blocking(move || spool.open()).await.map_err(Error::internal)?;
        let unusable = |error| {
            let folder = self.0.spool.folder().display();
            Error::Config(format!("The folder for temporary files {folder} cannot be used: {error}."))
        };
        opened.map(drop).map_err(unusable)
    }

    /// Removes the temporary files of processes that died; says how many. Files of living processes, this one's
    /// included, are spared, so that it may run at any time; start-up is enough.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if the spool cannot be read.
    pub async fn sweep_spool(&self) -> Result<u64> {
        let spool = Arc::clone(&self.0.spool);
        blocking(move || spool.sweep()).await
    }
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.0.backend {
            Backend::Folder(_) => "folder",
            Backend::Remote(_) => "object store",
        };
        f.debug_struct("Storage").field("kind", &kind).finish_non_exhaustive()
    }
}

/// Where artifacts lie in a storage.
const ARTIFACTS: &str = "artifact";

fn artifact_path(sha256: &str) -> String {
    let (head, tail) = sha256.split_at_checked(2).unwrap_or_default();
    format!("{ARTIFACTS}/{head}/{tail}")
}

/// Whether this is the name of an artifact's file in its folder, or of the copy that was to become one.
fn is_artifact_name(name: &str) -> bool {
    let is_digest = name.len() == 62 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_digest || name.strip_prefix('.').is_some_and(|name| Uuid::try_parse(name).is_ok())
}

/// Runs file work on a thread that may block.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T> {
    joined(tokio::task::spawn_blocking(work).await)
}

/// The outcome of file work on another thread.
fn joined<T>(outcome: Result<io::Result<T>, JoinError>) -> Result<T> {
    match outcome {
        Ok(outcome) => outcome.map_err(fault),
        Err(error) => Err(Error::internal(error)),
    }
}

/// What a failure of file work means.
fn fault(error: io::Error) -> Error {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            tracing::error!(%error, "the storage is full");
            Error::Unavailable("The storage is full.".to_owned())
        }
        // With a sentence in it, it is one of ours and not the system's.
        ErrorKind::ResourceBusy if error.get_ref().is_some() => Error::Conflict(error.to_string()),
        _ => error.into(),
    }
}

/// Whether the system says that nothing is there, or that nothing can be.
fn is_absent(error: &io::Error) -> bool {
    use ErrorKind::{InvalidFilename, InvalidInput, NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory | InvalidFilename | InvalidInput)
}

fn not_found() -> Error {
    Error::NotFound("The file is not in the storage.".to_owned())
}
