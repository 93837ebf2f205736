//! Running digests of uploads: parts that come in order are hashed while they come, and a commit need not read them again.
//!
//! What was hashed must be what lies in the file when that is named. So an upload's digests run only while the process
//! that made the file writes to it, each part whole and where the one before ended. Whoever writes anything else first
//! puts a mark beside the file, which every process sees; then, as when this process has forgotten, the commit reads the
//! file.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use super::digest::Algorithm;
use super::lanes::Lanes;

/// How many uploads are followed at a time. Beyond, the one that began first is forgotten: it may have been given up.
const UPLOADS: usize = 256;

/// The uploads whose digests run in this process.
#[derive(Debug, Default)]
pub(super) struct Running(Mutex<VecDeque<Upload>>);

#[derive(Debug)]
struct Upload {
    id: Uuid,
    /// How much of it the lanes have got.
    end: u64,
    /// `None` while a part is coming. They may still be at the last one.
    lanes: Option<Lanes>,
}

/// The part that continues an upload's digests. Unless it comes to its end, they are forgotten.
pub(super) struct Turn<'a> {
    running: &'a Running,
    upload: Uuid,
    offset: u64,
}

impl Running {
    /// Begins to follow an upload, as whoever made its file.
    pub(super) fn begin(&self, id: Uuid, algorithms: &[Algorithm]) {
        let mut uploads = self.lock();
        if uploads.len() == UPLOADS {
            uploads.pop_front();
        }
        uploads.push_back(Upload { id, end: 0, lanes: Some(Lanes::running(algorithms)) });
    }

    /// The lanes for a part that begins at `offset`, if that is where the part before it ended. Otherwise the upload is
    /// forgotten: the part must not be written before [`mark`] was called.
    pub(super) fn turn(&self, id: Uuid, offset: u64) -> Option<(Turn<'_>, Lanes)> {
        let mut uploads = self.lock();
        let at = uploads.iter().position(|upload| upload.id == id)?;
        match uploads[at].lanes.take() {
            Some(lanes) if uploads[at].end == offset => Some((Turn { running: self, upload: id, offset }, lanes)),
            _ => {
                uploads.remove(at);
                None
            }
        }
    }

    /// What has the digests of a whole upload of `size` bytes, if its file, which is locked, has no mark. It is not followed
    /// any more.
    pub(super) fn take(&self, id: Uuid, size: u64) -> Option<Lanes> {
        let mut uploads = self.lock();
        let at = uploads.iter().position(|upload| upload.id == id)?;
        uploads.remove(at).filter(|upload| upload.end == size)?.lanes
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Upload>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn<'_> {
    /// The part came whole, was written to its last byte, and is with the lanes.
    pub(super) fn done(self, size: u64, lanes: Lanes) {
        let mut uploads = self.running.lock();
        if let Some(upload) = uploads.iter_mut().find(|upload| upload.id == self.upload && upload.end == self.offset) {
            upload.end += size;
            upload.lanes = Some(lanes);
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // Parts that came to their end gave the lanes back.
        let mut uploads = self.running.lock();
        uploads.retain(|upload| upload.id != self.upload || upload.lanes.is_some());
    }
}

/// Says beside an upload's file, for all processes, that more may lie in it than what was hashed while it came.
pub(super) fn mark(file: &Path) -> io::Result<()> {
    File::create(beside(file)).map(drop)
}

/// Whether somebody did.
pub(super) fn is_marked(file: &Path) -> io::Result<bool> {
    fs::exists(beside(file))
}

/// Where the mark of an upload's file lies.
pub(super) fn beside(file: &Path) -> PathBuf {
    file.with_extension("shared")
}

#[cfg(test)]
mod tests {
    use super::super::{Digests, Hasher};
    use super::*;

    const ALGORITHMS: [Algorithm; 2] = [Algorithm::Sha256, Algorithm::Sha512];

    /// Sends a part, if it is its turn.
    async fn part(running: &Running, id: Uuid, offset: u64, body: &'static [u8]) -> bool {
        let Some((turn, lanes)) = running.turn(id, offset) else { return false };
        lanes.push(body.into()).await.unwrap();
        turn.done(body.len() as u64, lanes);
        true
    }

    async fn taken(running: &Running, id: Uuid, size: u64) -> Option<Digests> {
        Some(running.take(id, size)?.finish().await.unwrap())
    }

    fn begun() -> (Running, Uuid) {
        let (running, id) = (Running::default(), Uuid::now_v7());
        running.begin(id, &ALGORITHMS);
        (running, id)
    }

    #[tokio::test]
    async fn parts_in_order_make_the_digests_of_the_whole() {
        let (running, id) = begun();
        assert!(part(&running, id, 0, b"hello ").await && part(&running, id, 6, b"world").await);
        let mut whole = Hasher::new(&ALGORITHMS);
        whole.update(b"hello world");
        assert_eq!(taken(&running, id, 11).await, Some(whole.finish().1));
        assert_eq!(taken(&running, id, 11).await, None, "once");
    }

    #[tokio::test]
    async fn a_part_out_of_turn_ends_them_and_so_do_a_hole_and_a_second_at_once() {
        for offset in [0, 5, 7] {
            let (running, id) = begun();
            assert!(part(&running, id, 0, b"hello ").await && !part(&running, id, offset, b"world").await);
            assert!(!part(&running, id, 6, b"world").await, "it is not taken up again");
        }
        let (running, id) = begun();
        let (turn, lanes) = running.turn(id, 0).unwrap();
        assert!(!part(&running, id, 0, b"other").await);
        turn.done(5, lanes);
        assert_eq!(taken(&running, id, 5).await, None);
        assert!(running.turn(Uuid::now_v7(), 0).is_none(), "of another, nothing is known");
    }

    #[tokio::test]
    async fn a_part_that_breaks_off_ends_them_and_so_does_a_commit_before_the_end() {
        let (running, id) = begun();
        drop(running.turn(id, 0).unwrap());
        assert!(!part(&running, id, 0, b"hello").await);
        let (running, id) = begun();
        assert!(part(&running, id, 0, b"hello").await);
        assert_eq!(taken(&running, id, 6).await, None);
        let (running, id) = begun();
        let (turn, lanes) = running.turn(id, 0).unwrap();
        assert_eq!(taken(&running, id, 0).await, None, "a part is coming");
        turn.done(5, lanes);
        assert_eq!(taken(&running, id, 5).await, None);
    }

    #[tokio::test]
    async fn only_so_many_are_followed() {
        let (running, id) = begun();
        (0..UPLOADS).for_each(|_| running.begin(Uuid::now_v7(), &ALGORITHMS));
        assert!(running.turn(id, 0).is_none());
        assert_eq!(running.lock().len(), UPLOADS);
    }

    #[test]
    fn a_mark_lies_beside_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(Uuid::now_v7().to_string());
        assert!(!is_marked(&file).unwrap());
        mark(&file).unwrap();
        mark(&file).unwrap();
        assert!(is_marked(&file).unwrap() && !file.exists());
    }
}
