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

use super::digest::{Algorithm, Digests, Hasher};

/// How many uploads are followed at a time. Beyond, the one that began first is forgotten: it may have been given up.
const UPLOADS: usize = 256;

/// The uploads whose digests run in this process.
#[derive(Debug, Default)]
pub(super) struct Running(Mutex<VecDeque<Upload>>);

#[derive(Debug)]
struct Upload {
    id: Uuid,
    /// How much of it was hashed.
    end: u64,
    /// One for each algorithm; `None` while a part is coming.
    hashers: Option<Vec<Hasher>>,
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
        uploads.push_back(Upload { id, end: 0, hashers: Some(Hasher::each(algorithms).collect()) });
    }

    /// The hashers for a part that begins at `offset`, if that is where the part before it ended. Otherwise the upload is
    /// forgotten: the part must not be written before [`mark`] was called.
    pub(super) fn turn(&self, id: Uuid, offset: u64) -> Option<(Turn<'_>, Vec<Hasher>)> {
        let mut uploads = self.lock();
        let at = uploads.iter().position(|upload| upload.id == id)?;
        match uploads[at].hashers.take() {
            Some(hashers) if uploads[at].end == offset => Some((Turn { running: self, upload: id, offset }, hashers)),
            _ => {
                uploads.remove(at);
                None
            }
        }
    }

    /// The digests of a whole upload of `size` bytes, whose file is locked and has no mark; it is not followed any more.
    pub(super) fn take(&self, id: Uuid, size: u64) -> Option<Digests> {
        let mut uploads = self.lock();
        let at = uploads.iter().position(|upload| upload.id == id)?;
        let upload = uploads.remove(at).filter(|upload| upload.end == size)?;
        Some(upload.hashers?.into_iter().collect())
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Upload>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn<'_> {
    /// The part came whole, to its last byte written and hashed.
    pub(super) fn done(self, size: u64, hashers: Vec<Hasher>) {
        let mut uploads = self.running.lock();
        if let Some(upload) = uploads.iter_mut().find(|upload| upload.id == self.upload && upload.end == self.offset) {
            upload.end += size;
            upload.hashers = Some(hashers);
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // Parts that came to their end gave the hashers back.
        let mut uploads = self.running.lock();
        uploads.retain(|upload| upload.id != self.upload || upload.hashers.is_some());
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
    use super::*;

    const ALGORITHMS: [Algorithm; 2] = [Algorithm::Sha256, Algorithm::Sha512];

    /// Sends a part, if it is its turn.
    fn part(running: &Running, id: Uuid, offset: u64, body: &[u8]) -> bool {
        let Some((turn, mut hashers)) = running.turn(id, offset) else { return false };
        hashers.iter_mut().for_each(|hasher| hasher.update(body));
        turn.done(body.len() as u64, hashers);
        true
    }

    fn begun() -> (Running, Uuid) {
        let (running, id) = (Running::default(), Uuid::now_v7());
        running.begin(id, &ALGORITHMS);
        (running, id)
    }

    #[test]
    fn parts_in_order_make_the_digests_of_the_whole() {
        let (running, id) = begun();
        assert!(part(&running, id, 0, b"hello ") && part(&running, id, 6, b"world"));
        let mut whole = Hasher::new(&ALGORITHMS);
        whole.update(b"hello world");
        assert_eq!(running.take(id, 11), Some(whole.finish().1));
        assert_eq!(running.take(id, 11), None, "once");
    }

    #[test]
    fn a_part_out_of_turn_ends_them_and_so_do_a_hole_and_a_second_at_once() {
        for offset in [0, 5, 7] {
            let (running, id) = begun();
            assert!(part(&running, id, 0, b"hello ") && !part(&running, id, offset, b"world"));
            assert!(!part(&running, id, 6, b"world"), "it is not taken up again");
        }
        let (running, id) = begun();
        let (turn, hashers) = running.turn(id, 0).unwrap();
        assert!(!part(&running, id, 0, b"other"));
        turn.done(5, hashers);
        assert_eq!(running.take(id, 5), None);
        assert!(running.turn(Uuid::now_v7(), 0).is_none(), "of another, nothing is known");
    }

    #[test]
    fn a_part_that_breaks_off_ends_them_and_so_does_a_commit_before_the_end() {
        let (running, id) = begun();
        drop(running.turn(id, 0).unwrap());
        assert!(!part(&running, id, 0, b"hello"));
        let (running, id) = begun();
        assert!(part(&running, id, 0, b"hello"));
        assert_eq!(running.take(id, 6), None);
        let (running, id) = begun();
        let (turn, hashers) = running.turn(id, 0).unwrap();
        assert_eq!(running.take(id, 0), None, "a part is coming");
        turn.done(5, hashers);
        assert_eq!(running.take(id, 5), None);
    }

    #[test]
    fn only_so_many_are_followed() {
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
