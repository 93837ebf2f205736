//! One process a SQLite database: two would not hear of each other's tasks and would wait for each other's writes.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::PathBuf;

use percent_encoding::percent_decode_str;

use crate::error::{Error, Result};
use crate::settings::Settings;

/// Held as long as the process uses the database. The operating system gives it back however the process ends.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "the lock lives as long as the open file")] File);

impl Lock {
    /// Takes the lock beside the database's file; PostgreSQL needs none.
    ///
    /// # Errors
    /// [`Error::Config`] if another process has it, or the file cannot be made.
    pub(crate) fn take(settings: &Settings) -> Result<Option<Self>> {
        let Some(database) = database_file(settings) else { return Ok(None) };
        let mut path = database.clone().into_os_string();
        path.push(".lock");
        let failed =
            |error: std::io::Error| Error::Config(format!("the lock file {} cannot be used: {error}", path.display()));
        if let Some(folder) = database.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Err(Error::Config(format!(
                "another process uses the database {}: SQLite serves one process; stop the other one, or use PostgreSQL",
                database.display()
            ))),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}

/// The file of a SQLite database on disk.
pub(crate) fn database_file(settings: &Settings) -> Option<PathBuf> {
    let rest = settings.database_url.expose().strip_prefix("sqlite:")?;
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let path = rest.split('?').next().unwrap_or_default();
    if path.is_empty() || path == ":memory:" {
        return None;
    }
    Some(PathBuf::from(percent_decode_str(path).decode_utf8_lossy().into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::DatabaseUrl;

    #[test]
    fn a_second_process_is_refused_until_the_first_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings::for_tests(&folder.path().join("50%? new"));
        let first = Lock::take(&settings).unwrap().unwrap();
        let error = Lock::take(&settings).unwrap_err();
        assert!(matches!(&error, Error::Config(text) if text.contains("SQLite serves one process")), "{error}");
        assert_eq!(database_file(&settings).unwrap(), folder.path().join("50%? new/pulp.sqlite3"));
        drop(first);
        assert!(Lock::take(&settings).unwrap().is_some());
    }

    #[test]
    fn postgresql_needs_no_lock() {
        let database_url = DatabaseUrl::parse("postgres://db/pulp").unwrap();
        assert!(Lock::take(&Settings { database_url, ..Settings::default() }).unwrap().is_none());
    }
}
