//! Lines of running tasks become rows, a few times a second.

use std::time::Duration;

use sea_orm::sea_query::{LockBehavior, LockType};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use super::{Event, lines, record};
use crate::db::{WriteTx, one_of};
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
    if talking.is_empty() {
        return Ok(());
    }
    let tx = queue.db.write_relaxed().await?;
    let unfinished = unfinished(&tx, &talking).await?;
    if unfinished.len() < talking.len() {
        // Somebody has a task's row in hand. If that is not its end, its lines are still to be written.
        queue.lines.notify_one();
    }
    let taken = lines::take(&unfinished);
    let events = taken.iter().map(|(task, line)| line.clone().event(*task)).collect();
    let written = write(tx, events).await;
    if written.is_err() {
        lines::put_back(taken);
    }
    written?;
    queue.wakes.news();
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
        .filter(one_of(&**tx, task::Column::PulpId, tasks.iter().copied()))
        .filter(task::Column::State.is_in([state::RUNNING, state::CANCELING]));
    let rows = match tx.is_sqlite() {
        true => rows,
        // Nobody is waited for, so this is in no circle of those that wait for each other.
        false => rows.lock_with_behavior(LockType::Share, LockBehavior::SkipLocked),
    };
    Ok(rows.into_tuple().all(&**tx).await?)
}

#[cfg(test)]
mod tests {
    use sea_orm::ActiveModelTrait;
    use sea_orm::ActiveValue::Set;
    use tracing::Instrument;

    use super::super::tests::log;
    use super::*;
    use crate::sample::on_both;
    use crate::tasking::end::Ended;
    use crate::tasking::worker::run_task;
    use crate::telemetry::task_span;

    on_both!(lines_stand_before_the_last_state, |sample| {
        let _log = log();
        let id = sample.talk(2).await;
        let row = sample.take_one().await;
        let span = task_span("cid", id, "talk");
        let ended = run_task(&sample.app, row).instrument(span).await;
        sample.app.queue.turn(&[(id, ended)], &[]).await.unwrap();
        sample.app.queue.stopped(id);
        let told = sample.told_in_short().await;
        let expected =
            ["waiting", "running", "progress", "progress", "log", "log", "log", "log", "completed"].map(str::to_owned);
        assert_eq!(told, expected);
        let told = sample.told().await;
        let messages: Vec<_> = told.iter().filter_map(|event| event.body["message"].as_str()).collect();
        assert!(messages.ends_with(&["The task starts.", "Blah.", "Blah.", "The task is completed."]), "{messages:?}");
        assert_eq!(told.iter().filter(|event| event.body["fields"]["line"] == 1).count(), 1);
    });

    on_both!(lines_of_a_running_task_are_written_once_while_it_runs, |sample| {
        let _log = log();
        let id = sample.talk(0).await;
        sample.take_one().await;
        sample.app.queue.started(&sample.row(id).await);
        task_span("cid", id, "talk").in_scope(|| tracing::info!("One."));
        flush(&sample.app.queue).await.unwrap();
        flush(&sample.app.queue).await.unwrap();
        assert_eq!(sample.told_in_short().await, ["waiting", "running", "log"]);
        task_span("cid", id, "talk").in_scope(|| tracing::info!("Two."));
        sample.app.queue.turn(&[(id, Ended::HandedBack)], &[]).await.unwrap();
        flush(&sample.app.queue).await.unwrap();
        sample.app.queue.stopped(id);
        assert_eq!(sample.told_in_short().await, ["waiting", "running", "log", "log", "waiting"]);
    });

    on_both!(a_task_that_was_ended_elsewhere_says_nothing_more, |sample| {
        let _log = log();
        let id = sample.talk(0).await;
        sample.take_one().await;
        sample.app.queue.started(&sample.row(id).await);
        task_span("cid", id, "talk").in_scope(|| tracing::info!("Still here."));
        let tx = sample.app.db.write().await.unwrap();
        let failed = task::ActiveModel { pulp_id: Set(id), state: Set(state::FAILED.to_owned()), ..Default::default() };
        failed.update(&*tx).await.unwrap();
        tx.commit().await.unwrap();
        flush(&sample.app.queue).await.unwrap();
        sample.app.queue.stopped(id);
        assert_eq!(sample.told_in_short().await, ["waiting", "running"]);
    });

    #[cfg(all(feature = "testkit", feature = "postgres"))]
    #[tokio::test]
    async fn a_task_that_is_just_ending_is_not_waited_for() {
        let sample = crate::sample::Sample::postgres().await;
        let _log = log();
        let id = sample.talk(0).await;
        sample.take_one().await;
        sample.app.queue.started(&sample.row(id).await);
        task_span("cid", id, "talk").in_scope(|| tracing::info!("One."));
        let tx = sample.app.db.write().await.unwrap();
        let ending = task::ActiveModel { pulp_id: Set(id), state: Set(state::FAILED.to_owned()), ..Default::default() };
        ending.update(&*tx).await.unwrap();
        flush(&sample.app.queue).await.unwrap();
        assert_eq!(sample.told_in_short().await, ["waiting", "running"]);
        tx.rollback().await.unwrap();
        flush(&sample.app.queue).await.unwrap();
        sample.app.queue.stopped(id);
        assert_eq!(sample.told_in_short().await, ["waiting", "running", "log"]);
    }
}
