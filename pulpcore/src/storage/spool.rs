//! Temporary files: where a body lies until it is verified and named.
//!
//! Each process has a folder of its own in the spool and holds a lock in it for as long as it lives, so that several
//! processes can share one spool and a later one can tell what a dead one left behind. A file removes itself when it
//! is dropped: a transfer that fails or is canceled leaves nothing. The folder is made when it is first needed: a process
//! that only serves needs none, and may not be allowed to make it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

/// The file that a living process holds locked in its folder.
const LOCK: &str = "lock";

/// This process's folder of temporary files.
#[derive(Debug)]
pub(super) struct Spool {
    spool: PathBuf,
    own: Mutex<Option<Arc<Own>>>,
}

/// The folder, and the lock that says that it is in use.
#[derive(Debug)]
pub(super) struct Own {
    folder: PathBuf,
    _alive: File,
}

impl Own {
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Spool {
    /// In `spool`, of which nothing is asked yet.
    pub(super) fn new(spool: PathBuf) -> Self {
        Self { spool, own: Mutex::default() }
    }

    /// Makes the folder of this process, and `spool` if need be, unless it is there.
    pub(super) fn open(&self) -> io::Result<PathBuf> {
        Ok(self.own()?.folder.clone())
    }

    /// Where all processes have theirs.
    pub(super) fn folder(&self) -> &Path {
        &self.spool
    }

    /// The folder of this process, for as long as it is in use.
    pub(super) fn own(&self) -> io::Result<Arc<Own>> {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = &*own {
            return Ok(Arc::clone(own));
        }
        fs::create_dir_all(&self.spool)?;
        // Held while the folder has no locked file yet: nobody may take it for a dead process's.
        let _guard = lock_spool(&self.spool)?;
        let folder = self.spool.join(Uuid::now_v7().to_string());
        fs::create_dir(&folder)?;
        let alive = File::create_new(folder.join(LOCK))?;
        alive.lock()?;
        Ok(Arc::clone(own.insert(Arc::new(Own { folder, _alive: alive }))))
    }

    /// An empty temporary file, opened for writing and reading.
    pub(super) fn create(&self) -> io::Result<(File, Spooled)> {
        let own = self.own()?;
        let path = own.folder.join(Uuid::now_v7().to_string());
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
        Ok((file, Spooled { path, moved: false, _own: Some(own) }))
    }

    /// Removes what dead processes left in the spool; says how many files that were.
    pub(super) fn sweep(&self) -> io::Result<u64> {
        let _own = self.own()?;
        let _guard = lock_spool(&self.spool)?;
        let mut removed = 0;
        for entry in fs::read_dir(&self.spool)? {
            let entry = entry?;
            // The folder may hold what is not ours when an operator chose a shared one.
            let ours = entry.file_name().to_str().is_some_and(|name| Uuid::try_parse(name).is_ok());
            if !ours || !entry.file_type()?.is_dir() || is_alive(&entry.path())? {
                continue;
            }
            for file in fs::read_dir(entry.path())? {
                removed += u64::from(file?.file_name() != LOCK);
            }
            fs::remove_dir_all(entry.path())?;
        }
        Ok(removed)
    }

    /// The temporary files that this process has at the moment.
    #[cfg(test)]
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.open().unwrap()).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| !path.ends_with(LOCK)).collect()
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // What fails here is left to the next process's sweep.
        let _ = fs::remove_file(self.folder.join(LOCK));
        let _ = fs::remove_dir(&self.folder);
    }
}

/// A temporary file; it is removed on drop unless it was moved away.
#[derive(Debug)]
pub(super) struct Spooled {
    path: PathBuf,
    moved: bool,
    /// Keeps the folder, and with it the claim that this process lives.
    _own: Option<Arc<Own>>,
}

impl Spooled {
    /// Where it lies.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Moves it to its name, in one step that others see whole or not at all. Folders are made when missing; says
    /// whether any was.
    pub(super) fn move_to(mut self, target: &Path, durable: bool) -> io::Result<bool> {
        let mut made = false;
        let mut outcome = fs::rename(&self.path, target);
        if matches!(&outcome, Err(error) if error.kind() == ErrorKind::NotFound) {
            let Some(folder) = target.parent() else { return Err(ErrorKind::InvalidInput.into()) };
            fs::create_dir_all(folder)?;
            made = true;
            outcome = fs::rename(&self.path, target);
        }
        match outcome {
            Err(error) if error.kind() == ErrorKind::CrossesDevices => {
                self.copy_beside(target, durable)?.move_to(target, durable)?;
                // The copy was moved; the source goes when it is dropped.
                return Ok(made);
            }
            outcome => outcome?,
        }
        self.moved = true;
        Ok(made)
    }

    /// Copies it next to the target, which lies on another filesystem.
    fn copy_beside(&self, target: &Path, durable: bool) -> io::Result<Self> {
        let path = target.with_file_name(format!(".{}", Uuid::now_v7()));
        let copy = Self { path, moved: false, _own: None };
        let mut file = OpenOptions::new().write(true).create_new(true).open(&copy.path)?;
        io::copy(&mut File::open(&self.path)?, &mut file)?;
        file.flush()?;
        if durable {
            file.sync_all()?;
        }
        Ok(copy)
    }
}

impl Drop for Spooled {
    fn drop(&mut self) {
        if !self.moved
            && let Err(error) = fs::remove_file(&self.path)
            && error.kind() != ErrorKind::NotFound
        {
            tracing::warn!(%error, "a temporary file stays until the next start");
        }
    }
}

/// Held for the moments in which folders appear in the spool or are judged.
fn lock_spool(spool: &Path) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(spool.join(LOCK))?;
    file.lock()?;
    Ok(file)
}

/// Whether the process that this folder belongs to still holds its lock.
fn is_alive(folder: &Path) -> io::Result<bool> {
    match File::options().write(true).open(folder.join(LOCK)).map(|file| file.try_lock()) {
        Ok(Ok(())) => Ok(false),
        Ok(Err(TryLockError::WouldBlock)) => Ok(true),
        Ok(Err(TryLockError::Error(error))) => Err(error),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_removes_what_the_dead_left_and_spares_the_living_and_strangers() {
        let folder = tempfile::tempdir().unwrap();
        let living = Spool::new(folder.path().to_owned());
        let (_file, kept) = living.create().unwrap();
        let dead = folder.path().join(Uuid::now_v7().to_string());
        fs::create_dir(&dead).unwrap();
        for name in [LOCK, "one", "two"] {
            fs::write(dead.join(name), "x").unwrap();
        }
        fs::create_dir(folder.path().join("a stranger")).unwrap();

        let mine = Spool::new(folder.path().to_owned());
        assert_eq!(mine.sweep().unwrap(), 2);
        assert!(!dead.exists());
        assert!(kept.path().exists());
        assert!(folder.path().join("a stranger").exists());
        assert_eq!(mine.sweep().unwrap(), 0);
    }

    #[test]
    fn a_process_that_receives_nothing_makes_no_folder() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::new(folder.path().join("spool"));
        drop(spool);
        assert!(!folder.path().join("spool").exists());
    }

    #[test]
    fn a_process_that_ends_well_leaves_no_folder() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::new(folder.path().to_owned());
        let own = spool.open().unwrap();
        let (_file, spooled) = spool.create().unwrap();
        drop(spool);
        assert!(own.exists(), "a file is still in use");
        drop(spooled);
        assert!(!own.exists());
    }

    #[test]
    fn a_move_makes_the_folders_that_are_missing() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::new(folder.path().join("spool"));
        for (name, made) in [("one", true), ("two", false)] {
            let (mut file, spooled) = spool.create().unwrap();
            file.write_all(name.as_bytes()).unwrap();
            let target = folder.path().join("a/b").join(name);
            assert_eq!(spooled.move_to(&target, true).unwrap(), made);
            assert_eq!(fs::read(target).unwrap(), name.as_bytes());
        }
        assert!(spool.files().is_empty());
    }

    #[test]
    fn a_copy_stands_in_for_a_move_between_filesystems() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::new(folder.path().join("spool"));
        let (mut file, spooled) = spool.create().unwrap();
        file.write_all(b"bytes").unwrap();
        let target = folder.path().join("target");
        spooled.copy_beside(&target, true).unwrap().move_to(&target, true).unwrap();
        drop(spooled);
        assert_eq!(fs::read(target).unwrap(), b"bytes");
        assert!(spool.files().is_empty());
    }
}
