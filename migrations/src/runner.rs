//! Brings a database up to date: core first, then each plugin by its label.
//!
//! Each app records what was applied in a table of its own, `<label>_migrations`. A database that knows a migration
//! which this build does not know was written by a newer build; it is refused rather than damaged. A history table
//! without an app belongs to a plugin that this build leaves out; it is reported and otherwise left alone.

use std::collections::BTreeSet;

use sea_orm_migration::prelude::{ConnectionTrait, Query};
use sea_orm_migration::sea_orm::{DatabaseConnection, DbBackend, DbErr, Statement, prelude::TimeDateTimeWithTimeZone};
use sea_orm_migration::{MigrationTrait, SchemaManager};

use crate::session::Session;

/// Something that owns tables: core, or a plugin.
#[derive(Clone, Copy, Debug)]
pub struct App {
    /// The label that its tables' names begin with, such as `file`.
    pub label: &'static str,
    /// Its migrations, oldest first. Never edit, reorder or remove one that was released.
    pub migrations: fn() -> Vec<Box<dyn MigrationTrait>>,
}

impl App {
    /// The label of core, which goes first.
    pub const CORE: &'static str = "core";

    fn history(&self) -> String {
        format!("{}{HISTORY}", self.label)
    }

    fn full_name(&self, migration: &str) -> String {
        format!("{}.{migration}", self.label)
    }
}

/// What a run did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What was applied, in order, as `label.name`.
    pub applied: Vec<String>,
    /// The labels of plugins that have data here and are not part of this build.
    pub absent: Vec<String>,
}

/// Why a database could not be brought up to date.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It was written by a newer build.
    #[error("the database is newer than this build, which does not know: {}", .0.join(", "))]
    Newer(Vec<String>),
    /// Two apps have the same label, or two migrations of an app the same name.
    #[error("declared twice: {0}")]
    Duplicate(String),
    /// A migration failed; the source says why. It was rolled back, unless it declined to be one transaction.
    #[error("migration {name} failed")]
    Failed {
        /// Which, as `label.name`.
        name: String,
        /// Why.
        source: DbErr,
    },
    /// The database could not be asked, or the lock not be taken.
    #[error(transparent)]
    Db(#[from] DbErr),
}

/// Applies what is pending. Runs that overlap, in this process or in others, take turns.
///
/// Each migration and its record are one transaction on both databases, unless the migration declines by
/// `use_transaction() == Some(false)` (for `CREATE INDEX CONCURRENTLY`, or SQLite's `PRAGMA foreign_keys = OFF`): all
/// its statements then run on one connection.
///
/// # Errors
/// See [`Error`]. What was applied before the failure stays, and the next run goes on from there.
pub async fn run(db: &DatabaseConnection, apps: &[App]) -> Result<Report, Error> {
    let apps = ordered(apps)?;
    let session = Session::begin(db).await?;
    let outcome = run_locked(&session, &apps).await;
    let closed = session.end().await;
    let report = outcome?;
    closed?;
    Ok(report)
}

/// What is not yet applied, as `label.name`, in the order in which [`run`] would apply it. Writes nothing.
///
/// On PostgreSQL a role sees only the tables that it may use: it needs `SELECT` on the `…_migrations` tables, else
/// everything looks pending.
///
/// # Errors
/// [`Error::Newer`] for a database that a newer build has written.
pub async fn pending(db: &DatabaseConnection, apps: &[App]) -> Result<Vec<String>, Error> {
    let mut pending = Vec::new();
    let mut newer = Vec::new();
    for app in ordered(apps)? {
        let mut recorded = recorded(db, &app).await?;
        for migration in (app.migrations)() {
            if !recorded.remove(migration.name()) {
                pending.push(app.full_name(migration.name()));
            }
        }
        newer.extend(recorded.iter().map(|name| app.full_name(name)));
    }
    if newer.is_empty() { Ok(pending) } else { Err(Error::Newer(newer)) }
}

/// The labels of plugins that have data in the database and are not among `apps`, sorted.
pub async fn absent_apps(db: &DatabaseConnection, apps: &[App]) -> Result<Vec<String>, DbErr> {
    let backend = db.get_database_backend();
    let sql = match backend {
        DbBackend::Postgres => "SELECT table_name FROM information_schema.tables WHERE table_schema = CURRENT_SCHEMA()",
        _ => "SELECT name AS table_name FROM sqlite_master WHERE type = 'table'",
    };
    let mut labels = BTreeSet::new();
    for row in db.query_all_raw(Statement::from_string(backend, sql)).await? {
        let table: String = row.try_get("", "table_name")?;
        if let Some(label) = table.strip_suffix(HISTORY)
            && !apps.iter().any(|app| app.label == label)
        {
            labels.insert(label.to_owned());
        }
    }
    Ok(labels.into_iter().collect())
}

/// What the name of a history table ends with.
pub(crate) const HISTORY: &str = "_migrations";

async fn run_locked(session: &Session, apps: &[App]) -> Result<Report, Error> {
    let pending = pending(&session.db, apps).await?;
    let absent = absent_apps(&session.db, apps).await?;
    for label in &absent {
        tracing::warn!(plugin = label, "the database holds data of a plugin that is not part of this build");
    }
    let mut report = Report { applied: Vec::new(), absent };
    for app in apps {
        for migration in (app.migrations)() {
            let name = app.full_name(migration.name());
            if !pending.contains(&name) {
                continue;
            }
            match apply(session, app, migration.as_ref()).await {
                Ok(true) => {
                    tracing::info!(migration = name, "applied");
                    report.applied.push(name);
                }
                Ok(false) => {}
                Err(source) => return Err(Error::Failed { name, source }),
            }
        }
    }
    Ok(report)
}

/// Whether it was applied now; `false` if somebody else was faster, which only another process on SQLite can be.
async fn apply(session: &Session, app: &App, migration: &dyn MigrationTrait) -> Result<bool, DbErr> {
    if migration.use_transaction() == Some(false) {
        session.check().await?;
        migration.up(&SchemaManager::new(&session.db)).await?;
        record(&session.db, app, migration.name()).await?;
        return Ok(true);
    }
    let tx = session.transaction().await?;
    let outcome = async {
        if recorded(&tx, app).await?.contains(migration.name()) {
            return Ok(false);
        }
        migration.up(&SchemaManager::new(&tx)).await?;
        record(&tx, app, migration.name()).await?;
        Ok(true)
    }
    .await;
    match outcome {
        Ok(true) => tx.commit().await?,
        _ => tx.rollback().await?,
    }
    outcome
}

async fn recorded<'c, C>(db: &'c C, app: &App) -> Result<BTreeSet<String>, DbErr>
where
    C: ConnectionTrait,
    &'c C: sea_orm_migration::IntoSchemaManagerConnection<'c>,
{
    if !SchemaManager::new(db).has_table(app.history()).await? {
        return Ok(BTreeSet::new());
    }
    let rows = db.query_all(Query::select().column("version").from(app.history())).await?;
    rows.iter().map(|row| row.try_get("", "version")).collect()
}

/// The columns are those that sea-orm's own migrator would make.
async fn record(db: &impl ConnectionTrait, app: &App, name: &str) -> Result<(), DbErr> {
    let table = app.history();
    db.execute_unprepared(&format!(
        r#"CREATE TABLE IF NOT EXISTS "{table}" ("version" text NOT NULL PRIMARY KEY, "applied_at" bigint NOT NULL)"#
    ))
    .await?;
    let applied_at = TimeDateTimeWithTimeZone::now_utc().unix_timestamp();
    let mut insert = Query::insert();
    insert.into_table(table).columns(["version", "applied_at"]).values_panic([name.into(), applied_at.into()]);
    db.execute(&insert).await?;
    Ok(())
}

fn ordered(apps: &[App]) -> Result<Vec<App>, Error> {
    let mut apps = apps.to_vec();
    apps.sort_by_key(|app| (app.label != App::CORE, app.label));
    let mut seen = BTreeSet::new();
    for app in &apps {
        if !seen.insert(app.label.to_owned()) {
            return Err(Error::Duplicate(app.label.to_owned()));
        }
        for migration in (app.migrations)() {
            let name = app.full_name(migration.name());
            if !seen.insert(name.clone()) {
                return Err(Error::Duplicate(name));
            }
        }
    }
    Ok(apps)
}
