//! Bodies that come in parts, in any order: chunked uploads.
//!
//! In a folder the parts of an upload are written to their places in one file, which is hashed once, while parts come in
//! order (see [`super::running`]) or when it is whole, and then renamed: no byte is written twice. In an object store each
//! part is an object, and the parts are read back in order.
//!
//! A file that is being hashed must not change, although whoever sends a part may hold it open. So each block of a part
//! is written under a shared lock, after a look whether the file still lies where the upload's parts belong; it is
//! hashed and renamed under an exclusive one, during which a part is refused. Locks are held for one block at a time, so a
//! slow sender holds up nobody.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
#[cfg(target_os = "linux")]
use std::num::NonZeroU64;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt, TryStreamExt};
#[cfg(target_os = "linux")]
use rustix::fs::Advice;
use uuid::Uuid;

use super::folder::Folder;
use super::lanes::Lanes;
use super::receive::{self, Expected, ReceiveError, Received};
use super::remote::Remote;
use super::running::{self, Turn};
use super::spool::Spool;
use super::{Algorithm, Inner, Kept, blocking};
use crate::error::{Error, Result};

/// Where parts lie in a storage.
pub(super) const UPLOADS: &str = "upload";

/// One part that was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Where the storage keeps it; the parts of one upload may share a path.
    pub path: String,
    /// Where it begins.
    pub offset: u64,
    /// Its length in bytes.
    pub size: u64,
}

/// Where the parts of an upload lie in a folder, or below which they lie in an object store.
pub(super) fn upload_path(upload: Uuid) -> String {
    format!("{UPLOADS}/{upload}")
}

/// The sentence for an upload that lacks bytes.
fn incomplete() -> Error {
    Error::invalid_together("The upload is not complete: parts of it are missing.")
}

/// Whether the parts cover `size` bytes; they may overlap.
fn check_cover(parts: &[Part], size: u64) -> Result<()> {
    let mut parts: Vec<_> = parts.iter().map(|part| (part.offset, part.offset.saturating_add(part.size))).collect();
    parts.sort_unstable();
    let covered = parts.into_iter().try_fold(0, |to, (from, end)| if from > to { None } else { Some(to.max(end)) });
    if covered == Some(size) { Ok(()) } else { Err(incomplete()) }
}

/// A place in an upload's file, where the next block of a part goes.
#[derive(Debug)]
pub(super) struct Place {
    file: File,
    path: PathBuf,
    from: u64,
    at: u64,
}

impl Place {
    /// Opens the file of an upload, and says whether it was made.
    fn open(path: PathBuf, at: u64) -> io::Result<(Self, bool)> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut options = OpenOptions::new();
        let (file, made) = match options.write(true).create_new(true).open(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                (options.create_new(false).create(true).truncate(false).open(&path)?, false)
            }
            file => (file?, true),
        };
        Ok((Self { file, path, from: at, at }, made))
    }

    pub(super) fn write(&mut self, block: &[u8]) -> io::Result<()> {
        match self.file.try_lock_shared() {
            Ok(()) => {}
            // To wait would keep a thread, and enough of those would keep the commit from all of them.
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::new(ErrorKind::ResourceBusy, "The upload is being committed."));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let written = match is_at(&self.file, &self.path) {
            Ok(true) => self.file.write_all_at(block, self.at),
            // The upload was committed or deleted meanwhile: whatever the file is now, it is not ours to write.
            Ok(false) => Err(ErrorKind::NotFound.into()),
            Err(error) => Err(error),
        };
        self.file.unlock()?;
        self.at += block.len() as u64;
        written
    }

    /// Closes the place of a part that is written, and has the disk begin with it: the commit will wait for that.
    pub(super) fn close(self) {
        #[cfg(target_os = "linux")]
        if let Some(length) = NonZeroU64::new(self.at - self.from) {
            // What is not on the disk yet cannot be dropped from memory as advised, so it is begun to be written.
            let _ = rustix::fs::fadvise(&self.file, self.from, Some(length), Advice::DontNeed);
        }
    }
}

/// Whether an open file is what lies at a path.
pub(super) fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let mine = file.metadata()?;
    match fs::metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (mine.dev(), mine.ino())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Receives a part straight to its place. With `replaces` it is verified first, so that what is there survives a part
/// that is not what was promised.
pub(super) async fn place<S>(
    folder: &Folder,
    storage: &Inner,
    upload: Uuid,
    offset: u64,
    replaces: bool,
    stream: S,
    expected: &Expected,
) -> Result<Part, ReceiveError>
where
    S: Stream<Item = Result<Bytes>> + Send,
{
    let path = upload_path(upload);
    let (place, turn) = open(folder, storage, upload, offset, replaces).await?;
    if replaces {
        let received = receive::receive(&storage.spool, &[], stream, expected).await?;
        let lanes = Lanes::placing(place, &[]);
        let size = receive::feed(&lanes, received.read().await?.body, &Expected::default()).await?;
        lanes.finish().await?;
        return Ok(Part { path, offset, size });
    }
    let mut lanes = Lanes::placing(place, &expected.algorithms(&[]));
    let turn = turn.map(|(turn, running)| (turn, lanes.join(running)));
    let size = receive::feed(&lanes, stream, expected).await?;
    let turn = turn.map(|(turn, from)| (turn, lanes.part(from)));
    expected.verify(size, &lanes.finish().await?)?;
    if let Some((turn, running)) = turn {
        turn.done(size, running);
    }
    Ok(Part { path, offset, size })
}

/// Opens the place of a part, with the lanes that it continues, if it does. All else is written beside a mark.
async fn open<'a>(
    folder: &'a Folder,
    storage: &Inner,
    upload: Uuid,
    offset: u64,
    replaces: bool,
) -> Result<(Place, Option<(Turn<'a>, Lanes)>)> {
    let target = folder.local(&upload_path(upload)).ok_or_else(super::not_found)?;
    let opened = target.clone();
    let (place, made) = blocking(move || Place::open(opened, offset)).await?;
    if made {
        folder.running().begin(upload, &storage.algorithms);
    }
    let turn = folder.running().turn(upload, offset).filter(|_| !replaces);
    if turn.is_none() {
        blocking(move || running::mark(&target)).await?;
    }
    Ok((place, turn))
}

/// Receives a part as an object of its own.
pub(super) async fn put<S>(
    remote: &Remote,
    spool: &Arc<Spool>,
    upload: Uuid,
    offset: u64,
    stream: S,
    expected: &Expected,
) -> Result<Part, ReceiveError>
where
    S: Stream<Item = Result<Bytes>> + Send,
{
    let path = format!("{}/{}", upload_path(upload), Uuid::now_v7());
    let Received { size, body, .. } = receive::receive(spool, &[], stream, expected).await?;
    remote.store(&path, size, body).await?;
    Ok(Part { path, offset, size })
}

/// Gives an upload's file its name as an artifact, hashed while it came or now.
pub(super) async fn name(
    folder: &Arc<Folder>,
    algorithms: &[Algorithm],
    upload: Uuid,
    parts: &[Part],
    expected: &Expected,
) -> Result<Kept, ReceiveError> {
    let size = expected.size.unwrap_or(0);
    check_cover(parts, size)?;
    let source = folder.local(&upload_path(upload)).ok_or_else(super::not_found)?;
    // A commit that was cut off between naming the file and saying so in the database left it under its name.
    let named = folder.local(&super::artifact_path(expected.digests.sha256()));
    let empty = size == 0;
    let (file, source, marked) = blocking(move || {
        if empty {
            Place::open(source.clone(), 0)?;
        }
        if let Some(file) = open_locked(&source)? {
            let marked = running::is_marked(&source)?;
            return Ok(Some((file, source, marked)));
        }
        let Some(named) = named else { return Ok(None) };
        Ok(open_locked(&named)?.map(|file| (file, named, true)))
    })
    .await?
    .ok_or_else(incomplete)?;

    let (reader, syncer, durable) =
        (file.try_clone().map_err(Error::from)?, file.try_clone().map_err(Error::from)?, folder.durable());
    // The disk writes while the processor hashes.
    let synced = tokio::task::spawn_blocking(move || if durable { syncer.sync_data() } else { Ok(()) });
    let covered = expected.algorithms(algorithms) == algorithms;
    let hashed = match folder.running().take(upload, size).filter(|_| covered && !marked) {
        Some(running) => running.finish().await.map_err(ReceiveError::from).and_then(|digests| {
            expected.verify(size, &digests)?;
            Ok(digests)
        }),
        None => receive::hash(algorithms, blocks(reader), expected).await,
    };
    super::joined(synced.await)?;
    let digests = receive::only(algorithms, hashed?);
    Ok(folder.adopt(file, source, size, digests).await?)
}

/// Opens a file and waits for its lock; `None` if nothing is there, or not any more.
fn open_locked(path: &Path) -> io::Result<Option<File>> {
    let file = match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    file.lock()?;
    Ok(is_at(&file, path)?.then_some(file))
}

/// The blocks of a file, from its beginning.
fn blocks(file: File) -> impl Stream<Item = Result<Bytes>> + Send {
    stream::try_unfold((file, 0_u64), |(file, at)| async move {
        let (file, block) = blocking(move || {
            let mut block = vec![0; receive::BLOCK];
            let mut filled = 0;
            while filled < block.len() {
                match file.read_at(&mut block[filled..], at + filled as u64)? {
                    0 => break,
                    read => filled += read,
                }
            }
            block.truncate(filled);
            Ok((file, Bytes::from(block)))
        })
        .await?;
        let next = at + block.len() as u64;
        Ok((!block.is_empty()).then_some((block, (file, next))))
    })
}

/// Reads the parts back in order, hashes them and keeps the whole.
pub(super) async fn join(
    remote: &Remote,
    spool: &Arc<Spool>,
    algorithms: &[Algorithm],
    parts: &[Part],
    expected: &Expected,
) -> Result<Received, ReceiveError> {
    check_cover(parts, expected.size.unwrap_or(0))?;
    let mut parts = parts.to_vec();
    parts.sort_unstable_by_key(|part| part.offset);
    let mut at = 0;
    let mut pieces = Vec::with_capacity(parts.len());
    for part in parts {
        let end = part.offset + part.size;
        if end > at {
            pieces.push((part.path, at - part.offset..part.size));
            at = end;
        }
    }
    receive::receive(spool, algorithms, pieces_of(remote.clone(), pieces), expected).await
}

/// The bytes of pieces of objects, one after the other.
fn pieces_of(remote: Remote, pieces: Vec<(String, Range<u64>)>) -> BoxStream<'static, Result<Bytes>> {
    let bodies = stream::iter(pieces).then(move |(path, range)| {
        let remote = remote.clone();
        async move { Ok::<_, Error>(remote.read(&path, Some(range)).await?.body) }
    });
    bodies.try_flatten().boxed()
}

/// The uploads that have bytes in a folder.
pub(super) fn in_folder(root: &Path) -> io::Result<Vec<Uuid>> {
    let entries = match fs::read_dir(root.join(UPLOADS)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut uploads = Vec::new();
    for entry in entries {
        // A file, or the mark beside one.
        let path = PathBuf::from(entry?.file_name());
        uploads.extend(path.file_stem().and_then(|name| Uuid::parse_str(name.to_str()?).ok()));
    }
    uploads.sort_unstable();
    uploads.dedup();
    Ok(uploads)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(offset: u64, size: u64) -> Part {
        Part { path: String::new(), offset, size }
    }

    #[test]
    fn parts_cover_in_any_order_and_may_overlap() {
        check_cover(&[part(6, 5), part(0, 6)], 11).unwrap();
        check_cover(&[part(0, 8), part(6, 5)], 11).unwrap();
        check_cover(&[], 0).unwrap();
    }

    #[test]
    fn a_hole_a_missing_end_and_an_overhang_are_refused() {
        for (parts, size) in
            [(vec![part(0, 5), part(6, 5)], 11), (vec![part(0, 5)], 11), (vec![part(0, 12)], 11), (vec![], 1)]
        {
            check_cover(&parts, size).unwrap_err();
        }
    }
}
