//! What a waiting task is told, and by which statement.

use sea_orm::EntityTrait;
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::plugin::{Locks, Prepared};
use crate::registry;
use crate::sample::{Sample, on_both};
use crate::tasking::Dispatch;
use crate::tasking::end::Ended;
use crate::tasking::life::Listed;

impl Sample {
    /// Queues a task with these locks.
    pub(crate) async fn queued(&self, locks: Locks) -> task::Model {
        self.chore(locks, "Nothing").await
    }

    /// Queues a task that runs until it is canceled.
    pub(crate) async fn hanging(&self) -> Uuid {
        self.chore(Locks::default(), "Hang").await.pulp_id
    }

    async fn chore(&self, locks: Locks, deed: &str) -> task::Model {
        let kind = registry::get().task("sample/chores").expect("the tests of the queue register it");
        let args = json!({ "exclusive": [], "shared": [], "deed": deed });
        let dispatch = Dispatch::of(kind, Prepared { args, locks });
        self.app.queue.dispatch(dispatch.correlated("cid").in_domain(self.app.domain)).await.unwrap()
    }

    /// Lists a worker, which takes the first task that is ready.
    pub(crate) async fn started(&self) -> task::Model {
        let worker = Listed::announce(&self.app, "worker", 1).await.unwrap();
        self.app.queue.turn(&[], &worker.ids()).await.unwrap().pop().expect("a task is ready")
    }

    /// A running task is over.
    pub(crate) async fn over(&self, id: Uuid) {
        self.app.queue.turn(&[(id, Ended::Completed(None))], &[]).await.unwrap();
    }

    async fn why(&self, id: Uuid) -> Option<Waiting> {
        let row = task::Entity::find_by_id(id).one(self.app.db.read()).await.unwrap().unwrap();
        why(&self.app.db, &[row]).await.unwrap().remove(&id)
    }
}

fn exclusive(name: &str) -> Locks {
    Locks::default().exclusive(name)
}

fn shared(name: &str) -> Locks {
    Locks::default().shared(name)
}

fn seen(waiting: &Waiting) -> Vec<(Uuid, &str, &str, bool)> {
    let before = waiting.before.iter();
    before.map(|row| (row.task_id, row.state.as_str(), row.resource.as_str(), row.exclusive)).collect()
}

on_both!(a_waiting_task_says_what_it_waits_for, |sample| {
    let reads = sample.queued(shared("b").exclusive("a")).await.pulp_id;
    let writes = sample.queued(exclusive("b")).await.pulp_id;
    sample.queued(exclusive("c")).await;
    let last = sample.queued(shared("a").exclusive("b")).await.pulp_id;
    assert_eq!(sample.started().await.pulp_id, reads);

    assert_eq!(sample.why(reads).await, None, "it runs");
    let waiting = sample.why(writes).await.unwrap();
    assert_eq!((waiting.reason, waiting.count), (Reason::Resources, 1));
    assert_eq!(seen(&waiting), [(reads, "running", "b", false)]);
    let sentence = "It waits for a task that came first: pulp_sample.app.tasks.chore runs and wants 'b'.";
    assert_eq!(waiting.sentence(), sentence);
    let waiting = sample.why(last).await.unwrap();
    assert_eq!(seen(&waiting), [(reads, "running", "a", true), (writes, "waiting", "b", true)]);
    assert_eq!(waiting.count, 2, "a task that is in the way twice counts once");
});

on_both!(what_is_shared_is_in_nobodys_way, |sample| {
    let one = sample.queued(shared("a")).await.pulp_id;
    let two = sample.queued(shared("a")).await.pulp_id;
    let alone = sample.queued(exclusive("a")).await.pulp_id;
    let late = sample.queued(shared("a")).await.pulp_id;
    let sees = async |id| seen(&sample.why(id).await.unwrap()).into_iter().map(|row| row.0).collect::<Vec<_>>();
    assert!(sees(two).await.is_empty());
    assert_eq!(sees(alone).await, [one, two]);
    assert_eq!(sees(late).await, [alone]);
});

on_both!(the_nearest_come_first_and_all_are_counted, |sample| {
    let running = sample.queued(exclusive("x").shared("a")).await.pulp_id;
    let behind = sample.queued(exclusive("x").shared("a")).await.pulp_id;
    sample.started().await;
    for _ in 0..NEAREST + 5 {
        sample.queued(exclusive("x").shared("a")).await;
    }
    let late = sample.queued(shared("a")).await.pulp_id;
    let last = sample.queued(exclusive("a")).await.pulp_id;
    assert_eq!(sample.started().await.pulp_id, late);

    let waiting = sample.why(last).await.unwrap();
    assert_eq!(waiting.count, NEAREST + 8);
    assert_eq!(waiting.before.len(), usize::try_from(NEAREST).unwrap());
    let first: Vec<Uuid> = waiting.before.iter().map(|row| row.task_id).take(3).collect();
    assert_eq!(first, [running, late, behind], "what runs comes first, however late it came");
    assert!(waiting.sentence().starts_with("It waits for 18 tasks that came first; the next, "), "{waiting:?}");
});

on_both!(a_page_of_tasks_is_told_at_once, |sample| {
    let (one, two) = (sample.queued(exclusive("a")).await, sample.queued(exclusive("a")).await);
    let other = sample.queued(exclusive("b")).await;
    let told = why(&sample.app.db, &[one.clone(), two.clone(), other.clone()]).await.unwrap();
    assert_eq!(told[&two.pulp_id].before[0].task_id, one.pulp_id);
    assert_eq!(told[&one.pulp_id].before, []);
    assert_eq!((told[&one.pulp_id].count, told[&other.pulp_id].count), (0, 1));
});

on_both!(a_task_that_is_ready_waits_for_a_worker, |sample| {
    sample.queued(exclusive("a")).await;
    let ready = sample.queued(exclusive("b")).await.pulp_id;
    let told = async || sample.why(ready).await.unwrap().sentence();
    let worker = "It is ready and waits for a free worker: ";
    assert_eq!(told().await, format!("{worker}no worker is online. One ready task is to be taken before it."));
    let first = sample.started().await.pulp_id;
    assert_eq!(told().await, format!("{worker}one is online, and busy."));
    Listed::announce(&sample.app, "worker", 2).await.unwrap();
    assert_eq!(told().await, format!("{worker}3 are online, 1 of them busy."));
    sample.over(first).await;
    assert_eq!(told().await, format!("{worker}3 are online, all idle."));
});
