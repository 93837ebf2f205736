//! What would keep the next artifact from being stored: asked by whoever looks after this process's health.

use std::io;
use std::path::Path;

use rustix::fs::{Access, access};

use super::{Backend, Storage};
use crate::error::Result;

/// What is in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// The media folder is gone or read-only.
    Media,
    /// There is no space left.
    Full,
    /// The folder for temporary files is gone or read-only.
    Spool,
}

impl Storage {
    /// Whether artifacts can be stored, as far as can be told without storing one. It asks the file system, which may take
    /// its time: not to be called where others wait.
    pub(crate) fn obstacle(&self) -> Option<Obstacle> {
        if let Backend::Folder(folder) = &self.0.backend {
            let usage = folder.usage();
            if !is_writable(&folder.artifacts_path()) || usage.is_err() {
                return Some(Obstacle::Media);
            }
            if usage.is_ok_and(|usage| usage.free == 0) {
                return Some(Obstacle::Full);
            }
        }
        match self.0.spool.open() {
            Ok(own) => (!is_writable(&own)).then_some(Obstacle::Spool),
            Err(error) => {
                tracing::warn!(%error, "There is no folder for temporary files.");
                Some(Obstacle::Spool)
            }
        }
    }

    /// Whether artifacts can be read, as far as can be told without reading one. It asks the file system, too.
    pub(crate) fn is_readable(&self) -> bool {
        match &self.0.backend {
            Backend::Folder(folder) => may(&folder.artifacts_path(), Access::READ_OK | Access::EXEC_OK, "read"),
            Backend::Remote(_) => true,
        }
    }
}

impl Storage {
    /// Asks the object store for something small: whether it is there, and knows the bucket and the key. A folder always
    /// answers; see [`Self::obstacle`].
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`](crate::error::Error::Unavailable) if it does not answer, or refuses.
    pub(crate) async fn answers(&self) -> Result<()> {
        match &self.0.backend {
            Backend::Folder(_) => Ok(()),
            Backend::Remote(remote) => remote.answers().await,
        }
    }
}

fn is_writable(folder: &Path) -> bool {
    may(folder, Access::WRITE_OK | Access::EXEC_OK, "written")
}

fn may(folder: &Path, rights: Access, what: &str) -> bool {
    let may = access(folder, rights).map_err(io::Error::from);
    if let Err(error) = &may {
        tracing::warn!(folder = %folder.display(), %error, "The folder cannot be {what}.");
    }
    may.is_ok()
}
