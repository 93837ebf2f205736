//! The database: connecting, and the one door through which every write goes.
//!
//! SQLite allows one writer at a time. A transaction that reads before it writes fails at once when another writer
//! committed in between, and waiting writers poll the file. So writers take turns in the process ([`Db::write`]), begin
//! `IMMEDIATE`, and share one connection, whose cache stays good because nobody else writes. On PostgreSQL the same call is
//! an ordinary transaction.

mod arrays;
mod away;
pub mod bulk;
mod changes;
mod deadlock;
#[cfg(test)]
mod tests;
mod writing;

use std::sync::Arc;

use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, FromQueryResult, SqliteTransactionMode,
    Statement, TransactionOptions, TransactionTrait, Value,
};
use time::OffsetDateTime;
use tokio::sync::Mutex;

pub use self::arrays::one_of;
pub(crate) use self::arrays::{among, array, keys, of_values, texts};
pub(crate) use self::away::{is_away, unavailable};
pub use self::changes::Change;
pub(crate) use self::changes::{Changes, Hears};
pub(crate) use self::deadlock::{is_deadlock, tried_again};
pub use self::writing::{WriteTx, Writing};
use crate::error::{Error, Result};

/// A connection that was unused for so long may have been closed by whatever lies between.
#[cfg(feature = "postgres")]
const IDLE: std::time::Duration = std::time::Duration::from_secs(5);

/// Statements here are short: compiling one takes longer than running it. And whoever falls silent within a transaction, or
/// altogether, loses it with its locks: others wait for them. No transaction waits for anything but the database.
#[cfg(feature = "postgres")]
const PATIENCE: [(&str, &str); 6] = [
    ("jit", "off"),
    ("idle_in_transaction_session_timeout", "15s"),
    ("tcp_keepalives_idle", "10"),
    ("tcp_keepalives_interval", "3"),
    ("tcp_keepalives_count", "3"),
    ("tcp_user_timeout", "20s"),
];

/// How to reach the database.
#[derive(Clone, Debug)]
pub struct DbConfig {
    /// `sqlite://path` or `postgres://user:password@host/name`.
    pub url: String,
    /// Connections at most.
    pub pool_size: u32,
    /// Whether a commit survives a power cut.
    pub durable: bool,
}

/// A pool of connections. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Db {
    pool: DatabaseConnection,
    /// SQLite's one connection that writes.
    writer: Option<Writer>,
    /// What changes of what distributions serve.
    changes: Changes,
}

/// The one connection that writes to SQLite.
#[derive(Clone, Debug)]
struct Writer {
    connection: DatabaseConnection,
    /// Whose turn it is, and how the connection commits.
    turn: Arc<Mutex<Commits>>,
    /// Whether any commit waits for the disk.
    durable: bool,
}

/// What a commit waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Commits {
    /// The disk.
    Durable,
    /// Nothing; the next durable one waits for this one as well.
    Relaxed,
}

impl Db {
    /// Connects.
    ///
    /// # Errors
    /// [`Error::Config`] for a URL of another kind of database, or of one that this binary was built without.
    pub async fn connect(config: &DbConfig) -> Result<Self> {
        let mut options = ConnectOptions::new(&config.url);
        options.max_connections(config.pool_size).sqlx_logging(false);
        #[cfg(feature = "sqlite")]
        let in_memory = config.url.contains(":memory:");
        let sqlite = config.url.starts_with("sqlite:");
        let postgres = config.url.starts_with("postgres:") || config.url.starts_with("postgresql:");
        if !(sqlite && cfg!(feature = "sqlite") || postgres && cfg!(feature = "postgres")) {
            let scheme = config.url.split(':').next().unwrap_or_default();
            return Err(Error::Config(format!(
                "this build cannot use a '{scheme}' database (it was built with:{}{})",
                if cfg!(feature = "sqlite") { " sqlite" } else { "" },
                if cfg!(feature = "postgres") { " postgres" } else { "" },
            )));
        }
        #[cfg(feature = "sqlite")]
        if sqlite {
            let durable = config.durable;
            // A file does not go away: a connection that was good is good, and asking it costs as much as a short query.
            options.test_before_acquire(false);
            let mut writing = options.clone();
            writing.max_connections(1).map_sqlx_sqlite_opts(move |o| sqlite_options(o, durable, WRITER_CACHE));
            let writer = Database::connect(writing).await?;
            options.map_sqlx_sqlite_opts(move |o| sqlite_options(o, durable, READER_CACHE));
            // Each connection to memory has a database of its own.
            let pool = if in_memory { writer.clone() } else { Database::connect(options).await? };
            let turn = Arc::new(Mutex::new(Commits::Durable));
            let writer = Some(Writer { connection: writer, turn, durable });
            return Ok(Self { pool, writer, changes: Changes::new(false) });
        }
        #[cfg(feature = "postgres")]
        if postgres {
            options.map_sqlx_postgres_opts(|o| o.options(PATIENCE));
            // A connection in constant use need not be asked whether it is still there before every statement.
            options.test_before_acquire_if_idle_for(IDLE);
        }
        Ok(Self { pool: Database::connect(options).await?, writer: None, changes: Changes::new(true) })
    }

    /// One connection of its own to the same database, for what must not wait for the others. (SQLite has one writer.)
    pub(crate) fn apart(&self) -> Self {
        #[cfg(feature = "postgres")]
        if !self.is_sqlite() {
            use sea_orm::SqlxPostgresConnector;
            let options = self.pool.get_postgres_connection_pool().connect_options();
            let pool = sqlx::postgres::PgPoolOptions::new().max_connections(1).connect_lazy_with((*options).clone());
            let pool = SqlxPostgresConnector::from_sqlx_postgres_pool(pool);
            return Self { pool, writer: None, changes: self.changes.clone() };
        }
        self.clone()
    }

    /// The pool, for reading.
    pub fn read(&self) -> &DatabaseConnection {
        &self.pool
    }

    /// PostgreSQL's pool, for one statement that is a transaction by itself and changes nothing that is served.
    pub(crate) fn alone(&self) -> &DatabaseConnection {
        &self.pool
    }

    /// Begins a transaction that writes. On SQLite it waits for its turn: never await the network while holding it.
    pub async fn write(&self) -> Result<WriteTx> {
        self.begin(Commits::Durable).await
    }

    /// The same for what may be done again after a power cut: a commit that does not wait for the disk. It is on the disk
    /// with the next one of [`Self::write`] at the latest, and never without those before it. (PostgreSQL may lose the
    /// last second of such commits when it crashes.)
    pub async fn write_relaxed(&self) -> Result<WriteTx> {
        self.begin(Commits::Relaxed).await
    }

    async fn begin(&self, commits: Commits) -> Result<WriteTx> {
        let Some(Writer { connection, turn, durable }) = &self.writer else {
            let tx = self.pool.begin_with_options(TransactionOptions::default()).await?;
            if commits == Commits::Relaxed {
                tx.execute_unprepared("SET LOCAL synchronous_commit = off").await?;
            }
            return Ok(WriteTx::new(tx, self.changes.clone(), None));
        };
        let mut turn = Arc::clone(turn).lock_owned().await;
        if *durable && *turn != commits {
            // Whoever is dropped in between leaves behind that it may be relaxed.
            *turn = Commits::Relaxed;
            let level = if commits == Commits::Durable { "FULL" } else { "NORMAL" };
            connection.execute_unprepared(&format!("PRAGMA synchronous = {level}")).await?;
            *turn = commits;
        }
        let mode = Some(SqliteTransactionMode::Immediate);
        let options = TransactionOptions { sqlite_transaction_mode: mode, ..Default::default() };
        Ok(WriteTx::new(connection.begin_with_options(options).await?, self.changes.clone(), Some(turn)))
    }

    /// What changes of what distributions serve.
    pub(crate) fn changes(&self) -> &Changes {
        &self.changes
    }

    /// Which database this is.
    pub fn backend(&self) -> DbBackend {
        self.pool.get_database_backend()
    }

    /// Whether this is SQLite (else it is PostgreSQL).
    pub fn is_sqlite(&self) -> bool {
        self.backend() == DbBackend::Sqlite
    }

    /// How many connections are open, and how many of them nobody uses at the moment.
    pub(crate) fn connections(&self) -> Connections {
        let pools = self.writer.iter().map(|writer| &writer.connection).chain([&self.pool]);
        let mut sum = Connections::default();
        for pool in pools {
            let (open, idle) = match pool.get_database_backend() {
                #[cfg(feature = "sqlite")]
                DbBackend::Sqlite => {
                    let pool = pool.get_sqlite_connection_pool();
                    (pool.size(), pool.num_idle())
                }
                #[cfg(feature = "postgres")]
                DbBackend::Postgres => {
                    let pool = pool.get_postgres_connection_pool();
                    (pool.size(), pool.num_idle())
                }
                _ => (0, 0),
            };
            sum.open += u64::from(open);
            sum.idle += idle as u64;
        }
        sum
    }

    /// Closes all connections.
    pub async fn close(self) -> Result<()> {
        if let Some(writer) = self.writer {
            writer.connection.close().await?;
        }
        Ok(self.pool.close().await?)
    }
}

/// The connections of a process to its database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Connections {
    pub(crate) open: u64,
    pub(crate) idle: u64,
}

/// The present, in UTC with the microseconds that both databases keep.
pub fn now() -> OffsetDateTime {
    comparable(OffsetDateTime::now_utc())
}

/// A time that compares rightly as text: sqlx writes SQLite's times without trailing zeros, so the number of microseconds
/// is kept odd. What is stored is, so what it is compared with must be.
pub fn comparable(time: OffsetDateTime) -> OffsetDateTime {
    time.replace_nanosecond((time.microsecond() | 1) * 1000).expect("an odd count below one million is in range")
}

/// JSON without the character that PostgreSQL cannot keep in it (U+0000).
pub(crate) fn storable(mut json: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match &mut json {
        Value::String(text) if text.contains('\0') => *text = text.replace('\0', "\u{fffd}"),
        Value::Array(items) => items.iter_mut().for_each(|item| *item = storable(item.take())),
        Value::Object(members) if members.keys().any(|key| key.contains('\0')) => {
            let clean = |(key, value): (String, Value)| (key.replace('\0', "\u{fffd}"), storable(value));
            *members = std::mem::take(members).into_iter().map(clean).collect();
        }
        Value::Object(members) => members.values_mut().for_each(|value| *value = storable(value.take())),
        _ => {}
    }
    json
}

/// How many rows of `columns` values one statement can bind on either database (SQLite: 32,766 values).
pub const fn rows_per_statement(columns: usize) -> usize {
    let rows = 30_000 / columns;
    if rows < 1000 { rows } else { 1000 }
}

/// KiB of the file's pages that the connection that writes keeps: what it has written is what it needs next.
#[cfg(feature = "sqlite")]
const WRITER_CACHE: u32 = 16 * 1024;

/// KiB that each other one keeps. They forget them whenever something was written, and the system has the pages anyway.
#[cfg(feature = "sqlite")]
const READER_CACHE: u32 = 2 * 1024;

#[cfg(feature = "sqlite")]
fn sqlite_options(
    options: sqlx::sqlite::SqliteConnectOptions,
    durable: bool,
    cache: u32,
) -> sqlx::sqlite::SqliteConnectOptions {
    use sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
    options
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(if durable { SqliteSynchronous::Full } else { SqliteSynchronous::Normal })
        .busy_timeout(std::time::Duration::from_secs(30))
        .foreign_keys(true)
        .pragma("cache_size", format!("-{cache}"))
        // Pages of the log that are copied back at a time. A batch of a sync is longer than the usual thousand.
        .pragma("wal_autocheckpoint", "4000")
        .pragma("temp_store", "MEMORY")
        .statement_cache_capacity(200)
        .with_regexp()
}

/// Runs one statement, with `$1`, `$2`, … for its values on either database; returns how many rows it changed.
pub async fn exec(db: &impl ConnectionTrait, sql: &str, values: Vec<Value>) -> Result<u64> {
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    Ok(db.execute_raw(statement).await?.rows_affected())
}

/// All rows of one query, with `$1`, `$2`, … for its values on either database.
pub async fn rows<R: FromQueryResult>(db: &impl ConnectionTrait, sql: &str, values: Vec<Value>) -> Result<Vec<R>> {
    Ok(R::find_by_statement(Statement::from_sql_and_values(db.get_database_backend(), sql, values)).all(db).await?)
}
