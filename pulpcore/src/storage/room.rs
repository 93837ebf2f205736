//! A folder of its own for a while: for programs that want files with names.

use std::any::Any;
use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use uuid::Uuid;

use super::Storage;
use super::spool::Spool;
use crate::error::Result;

/// A folder that nobody else looks into. Dropping it removes it, with all that is in it.
pub(crate) struct Room {
    path: PathBuf,
    /// Keeps the folder around it, if that goes with its last user.
    _around: Option<Arc<dyn Any + Send + Sync>>,
}

impl Room {
    /// A folder in a folder that is there.
    pub(crate) fn within(folder: &Path) -> io::Result<Self> {
        let path = folder.join(format!("pulp-{}", Uuid::now_v7()));
        DirBuilder::new().mode(0o700).create(&path)?;
        // Whoever works in it may be elsewhere.
        let path = fs::canonicalize(path)?;
        Ok(Self { path, _around: None })
    }

    /// Where it is: an absolute path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Storage {
    /// A folder beside the temporary files.
    ///
    /// # Errors
    /// [`Error::Internal`](crate::error::Error::Internal) if it cannot be made.
    pub(crate) async fn room(&self) -> Result<Room> {
        let spool = Arc::clone(&self.0.spool);
        super::blocking(move || within(&spool)).await
    }
}

fn within(spool: &Spool) -> io::Result<Room> {
    let own = spool.own()?;
    let mut room = Room::within(own.folder())?;
    room._around = Some(own);
    Ok(room)
}

impl Drop for Room {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path)
            && error.kind() != ErrorKind::NotFound
        {
            tracing::warn!(%error, "a temporary folder stays until the next start");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_is_its_own_and_goes_with_all_that_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Arc::new(Spool::new(folder.path().join("spool")));
        let (one, two) = (within(&spool).unwrap(), within(&spool).unwrap());
        assert_ne!(one.path(), two.path());
        assert!(one.path().is_absolute());
        fs::create_dir(one.path().join("deep")).unwrap();
        fs::write(one.path().join("deep").join("file"), "text").unwrap();
        let path = one.path().to_owned();
        drop(one);
        assert!(!path.exists() && two.path().is_dir());
        // The process's own folder is there for as long as a room is.
        drop(spool);
        assert!(two.path().is_dir());
        let around = two.path().parent().unwrap().to_owned();
        drop(two);
        assert!(!around.exists());
    }
}
