//! Events of tasks that ended long ago are deleted, and whoever would miss them is told.
//!
//! A task's events go together. The largest number that ever went is kept ([`horizon`]): whatever is behind it is whole.
//! Deleting a task deletes its events, too; those nobody misses.

use std::time::Duration;

use sea_orm::{ColumnTrait, EntityTrait, FromQueryResult, QueryFilter};
use uuid::Uuid;

use super::Scope;
use crate::app::App;
use crate::db::{Db, WriteTx, comparable, exec, now, one_of, rows};
use crate::error::{Error, Result};
use crate::models::{state, task, task_event};

/// The name under which the largest number that was deleted stands in `core_sequence`.
const HORIZON: &str = "core_taskevent";

/// Events that are deleted in one transaction, unless one task has more.
const BATCH: i64 = 10_000;

const HOUR: Duration = Duration::from_secs(60 * 60);

/// On PostgreSQL: who holds this lock deletes, others leave it to them.
const TURN: &str = "SELECT pg_try_advisory_xact_lock(hashtextextended('core_taskevent', 0)) AS ours";

/// Deletes old events every hour, for ever.
pub(crate) async fn forget_hourly(app: App) {
    loop {
        match forget_old(&app).await {
            Ok(0) => {}
            Ok(tasks) => tracing::info!(tasks, "The events of old tasks are deleted."),
            Err(error) => tracing::warn!(error = error.log(), "The events of old tasks could not be deleted."),
        }
        tokio::time::sleep(HOUR).await;
    }
}

/// Deletes the events of tasks that ended longer ago than the setting `task_event_retention` says; returns of how many.
///
/// # Errors
/// Only if the database fails.
pub(crate) async fn forget_old(app: &App) -> Result<usize> {
    let hours = i64::try_from(app.settings.task_event_retention).unwrap_or(i64::MAX);
    let Some(before) = now().checked_sub(time::Duration::hours(hours.min(MOST))).filter(|_| hours > 0) else {
        return Ok(0);
    };
    let mut forgotten = 0;
    loop {
        let tx = app.db.write().await?;
        let tasks = batch(&tx, comparable(before)).await?;
        tx.commit().await?;
        if tasks == 0 {
            return Ok(forgotten);
        }
        forgotten += tasks;
    }
}

/// A thousand years.
const MOST: i64 = 1000 * 366 * 24;

#[derive(FromQueryResult)]
struct Old {
    task_id: Uuid,
    events: i64,
    last: i64,
}

/// Deletes all events of some tasks; returns of how many.
async fn batch(tx: &WriteTx, before: time::OffsetDateTime) -> Result<usize> {
    if !tx.is_sqlite() && !ours(tx).await? {
        return Ok(0);
    }
    // The oldest events lead to the tasks, not the other way round: most old tasks have none left.
    let sql = "SELECT e.task_id, count(*) AS events, max(e.seq) AS last FROM core_taskevent e \
         WHERE e.task_id IN (SELECT o.task_id FROM core_taskevent o JOIN core_task t ON t.pulp_id = o.task_id \
           WHERE o.pulp_created < $1 AND t.finished_at < $1 AND t.state IN ('completed', 'failed', 'canceled', 'skipped') \
           ORDER BY o.pulp_created LIMIT 1000) \
         GROUP BY e.task_id ORDER BY last";
    let old = rows::<Old>(&**tx, sql, vec![before.into()]).await?;
    let (mut events, mut last, mut tasks) = (0, 0, Vec::new());
    for row in old {
        if events > 0 && events + row.events > BATCH {
            break;
        }
        events += row.events;
        last = row.last.max(last);
        tasks.push(row.task_id);
    }
    if tasks.is_empty() {
        return Ok(0);
    }
    let count = tasks.len();
    task_event::Entity::delete_many().filter(one_of(&**tx, task_event::Column::TaskId, tasks)).exec(&**tx).await?;
    let sql = "INSERT INTO core_sequence (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = \
         CASE WHEN core_sequence.value > excluded.value THEN core_sequence.value ELSE excluded.value END";
    exec(&**tx, sql, vec![HORIZON.into(), last.into()]).await?;
    Ok(count)
}

async fn ours(tx: &WriteTx) -> Result<bool> {
    #[derive(FromQueryResult)]
    struct Turn {
        ours: bool,
    }
    Ok(rows::<Turn>(&**tx, TURN, Vec::new()).await?.iter().any(|row| row.ours))
}

/// The largest number of an event that was forgotten.
pub(crate) async fn horizon(db: &Db) -> Result<i64> {
    #[derive(FromQueryResult)]
    struct Counter {
        value: i64,
    }
    let sql = "SELECT value FROM core_sequence WHERE name = $1";
    Ok(rows::<Counter>(db.read(), sql, vec![HORIZON.into()]).await?.first().map_or(0, |row| row.value))
}

/// Where somebody begins who has seen everything up to `after`: there, or at the horizon who has seen nothing.
///
/// # Errors
/// [`Error::Gone`] if events behind `after` were forgotten.
pub(crate) async fn lost(db: &Db, scope: &Scope, after: i64) -> Result<i64> {
    let Some(task) = scope.task else {
        let horizon = horizon(db).await?;
        return if after == 0 || after >= horizon { Ok(after.max(horizon)) } else { Err(gone()) };
    };
    if after == 0 {
        return Ok(0);
    }
    let events = task_event::Entity::find().filter(task_event::Column::TaskId.eq(task));
    if events.one(db.read()).await?.is_some() {
        return Ok(after);
    }
    // Every task has at least the event of its beginning.
    let row = task::Entity::find_by_id(task).one(db.read()).await?;
    if row.is_some_and(|row| state::FINAL.contains(&row.state.as_str())) { Err(gone()) } else { Ok(after) }
}

pub(super) fn gone() -> Error {
    Error::Gone("Events behind this number were deleted; begin without a number.".to_owned())
}
