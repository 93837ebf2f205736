//! The workers of a process: one loop takes tasks for all of them, and ends what they have done.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;
use uuid::Uuid;

use super::claim;
use super::cx::TaskCx;
use super::diagnostics;
use super::end::{Ended, failure};
use super::ends::{Ends, GATHER, Writer};
use super::life::Listed;
use crate::app::App;
use crate::error::{Error, Result};
use crate::models::task;
use crate::{registry, telemetry};

/// The workers of this process.
#[derive(Debug)]
pub struct Worker {
    app: App,
    slots: usize,
}

/// How long idle workers sleep at most: a wake-up may be lost.
const POLL: Duration = Duration::from_secs(2);

impl Worker {
    /// As many as the settings say.
    pub fn new(app: App) -> Self {
        let slots = app.settings.workers.max(1);
        Self { app, slots }
    }

    /// Takes tasks until `stop`; then lets what runs come to its end, and hands back what has not after the settings' grace
    /// period.
    ///
    /// # Errors
    /// If the database fails at the start.
    pub async fn run(self, stop: CancellationToken) -> Result<()> {
        let listed = Listed::announce(&self.app, "worker", self.slots).await?;
        // A process whose loop is gone must not go on to say that it is alive.
        let heart = AbortOnDropHandle::new(tokio::spawn(listed.clone().live(self.app.clone())));
        let eyes = AbortOnDropHandle::new(tokio::spawn(listed.clone().watch(self.app.clone())));
        Slots::new(self.app.clone(), listed.ids(), stop).work().await;
        eyes.abort();
        heart.abort();
        // Its last beat must not come after the end.
        let _ = heart.await;
        if let Err(error) = listed.retire(&self.app).await {
            tracing::warn!(error = error.log(), "The workers could not sign off.");
        }
        Ok(())
    }
}

/// Tasks that began so recently may be short ones, which are worth waiting for.
const YOUNG: Duration = Duration::from_millis(20);

/// What the loop knows.
struct Slots {
    app: App,
    stop: CancellationToken,
    free: Vec<Uuid>,
    /// Which worker has which task, and since when.
    busy: HashMap<Uuid, (Uuid, Instant)>,
    reports: mpsc::UnboundedSender<(Uuid, Ended)>,
    reported: mpsc::UnboundedReceiver<(Uuid, Ended)>,
    /// Ends that are written with the next turn.
    ends: Ends,
    /// Who writes ends else.
    writer: Option<Writer>,
    /// Whether there may be tasks to take: nobody asks the database for what the last answer ruled out.
    hungry: bool,
    /// When it was last asked.
    asked: Instant,
    /// Everybody who was free found something to do the last time: there is likely more.
    plenty: bool,
}

impl Slots {
    fn new(app: App, free: Vec<Uuid>, stop: CancellationToken) -> Self {
        let (reports, reported) = mpsc::unbounded_channel();
        let (ends, patience) = (Ends::new(app.queue.clone()), Duration::from_secs(app.settings.worker_ttl));
        let writer = (!app.db.is_sqlite()).then(|| Writer::start(app.queue.clone(), free.len(), patience));
        Self {
            app,
            stop,
            free,
            busy: HashMap::new(),
            reports,
            reported,
            ends,
            writer,
            hungry: true,
            asked: Instant::now(),
            plenty: false,
        }
    }

    async fn work(mut self) {
        let pulse = Arc::clone(&self.app.queue.pulse);
        let _watch = pulse.watch();
        let mut ready = self.app.queue.wakes.watch_ready();
        let mut failing = None;
        loop {
            self.hungry |= ready.has_changed().unwrap_or(false) || self.asked.elapsed() >= POLL;
            ready.borrow_and_update();
            while let Ok(report) = self.reported.try_recv() {
                self.note(report);
            }
            let stopping = self.stop.is_cancelled();
            self.gather().await;
            let full = self.writer.as_ref().is_some_and(|writer| !writer.has_room());
            let takes = !stopping && !full;
            pulse.turns();
            let succeeded = self.turn(takes).await;
            if stopping && self.busy.is_empty() && self.ends.is_empty() {
                break;
            }
            let idle = takes && !self.free.is_empty();
            if (idle && self.hungry && succeeded) || !self.reported.is_empty() || (succeeded && !self.ends.is_empty()) {
                continue;
            }
            failing = if succeeded { None } else { failing.or_else(|| Some(Instant::now())) };
            if stopping && self.busy.is_empty() && failing.is_some_and(|since| since.elapsed() > self.patience()) {
                tracing::error!("The database takes no ends of tasks; others will give them up.");
                break;
            }
            pulse.waits(idle || !succeeded);
            tokio::select! {
                Some(report) = self.reported.recv() => self.note(report),
                _ = ready.changed(), if idle && succeeded => {
                    self.hungry = true;
                }
                () = room(self.writer.as_ref()), if full => {}
                () = self.stop.cancelled(), if !stopping => {}
                () = tokio::time::sleep_until((self.asked + POLL).into()), if idle || !succeeded => {}
            }
        }
        if let Some(writer) = self.writer {
            writer.finish().await;
        }
    }

    /// Waits a moment for more tasks to end, if some may.
    async fn gather(&mut self) {
        let over = Instant::now() + GATHER;
        while self.has_use_for_more() && self.busy.values().any(|(_, since)| since.elapsed() < YOUNG) {
            match tokio::time::timeout_at(over.into(), self.reported.recv()).await {
                Ok(Some(report)) => self.note(report),
                _ => return,
            }
        }
    }

    fn has_use_for_more(&self) -> bool {
        !self.ends.is_empty() || (self.plenty && (1..claim::AT_ONCE).contains(&self.free.len()))
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(self.app.settings.worker_ttl)
    }

    fn note(&mut self, (id, ended): (Uuid, Ended)) {
        self.free.extend(self.busy.remove(&id).map(|(worker, _)| worker));
        let left = match &self.writer {
            Some(writer) => writer.take(id, ended),
            None => Some((id, ended)),
        };
        if let Some((id, ended)) = left {
            self.ends.push(id, ended);
        }
    }

    /// One transaction with the queue, if there is something to end or, as far as somebody `takes` tasks, to take; whether it
    /// succeeded.
    async fn turn(&mut self, takes: bool) -> bool {
        // What ends may free what comes next.
        let asks = takes && (self.hungry || !self.ends.is_empty());
        let free: &[Uuid] = if asks { &self.free } else { &[] };
        let most = free.len().min(claim::AT_ONCE);
        let turn = self.ends.turn(free).await;
        if most > 0 || turn.is_err() {
            self.asked = Instant::now();
        }
        let Ok(claimed) = turn else { return false };
        if most > 0 {
            self.plenty = claimed.len() == most;
            self.hungry = self.plenty;
        }
        claimed.into_iter().for_each(|row| self.begin(row));
        true
    }

    fn begin(&mut self, row: task::Model) {
        let id = row.pulp_id;
        let Some(worker) = row.worker_id else { return };
        self.free.retain(|free| *free != worker);
        self.busy.insert(id, (worker, Instant::now()));
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

async fn room(writer: Option<&Writer>) {
    match writer {
        Some(writer) => writer.room().await,
        None => std::future::pending().await,
    }
}

const PANICKED: &str = "The task panicked; the server's log has the details.";

async fn grace_over(app: &App, stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(Duration::from_secs(app.settings.task_grace_interval)).await;
}

/// Runs one task until it ends or is told to stop; the queue does not know of it yet.
pub(super) async fn run_task(app: &App, row: task::Model) -> Ended {
    let (id, observed) = (row.pulp_id, row.diagnostics.0.clone());
    diagnostics::observed(app, id, &observed, run_unobserved(app, row)).await
}

async fn run_unobserved(app: &App, row: task::Model) -> Ended {
    let canceled = app.queue.started(&row);
    tracing::info!("The task starts.");
    let ended = tokio::select! {
        ended = run(app, row) => ended,
        () = canceled.cancelled() => Ended::Canceled,
    };
    match &ended {
        Ended::Completed(_) => tracing::info!("The task is completed."),
        Ended::Failed(error) => tracing::warn!(%error, "The task failed."),
        Ended::Canceled | Ended::HandedBack => tracing::info!("The task is stopped."),
    }
    ended
}

async fn run(app: &App, row: task::Model) -> Ended {
    let Some(kind) = registry::get().task(&row.task_type) else {
        return Ended::Failed(failure(&registry::missing(&row.task_type).to_string()));
    };
    let args = row.args.clone();
    let cx = TaskCx::new(app.clone(), row);
    match AssertUnwindSafe((kind.run)(args, cx.clone())).catch_unwind().await {
        Ok(Ok(())) => Ended::Completed(cx.take_result()),
        Ok(Err(Error::Canceled)) => Ended::Canceled,
        Ok(Err(error)) => {
            tracing::warn!(error = error.log(), "The task ends in an error.");
            Ended::Failed(failure(&error.to_string()))
        }
        Err(_panic) => Ended::Failed(failure(PANICKED)),
    }
}
