//! The queue against its promises: random tasks, cancels, stops and crashes, and a journal of who ran when.
//!
//! `PULP_MODEL_SECONDS` makes it run longer than the few seconds that it has in the suite, `PULP_MODEL_SEED` makes it begin
//! as a run that failed (what the workers do meanwhile is never the same twice).

use std::collections::{BTreeSet, HashMap};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sea_orm::{EntityTrait, QueryOrder};
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;
use uuid::Uuid;

use super::life::{Listed, fail_orphans, look_after_others};
use super::{Dispatch, Worker, inline};
use crate::app::App;
use crate::error::{Error, Result};
use crate::models::{state, task, task_reservation};
use crate::plugin::{Locks, Task, TaskCx, TaskKind, register};
use crate::sample::{Sample, on_both};

/// A task that writes down when it runs.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = sample::Step)]
struct Step {
    exclusive: BTreeSet<u8>,
    shared: BTreeSet<u8>,
    pauses: u32,
    end: End,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
enum End {
    Well,
    Badly,
    InPanic,
    /// Not before it is told to.
    Never,
}

/// The same, for the process that is asked.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = sample::Hop)]
struct Hop {
    step: Step,
}

impl Task for Step {
    const TYPE: &'static str = "sample/steps";
    const NAME: &'static str = "pulp_sample.app.tasks.step";

    fn locks(&self) -> Locks {
        let locks = self.exclusive.iter().fold(Locks::default(), |locks, name| locks.exclusive(name));
        self.shared.iter().fold(locks, |locks, name| locks.shared(name))
    }

    async fn run(self, cx: TaskCx) -> Result<()> {
        let _running = Running::begin(cx.id());
        let progress = cx.progress("Stepping", "stepping");
        for _ in 0..self.pauses {
            tokio::task::yield_now().await;
        }
        match self.end {
            End::Well => progress.done(1).await,
            End::Badly => Err(Error::invalid_together("As planned.")),
            End::InPanic => panic!("as planned"),
            End::Never => std::future::pending().await,
        }
    }
}

impl Task for Hop {
    const TYPE: &'static str = "sample/hops";
    const NAME: &'static str = "pulp_sample.app.tasks.hop";
    const IMMEDIATE: bool = true;

    fn locks(&self) -> Locks {
        self.step.locks()
    }

    async fn run(self, cx: TaskCx) -> Result<()> {
        self.step.run(cx).await
    }
}

register!(TaskKind::of::<Step>());
register!(TaskKind::of::<Hop>());

/// When each task ran: it may run again after it was handed back.
static JOURNAL: LazyLock<Mutex<Journal>> = LazyLock::new(Mutex::default);

type Journal = HashMap<Uuid, Vec<(Instant, Instant)>>;

struct Running(Uuid, Instant);

impl Running {
    fn begin(task: Uuid) -> Self {
        Self(task, Instant::now())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut journal = JOURNAL.lock().unwrap_or_else(PoisonError::into_inner);
        journal.entry(self.0).or_default().push((self.1, Instant::now()));
    }
}

/// Numbers that depend on nothing but the seed (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }

    fn some(&mut self, most: u64) -> BTreeSet<u8> {
        (0..self.below(most + 1)).filter_map(|_| u8::try_from(self.below(RESOURCES)).ok()).collect()
    }

    fn step(&mut self) -> Step {
        let end = match self.below(60) {
            0..=2 => End::Badly,
            3 => End::InPanic,
            4 => End::Never,
            _ => End::Well,
        };
        Step { exclusive: self.some(2), shared: self.some(3), pauses: u32::try_from(self.below(50)).unwrap_or(0), end }
    }
}

const RESOURCES: u64 = 6;
/// Tasks that have not ended, at most: the queue is to be worked on, not filled.
const OPEN: usize = 60;
/// Processes on PostgreSQL, and workers in each.
const PROCESSES: usize = 3;
/// Crashes and stops; a crash holds up what it held for as long as a process may be silent.
const ACCIDENTS: u32 = 20;

/// A process of workers, which can be killed.
struct Process {
    runtime: Runtime,
    stop: CancellationToken,
    working: JoinHandle<Result<()>>,
}

impl Process {
    /// On PostgreSQL a process has connections of its own; SQLite has one process, whose workers alone are killed.
    fn start(sample: &Sample) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (stop, shared) = (CancellationToken::new(), sample.app.db.is_sqlite().then(|| sample.app.clone()));
        let (told, another) = (stop.clone(), sample.another());
        let working = runtime.spawn(async move {
            let app = match shared {
                Some(app) => app,
                None => {
                    let app = another.await;
                    #[cfg(feature = "postgres")]
                    tokio::spawn(super::wake::carry(app.queue.clone()));
                    tokio::spawn(look_after_others(app.clone()));
                    app
                }
            };
            Worker::new(app).run(told).await
        });
        Self { runtime, stop, working }
    }

    /// Unlike a process, a runtime does not end at once: what it was running may run for another moment.
    async fn kill(self) {
        let Self { runtime, .. } = self;
        tokio::task::spawn_blocking(move || runtime.shutdown_timeout(Duration::from_secs(60))).await.unwrap();
    }

    /// With no grace: what runs is handed back.
    async fn stop(self) {
        self.stop.cancel();
        self.working.await.unwrap().unwrap();
        self.runtime.shutdown_background();
    }
}

on_both!(whatever_happens_the_queue_keeps_its_promises, |sample| {
    let setting = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let seed = setting("PULP_MODEL_SEED").unwrap_or_else(|| Uuid::now_v7().as_u64_pair().1);
    let time = Duration::from_secs(setting("PULP_MODEL_SECONDS").unwrap_or(5));
    let sample = sample.with(|settings| {
        // Long enough that a busy machine does not look like a crash.
        settings.worker_ttl = 15;
        settings.workers = 3;
        settings.task_grace_interval = 0;
    });
    let sample = sample.await;
    let app = &sample.app;
    #[cfg(feature = "postgres")]
    let carrying = (!app.db.is_sqlite()).then(|| tokio::spawn(super::wake::carry(app.queue.clone())));
    let me = Listed::announce(app, "api", 1).await.unwrap();
    app.queue.runs_inline(&me);
    let heart = tokio::spawn(me.clone().live(app.clone()));
    let count = if app.db.is_sqlite() { 1 } else { PROCESSES };
    let mut processes: Vec<_> = (0..count).map(|_| Process::start(&sample)).collect();
    let mut dice = Dice(seed | 1);
    let mut dispatched = Vec::new();
    let began = Instant::now();
    let mut accidents = Vec::new();
    accidents
        .extend((0..ACCIDENTS).map(|_| time.mul_f64(f64::from(u32::try_from(dice.below(1000)).unwrap()) / 1000.0)));

    while began.elapsed() < time {
        wait_for_room(&sample, OPEN).await;
        match dice.below(10) {
            0 | 1 if !dispatched.is_empty() => {
                let last = dispatched.len() as u64;
                let back = dice.below(last.min(40));
                let id: Uuid = dispatched[usize::try_from(last - 1 - back).unwrap()];
                app.queue.cancel_all(vec![id]).await.unwrap();
            }
            2 => {
                let hop = Hop { step: Step { end: End::Well, ..dice.step() } };
                dispatched.push(inline::dispatch(app, of(app, &hop)).await.unwrap().pulp_id);
            }
            _ => dispatched.push(inline::dispatch(app, of(app, &dice.step())).await.unwrap().pulp_id),
        }
        let due = accidents.len();
        accidents.retain(|at| *at > began.elapsed());
        if accidents.len() < due {
            let process = processes.swap_remove(usize::try_from(dice.below(processes.len() as u64)).unwrap());
            // On PostgreSQL a crash is waited for: a few are enough.
            if dice.below(if app.db.is_sqlite() { 2 } else { 8 }) == 0 {
                process.kill().await;
                if app.db.is_sqlite() {
                    fail_orphans(app).await.unwrap();
                    me.beat(&app.db).await.unwrap();
                }
            } else {
                process.stop().await;
            }
            processes.push(Process::start(&sample));
        }
    }
    while let Some(open) = unfinished(&sample).await.first() {
        // Those that never end by themselves.
        app.queue.cancel_all(vec![*open]).await.unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(60), app.queue.ended(*open)).await;
        ended.unwrap_or_else(|_| panic!("PULP_MODEL_SEED={seed}: a task does not end")).unwrap();
    }
    for process in processes {
        process.stop().await;
    }
    heart.abort();
    let _ = heart.await;
    me.retire(app).await.unwrap();
    #[cfg(feature = "postgres")]
    if let Some(carrying) = carrying {
        carrying.abort();
    }

    assert!(
        task_reservation::Entity::find().all(app.db.read()).await.unwrap().is_empty(),
        "PULP_MODEL_SEED={seed}: a lock is left"
    );
    check(&sample, &dispatched, seed).await;
});

fn of<T: Task>(app: &App, task: &T) -> Dispatch {
    Dispatch::new(task).unwrap().correlated("cid").in_domain(app.domain)
}

async fn unfinished(sample: &Sample) -> Vec<Uuid> {
    let rows = task::Entity::find().order_by_asc(task::Column::Seq).all(sample.app.db.read()).await.unwrap();
    rows.into_iter().filter(|row| !state::FINAL.contains(&row.state.as_str())).map(|row| row.pulp_id).collect()
}

/// Waits until few enough tasks are open; when all that run would run for ever, it cancels the first.
async fn wait_for_room(sample: &Sample, most: usize) {
    let mut news = sample.app.queue.watch();
    loop {
        news.borrow_and_update();
        let open = unfinished(sample).await;
        if open.len() <= most {
            return;
        }
        if tokio::time::timeout(Duration::from_millis(200), news.changed()).await.is_err() {
            sample.app.queue.cancel_all(vec![open[0]]).await.unwrap();
        }
    }
}

/// No two tasks that exclude each other were at it at once, and the earlier one came first.
async fn check(sample: &Sample, dispatched: &[Uuid], seed: u64) {
    let rows = task::Entity::find().order_by_asc(task::Column::Seq).all(sample.app.db.read()).await.unwrap();
    assert_eq!(rows.len(), dispatched.len());
    let journal = JOURNAL.lock().unwrap_or_else(PoisonError::into_inner);
    let mut last = HashMap::<&str, (Option<Instant>, Option<Instant>)>::new();
    let mut ran = 0;
    for row in &rows {
        let Some(runs) = journal.get(&row.pulp_id) else { continue };
        ran += 1;
        let first = runs.iter().map(|run| run.0).min().unwrap();
        let end = runs.iter().map(|run| run.1).max().unwrap();
        for record in &row.reserved_resources_record.0 {
            let (resource, exclusive) = match record.strip_prefix("shared:") {
                Some(resource) => (resource, false),
                None => (&**record, true),
            };
            // The last end of those that had it alone, and of all.
            let (alone, all) = last.entry(resource).or_default();
            let before = if exclusive { *all } else { *alone };
            let so = before.is_none_or(|before| before <= first);
            assert!(so, "PULP_MODEL_SEED={seed}, {resource}: task {} began before an earlier one had ended", row.seq);
            *all = (*all).max(Some(end));
            if exclusive {
                *alone = (*alone).max(Some(end));
            }
        }
    }
    assert!(ran * 2 > rows.len(), "most tasks run");
}
