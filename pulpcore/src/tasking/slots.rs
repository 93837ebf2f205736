//! The loop of a process's workers: it takes tasks for all of them, and tells the database what has ended.
//!
//! A turn with the queue is one transaction, and most of its time is waiting: for the database to answer, for its commit to
//! be durable. So on PostgreSQL a second turn goes on beside the first, with the ends and the free workers that it left.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use uuid::Uuid;

use super::end::{Ended, PANICKED, failure};
use super::worker::run_task;
use crate::app::App;
use crate::error::Result;
use crate::models::task;
use crate::telemetry;

/// How long idle workers sleep at most: a wake-up may be lost.
const POLL: Duration = Duration::from_secs(2);

/// Ends that are written in one transaction: their resources are locked one by one.
const AT_ONCE: usize = 64;

/// What the loop knows.
pub(super) struct Slots {
    app: App,
    stop: CancellationToken,
    /// Workers with nothing to do, for whom no turn looks for a task just now.
    free: Vec<Uuid>,
    /// Which worker has which task.
    busy: HashMap<Uuid, Uuid>,
    reports: mpsc::UnboundedSender<(Uuid, Ended)>,
    reported: mpsc::UnboundedReceiver<(Uuid, Ended)>,
    /// Tasks that have ended, of which no turn tells the database just now.
    ended: Vec<(Uuid, Ended)>,
    turns: FuturesUnordered<BoxFuture<'static, Turn>>,
    /// There may be tasks that no turn has looked for.
    looks: bool,
    /// Since when no turn has succeeded; none is begun until the next look.
    failing: Option<Instant>,
    rests: bool,
}

/// A turn that is over.
struct Turn {
    ended: Vec<(Uuid, Ended)>,
    free: Vec<Uuid>,
    claimed: Result<Vec<task::Model>>,
}

impl Slots {
    pub(super) fn new(app: App, free: Vec<Uuid>, stop: CancellationToken) -> Self {
        let (reports, reported) = mpsc::unbounded_channel();
        Self {
            app,
            stop,
            free,
            busy: HashMap::new(),
            reports,
            reported,
            ended: Vec::new(),
            turns: FuturesUnordered::new(),
            looks: true,
            failing: None,
            rests: false,
        }
    }

    /// Until it was told to stop and all has ended, or the database takes no ends.
    pub(super) async fn work(mut self) {
        let pulse = Arc::clone(&self.app.queue.pulse);
        let _watch = pulse.watch();
        let mut ready = self.app.queue.wakes.watch_ready();
        loop {
            while let Ok(report) = self.reported.try_recv() {
                self.note(report);
            }
            let stopping = self.stop.is_cancelled();
            self.begin_turns(stopping);
            if stopping && self.busy.is_empty() && self.turns.is_empty() {
                if self.ended.is_empty() {
                    return;
                }
                if self.failing.is_some_and(|since| since.elapsed() > self.patience()) {
                    tracing::error!("The database takes no ends of tasks; others will give them up.");
                    return;
                }
            }
            let idle = !self.free.is_empty() && !stopping;
            if self.turns.is_empty() {
                pulse.waits(idle || self.rests);
            } else {
                pulse.turns();
            }
            tokio::select! {
                Some(report) = self.reported.recv() => self.note(report),
                Some(turn) = self.turns.next() => self.turned(turn).await,
                _ = ready.changed(), if !self.looks => self.looks = true,
                () = self.stop.cancelled(), if !stopping => {}
                () = tokio::time::sleep(POLL), if idle || self.rests => {
                    self.looks = true;
                    self.rests = false;
                }
            }
        }
    }

    /// On SQLite writers take turns anyway.
    fn at_once(&self) -> usize {
        if self.app.db.is_sqlite() { 1 } else { 2 }
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(self.app.settings.worker_ttl)
    }

    fn note(&mut self, (id, ended): (Uuid, Ended)) {
        self.free.extend(self.busy.remove(&id));
        self.ended.push((id, ended));
    }

    fn begin_turns(&mut self, stopping: bool) {
        while !self.rests && self.turns.len() < self.at_once() {
            let free = if stopping { Vec::new() } else { std::mem::take(&mut self.free) };
            if self.ended.is_empty() && (free.is_empty() || !self.looks) {
                self.free.extend(free);
                return;
            }
            self.looks &= free.is_empty();
            let some = self.ended.len().min(AT_ONCE);
            let ended: Vec<_> = self.ended.drain(..some).collect();
            let queue = self.app.queue.clone();
            let turn = async move {
                let claimed = queue.turn(&ended, &free).await;
                Turn { ended, free, claimed }
            };
            self.turns.push(Box::pin(turn));
        }
    }

    async fn turned(&mut self, Turn { ended, free, claimed }: Turn) {
        self.free.extend(free);
        match claimed {
            Ok(claimed) => {
                self.failing = None;
                ended.into_iter().for_each(|(id, _)| self.app.queue.stopped(id));
                claimed.into_iter().for_each(|row| self.begin(row));
            }
            Err(error) => {
                tracing::error!(error = error.log(), "No turn with the queue.");
                self.failing.get_or_insert_with(Instant::now);
                self.set_aside(ended).await;
                self.rests = true;
            }
        }
    }

    /// If it was one task's end that could not be written, it shall not hold up the others.
    async fn set_aside(&mut self, ended: Vec<(Uuid, Ended)>) {
        if ended.len() < 2 {
            return self.ended.extend(ended);
        }
        for (id, ended) in ended {
            match self.app.queue.turn(&[(id, ended.clone())], &[]).await {
                Ok(_) => self.app.queue.stopped(id),
                Err(_) => self.ended.push((id, ended)),
            }
        }
    }

    fn begin(&mut self, row: task::Model) {
        let id = row.pulp_id;
        let Some(worker) = row.worker_id else { return };
        self.free.retain(|free| *free != worker);
        self.busy.insert(id, worker);
        let (app, stop) = (self.app.clone(), self.stop.clone());
        let report = Report { reports: self.reports.clone(), id, ended: None };
        let span = telemetry::task_span(&row.logging_cid, id, &row.name);
        let task = async move {
            report.ends(tokio::select! {
                ended = run_task(&app, row) => ended,
                () = grace_over(&app, &stop) => {
                    tracing::warn!("The worker has to stop; the task is handed back.");
                    Ended::HandedBack
                }
            });
        };
        tokio::spawn(task.instrument(span));
    }
}

/// Reports the end of a task to the loop, whatever happens to it.
struct Report {
    reports: mpsc::UnboundedSender<(Uuid, Ended)>,
    id: Uuid,
    ended: Option<Ended>,
}

impl Report {
    fn ends(mut self, ended: Ended) {
        self.ended = Some(ended);
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        let ended = self.ended.take().unwrap_or_else(|| Ended::Failed(failure(PANICKED)));
        // Nobody listens if the loop is gone.
        let _ = self.reports.send((self.id, ended));
    }
}

async fn grace_over(app: &App, stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(Duration::from_secs(app.settings.task_grace_interval)).await;
}
