//! What happens to tasks, as rows: every change of state, every step of progress, every line of their logs.
//!
//! A row is written in the transaction that makes it true ([`record`]); lines of the log wait in memory for the next flush
//! or for the end of their task (`lines.rs`, `capture.rs`, `flush.rs`). Whoever reads goes by the rows' numbers, as far as
//! they are settled (`frontier.rs`, `read.rs`, `feed.rs`). Rows of tasks that ended long ago are forgotten (`forget.rs`).

pub(crate) mod capture;
mod feed;
mod flush;
pub(crate) mod forget;
mod frontier;
mod lines;
mod read;
#[cfg(test)]
mod tests;

use sea_orm::ActiveValue::Set;
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

pub(crate) use self::feed::{Feed, Feeds};
pub(crate) use self::flush::flush_for_ever;
pub(crate) use self::forget::{forget_hourly, lost};
pub(crate) use self::frontier::follow;
pub(super) use self::lines::{close, open, seal};
pub(crate) use self::read::{Row, Scope, read};
use crate::db::{WriteTx, bulk, now, storable};
use crate::error::Result;
use crate::models::task_event;

/// A change of the task's state: `{"state": …}`, with the error where it failed.
pub(crate) const STATE: &str = "state";
/// A report as it was written: the fields of a progress report.
pub(crate) const PROGRESS: &str = "progress";
/// A line of the server's log: `{"level", "target", "message", "fields"}`.
pub(crate) const LOG: &str = "log";
/// All kinds.
pub(crate) const KINDS: [&str; 3] = [STATE, PROGRESS, LOG];

/// Something that happened to a task.
#[derive(Clone, Debug)]
pub(super) struct Event {
    task: Uuid,
    kind: &'static str,
    body: Value,
    /// When, unless it is just now.
    at: Option<OffsetDateTime>,
}

impl Event {
    pub(super) fn new(task: Uuid, kind: &'static str, body: Value) -> Self {
        Self { task, kind, body, at: None }
    }

    /// The task is in another state.
    pub(super) fn state(task: Uuid, state: &str) -> Self {
        Self::new(task, STATE, json!({ "state": state }))
    }
}

/// Writes what happened, in this order.
pub(super) async fn record(tx: &WriteTx, events: Vec<Event>) -> Result<()> {
    let present = now();
    let rows = events.into_iter().map(|event| task_event::ActiveModel {
        pulp_created: Set(event.at.unwrap_or(present)),
        task_id: Set(event.task),
        kind: Set(event.kind.to_owned()),
        body: Set(storable(event.body)),
        ..Default::default()
    });
    bulk::insert(&**tx, rows.collect(), None).await.map(drop)
}
