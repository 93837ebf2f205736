//! The queue's promises.

use std::sync::LazyLock;
use std::time::Duration;

use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde::{Deserialize, Serialize};
use serde_json::json;
use time::OffsetDateTime;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;
use uuid::Uuid;

use super::end::Ended;
use super::life::{Listed, fail_orphans};
use super::worker::run_task;
use super::{Dispatch, Worker, inline};
use crate::error::{Error, Result};
use crate::models::{app_status, progress_report, staged_content, state, task, task_event, task_reservation};
use crate::plugin::{Locks, Task, TaskCx, TaskKind, register};
use crate::sample::{Sample, on_both};
use crate::versions::Draft;

/// A task that does what it is told.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = sample::Chore)]
struct Chore {
    exclusive: Vec<String>,
    shared: Vec<String>,
    deed: Deed,
}

#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
enum Deed {
    #[default]
    Nothing,
    Fail,
    Panic,
    /// Counts one of two, then waits to be stopped.
    Hang,
    Return,
}

/// Opened once for every task that has begun to hang.
static HANGING: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(0));

impl Task for Chore {
    const TYPE: &'static str = "sample/chores";
    const NAME: &'static str = "pulp_sample.app.tasks.chore";

    fn locks(&self) -> Locks {
        let locks = self.exclusive.iter().fold(Locks::default(), |locks, name| locks.exclusive(name));
        self.shared.iter().fold(locks, |locks, name| locks.shared(name))
    }

    async fn run(self, cx: TaskCx) -> Result<()> {
        match self.deed {
            Deed::Nothing => Ok(()),
            Deed::Fail => Err(Error::invalid_together("It went wrong.")),
            Deed::Panic => panic!("a bug"),
            Deed::Return => cx.returns(42),
            Deed::Hang => {
                cx.progress("Hanging", "hanging").increment(1).await?;
                HANGING.add_permits(1);
                std::future::pending().await
            }
        }
    }
}

register!(TaskKind::of::<Chore>());

/// A short task.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = sample::Visit)]
struct Visit {
    to: String,
}

impl Task for Visit {
    const TYPE: &'static str = "sample/visits";
    const NAME: &'static str = "pulp_sample.app.tasks.visit";
    const IMMEDIATE: bool = true;

    fn locks(&self) -> Locks {
        Locks::default().exclusive(&self.to)
    }

    async fn run(self, cx: TaskCx) -> Result<()> {
        cx.returns(self.to)
    }
}

register!(TaskKind::of::<Visit>());

impl Sample {
    async fn queue(&self, chore: Chore) -> task::Model {
        let dispatch = Dispatch::new(&chore).unwrap().correlated("cid").in_domain(self.app.domain);
        self.app.queue.dispatch(dispatch).await.unwrap()
    }

    async fn exclusive(&self, name: &str) -> Uuid {
        self.queue(Chore { exclusive: vec![name.to_owned()], ..Chore::default() }).await.pulp_id
    }

    async fn shared(&self, name: &str) -> Uuid {
        self.queue(Chore { shared: vec![name.to_owned()], ..Chore::default() }).await.pulp_id
    }

    /// As a worker of its own each time.
    async fn claim(&self) -> Option<task::Model> {
        let worker = Listed::announce(&self.app, "worker", 1).await.unwrap();
        self.claim_for(&worker).await
    }

    async fn claim_for(&self, worker: &Listed) -> Option<task::Model> {
        self.app.queue.turn(&[], &worker.ids()).await.unwrap().pop()
    }

    /// All workers fall silent for ever.
    async fn kill_workers(&self) {
        let tx = self.app.db.write().await.unwrap();
        let never = app_status::ActiveModel { last_heartbeat: Set(OffsetDateTime::UNIX_EPOCH), ..Default::default() };
        app_status::Entity::update_many().set(never).exec(&*tx).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn claimed(&self) -> Option<Uuid> {
        self.claim().await.map(|row| row.pulp_id)
    }

    async fn end(&self, id: Uuid) {
        self.app.queue.turn(&[(id, Ended::Completed(None))], &[]).await.unwrap();
    }

    async fn end_of_waiting(&self, id: Uuid) {
        assert_eq!(self.claimed().await, Some(id));
        self.end(id).await;
    }

    pub(super) async fn row(&self, id: Uuid) -> task::Model {
        task::Entity::find_by_id(id).one(self.app.db.read()).await.unwrap().expect("the task exists")
    }

    /// Runs the one task that is ready to its end.
    async fn run_one(&self) -> task::Model {
        let row = self.claim().await.expect("a task is ready");
        let id = row.pulp_id;
        let ended = run_task(&self.app, row).await;
        self.app.queue.turn(&[(id, ended)], &[]).await.unwrap();
        self.row(id).await
    }
}

on_both!(tasks_are_taken_in_the_order_in_which_they_came, |sample| {
    let (one, two) = (sample.exclusive("a").await, sample.exclusive("b").await);
    assert_eq!(sample.claimed().await, Some(one));
    assert_eq!(sample.claimed().await, Some(two));
    assert_eq!(sample.claimed().await, None);
});

on_both!(an_exclusive_lock_is_held_until_its_task_ends, |sample| {
    let (one, two) = (sample.exclusive("a").await, sample.exclusive("a").await);
    assert_eq!(sample.claimed().await, Some(one));
    assert_eq!(sample.claimed().await, None);
    sample.end(one).await;
    assert_eq!(sample.claimed().await, Some(two));
});

on_both!(shared_locks_go_together_and_wait_for_an_earlier_exclusive_one, |sample| {
    let (one, two) = (sample.shared("a").await, sample.shared("a").await);
    let alone = sample.exclusive("a").await;
    let late = sample.shared("a").await;
    assert_eq!(sample.claimed().await, Some(one));
    assert_eq!(sample.claimed().await, Some(two));
    assert_eq!(sample.claimed().await, None, "the exclusive one waits, and the late one does not overtake it");
    sample.end(one).await;
    sample.end(two).await;
    assert_eq!(sample.claimed().await, Some(alone));
    assert_eq!(sample.claimed().await, None);
    sample.end(alone).await;
    assert_eq!(sample.claimed().await, Some(late));
});

on_both!(a_busy_resource_holds_up_nobody_else, |sample| {
    let busy = sample.exclusive("a").await;
    sample.exclusive("a").await;
    let other = sample.exclusive("b").await;
    assert_eq!(sample.claimed().await, Some(busy));
    assert_eq!(sample.claimed().await, Some(other));
});

on_both!(locks_die_with_their_task, |sample| {
    let row = sample.queue(Chore { exclusive: vec!["a".to_owned()], ..Chore::default() }).await;
    assert_eq!(row.reserved_resources_record.0[0], "a");
    assert!(row.reserved_resources_record.0[1].starts_with("shared:prn:core.domain:"));
    sample.run_one().await;
    assert!(task_reservation::Entity::find().all(sample.app.db.read()).await.unwrap().is_empty());
});

on_both!(a_task_returns_its_result, |sample| {
    sample.queue(Chore { deed: Deed::Return, ..Chore::default() }).await;
    let row = sample.run_one().await;
    assert_eq!(row.state, state::COMPLETED);
    assert_eq!(row.result, Some(42.into()));
    assert!(row.started_at.is_some() && row.finished_at.is_some());
});

on_both!(a_failure_says_why, |sample| {
    sample.queue(Chore { deed: Deed::Fail, ..Chore::default() }).await;
    let row = sample.run_one().await;
    assert_eq!(row.state, state::FAILED);
    assert!(row.error.unwrap()["description"].as_str().unwrap().contains("It went wrong."));
});

on_both!(a_panic_fails_one_task, |sample| {
    sample.queue(Chore { deed: Deed::Panic, exclusive: vec!["a".to_owned()], ..Chore::default() }).await;
    let next = sample.exclusive("a").await;
    assert_eq!(sample.run_one().await.state, state::FAILED);
    assert_eq!(sample.run_one().await.pulp_id, next);
});

on_both!(a_waiting_task_is_canceled_at_once, |sample| {
    let id = sample.exclusive("a").await;
    assert_eq!(sample.app.queue.cancel(id).await.unwrap().state, state::CANCELED);
    assert_eq!(sample.claimed().await, None);
    assert_eq!(sample.app.queue.cancel(id).await.unwrap().state, state::CANCELED, "again");
});

on_both!(a_task_that_has_ended_cannot_be_canceled, |sample| {
    sample.exclusive("a").await;
    let row = sample.run_one().await;
    assert!(matches!(sample.app.queue.cancel(row.pulp_id).await, Err(Error::Conflict(_))));
});

on_both!(a_running_task_stops_when_it_is_canceled, |sample| {
    let stop = CancellationToken::new();
    let workers = tokio::spawn(Worker::new(sample.app.clone()).run(stop.clone()));
    let row = sample.queue(Chore { deed: Deed::Hang, ..Chore::default() }).await;
    HANGING.acquire().await.unwrap().forget();
    sample.app.queue.cancel(row.pulp_id).await.unwrap();
    let row =
        tokio::time::timeout(Duration::from_secs(20), sample.app.queue.ended(row.pulp_id)).await.unwrap().unwrap();
    assert_eq!(row.state, state::CANCELED);
    let reports = progress_report::Entity::find().all(sample.app.db.read()).await.unwrap();
    assert_eq!((reports[0].state.as_str(), reports[0].done), (state::CANCELED, 1));
    // It is told, and then that the task has ended.
    let told = task_event::Entity::find().filter(task_event::Column::TaskId.eq(row.pulp_id));
    let told = told.filter(task_event::Column::Kind.ne("log")).order_by_desc(task_event::Column::Seq);
    let told = told.all(sample.app.db.read()).await.unwrap();
    assert_eq!((told[0].kind.as_str(), &told[0].body["state"]), ("state", &json!("canceled")));
    assert_eq!((told[1].kind.as_str(), &told[1].body["state"]), ("progress", &json!("canceled")));
    assert_eq!((&told[1].body["done"], &told[1].body["message"]), (&json!(1), &json!("Hanging")));
    stop.cancel();
    workers.await.unwrap().unwrap();
});

on_both!(workers_wake_up_for_every_task, |sample| {
    let stop = CancellationToken::new();
    let workers = tokio::spawn(Worker::new(sample.app.clone()).run(stop.clone()));
    for _ in 0..20 {
        let id = sample.exclusive("a").await;
        let ended = tokio::time::timeout(Duration::from_secs(20), sample.app.queue.ended(id)).await;
        assert_eq!(ended.unwrap().unwrap().state, state::COMPLETED);
    }
    stop.cancel();
    workers.await.unwrap().unwrap();
});

#[cfg(all(feature = "testkit", feature = "postgres"))]
#[tokio::test]
async fn a_process_wakes_others_and_not_itself_once_more() {
    let sample = Sample::postgres().await;
    let elsewhere = sample.another().await;
    let queues = [&sample.app.queue, &elsewhere.queue];
    let [mut here, mut there] = queues.map(|queue| queue.wakes.watch_ready());
    let _wires =
        queues.map(|queue| tokio_util::task::AbortOnDropHandle::new(tokio::spawn(super::wake::carry(queue.clone()))));
    for listens in [&mut here, &mut there] {
        listens.changed().await.unwrap();
    }
    for (says, hears) in [(queues[0], &mut there), (queues[1], &mut here)] {
        hears.borrow_and_update();
        says.wakes.ready();
        hears.changed().await.unwrap();
    }
    // When it began to listen, when it said something, and what the other said after that.
    assert_eq!(*here.borrow(), 3);
}

/// SQLite has one writer, who ends tasks and takes the next ones in one transaction.
#[cfg(all(feature = "testkit", feature = "postgres"))]
#[tokio::test]
async fn a_worker_goes_on_while_the_end_of_its_last_task_is_written() {
    let sample = Sample::postgres().await.with(|settings| settings.workers = 1).await;
    let (first, second) = (sample.exclusive("a").await, sample.exclusive("b").await);
    let elsewhere = sample.another().await;
    let turn = elsewhere.db.write().await.unwrap();
    super::locks::take_turns(&turn, &[crate::plugin::Lock { resource: "a".to_owned(), exclusive: true }])
        .await
        .unwrap();

    let stop = CancellationToken::new();
    let workers = tokio::spawn(Worker::new(sample.app.clone()).run(stop.clone()));
    let mut news = sample.app.queue.watch();
    while sample.row(second).await.state == state::WAITING {
        news.changed().await.unwrap();
    }
    assert_eq!(sample.row(first).await.state, state::RUNNING);

    // What was not written when the workers were stopped is written before they are gone.
    stop.cancel();
    turn.rollback().await.unwrap();
    workers.await.unwrap().unwrap();
    for id in [first, second] {
        assert_eq!(sample.row(id).await.state, state::COMPLETED);
    }
}

on_both!(what_a_dead_worker_was_running_is_failed_and_freed, |sample| {
    let id = sample.exclusive("a").await;
    let next = sample.exclusive("a").await;
    assert_eq!(sample.claimed().await, Some(id));
    let unit = sample.note("a", "1").await;
    let tx = sample.app.db.write().await.unwrap();
    Draft::new(id).add(&*tx, &[unit]).await.unwrap();
    tx.commit().await.unwrap();
    sample.kill_workers().await;

    assert_eq!(fail_orphans(&sample.app).await.unwrap(), 1);

    let row = sample.row(id).await;
    assert_eq!(row.state, state::FAILED);
    assert_eq!(row.error.unwrap()["description"], "Worker has gone missing.");
    assert!(staged_content::Entity::find().all(sample.app.db.read()).await.unwrap().is_empty());
    assert_eq!(sample.claimed().await, Some(next));
});

on_both!(what_a_task_has_dispatched_is_canceled_with_it, |sample| {
    let parent = sample.exclusive("a").await;
    let child = |parent| {
        let dispatch = Dispatch::new(&Chore::default()).unwrap().in_domain(sample.app.domain).child_of(parent);
        sample.app.queue.dispatch(dispatch)
    };
    let child_of_parent = child(parent).await.unwrap().pulp_id;
    let grandchild = child(child_of_parent).await.unwrap().pulp_id;
    sample.app.queue.cancel(parent).await.unwrap();
    for id in [parent, child_of_parent, grandchild] {
        assert_eq!(sample.row(id).await.state, state::CANCELED);
    }
});

on_both!(a_task_that_is_handed_back_keeps_its_place, |sample| {
    let first = sample.exclusive("a").await;
    let second = sample.exclusive("a").await;
    assert_eq!(sample.claimed().await, Some(first));
    sample.app.queue.turn(&[(first, Ended::HandedBack)], &[]).await.unwrap();
    let row = sample.row(first).await;
    assert_eq!((row.state.as_str(), row.started_at, row.worker_id), (state::WAITING, None, None));
    assert_eq!(sample.claimed().await, Some(first));
    assert_eq!(sample.claimed().await, None);
    sample.end(first).await;
    assert_eq!(sample.claimed().await, Some(second));
});

on_both!(a_task_that_has_made_something_is_not_run_twice, |sample| {
    let id = sample.exclusive("a").await;
    let row = sample.claim().await.expect("a task is ready");
    TaskCx::new(sample.app.clone(), row).record("sample.note", Uuid::now_v7()).await.unwrap();
    sample.app.queue.turn(&[(id, Ended::HandedBack)], &[]).await.unwrap();
    let row = sample.row(id).await;
    assert_eq!(row.state, state::FAILED);
    assert!(row.error.unwrap()["description"].as_str().unwrap().contains("shut down"));
});

on_both!(workers_that_are_stopped_hand_back_what_has_not_ended, |sample| {
    let sample = sample.with(|settings| settings.task_grace_interval = 0).await;
    let stop = CancellationToken::new();
    let workers = tokio::spawn(Worker::new(sample.app.clone()).run(stop.clone()));
    let row = sample.queue(Chore { deed: Deed::Hang, ..Chore::default() }).await;
    HANGING.acquire().await.unwrap().forget();
    stop.cancel();
    workers.await.unwrap().unwrap();
    assert_eq!(sample.row(row.pulp_id).await.state, state::WAITING);
    assert!(progress_report::Entity::find().all(sample.app.db.read()).await.unwrap().is_empty());
});

on_both!(an_immediate_task_ends_before_its_client_is_answered, |sample| {
    let me = Listed::announce(&sample.app, "api", 1).await.unwrap();
    sample.app.queue.runs_inline(&me);
    let visit = || Dispatch::new(&Visit { to: "a".to_owned() }).unwrap().in_domain(sample.app.domain);
    let done = inline::dispatch(&sample.app, visit()).await.unwrap();
    assert_eq!((done.state.as_str(), done.result), (state::COMPLETED, Some("a".into())));

    let busy = sample.exclusive("a").await;
    let queued = inline::dispatch(&sample.app, visit()).await.unwrap();
    assert_eq!((queued.state.as_str(), queued.unblocked_at), (state::WAITING, None), "its lock is not free");
    sample.end_of_waiting(busy).await;
    assert_eq!(sample.claimed().await, Some(queued.pulp_id));
});

on_both!(every_change_of_a_task_is_told_in_its_order, |sample| {
    let id = sample.queue(Chore { deed: Deed::Fail, ..Chore::default() }).await.pulp_id;
    sample.run_one().await;
    let events = task_event::Entity::find().order_by_asc(task_event::Column::Seq).all(sample.app.db.read()).await;
    let told: Vec<_> = events.unwrap().into_iter().filter(|event| event.kind == "state").collect();
    assert!(told.iter().all(|event| event.task_id == id));
    let states: Vec<_> = told.iter().map(|event| event.body["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["waiting", "running", "failed"]);
    assert!(told[2].body["error"]["description"].as_str().unwrap().contains("It went wrong."));
});

on_both!(a_process_with_the_number_of_a_dead_one_is_listed_beside_it, |sample| {
    let mut names = std::collections::BTreeSet::new();
    for _ in 0..3 {
        names.extend(Listed::announce(&sample.app, "worker", 1).await.unwrap().names());
    }
    let process = std::process::id().to_string();
    assert!(names.len() == 3 && names.iter().all(|name| name.starts_with(&process)), "{names:?}");
});

on_both!(a_worker_that_was_given_up_takes_nothing_before_it_is_listed_again, |sample| {
    let (running, waiting) = (sample.exclusive("a").await, sample.exclusive("b").await);
    let worker = Listed::announce(&sample.app, "worker", 1).await.unwrap();
    let row = sample.claim_for(&worker).await.expect("a task is ready");
    let cx = TaskCx::new(sample.app.clone(), row);
    let tx = sample.app.db.write().await.unwrap();
    cx.ensure_unfinished(&tx).await.unwrap();
    tx.rollback().await.unwrap();
    sample.kill_workers().await;
    assert_eq!(fail_orphans(&sample.app).await.unwrap(), 1);

    let tx = sample.app.db.write().await.unwrap();
    assert!(matches!(cx.ensure_unfinished(&tx).await, Err(Error::Canceled)));
    tx.rollback().await.unwrap();
    assert_eq!(sample.row(running).await.state, state::FAILED);
    assert!(sample.claim_for(&worker).await.is_none());

    worker.beat(&sample.app.db).await.unwrap();
    assert_eq!(sample.claim_for(&worker).await.map(|row| row.pulp_id), Some(waiting));
});

on_both!(a_task_of_a_missing_plugin_fails_and_says_so, |sample| {
    let row = sample.queue(Chore::default()).await;
    let tx = sample.app.db.write().await.unwrap();
    let renamed =
        task::ActiveModel { pulp_id: Set(row.pulp_id), task_type: Set("gone/chores".to_owned()), ..Default::default() };
    renamed.update(&*tx).await.unwrap();
    tx.commit().await.unwrap();
    let row = sample.run_one().await;
    assert!(row.error.unwrap()["description"].as_str().unwrap().contains("no plugin for 'gone/chores'"));
});
