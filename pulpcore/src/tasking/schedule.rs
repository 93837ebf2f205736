//! Schedules: what is dispatched again and again, by one of all the processes that run workers.
//!
//! A schedule is a row. Whoever moves its `next_dispatch` on dispatches the task, in the same transaction: of several
//! processes that find it due, the row lets one through, and a process that dies on the way has done neither.

use std::time::Duration;

use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use time::OffsetDateTime;
use uuid::Uuid;

use super::dispatch::Dispatch;
use crate::app::App;
use crate::db::{WriteTx, comparable, now};
use crate::error::Result;
use crate::models::{state, task, task_schedule};
use crate::plugin::Schedule;
use crate::registry;

/// Between two looks at most: another process may have brought a schedule forward.
const LOOK: Duration = Duration::from_secs(60);
/// Between two looks at least.
const PAUSE: Duration = Duration::from_secs(1);

/// Writes the schedules of this build down, and dispatches them whenever they are due, for ever.
pub(crate) async fn keep(app: App) {
    let schedules: Vec<_> = registry::get().schedules().collect();
    while let Err(error) = write_down(&app, &schedules).await {
        tracing::warn!(error = error.log(), "The schedules could not be written down.");
        tokio::time::sleep(LOOK).await;
    }
    loop {
        let next = match dispatch_due(&app, &schedules, now()).await {
            Ok(next) => next,
            Err(error) => {
                tracing::warn!(error = error.log(), "The schedules could not be looked at.");
                None
            }
        };
        let until = next.and_then(|next| Duration::try_from(next - now()).ok());
        tokio::time::sleep(until.map_or(LOOK, |until| until.clamp(PAUSE, LOOK))).await;
    }
}

/// Brings the table up to what the build and the settings say. What the build lacks is left as it is: another process
/// may have it.
async fn write_down(app: &App, schedules: &[&Schedule]) -> Result<()> {
    let tx = app.db.write().await?;
    for schedule in schedules {
        let interval = (schedule.interval)(&app.settings).map_or(0, |interval| interval.as_secs());
        let interval = i64::try_from(interval).unwrap_or(i64::MAX);
        let found = task_schedule::Entity::find().filter(task_schedule::Column::Name.eq(schedule.name));
        // Another process may write the same at the same time: then the second finds what the first has written.
        let found = found.lock_exclusive().one(&*tx).await?;
        match found {
            Some(row) => change(&tx, row, schedule, interval).await?,
            None if interval > 0 => insert(&tx, schedule, interval).await?,
            None => {}
        }
    }
    tx.commit().await
}

async fn change(tx: &WriteTx, row: task_schedule::Model, schedule: &Schedule, interval: i64) -> Result<()> {
    let next = match row.next_dispatch {
        _ if interval == 0 => None,
        // What was off is due at once, as a new one is.
        None => Some(now()),
        Some(next) if row.dispatch_interval == interval => Some(next),
        Some(_) => Some(later(now(), interval)),
    };
    let same = next == row.next_dispatch && row.dispatch_interval == interval && row.task_name == schedule.kind.name;
    if same {
        return Ok(());
    }
    let changed = task_schedule::ActiveModel {
        pulp_id: Set(row.pulp_id),
        pulp_last_updated: Set(now()),
        next_dispatch: Set(next),
        dispatch_interval: Set(interval),
        task_name: Set(schedule.kind.name.to_owned()),
        ..Default::default()
    };
    changed.update(&**tx).await?;
    Ok(())
}

async fn insert(tx: &WriteTx, schedule: &Schedule, interval: i64) -> Result<()> {
    let now = now();
    let row = task_schedule::ActiveModel {
        pulp_id: Set(Uuid::now_v7()),
        pulp_created: Set(now),
        pulp_last_updated: Set(now),
        name: Set(schedule.name.to_owned()),
        next_dispatch: Set(Some(now)),
        dispatch_interval: Set(interval),
        task_name: Set(schedule.kind.name.to_owned()),
        last_task_id: Set(None),
    };
    let conflict = OnConflict::column(task_schedule::Column::Name).do_nothing().to_owned();
    task_schedule::Entity::insert(row).on_conflict(conflict).exec_without_returning(&**tx).await?;
    Ok(())
}

/// Dispatches what is due; says when something is due next.
async fn dispatch_due(app: &App, schedules: &[&Schedule], now: OffsetDateTime) -> Result<Option<OffsetDateTime>> {
    let rows = task_schedule::Entity::find()
        .filter(task_schedule::Column::NextDispatch.is_not_null())
        .order_by_asc(task_schedule::Column::NextDispatch)
        .all(app.db.read())
        .await?;
    let mut next = Vec::new();
    for row in rows {
        // What this build lacks is left to those that have it.
        let Some(schedule) = schedules.iter().find(|schedule| schedule.name == row.name) else { continue };
        let Some(due) = row.next_dispatch else { continue };
        match due <= now {
            true => next.push(fire(app, schedule, &row, now).await?),
            false => next.push(due),
        }
    }
    Ok(next.into_iter().min())
}

/// Dispatches a task that is due, unless somebody else just did; says when the next one is due.
async fn fire(
    app: &App,
    schedule: &Schedule,
    row: &task_schedule::Model,
    now: OffsetDateTime,
) -> Result<OffsetDateTime> {
    // Before the transaction, because it may take its time. A task that cannot be made is tried again when the next one
    // is due.
    let prepared = match (schedule.due)(app.clone()).await {
        Ok(prepared) => Some(prepared),
        Err(error) => {
            tracing::warn!(schedule = schedule.name, error = error.log(), "The scheduled task cannot be dispatched.");
            None
        }
    };
    let next = after(row.next_dispatch.unwrap_or(now), row.dispatch_interval, now);
    let tx = app.db.write().await?;
    let moved = task_schedule::Entity::update_many()
        .col_expr(task_schedule::Column::NextDispatch, Expr::value(next))
        .filter(task_schedule::Column::PulpId.eq(row.pulp_id))
        .filter(task_schedule::Column::NextDispatch.lte(comparable(now)))
        .exec(&*tx)
        .await?;
    if moved.rows_affected == 0 {
        return Ok(next);
    }
    let mut ready = false;
    if let Some(prepared) = prepared {
        // A task that takes longer than the interval, or that waits behind others, would only wait for itself: a queue
        // that nobody works off would fill with copies of it.
        match is_unfinished(&tx, row.pulp_id).await? {
            true => tracing::warn!(schedule = schedule.name, "The last task of a schedule has not ended; no new one."),
            false => {
                let dispatch = Dispatch::of(&schedule.kind, prepared).in_domain(app.domain);
                let correlated = dispatch.correlated(&crate::telemetry::correlation_id(None));
                let task = correlated.insert(&tx, None).await?;
                ready = task.unblocked_at.is_some();
                task_schedule::Entity::update_many()
                    .col_expr(task_schedule::Column::LastTaskId, Expr::value(task.pulp_id))
                    .filter(task_schedule::Column::PulpId.eq(row.pulp_id))
                    .exec(&*tx)
                    .await?;
            }
        }
    }
    tx.commit().await?;
    if ready {
        app.queue.wakes.ready();
    }
    app.queue.wakes.news();
    Ok(next)
}

/// Whether the last task of a schedule waits or runs.
async fn is_unfinished(tx: &WriteTx, schedule: Uuid) -> Result<bool> {
    let Some(last) = task_schedule::Entity::find_by_id(schedule).one(&**tx).await?.and_then(|row| row.last_task_id)
    else {
        return Ok(false);
    };
    let row = task::Entity::find_by_id(last).one(&**tx).await?;
    Ok(row.is_some_and(|row| state::UNFINISHED.contains(&row.state.as_str())))
}

/// The first time after `now` that is whole intervals after `due`: dispatches keep their time of the day, and those that
/// were missed are not made up for.
fn after(due: OffsetDateTime, interval: i64, now: OffsetDateTime) -> OffsetDateTime {
    let interval = interval.max(1);
    let missed = (now - due).whole_seconds().max(0) / interval;
    later(due, interval.saturating_mul(missed + 1))
}

fn later(time: OffsetDateTime, seconds: i64) -> OffsetDateTime {
    comparable(time.saturating_add(time::Duration::seconds(seconds)))
}

#[cfg(test)]
mod tests;
