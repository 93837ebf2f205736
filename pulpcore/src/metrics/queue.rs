//! The queue in numbers: one query over the tasks that have not ended, and one over the workers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QuerySelect};
use time::OffsetDateTime;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::app::App;
use crate::db::{Db, now, rows};
use crate::error::Result;
use crate::models::{app_status, state};
use crate::registry;
use crate::tasking::tally::{OfType, label};

/// For how long numbers are good.
const FRESH: Duration = Duration::from_secs(1);

/// They are kept for so many times as long as it took to read them: however long the queue is, and however often somebody
/// asks, the database is busy with it for a small part of the time.
const SHARE: u32 = 20;

/// How long reading may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the queue looks like.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    /// Every registered type is there.
    pub(super) by_type: BTreeMap<&'static str, OneType>,
    /// Workers whose last heartbeat is fresh.
    pub(super) workers: i64,
}

/// The tasks of one type.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OneType {
    pub(super) waiting: i64,
    /// Those that were told to stop and have not stopped yet included.
    pub(super) running: i64,
    /// How many of those that wait could run at once.
    pub(super) unblocked: i64,
    /// For how many seconds the first of those has been ready.
    pub(super) longest_wait: f64,
}

#[derive(FromQueryResult)]
struct Group {
    task_type: String,
    state: String,
    tasks: i64,
    unblocked: i64,
    since: Option<OffsetDateTime>,
}

/// One pass over the index of the states; those that have ended, however many, are not looked at.
const UNFINISHED: &str = "SELECT task_type, state, count(*) AS tasks, count(unblocked_at) AS unblocked, \
     min(unblocked_at) AS since FROM core_task WHERE state IN ('waiting', 'running', 'canceling') GROUP BY task_type, state";

impl Numbers {
    /// Reads them.
    async fn read(db: &Db) -> Result<Self> {
        let groups = rows::<Group>(db.read(), UNFINISHED, Vec::new()).await?;
        let workers = app_status::Entity::find()
            .select_only()
            .columns([app_status::Column::LastHeartbeat, app_status::Column::TtlSeconds])
            .filter(app_status::Column::AppType.eq("worker"));
        let workers: Vec<(OffsetDateTime, i64)> = workers.into_tuple().all(db.read()).await?;
        let now = now();
        let alive = |(beat, ttl): &&(OffsetDateTime, i64)| *beat + time::Duration::seconds(*ttl) >= now;
        let workers = i64::try_from(workers.iter().filter(alive).count()).unwrap_or(i64::MAX);
        Ok(Self { by_type: by_type(groups, now), workers })
    }

    /// How many tasks could run at once.
    pub(super) fn unblocked(&self) -> i64 {
        self.by_type.values().map(|one| one.unblocked).sum()
    }

    /// For how many seconds the first of those has been ready.
    pub(super) fn longest_wait(&self) -> f64 {
        self.by_type.values().map(|one| one.longest_wait).fold(0.0, f64::max)
    }

    /// Makes them part of what is told.
    pub(super) fn register(&self, registry: &mut Registry) {
        let waiting = self.family::<Gauge>(|gauge, one| {
            gauge.set(one.waiting);
        });
        registry.register("tasks_waiting", "Tasks that have not begun", waiting);
        let running = self.family::<Gauge>(|gauge, one| {
            gauge.set(one.running);
        });
        registry.register("tasks_running", "Tasks that run", running);
        let longest = self.family::<Gauge<f64, AtomicU64>>(|gauge, one| {
            gauge.set(one.longest_wait);
        });
        let help = "For how long a task has been waiting for nothing but a worker";
        registry.register("tasks_longest_wait_seconds", help, longest);
        let help = "Tasks that wait for nothing but a worker";
        registry.register("tasks_unblocked", help, ConstGauge::new(self.unblocked()));
        let help = "For how long any task has been waiting for nothing but a worker";
        registry.register("tasks_longest_unblocked_seconds", help, ConstGauge::new(self.longest_wait()));
        let help = "Workers that said lately that they are alive; a process has several";
        registry.register("workers_online", help, ConstGauge::new(self.workers));
    }

    fn family<G: Default>(&self, set: impl Fn(&G, &OneType)) -> Family<OfType, G> {
        let family = Family::default();
        for (task_type, one) in &self.by_type {
            set(&family.get_or_create(&OfType { task_type }), one);
        }
        family
    }
}

/// Every registered type is there, also with nothing to do: whoever watches a number wants to see it fall to zero.
fn by_type(groups: Vec<Group>, now: OffsetDateTime) -> BTreeMap<&'static str, OneType> {
    let kinds = registry::get().tasks().map(|kind| (kind.type_name, OneType::default()));
    let mut by_type: BTreeMap<_, _> = kinds.collect();
    for group in groups {
        let one = by_type.entry(label(&group.task_type)).or_default();
        if group.state != state::WAITING {
            one.running += group.tasks;
            continue;
        }
        one.waiting += group.tasks;
        one.unblocked += group.unblocked;
        let waited = group.since.map_or(0.0, |since| (now - since).as_seconds_f64());
        one.longest_wait = one.longest_wait.max(waited);
    }
    by_type
}

/// Where the numbers come from: those who ask together are told the same.
#[derive(Debug)]
pub(super) struct Source {
    app: App,
    /// The last ones, and until when they are good. None were to be had if there are none.
    last: Mutex<Option<(Instant, Option<Arc<Numbers>>)>>,
}

impl Source {
    pub(super) fn new(app: App) -> Self {
        Self { app, last: Mutex::default() }
    }

    pub(super) fn app(&self) -> &App {
        &self.app
    }

    /// Whether the database answers, for who may not read the queue.
    pub(super) async fn is_up(&self) -> bool {
        let asked = timeout(PATIENCE, self.app.db.read().execute_unprepared("SELECT 1"));
        matches!(asked.await, Ok(Ok(_)))
    }

    /// The numbers, unless the database does not give them.
    pub(super) async fn queue(&self) -> Option<Arc<Numbers>> {
        let mut last = self.last.lock().await;
        if let Some((until, numbers)) = &*last
            && Instant::now() < *until
        {
            return numbers.clone();
        }
        let began = Instant::now();
        let numbers = match timeout(PATIENCE, Numbers::read(&self.app.db)).await {
            Ok(Ok(numbers)) => Some(Arc::new(numbers)),
            Ok(Err(error)) => {
                tracing::warn!(error = error.log(), "The queue could not be read for the metrics.");
                None
            }
            Err(_) => {
                tracing::warn!("The queue could not be read for the metrics in time.");
                None
            }
        };
        *last = Some((Instant::now() + FRESH.max(began.elapsed() * SHARE), numbers.clone()));
        numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(task_type: &str, state: &str, tasks: i64, unblocked: i64, ago: Option<i64>) -> Group {
        let since = ago.map(|ago| OffsetDateTime::UNIX_EPOCH - time::Duration::seconds(ago));
        Group { task_type: task_type.to_owned(), state: state.to_owned(), tasks, unblocked, since }
    }

    #[test]
    fn only_tasks_that_are_ready_count_as_waiting_for_a_worker() {
        let groups = vec![
            group("sample/chores", state::WAITING, 5, 2, Some(30)),
            group("sample/chores", state::RUNNING, 1, 1, Some(900)),
            group("sample/chores", state::CANCELING, 1, 1, Some(900)),
            group("gone/one", state::WAITING, 1, 0, None),
            group("gone/two", state::WAITING, 1, 1, Some(60)),
        ];
        let numbers = Numbers { by_type: by_type(groups, OffsetDateTime::UNIX_EPOCH), workers: 0 };
        let chores = numbers.by_type["sample/chores"];
        assert_eq!((chores.waiting, chores.running, chores.unblocked, chores.longest_wait), (5, 2, 2, 30.0));
        assert_eq!(numbers.by_type["other"].waiting, 2);
        assert_eq!((numbers.unblocked(), numbers.longest_wait()), (3, 60.0));
    }

    #[test]
    fn a_type_with_nothing_to_do_says_so() {
        let by_type = by_type(Vec::new(), OffsetDateTime::UNIX_EPOCH);
        assert_eq!(by_type["sample/chores"].waiting, 0);
        assert!(!by_type.contains_key("other"));
    }

    #[cfg(feature = "sqlite")]
    #[tokio::test]
    async fn tasks_that_have_ended_are_not_looked_at() {
        #[derive(FromQueryResult)]
        struct Step {
            detail: String,
        }
        let sample = crate::sample::Sample::sqlite().await;
        let plan = format!("EXPLAIN QUERY PLAN {UNFINISHED}");
        let plan: Vec<Step> = rows(sample.app.db.read(), &plan, Vec::new()).await.unwrap();
        let first = plan.first().map_or("", |step| &step.detail);
        assert_eq!(first, "SEARCH core_task USING INDEX ix_core_task_state_seq (state=?)");
    }
}
