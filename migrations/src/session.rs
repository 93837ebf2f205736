//! One connection for a whole run, and the lock that only one run holds at a time.
//!
//! A PostgreSQL advisory lock belongs to the connection that took it. The caller's pool would hand out another
//! connection for each statement, so a run opens a pool of exactly one: closing it, or losing it, releases the lock.
//! On SQLite, which serves one process, runs take turns in the process; each migration also begins `IMMEDIATE`.

#[cfg(any(feature = "postgres", feature = "sqlite"))]
use sea_orm_migration::sea_orm;
#[cfg(feature = "postgres")]
use sea_orm_migration::sea_orm::ConnectionTrait;
use sea_orm_migration::sea_orm::{
    DatabaseConnection, DatabaseTransaction, DbErr, SqliteTransactionMode, TransactionOptions, TransactionTrait,
};
use tokio::sync::MutexGuard;

/// The advisory lock's key: `pulp-mig` in ASCII.
#[cfg(feature = "postgres")]
const LOCK: i64 = i64::from_be_bytes(*b"pulp-mig");

#[cfg(feature = "sqlite")]
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// A connection that holds the lock.
pub(crate) struct Session {
    /// The connection.
    pub(crate) db: DatabaseConnection,
    /// The server's process behind it (PostgreSQL).
    backend_pid: Option<i32>,
    _turn: Option<MutexGuard<'static, ()>>,
}

impl Session {
    /// Connects to the database of `db` once more and waits for the lock.
    pub(crate) async fn begin(db: &DatabaseConnection) -> Result<Self, DbErr> {
        match db.get_database_backend() {
            #[cfg(feature = "postgres")]
            sea_orm::DbBackend::Postgres => {
                let db = single_postgres(db).await?;
                lock(&db).await?;
                let backend_pid = Some(backend_pid(&db).await?);
                Ok(Self { db, backend_pid, _turn: None })
            }
            #[cfg(feature = "sqlite")]
            sea_orm::DbBackend::Sqlite => {
                let turn = TURN.lock().await;
                Ok(Self { db: single_sqlite(db).await?, backend_pid: None, _turn: Some(turn) })
            }
            other => Err(DbErr::BackendNotSupported { db: other.as_str(), ctx: "migrations" }),
        }
    }

    /// Begins a transaction, having made sure that the lock is still held.
    pub(crate) async fn transaction(&self) -> Result<DatabaseTransaction, DbErr> {
        self.check().await?;
        let mode = self.backend_pid.is_none().then_some(SqliteTransactionMode::Immediate);
        let options = TransactionOptions { sqlite_transaction_mode: mode, ..Default::default() };
        self.db.begin_with_options(options).await
    }

    /// Fails if the connection that took the lock is gone: the pool would replace it silently by one without.
    pub(crate) async fn check(&self) -> Result<(), DbErr> {
        #[cfg(feature = "postgres")]
        if let Some(pid) = self.backend_pid
            && backend_pid(&self.db).await? != pid
        {
            return Err(DbErr::Custom("the connection that held the migration lock was lost".to_owned()));
        }
        Ok(())
    }

    /// Closes the connection, which releases the lock.
    pub(crate) async fn end(self) -> Result<(), DbErr> {
        self.db.close().await
    }
}

#[cfg(feature = "postgres")]
async fn single_postgres(db: &DatabaseConnection) -> Result<DatabaseConnection, DbErr> {
    use sea_orm::{SqlxPostgresConnector, sqlx::postgres::PgPoolOptions};
    let options = db.get_postgres_connection_pool().connect_options();
    let single = PgPoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
    let pool = single.connect_with((*options).clone()).await.map_err(connection_error)?;
    Ok(SqlxPostgresConnector::from_sqlx_postgres_pool(pool))
}

#[cfg(feature = "sqlite")]
async fn single_sqlite(db: &DatabaseConnection) -> Result<DatabaseConnection, DbErr> {
    use sea_orm::{SqlxSqliteConnector, sqlx::sqlite::SqlitePoolOptions};
    let options = db.get_sqlite_connection_pool().connect_options();
    let single = SqlitePoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
    let pool = single.connect_with((*options).clone()).await.map_err(connection_error)?;
    Ok(SqlxSqliteConnector::from_sqlx_sqlite_pool(pool))
}

#[cfg(any(feature = "postgres", feature = "sqlite"))]
fn connection_error(error: sea_orm::sqlx::Error) -> DbErr {
    DbErr::Conn(sea_orm::RuntimeErr::SqlxError(error.into()))
}

#[cfg(feature = "postgres")]
async fn lock(db: &DatabaseConnection) -> Result<(), DbErr> {
    let attempt = db.query_one_raw(postgres(format!("SELECT pg_try_advisory_lock({LOCK}) AS held"))).await?;
    let held = match attempt {
        Some(row) => row.try_get("", "held")?,
        None => false,
    };
    if !held {
        tracing::info!("another process is migrating the database; waiting for it");
        db.execute_unprepared(&format!("SELECT pg_advisory_lock({LOCK})")).await?;
    }
    Ok(())
}

#[cfg(feature = "postgres")]
async fn backend_pid(db: &DatabaseConnection) -> Result<i32, DbErr> {
    let row = db.query_one_raw(postgres("SELECT pg_backend_pid() AS pid".to_owned())).await?;
    row.ok_or_else(|| DbErr::RecordNotFound("pg_backend_pid()".to_owned()))?.try_get("", "pid")
}

#[cfg(feature = "postgres")]
fn postgres(sql: String) -> sea_orm::Statement {
    sea_orm::Statement::from_string(sea_orm::DbBackend::Postgres, sql)
}
