//! The queue of one process: dispatch, cancel, wait; and the turns of its workers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::claim;
use super::dispatch::Dispatch;
use super::end::{Ended, Freed, end, end_untold, failure};
use super::events::{self, Event};
use super::inline::Inline;
use super::life::Listed;
use super::pulse::Pulse;
use super::tally::{self, Tally};
use super::wake::Wakes;
use crate::db::{Db, WriteTx, comparable, now, one_of};
use crate::error::{Error, Result};
use crate::models::{state, task};

/// The queue of one process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Queue {
    pub(super) db: Db,
    pub(super) wakes: Wakes,
    /// What runs here, and how to stop it.
    running: Arc<Mutex<HashMap<Uuid, Running>>>,
    pub(crate) inline: Arc<Inline>,
    pub(crate) pulse: Arc<Pulse>,
    /// Tasks that run here have written to the log.
    pub(super) lines: Arc<Notify>,
    pub(crate) tally: Tally,
}

/// A task that runs here.
#[derive(Debug)]
struct Running {
    stop: CancellationToken,
    label: &'static str,
    since: Instant,
}

/// How long whoever waits for news of other processes sleeps at most: one wake-up may be lost.
const POLL: Duration = Duration::from_secs(1);

/// Tasks that are canceled in one transaction.
const AT_ONCE: usize = 100;

/// Between the claim of a task and its first step nobody need worry.
const MOMENT: time::Duration = time::Duration::seconds(10);

impl Queue {
    /// A queue over a database.
    pub fn new(db: Db) -> Self {
        let wakes = Wakes::new(!db.is_sqlite());
        let (pulse, tally) = (Arc::default(), Tally::default());
        Self { db, wakes, running: Arc::default(), inline: Arc::default(), lines: Arc::default(), pulse, tally }
    }

    /// Queues a task and wakes a worker.
    ///
    /// # Errors
    /// Only if the database fails.
    pub async fn dispatch(&self, dispatch: Dispatch) -> Result<task::Model> {
        self.insert(dispatch, None).await
    }

    /// The same; if it is ready, `runner` has it already.
    pub(super) async fn insert(&self, dispatch: Dispatch, runner: Option<Uuid>) -> Result<task::Model> {
        let tx = self.db.write().await?;
        let row = dispatch.insert(&tx, runner).await?;
        tx.commit().await?;
        if row.state == state::WAITING && row.unblocked_at.is_some() {
            self.wakes.ready();
        }
        self.wakes.news();
        Ok(row)
    }

    /// Ends what has ended and takes what is ready, in one transaction: what one task frees, the next may use.
    /// `free` are the workers that have nothing to do; each gets one task at most.
    pub(super) async fn turn(&self, ended: &[(Uuid, Ended)], free: &[Uuid]) -> Result<Vec<task::Model>> {
        if ended.is_empty() && !self.db.is_sqlite() {
            let claimed = claim::claim(self.db.alone(), free).await?;
            if !claimed.is_empty() {
                self.wakes.news();
            }
            return Ok(claimed);
        }
        if ended.is_empty() && (free.is_empty() || !claim::any(&self.db).await?) {
            return Ok(Vec::new());
        }
        let tx = self.db.write().await?;
        let (freed, mut told) = end_untold(&tx, ended, &[state::RUNNING, state::CANCELING]).await?;
        let claimed = claim::claim(&*tx, free).await?;
        told.extend(claim::untold(&*tx, &claimed));
        events::record(&tx, told).await?;
        tx.commit().await?;
        self.count(&freed.states);
        // Where fewer were taken than might have been, nothing is left over for others.
        if freed.ready > 0 && claimed.len() == free.len().min(claim::AT_ONCE) {
            self.wakes.ready();
        }
        if freed.ended() > 0 || freed.ready > 0 || !claimed.is_empty() {
            self.wakes.news();
        }
        Ok(claimed)
    }

    /// Cancels a task: at once while it waits, else by telling it to stop. What it has dispatched goes with it.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] if it has ended.
    pub async fn cancel(&self, id: Uuid) -> Result<task::Model> {
        let row = self.cancel_one(id).await?;
        let queue = self.clone();
        // Whoever asked may go away.
        let rest = tokio::spawn(async move { queue.cancel_all(queue.children(&[id]).await?).await });
        rest.await.map_err(Error::internal)??;
        Ok(row)
    }

    /// Cancels tasks with what they have dispatched; those that have ended stay as they are. A task that was told to stop
    /// dispatches nothing more.
    pub(crate) async fn cancel_all(&self, mut tasks: Vec<Uuid>) -> Result<()> {
        while !tasks.is_empty() {
            for tasks in tasks.chunks(AT_ONCE) {
                self.cancel_some(tasks).await?;
            }
            tasks = self.children(&tasks).await?;
        }
        Ok(())
    }

    async fn children(&self, parents: &[Uuid]) -> Result<Vec<Uuid>> {
        let of_them = one_of(self.db.read(), task::Column::ParentTaskId, parents.iter().copied());
        let children = task::Entity::find().select_only().column(task::Column::PulpId).filter(of_them);
        Ok(children.into_tuple().all(self.db.read()).await?)
    }

    async fn cancel_some(&self, tasks: &[Uuid]) -> Result<()> {
        let ended: Vec<_> = tasks.iter().map(|id| (*id, Ended::Canceled)).collect();
        let tx = self.db.write().await?;
        let freed = end(&tx, &ended, &[state::WAITING]).await?;
        let told = tell_to_stop(&tx, tasks).await?;
        let kinds = task::Entity::find().select_only().column(task::Column::TaskType);
        let kinds = kinds.filter(one_of(&*tx, task::Column::PulpId, freed.states.iter().map(|(id, _)| *id)));
        let kinds: Vec<String> = kinds.into_tuple().all(&*tx).await?;
        tx.commit().await?;
        for kind in kinds {
            self.tally.count(tally::label(&kind), state::CANCELED, None);
        }
        self.tell(&freed, &told);
        Ok(())
    }

    /// Says what a cancel came to.
    fn tell(&self, freed: &Freed, told: &[Uuid]) {
        for id in told {
            if !self.interrupt(*id) {
                self.wakes.canceled(*id);
            }
        }
        if freed.ready > 0 {
            self.wakes.ready();
        }
        if freed.ended() > 0 || !told.is_empty() {
            self.wakes.news();
        }
    }

    async fn cancel_one(&self, id: Uuid) -> Result<task::Model> {
        loop {
            let row = self.find(id).await?;
            match row.state.as_str() {
                state::WAITING | state::RUNNING => {
                    self.cancel_some(&[id]).await?;
                    let now = self.find(id).await?;
                    // Else a worker took it in this moment.
                    if now.state != state::RUNNING {
                        return Ok(now);
                    }
                }
                // Canceling twice is no mistake.
                state::CANCELING | state::CANCELED => return Ok(row),
                _ => return Err(Error::Conflict("The task has ended.".to_owned())),
            }
        }
    }

    async fn find(&self, id: Uuid) -> Result<task::Model> {
        let row = task::Entity::find_by_id(id).one(self.db.read()).await?;
        row.ok_or_else(|| crate::api::not_found("Task"))
    }

    /// News of tasks from now on: the value differs after each.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.wakes.watch_news()
    }

    /// Waits until a task has ended.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such task.
    pub async fn ended(&self, id: Uuid) -> Result<task::Model> {
        let mut news = self.watch();
        loop {
            news.borrow_and_update();
            let row = self.find(id).await?;
            if state::FINAL.contains(&row.state.as_str()) {
                return Ok(row);
            }
            let _ = tokio::time::timeout(POLL, news.changed()).await;
        }
    }

    /// From now on this process runs immediate tasks, under the name that it is listed with.
    pub(crate) fn runs_inline(&self, process: &Listed) {
        if let [process] = process.ids()[..] {
            self.inline.open(process);
        }
    }

    /// A task begins to run here: what stops it.
    pub(super) fn started(&self, row: &task::Model) -> CancellationToken {
        let stop = CancellationToken::new();
        let running = Running { stop: stop.clone(), label: tally::label(&row.task_type), since: Instant::now() };
        self.lock_running().insert(row.pulp_id, running);
        events::open(row.pulp_id, Arc::clone(&self.lines));
        stop
    }

    /// Counts tasks that ran here and have ended.
    fn count(&self, ended: &[(Uuid, &'static str)]) {
        let running = self.lock_running();
        for (id, state) in ended {
            if let Some(ran) = running.get(id) {
                self.tally.count(ran.label, state, Some(ran.since.elapsed()));
            }
        }
    }

    /// A task runs here no more.
    pub(super) fn stopped(&self, id: Uuid) {
        self.lock_running().remove(&id);
        events::close(id);
    }

    /// What runs here.
    pub(super) fn running_here(&self) -> Vec<Uuid> {
        self.lock_running().keys().copied().collect()
    }

    /// Stops a task if it runs here.
    pub(super) fn interrupt(&self, id: Uuid) -> bool {
        let running = self.lock_running();
        running.get(&id).map(|task| task.stop.cancel()).is_some()
    }

    /// Stops all that runs here.
    pub(super) fn interrupt_all(&self) {
        self.lock_running().values().for_each(|task| task.stop.cancel());
    }

    /// Stops what runs here and should not: it was canceled elsewhere, or its worker was given up.
    pub(super) async fn look(&self) -> Result<()> {
        let here = self.running_here();
        if here.is_empty() {
            return Ok(());
        }
        let ours = task::Entity::find()
            .select_only()
            .columns([task::Column::PulpId, task::Column::State])
            .filter(one_of(self.db.read(), task::Column::PulpId, here.iter().copied()))
            .filter(task::Column::State.is_in([state::RUNNING, state::CANCELING]));
        let ours: HashMap<Uuid, String> = ours.into_tuple().all(self.db.read()).await?.into_iter().collect();
        for id in here {
            match ours.get(&id).map(String::as_str) {
                Some(state::RUNNING) => {}
                Some(_) => drop(self.interrupt(id)),
                // It may have ended here in this moment.
                None if self.interrupt(id) => tracing::warn!(task = %id, "The task is not ours any more."),
                None => {}
            }
        }
        Ok(())
    }

    /// Ends what is said to run here and does not: the answer to a commit was lost, or a bug ended it without a word.
    pub(super) async fn reconcile(&self, workers: &[Uuid]) -> Result<()> {
        let said = task::Entity::find()
            .filter(one_of(self.db.read(), task::Column::WorkerId, workers.iter().copied()))
            .filter(task::Column::State.is_in([state::RUNNING, state::CANCELING]))
            .filter(task::Column::StartedAt.lt(comparable(now() - MOMENT)));
        let said = said.all(self.db.read()).await?;
        let here = self.running_here();
        let lost: Vec<_> = said
            .into_iter()
            .filter(|row| !here.contains(&row.pulp_id))
            .map(|row| match row.state == state::CANCELING {
                true => (row.pulp_id, Ended::Canceled),
                false => (row.pulp_id, Ended::Failed(failure("The worker lost the task."))),
            })
            .collect();
        if !lost.is_empty() {
            tracing::error!(tasks = lost.len(), "Tasks are said to run here and do not; they are ended.");
            self.turn(&lost, &[]).await?;
        }
        Ok(())
    }

    /// Ends what was told to stop, where it is known that no process runs it any more.
    pub(crate) async fn end_stopped(&self) -> Result<()> {
        let stopped = task::Entity::find().select_only().column(task::Column::PulpId);
        let stopped = stopped.filter(task::Column::State.eq(state::CANCELING));
        let stopped: Vec<Uuid> = stopped.into_tuple().all(self.db.read()).await?;
        for some in stopped.chunks(AT_ONCE) {
            let ended: Vec<_> = some.iter().map(|id| (*id, Ended::Canceled)).collect();
            self.turn(&ended, &[]).await?;
        }
        Ok(())
    }

    fn lock_running(&self) -> std::sync::MutexGuard<'_, HashMap<Uuid, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells those of the tasks that run to stop; gives their keys.
async fn tell_to_stop(tx: &WriteTx, tasks: &[Uuid]) -> Result<Vec<Uuid>> {
    let told = task::Entity::update_many()
        .col_expr(task::Column::State, Expr::value(state::CANCELING))
        .col_expr(task::Column::PulpLastUpdated, Expr::value(now()))
        .filter(one_of(&**tx, task::Column::PulpId, tasks.iter().copied()))
        .filter(task::Column::State.eq(state::RUNNING))
        .exec_with_returning(&**tx)
        .await?;
    let told: Vec<Uuid> = told.into_iter().map(|row| row.pulp_id).collect();
    events::record(tx, told.iter().map(|id| Event::state(*id, state::CANCELING)).collect()).await?;
    Ok(told)
}
