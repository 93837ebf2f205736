//! Where it is measured: a folder beside the built program, a PostgreSQL cluster of one's own, servers in both.

use std::fmt;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};
use pulpcore::db::{Db, DbConfig};
use pulpcore::testkit::Cluster;
use sea_orm::ConnectionTrait;
use tempfile::TempDir;

use super::support::Server;

/// Which database the server is measured on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Database {
    Sqlite,
    Postgres,
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        })
    }
}

/// The cluster for tests trades safety for speed; these give the safety back, because users have it.
const SAFE: [&str; 4] = [
    "ALTER SYSTEM SET fsync = on",
    "ALTER SYSTEM SET synchronous_commit = on",
    "ALTER SYSTEM SET full_page_writes = on",
    "SELECT pg_reload_conf()",
];

/// Everything that the measurements leave on the disk until [`Lab::close`].
pub(crate) struct Lab {
    program: PathBuf,
    cluster: Option<Cluster>,
    databases: AtomicU32,
    room: TempDir,
}

/// A server with the way into its database.
pub(crate) struct Subject {
    pub(crate) server: Server,
    pub(crate) database: Database,
    url: String,
}

impl Lab {
    /// Makes room beside the program, which is on a real file system where a temporary folder might be in memory.
    pub(crate) async fn open(program: &Path, databases: &[Database]) -> Result<Self> {
        let beside = program.parent().context("the server's program lies in no folder")?;
        let room = tempfile::Builder::new()
            .prefix("bench-")
            // PostgreSQL may have to run as another user, who must be able to pass.
            .permissions(Permissions::from_mode(0o711))
            .tempdir_in(beside)
            .context("no folder for the measurements")?;
        let cluster = match databases.contains(&Database::Postgres) {
            true => Some(tokio::task::block_in_place(|| Cluster::start(&room.path().join("postgres")))?),
            false => None,
        };
        let lab = Self { program: program.to_owned(), cluster, databases: AtomicU32::new(0), room };
        if let Some(cluster) = &lab.cluster {
            execute(cluster.url(), &SAFE).await?;
        }
        Ok(lab)
    }

    /// What a reader must know to read the figures.
    pub(crate) fn conditions(&self, runs: u32) -> String {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut text = format!(
            "{} on {cores} cores shared by server, client and fixture; default settings (durable); medians of {runs} \
             runs.\nsqlite: WAL, synchronous = FULL.",
            self.program.display()
        );
        if self.cluster.is_some() {
            text += " postgres: a local cluster with 64 MB of shared buffers; fsync, synchronous_commit and \
                     full_page_writes are on.";
        }
        text
    }

    /// The folder, for peers that write.
    pub(crate) fn room(&self) -> &Path {
        self.room.path()
    }

    /// A fresh server on an empty database.
    pub(crate) async fn server(&self, database: Database) -> Result<Subject> {
        let url = match (database, &self.cluster) {
            (Database::Postgres, Some(cluster)) => {
                let name = format!("bench_{}", self.databases.fetch_add(1, Ordering::Relaxed));
                execute(cluster.url(), &[&format!("CREATE DATABASE {name}")]).await?;
                let (server, _) = cluster.url().rsplit_once('/').context("a cluster's URL names a database")?;
                Some(format!("{server}/{name}"))
            }
            _ => None,
        };
        let server = Server::start(&self.program, self.room.path(), url.as_deref()).await?;
        let url = url.unwrap_or_else(|| format!("sqlite://{}/pulp.sqlite3", server.folder().display()));
        Ok(Subject { server, database, url })
    }

    /// Removes everything.
    pub(crate) async fn close(self) -> Result<()> {
        tokio::task::block_in_place(|| drop(self.cluster));
        self.room.close().context("the measurements' folder cannot be removed")
    }
}

impl Subject {
    /// Stops the server and starts it again with more flags for `serve`.
    pub(crate) async fn again(self, lab: &Lab, flags: &[&str]) -> Result<Self> {
        let Self { server, database, url } = self;
        let database_url = (database == Database::Postgres).then_some(url.as_str());
        let server = Server::start_in(server.stop().await?, &lab.program, database_url, flags).await?;
        Ok(Self { server, database, url })
    }

    /// Stops the server. Its files stay until the lab is closed: for some minutes after a deletion ext4 looks at every
    /// inode that it might use again, and whoever makes files then pays for what the subject before has left.
    pub(crate) async fn stop(self) -> Result<()> {
        let _ = self.server.stop().await?.keep();
        Ok(())
    }

    /// Runs statements in the server's database, one after the other.
    pub(crate) async fn execute(&self, statements: &[impl AsRef<str>]) -> Result<()> {
        execute(&self.url, statements).await
    }
}

async fn execute(url: &str, statements: &[impl AsRef<str>]) -> Result<()> {
    let db = Db::connect(&DbConfig { url: url.to_owned(), pool_size: 1, durable: false }).await?;
    for sql in statements {
        let sql = sql.as_ref();
        db.read().execute_unprepared(sql).await.with_context(|| sql.to_owned())?;
    }
    Ok(db.close().await?)
}
