//! What happens to tasks, as rows: every change of state, every step of progress, every line of their logs.

use sea_orm::{ActiveValue::Set, EntityTrait};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::db::{WriteTx, now};
use crate::error::Result;
use crate::models::task_event;

/// A change of the task's state: `{"state": …}`, with the error where it failed.
pub(crate) const STATE: &str = "state";
/// A report as it was written: the fields of a progress report.
pub(crate) const PROGRESS: &str = "progress";

/// Something that happened to a task.
#[derive(Clone, Debug)]
pub(super) struct Event {
    task: Uuid,
    kind: &'static str,
    body: Value,
}

impl Event {
    pub(super) fn new(task: Uuid, kind: &'static str, body: Value) -> Self {
        Self { task, kind, body }
    }

    /// The task is in another state.
    pub(super) fn state(task: Uuid, state: &str) -> Self {
        Self::new(task, STATE, json!({ "state": state }))
    }
}

/// Writes what happened, in this order.
pub(super) async fn record(tx: &WriteTx, events: Vec<Event>) -> Result<()> {
    let at = now();
    let mut rows = events.into_iter().map(|event| task_event::ActiveModel {
        pulp_created: Set(at),
        task_id: Set(event.task),
        kind: Set(event.kind.to_owned()),
        body: Set(event.body),
        ..Default::default()
    });
    loop {
        let some: Vec<_> = rows.by_ref().take(crate::db::rows_per_statement(4)).collect();
        if some.is_empty() {
            return Ok(());
        }
        task_event::Entity::insert_many(some).exec_without_returning(&**tx).await?;
    }
}
