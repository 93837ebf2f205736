//! A local folder of artifacts.
//!
//! `object_store`'s [`LocalFileSystem`] decides where a path lies and that it lies inside. Naming and reading are done
//! here, because it syncs file by file and reads 8 KiB at a time: a batch here is named in one trip to another thread
//! and made durable by one flush.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use object_store::local::LocalFileSystem;

use super::barrier::Barrier;
use super::read::{self, Reading};
use super::receive::{Body, Received};
use super::spool::Spool;
use super::{Kept, Usage, artifact_path, blocking, is_absent, not_found};
use crate::error::{Error, Result};

/// The media folder.
#[derive(Debug)]
pub(super) struct Folder {
    files: LocalFileSystem,
    durable: bool,
    barrier: Barrier,
    /// Where artifacts lie. Held open, because the system reports a failed write-back to whoever had the filesystem
    /// open when it happened.
    artifacts: Arc<File>,
}

impl Folder {
    pub(super) fn open(root: &Path, durable: bool) -> Result<Self> {
        let artifacts = root.join("artifact");
        let opened = fs::create_dir_all(&artifacts).and_then(|()| File::open(&artifacts));
        let artifacts = opened
            .map_err(|error| Error::Config(format!("The media folder {} cannot be used: {error}.", root.display())))?;
        let files = LocalFileSystem::new_with_prefix(root)?;
        Ok(Self { files, durable, barrier: Barrier::default(), artifacts: Arc::new(artifacts) })
    }

    /// Where a path lies; `None` for one that cannot exist, such as one that would lead out.
    pub(super) fn local(&self, path: &str) -> Option<PathBuf> {
        self.files.path_to_filesystem(&object_store::path::Path::parse(path).ok()?).ok()
    }

    pub(super) async fn keep(self: &Arc<Self>, spool: &Arc<Spool>, batch: Vec<Received>) -> Result<Vec<Kept>> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        // Two syncs cost a single file less than a flush of the filesystem does.
        let singly = self.durable && batch.len() == 1;
        let (folder, spool) = (Arc::clone(self), Arc::clone(spool));
        let (kept, made_folder) = blocking(move || {
            let mut kept = Vec::with_capacity(batch.len());
            let mut made_folder = false;
            for received in batch {
                let (one, made) = folder.name(&spool, received, singly)?;
                kept.push(one);
                made_folder |= made;
            }
            Ok((kept, made_folder))
        })
        .await?;
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
        let target = self.local(&path).ok_or(ErrorKind::InvalidInput)?;
        let mut made = false;
        if present(&target, size)? {
            // Whoever named it may not have made it durable yet.
            if sync {
                File::open(&target)?.sync_all()?;
            }
        } else {
            let spooled = match body {
                Body::Memory(bytes) => {
                    let (mut file, spooled) = spool.create()?;
                    file.write_all(&bytes)?;
                    if sync {
                        file.sync_all()?;
                    }
                    spooled
                }
                Body::Spooled(spooled) => {
                    if sync {
                        File::open(spooled.path())?.sync_all()?;
                    }
                    spooled
                }
            };
            // Should another process name the same content in this moment, one replaces the other by its equal.
            made = spooled.move_to(&target, sync)?;
        }
        if sync && let Some(folder) = target.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok((Kept { path, size, digests }, made))
    }

    pub(super) async fn read(&self, path: &str, range: Option<Range<u64>>) -> Result<Reading> {
        read::file(self.local(path).ok_or_else(not_found)?, range).await
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
        blocking(move || {
            for path in paths {
                match fs::remove_file(path) {
                    Err(error) if is_absent(&error) => {}
                    outcome => outcome?,
                }
            }
            Ok(())
        })
        .await
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

/// Whether the artifact is there already, whole. One of another size is the ruin of a crash, and is replaced.
fn present(target: &Path, size: u64) -> io::Result<bool> {
    match fs::metadata(target) {
        Ok(metadata) if metadata.len() == size => Ok(true),
        Ok(metadata) => {
            tracing::warn!(path = %target.display(), found = metadata.len(), size, "a damaged artifact is replaced");
            Ok(false)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
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
