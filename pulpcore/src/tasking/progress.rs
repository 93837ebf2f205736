//! Progress reports: counted in memory, written at most twice a second.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};
use serde_json::json;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::Queue;
use super::cx::ensure_unfinished;
use super::events::{self, Event, PROGRESS};

use crate::db::{WriteTx, now, one_of};
use crate::error::Result;
use crate::models::{progress_report, state};

/// How far a task has come. The row appears with the first count and is always right once the report is finished.
#[derive(Debug)]
pub struct Progress {
    queue: Queue,
    id: Uuid,
    task: Uuid,
    message: String,
    code: String,
    total: AtomicI64,
    done: AtomicI64,
    written: Mutex<Option<Instant>>,
}

/// Between two writes of one report.
const PAUSE: Duration = Duration::from_millis(500);
/// A total that is not known.
const UNKNOWN: i64 = -1;

impl Progress {
    pub(crate) fn new(queue: Queue, task: Uuid, message: &str, code: &str) -> Self {
        Self {
            queue,
            id: Uuid::now_v7(),
            task,
            message: message.to_owned(),
            code: code.to_owned(),
            total: AtomicI64::new(UNKNOWN),
            done: AtomicI64::new(0),
            written: Mutex::new(None),
        }
    }

    /// Says how many there will be.
    pub fn set_total(&self, total: i64) {
        self.total.store(total, Ordering::Relaxed);
    }

    /// Says that there will be more.
    pub fn add_total(&self, more: i64) {
        let _ = self.total.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| Some(n.max(0) + more));
    }

    /// Counts some more.
    pub async fn increment(&self, by: i64) -> Result<()> {
        self.done.fetch_add(by, Ordering::Relaxed);
        // Whoever finds the lock taken leaves the writing to whoever holds it.
        let Ok(mut written) = self.written.try_lock() else { return Ok(()) };
        if written.is_none_or(|at| at.elapsed() >= PAUSE) {
            self.write(state::RUNNING).await?;
            *written = Some(Instant::now());
        }
        Ok(())
    }

    /// Counts some more and finishes the report.
    pub async fn done(self, by: i64) -> Result<()> {
        self.done.fetch_add(by, Ordering::Relaxed);
        self.finish().await
    }

    /// Finishes the report.
    pub async fn finish(self) -> Result<()> {
        let _last = self.written.lock().await;
        self.write(state::COMPLETED).await
    }

    /// Finishes the report of what had to be counted to know how many there are; says how many that were.
    pub async fn finish_counted(self) -> Result<i64> {
        let counted = self.done.load(Ordering::Relaxed);
        self.set_total(counted);
        self.finish().await?;
        Ok(counted)
    }

    async fn write(&self, state: &str) -> Result<()> {
        let total = Some(self.total.load(Ordering::Relaxed)).filter(|total| *total != UNKNOWN);
        let now = now();
        let row = progress_report::Model {
            pulp_id: self.id,
            pulp_created: now,
            pulp_last_updated: now,
            task_id: self.task,
            message: self.message.clone(),
            code: self.code.clone(),
            state: state.to_owned(),
            total,
            done: self.done.load(Ordering::Relaxed),
            suffix: None,
        };
        let event = Event::new(self.task, PROGRESS, said(&row));
        let tx = self.queue.db.write_relaxed().await?;
        // Nothing comes after a task's last state.
        ensure_unfinished(&tx, self.task).await?;
        progress_report::Entity::insert(row.into_active_model().reset_all())
            .on_conflict(
                OnConflict::column(progress_report::Column::PulpId)
                    .update_columns([
                        progress_report::Column::State,
                        progress_report::Column::Total,
                        progress_report::Column::Done,
                        progress_report::Column::PulpLastUpdated,
                    ])
                    .to_owned(),
            )
            .exec_without_returning(&*tx)
            .await?;
        events::record(&tx, vec![event]).await?;
        tx.commit().await?;
        self.queue.wakes.news();
        Ok(())
    }
}

/// Gives the reports that tasks left unfinished the state in which they ended. What there is to tell comes before the tasks'
/// last state.
pub(super) async fn settle(tx: &WriteTx, tasks: &[Uuid], state: &str) -> Result<Vec<Event>> {
    let settled = progress_report::Entity::update_many()
        .col_expr(progress_report::Column::State, Expr::value(state))
        .col_expr(progress_report::Column::PulpLastUpdated, Expr::value(now()))
        .filter(one_of(&**tx, progress_report::Column::TaskId, tasks.iter().copied()))
        .filter(progress_report::Column::State.eq(state::RUNNING))
        .exec_with_returning(&**tx)
        .await?;
    Ok(told(settled))
}

/// What there is to tell of reports that got their last state.
pub(super) async fn settled(tx: &WriteTx, reports: &[Uuid]) -> Result<Vec<Event>> {
    if reports.is_empty() {
        return Ok(Vec::new());
    }
    let those = one_of(&**tx, progress_report::Column::PulpId, reports.iter().copied());
    Ok(told(progress_report::Entity::find().filter(those).all(&**tx).await?))
}

fn told(mut settled: Vec<progress_report::Model>) -> Vec<Event> {
    settled.sort_by_key(|report| report.pulp_id);
    settled.iter().map(|report| Event::new(report.task_id, PROGRESS, said(report))).collect()
}

/// A report as its event tells it.
fn said(report: &progress_report::Model) -> serde_json::Value {
    json!({
        "message": report.message, "code": report.code, "state": report.state, "total": report.total,
        "done": report.done, "suffix": report.suffix,
    })
}
