//! A folder of its own for a while: for programs that want files with names.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use tempfile::{Builder, TempDir};

use super::Storage;
use super::spool::{Own, Spool};
use crate::error::Result;

/// A folder that nobody else looks into. Dropping it removes it, with all that is in it.
pub(crate) struct Room {
    folder: TempDir,
    /// The folder around it, which goes with its last user.
    _around: Arc<Own>,
}

impl Room {
    /// Where it is: an absolute path.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
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
    let around = spool.own()?;
    // Whoever works in it may be elsewhere.
    let folder = Builder::new().prefix("pulp-").tempdir_in(fs::canonicalize(around.folder())?)?;
    Ok(Room { folder, _around: around })
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
