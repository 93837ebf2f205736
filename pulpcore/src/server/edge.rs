//! A process that only serves content, from a database that others look after.
//!
//! It stands where strangers reach it, so it holds no secret that it can do without and needs no right but to read: it
//! migrates nothing, lists itself only where it may, and keeps nothing on demand unless it may do that. And it starts
//! whatever the others do: while the database cannot be reached, or is older than this build, it says so and tries again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sea_orm::FromQueryResult;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::apps;
use super::grants::missing;
use super::health::meanwhile;
use super::listen::Listener;
use crate::app::App;
use crate::db::{Db, rows};
use crate::error::{Error, Result};
use crate::migrate;
use crate::settings::{OnDemand, Settings};

/// How long one attempt may take, and the pauses between two: each is twice as long as the one before.
const PATIENCE: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Those who were answered while nothing was served have so long to end.
const GOODBYE: Duration = Duration::from_secs(1);

/// Why nothing is served yet, for whoever asks.
pub(super) type Reason = Arc<Mutex<&'static str>>;

const UNREACHABLE: &str = "The database cannot be reached.";
const SLOW: &str = "The database does not answer in time.";
const EMPTY: &str = "The database has none of this server's tables, or its role may not read them.";
const BEHIND: &str = "The database is older than this build: it has to be migrated.";
const UNGRANTED: &str =
    "The database's role may not read what it has to: run what 'pulp-server content-grants' prints.";
const UNREADABLE: &str = "The database, or the storage, cannot be used; the log says why.";

/// Puts the process together, however long it takes. Meanwhile the listener says why nothing is served.
///
/// # Errors
/// Only for settings that can never work.
pub(super) async fn open(settings: &Settings, listener: &Listener) -> Result<App> {
    let first = match attempt(settings).await? {
        Ok(app) => return Ok(app),
        Err(reason) => reason,
    };
    let (stop, reason) = (CancellationToken::new(), Reason::new(Mutex::new(first)));
    // Also when nobody waits for this any more.
    let _stop = stop.clone().drop_guard();
    let serving = listener.serve_meanwhile(meanwhile(Arc::clone(&reason)), stop.clone());
    listener.announce(settings);
    tracing::warn!("Nothing is served yet, and it is tried again and again: {first}");
    let mut pause = FIRST_PAUSE;
    let app = loop {
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        match attempt(settings).await? {
            Ok(app) => break app,
            Err(other) => {
                let before = std::mem::replace(&mut *reason.lock().unwrap_or_else(PoisonError::into_inner), other);
                if before != other {
                    tracing::warn!("Nothing is served yet: {other}");
                }
            }
        }
    };
    stop.cancel();
    serving.ended(GOODBYE).await;
    tracing::info!("Everything is there now.");
    Ok(app)
}

/// The process, or why it cannot be put together at the moment.
async fn attempt(settings: &Settings) -> Result<Result<App, &'static str>> {
    match timeout(PATIENCE, put_together(settings)).await {
        Ok(outcome) => outcome,
        Err(_) => Ok(Err(SLOW)),
    }
}

async fn put_together(settings: &Settings) -> Result<Result<App, &'static str>> {
    let db = match App::connect(settings).await {
        Ok(db) => db,
        Err(error @ Error::Config(_)) => return Err(error),
        Err(error) => {
            tracing::debug!(error = error.log(), "The database cannot be reached.");
            return Ok(Err(UNREACHABLE));
        }
    };
    match migrate::check(&db, apps()).await {
        Ok(pending) if pending.is_empty() => {}
        Ok(pending) => return Ok(Err(if pending.len() == all_migrations() { EMPTY } else { BEHIND })),
        // What is newer only adds: this build goes on with what it knows.
        Err(Error::Config(text)) => tracing::warn!("{text}"),
        Err(error) => return Ok(Err(unreadable(&error))),
    }
    match missing(&db, settings.on_demand != OnDemand::Off).await {
        Ok(tables) if tables.is_empty() => {}
        Ok(tables) => {
            tracing::debug!(tables = tables.join(", "), "Tables that the database's role may not read.");
            return Ok(Err(UNGRANTED));
        }
        Err(error) => return Ok(Err(unreadable(&error))),
    }
    let opened = async {
        let app = App::with(settings.clone(), db).await?;
        if settings.on_demand == OnDemand::Save && !may_keep(&app).await? {
            tracing::warn!(
                "This process may not keep what it fetches on demand: it streams, as on_demand = \"stream\" does."
            );
            let settings = Settings { on_demand: OnDemand::Stream, ..settings.clone() };
            return App::with(settings, app.db.clone()).await;
        }
        Ok(app)
    };
    Ok(opened.await.map_err(|error| unreadable(&error)))
}

fn unreadable(error: &Error) -> &'static str {
    tracing::warn!(error = error.log(), "Something that the content service needs cannot be used.");
    UNREADABLE
}

fn all_migrations() -> usize {
    let core = (migrate::core_app().migrations)().len();
    core + apps().iter().map(|app| (app.migrations)().len()).sum::<usize>()
}

/// Whether this process may keep files: write their rows, and the files themselves.
async fn may_keep(app: &App) -> Result<bool> {
    let rights = [("core_artifact", "INSERT"), ("core_contentartifact", "UPDATE"), ("core_remoteartifact", "UPDATE")];
    if !may(&app.db, &rights).await? {
        return Ok(false);
    }
    let storage = app.storage.clone();
    let obstacle = tokio::task::spawn_blocking(move || storage.obstacle()).await.map_err(Error::internal)?;
    Ok(obstacle.is_none())
}

/// Whether this process may list itself among those that are up.
pub(super) async fn may_be_listed(db: &Db) -> Result<bool> {
    may(db, &["SELECT", "INSERT", "UPDATE", "DELETE"].map(|right| ("core_appstatus", right))).await
}

/// Whether the database's role has all these rights on tables. (SQLite knows no roles.)
async fn may(db: &Db, rights: &[(&str, &str)]) -> Result<bool> {
    #[derive(FromQueryResult)]
    struct Row {
        may: bool,
    }
    if db.is_sqlite() {
        return Ok(true);
    }
    let each: Vec<_> =
        rights.iter().map(|(table, right)| format!("has_table_privilege('{table}', '{right}')")).collect();
    let row = rows::<Row>(db.read(), &format!("SELECT {} AS may", each.join(" AND ")), Vec::new()).await?;
    Ok(row.iter().all(|row| row.may))
}

#[cfg(all(test, feature = "testkit", feature = "postgres"))]
mod tests;
