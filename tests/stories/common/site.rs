//! What outlives a server: its folder, its database, its settings.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::Result;
use pulpcore::testkit::{Backend, Database, TestDatabase};
use tempfile::TempDir;
use tokio::process::Command;

use super::Server;

/// A folder and a database, for one server after the other, or (with PostgreSQL) for several at a time.
#[derive(Debug)]
pub(crate) struct Site {
    folder: TempDir,
    database: Option<TestDatabase>,
}

impl Site {
    /// An empty one.
    pub(crate) async fn on(backend: Backend) -> Result<Self> {
        let database = match backend {
            Backend::Sqlite => None,
            Backend::Postgres => Some(Database::create().await),
        };
        Ok(Self { folder: TempDir::new()?, database })
    }

    /// The program, with this site's settings and none of whoever runs the test.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pulp-server"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PULP_")) {
            command.env_remove(name);
        }
        if let Some(database) = &self.database {
            command.env("PULP_DATABASE_URL", &database.url);
        }
        // A worker that is killed is missed after three seconds; SQLite, with one process, need not wait for that.
        command.env("PULP_WORKER_TTL", "3");
        command.arg("--data-dir").arg(self.folder.path()).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// A server with all roles, whose administrator is [`Server::ADMIN`].
    pub(crate) async fn serve(&self) -> Result<Server> {
        self.serve_with(&[], &[]).await
    }

    /// The same with more arguments and settings.
    pub(crate) async fn serve_with(&self, arguments: &[&str], settings: &[(&str, &str)]) -> Result<Server> {
        let mut command = self.command(&[&["serve", "--bind", "127.0.0.1:0"], arguments].concat());
        command.env("PULP_ADMIN_PASSWORD", Server::ADMIN.1).envs(settings.iter().copied());
        Server::start(command).await
    }

    /// Where the database is.
    pub(crate) fn database_url(&self) -> String {
        match &self.database {
            Some(database) => database.url.clone(),
            None => format!("sqlite://{}", self.folder.path().join("pulp.sqlite3").display()),
        }
    }

    /// The database, if it is on PostgreSQL.
    pub(crate) fn database_of(&self) -> Option<&TestDatabase> {
        self.database.as_ref()
    }

    /// Where artifacts lie.
    pub(crate) fn media(&self) -> PathBuf {
        self.folder.path().join("media")
    }

    /// The temporary files that there are, of whichever process.
    pub(crate) fn temporary_files(&self) -> Vec<PathBuf> {
        let mut files = files_below(&self.media().join(".spool"));
        files.retain(|file| file.file_name().is_none_or(|name| name != "lock"));
        files
    }

    /// The artifacts' files, whether the database knows them or not.
    pub(crate) fn artifact_files(&self) -> Vec<PathBuf> {
        files_below(&self.media().join("artifact"))
    }
}

/// The files of a folder, its subfolders included.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files.extend(files_below(&entry.path())),
            _ => files.push(entry.path()),
        }
    }
    files
}
