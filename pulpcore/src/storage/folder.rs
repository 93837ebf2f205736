//! A local folder of artifacts.
//!
//! `object_store`'s [`LocalFileSystem`] decides where a path lies and that it lies inside. Naming and reading are done
//! here, because it syncs file by file and reads 8 KiB at a time: a batch here is named in one trip to another thread
//! and made durable by one flush.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::try_join_all;
use object_store::local::LocalFileSystem;
use uuid::Uuid;

use super::barrier::Barrier;
use super::digest::{Algorithm, Digests, Hasher};
use super::direct::Direct;
use super::parts::{self, is_at};
use super::read::{self, Reading};
use super::receive::{Body, Received};
use super::running::{self, Running};
use super::spool::{Spool, Spooled};
#[cfg(target_os = "linux")]
use super::unnamed;
use super::{ARTIFACTS, Hold, Kept, Usage, artifact_path, blocking, is_absent, is_artifact_name, not_found};
use crate::error::{Error, Result};

/// The media folder.
#[derive(Debug)]
pub(super) struct Folder {
    files: LocalFileSystem,
    durable: bool,
    barrier: Barrier,
    /// How many callers are keeping something.
    keeping: AtomicUsize,
    /// Where artifacts lie. Held open, because the system reports a failed write-back to whoever had the filesystem
    /// open when it happened.
    artifacts: Arc<File>,
    root: PathBuf,
    running: Running,
}

/// One of those who are keeping something.
struct Busy<'a> {
    keeping: &'a AtomicUsize,
    /// Whether nobody else was when this one came.
    is_alone: bool,
}

impl<'a> Busy<'a> {
    fn enter(keeping: &'a AtomicUsize) -> Self {
        Self { keeping, is_alone: keeping.fetch_add(1, Ordering::Relaxed) == 0 }
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.keeping.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A file that nobody may start to use while this is held.
type Locked = (String, PathBuf, File);

impl Folder {
    pub(super) fn open(root: &Path, durable: bool) -> Result<Self> {
        let artifacts = root.join(ARTIFACTS);
        let opened = fs::create_dir_all(&artifacts).and_then(|()| File::open(&artifacts));
        let artifacts = opened
            .map_err(|error| Error::Config(format!("The media folder {} cannot be used: {error}.", root.display())))?;
        let files = LocalFileSystem::new_with_prefix(root)?;
        Ok(Self {
            files,
            durable,
            barrier: Barrier::default(),
            keeping: AtomicUsize::new(0),
            artifacts: Arc::new(artifacts),
            root: root.to_owned(),
            running: Running::default(),
        })
    }

    /// The uploads that are hashed while they come.
    pub(super) fn running(&self) -> &Running {
        &self.running
    }

    pub(super) fn durable(&self) -> bool {
        self.durable
    }

    /// Where a path lies; `None` for one that cannot exist, such as one that would lead out.
    pub(super) fn local(&self, path: &str) -> Option<PathBuf> {
        self.files.path_to_filesystem(&object_store::path::Path::parse(path).ok()?).ok()
    }

    pub(super) async fn keep(self: &Arc<Self>, spool: &Arc<Spool>, batch: Vec<Received>) -> Result<Vec<Kept>> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        // Two syncs cost a single file less than a flush of the filesystem does, unless others need the flush as well.
        let busy = Busy::enter(&self.keeping);
        let singly = self.durable && batch.len() == 1 && busy.is_alone;
        let named = shares(batch).into_iter().map(|share| {
            let (folder, spool) = (Arc::clone(self), Arc::clone(spool));
            blocking(move || share.into_iter().map(|received| folder.name(&spool, received, singly)).collect())
        });
        let named: Vec<Vec<(Kept, bool)>> = try_join_all(named).await?;
        let made_folder = named.iter().flatten().any(|(_, made)| *made);
        let kept = named.into_iter().flatten().map(|(kept, _)| kept).collect();
        if self.durable && (!singly || made_folder) {
            let artifacts = Arc::clone(&self.artifacts);
            self.barrier.wait(move || flush(&artifacts)).await?;
        }
        Ok(kept)
    }

    /// Gives one body its name; says whether a folder had to be made for it.
    fn name(&self, spool: &Arc<Spool>, received: Received, sync: bool) -> io::Result<(Kept, bool)> {
        let Received { size, digests, body } = received;
        let path = artifact_path(digests.sha256());
        let target = self.root.join(&path);
        let mut hold = Hold::default();
        let made = match self.create(&path, &body, sync) {
            Ok(made) => made,
            // It is there already, or it takes a temporary name first.
            Err(error) if matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::Unsupported) => {
                if let Some(there) = present(&target, size, digests.sha256())? {
                    // Whoever named it may not have made it durable yet.
                    if sync {
                        there.sync_all()?;
                    }
                    hold = Hold::of(there);
                    false
                } else {
                    // Should another process name the same content in this moment, one replaces the other by its equal.
                    spooled(spool, body, sync)?.move_to(&target, sync)?
                }
            }
            Err(error) => return Err(error),
        };
        if sync && let Some(folder) = target.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok((Kept { path, size, digests, hold }, made))
    }

    /// Makes the file of a body in memory, if there is none of its name; says whether a folder had to be made for it.
    #[cfg(target_os = "linux")]
    fn create(&self, path: &str, body: &Body, sync: bool) -> io::Result<bool> {
        match (body, path.split_once('/')) {
            (Body::Memory(bytes), Some((_, below))) => unnamed::create(&self.artifacts, below, bytes, sync),
            _ => Err(ErrorKind::Unsupported.into()),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn create(&self, _: &str, _: &Body, _: bool) -> io::Result<bool> {
        Err(ErrorKind::Unsupported.into())
    }

    /// Gives a file that lies in this folder, hashed and locked, its name as an artifact.
    pub(super) async fn adopt(
        self: &Arc<Self>,
        file: File,
        source: PathBuf,
        size: u64,
        digests: Digests,
    ) -> Result<Kept> {
        let path = artifact_path(digests.sha256());
        let target = self.local(&path).ok_or_else(not_found)?;
        let durable = self.durable;
        let sha256 = digests.sha256().to_owned();
        let (hold, made) = blocking(move || {
            if source == target {
                file.lock_shared()?;
                return Ok((Hold::of(file), false));
            }
            if let Some(there) = present(&target, size, &sha256)? {
                return Ok((Hold::of(there), false));
            }
            let folder = target.parent().ok_or(ErrorKind::InvalidInput)?;
            let made = !folder.exists();
            fs::create_dir_all(folder)?;
            fs::rename(&source, &target)?;
            if durable {
                file.sync_all()?;
                File::open(folder)?.sync_all()?;
            }
            Ok((Hold::default(), made))
        })
        .await?;
        if durable && made {
            let artifacts = Arc::clone(&self.artifacts);
            self.barrier.wait(move || flush(&artifacts)).await?;
        }
        Ok(Kept { path, size, digests, hold })
    }

    /// Locks files that are to be removed. What somebody is about to use is left out, and what is not there.
    pub(super) async fn lock(&self, paths: Vec<String>) -> Result<Vec<Locked>> {
        let paths: Vec<_> = paths.into_iter().filter_map(|path| Some((self.local(&path)?, path))).collect();
        blocking(move || {
            let mut locked = Vec::with_capacity(paths.len());
            for (local, path) in paths {
                let file = match File::open(&local) {
                    Err(error) if is_absent(&error) => continue,
                    file => file?,
                };
                match file.try_lock() {
                    Ok(()) => locked.push((path, local, file)),
                    Err(TryLockError::WouldBlock) => {}
                    Err(TryLockError::Error(error)) => return Err(error),
                }
            }
            Ok(locked)
        })
        .await
    }

    /// Removes locked files.
    pub(super) async fn unlink(&self, locked: Vec<Locked>) -> Result<()> {
        let removed = shares(locked).into_iter().map(|share| {
            blocking(move || {
                for (_, local, file) in share {
                    remove(&local)?;
                    // The last use of a file that has no name: here its blocks are given back.
                    drop(file);
                }
                Ok(())
            })
        });
        try_join_all(removed).await.map(drop)
    }

    /// The artifacts' files in a folder that were last written and named before a second of the Unix epoch.
    pub(super) async fn untouched(&self, below: String, since: i64) -> Result<Vec<String>> {
        let folder = self.root.join(&below);
        blocking(move || {
            let mut paths = Vec::new();
            let entries = match fs::read_dir(folder) {
                Err(error) if is_absent(&error) => return Ok(paths),
                entries => entries?,
            };
            for entry in entries {
                let entry = entry?;
                let name = entry.file_name().to_str().filter(|name| is_artifact_name(name)).map(str::to_owned);
                let Some(name) = name else { continue };
                match entry.metadata() {
                    // Naming a file changes the time of its status, however old its bytes are.
                    Ok(file) if file.is_file() && file.mtime().max(file.ctime()) < since => {
                        paths.push(format!("{below}/{name}"));
                    }
                    Err(error) if !is_absent(&error) => return Err(error),
                    _ => {}
                }
            }
            Ok(paths)
        })
        .await
    }

    /// Removes what lies here of an upload.
    pub(super) async fn discard(&self, upload: Uuid) -> Result<()> {
        let Some(file) = self.local(&parts::upload_path(upload)) else { return Ok(()) };
        blocking(move || remove(&file).and_then(|()| remove(&running::beside(&file)))).await
    }

    /// The uploads of which bytes lie here.
    pub(super) async fn uploads(&self) -> Result<Vec<Uuid>> {
        let root = self.root.clone();
        blocking(move || parts::in_folder(&root)).await
    }

    pub(super) async fn read(&self, path: &str, range: Option<Range<u64>>, direct: Option<&Direct>) -> Result<Reading> {
        read::file(self.local(path).ok_or_else(not_found)?, range, direct).await
    }

    pub(super) async fn size(&self, path: &str) -> Result<Option<u64>> {
        let Some(path) = self.local(path) else { return Ok(None) };
        blocking(move || match fs::metadata(path) {
            Ok(metadata) => Ok(metadata.is_file().then_some(metadata.len())),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(error),
        })
        .await
    }

    pub(super) async fn delete(&self, paths: &[String]) -> Result<()> {
        // What cannot exist is missing.
        let paths: Vec<_> = paths.iter().filter_map(|path| self.local(path)).collect();
        blocking(move || paths.iter().try_for_each(|path| remove(path))).await
    }

    pub(super) fn artifacts_path(&self) -> PathBuf {
        self.root.join(ARTIFACTS)
    }

    pub(super) fn usage(&self) -> Result<Usage> {
        let fs = rustix::fs::fstatvfs(&self.artifacts).map_err(io::Error::from)?;
        Ok(Usage {
            total: fs.f_blocks.saturating_mul(fs.f_frsize),
            used: fs.f_blocks.saturating_sub(fs.f_bfree).saturating_mul(fs.f_frsize),
            free: fs.f_bavail.saturating_mul(fs.f_frsize),
        })
    }
}

/// Removes a file, if there is one.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if is_absent(&error) => Ok(()),
        outcome => outcome,
    }
}

/// A batch in as many parts as are worth a thread each: making and removing files is waiting for the filesystem.
fn shares<T>(mut batch: Vec<T>) -> Vec<Vec<T>> {
    const THREADS: usize = 4;
    const LEAST: usize = 32;
    let size = batch.len().div_ceil(THREADS).max(LEAST);
    let mut shares = Vec::with_capacity(THREADS);
    while batch.len() > size {
        shares.push(batch.drain(..size).collect());
    }
    shares.push(batch);
    shares
}

/// A body as a temporary file.
fn spooled(spool: &Spool, body: Body, sync: bool) -> io::Result<Spooled> {
    let (file, spooled) = match body {
        Body::Memory(bytes) => {
            let (mut file, spooled) = spool.create()?;
            file.write_all(&bytes)?;
            (file, spooled)
        }
        Body::Spooled(spooled) => (File::open(spooled.path())?, spooled),
    };
    if sync {
        file.sync_all()?;
    }
    Ok(spooled)
}

/// The artifact if it is there already, whole, locked so that nobody removes it meanwhile. A name may survive a power cut
/// that its bytes do not, so they are looked at: what is not what it is called is the ruin of a crash, and is replaced.
fn present(target: &Path, size: u64, sha256: &str) -> io::Result<Option<File>> {
    let mut file = match File::open(target) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    file.lock_shared()?;
    if file.metadata()?.len() != size || sha256_of(&mut file)? != sha256 {
        tracing::warn!(path = %target.display(), "a damaged artifact is replaced");
        return Ok(None);
    }
    Ok(is_at(&file, target)?.then_some(file))
}

fn sha256_of(file: &mut File) -> io::Result<String> {
    let mut hasher = Hasher::new(&[Algorithm::Sha256]);
    let mut block = vec![0; 1 << 20];
    loop {
        match file.read(&mut block)? {
            0 => return Ok(hasher.finish().1.sha256().to_owned()),
            read => hasher.update(&block[..read]),
        }
    }
}

/// Writes everything that the filesystem of this folder still holds in memory.
#[cfg(target_os = "linux")]
fn flush(folder: &File) -> io::Result<()> {
    Ok(rustix::fs::syncfs(folder)?)
}

/// Writes everything that any filesystem still holds in memory: elsewhere there is no call for one of them.
#[cfg(not(target_os = "linux"))]
fn flush(_folder: &File) -> io::Result<()> {
    rustix::fs::sync();
    Ok(())
}
