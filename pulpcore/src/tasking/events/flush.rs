//! Lines of running tasks become rows, a few times a second.

use std::time::Duration;

use sea_orm::sea_query::{LockBehavior, LockType};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use super::{Event, lines, record};
use crate::db::{WriteTx, rows_per_statement};
use crate::error::Result;
use crate::models::{state, task};
use crate::tasking::Queue;

/// For how long lines are collected.
const PAUSE: Duration = Duration::from_millis(250);

/// Writes what the tasks of this process say, for ever.
pub(crate) async fn flush_for_ever(queue: Queue) {
    loop {
        queue.lines.notified().await;
        tokio::time::sleep(PAUSE).await;
        if let Err(error) = flush(&queue).await {
            tracing::warn!(error = error.log(), "Lines of running tasks could not be written.");
            queue.lines.notify_one();
        }
    }
}

/// Writes what the tasks of this process have said.
pub(super) async fn flush(queue: &Queue) -> Result<()> {
    let talking = lines::talking(&queue.running_here());
    for tasks in talking.chunks(rows_per_statement(1)) {
        let tx = queue.db.write().await?;
        let tasks = unfinished(&tx, tasks).await?;
        let taken = lines::take(&tasks);
        let events = taken.iter().map(|(task, line)| line.clone().event(*task)).collect();
        let written = write(tx, events).await;
        if written.is_err() {
            lines::put_back(taken);
        }
        written?;
        queue.wakes.news();
    }
    Ok(())
}

async fn write(tx: WriteTx, events: Vec<Event>) -> Result<()> {
    record(&tx, events).await?;
    tx.commit().await
}

/// Those of the tasks that have not ended and cannot end before the commit: nothing comes after a task's last state. One
/// that is just ending is left out; its end takes its lines along.
async fn unfinished(tx: &WriteTx, tasks: &[Uuid]) -> Result<Vec<Uuid>> {
    let rows = task::Entity::find()
        .select_only()
        .column(task::Column::PulpId)
        .filter(task::Column::PulpId.is_in(tasks.iter().copied()))
        .filter(task::Column::State.is_in([state::RUNNING, state::CANCELING]));
    let rows = match tx.is_sqlite() {
        true => rows,
        // Nobody is waited for, so this is in no circle of those that wait for each other.
        false => rows.lock_with_behavior(LockType::Share, LockBehavior::SkipLocked),
    };
    Ok(rows.into_tuple().all(&**tx).await?)
}
