//! Events as they happen: from a number on, in batches, for as long as somebody takes them.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::FromQueryResult;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::frontier::Frontier;
use super::{Row, Scope, forget, read};
use crate::app::App;
use crate::db::{Db, rows};
use crate::error::{Error, Result};
use crate::models::state;

/// Feeds of one process at a time.
const ROOM: usize = 500;

/// Events that are read at a time.
const BATCH: usize = 500;

/// How often a feed with nothing to tell looks whether its task is still there.
const LOOK: Duration = Duration::from_secs(5);

/// What the feeds of a process share.
#[derive(Debug)]
pub(crate) struct Feeds {
    frontier: Frontier,
    room: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Feeds {
    pub(crate) fn new() -> Self {
        Self { frontier: Frontier::new(), room: Arc::new(Semaphore::new(ROOM)), stop: CancellationToken::new() }
    }

    pub(super) fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    /// What ends all feeds: the process stops.
    pub(crate) fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Up to which number events may be shown now.
    ///
    /// # Errors
    /// Only if the database fails.
    pub(crate) async fn settled(&self, db: &Db) -> Result<i64> {
        self.frontier.now(db).await
    }
}

/// One reader's feed.
#[derive(Debug)]
pub(crate) struct Feed {
    app: App,
    scope: Scope,
    after: i64,
    /// Up to where events of ended tasks had been forgotten when the feed began, or was last looked at.
    horizon: i64,
    /// There may be more than was read.
    behind: bool,
    settled: watch::Receiver<i64>,
    _listens: Listens,
    _room: OwnedSemaphorePermit,
}

/// As long as this is there, the frontier is followed.
#[derive(Debug)]
struct Listens(App);

impl Drop for Listens {
    fn drop(&mut self) {
        self.0.feeds.frontier.listeners(|listeners| *listeners -= 1);
    }
}

impl Feed {
    /// A feed of what comes behind `after`.
    ///
    /// # Errors
    /// [`Error::Gone`] if some of it is not there any more; [`Error::Unavailable`] if there are too many feeds.
    pub(crate) async fn open(app: &App, scope: Scope, after: i64) -> Result<Self> {
        let full = |_| Error::Unavailable("This process streams to as many clients as it can.".to_owned());
        let room = Arc::clone(&app.feeds.room).try_acquire_owned().map_err(full)?;
        let horizon = forget::horizon(&app.db).await?;
        let after = forget::lost(&app.db, &scope, after).await?;
        let settled = app.feeds.frontier.watch();
        app.feeds.frontier.listeners(|listeners| *listeners += 1);
        let listens = Listens(app.clone());
        Ok(Self { app: app.clone(), scope, after, horizon, behind: true, settled, _listens: listens, _room: room })
    }

    /// Whether the feed ends because the process does.
    pub(crate) fn is_stopped(&self) -> bool {
        self.app.feeds.stop.is_cancelled()
    }

    /// The next events, as soon as there are some; `None` at the end: the task's last event was read, the task is gone, or
    /// the process stops. May be dropped at any time; what was not returned comes again.
    ///
    /// # Errors
    /// [`Error::Gone`] if the reader was so slow that events were forgotten before it could read them.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<Row>>> {
        loop {
            if self.is_stopped() {
                return Ok(None);
            }
            let settled = *self.settled.borrow_and_update();
            let events = read(&self.app.db, &self.scope, self.after, settled, BATCH).await?;
            let full = events.len() == BATCH;
            if self.behind && self.scope.task.is_none() {
                let horizon = forget::horizon(&self.app.db).await?;
                if horizon > self.horizon && horizon > self.after {
                    return Err(forget::gone());
                }
            }
            self.behind = full;
            self.after = match events.last() {
                Some(last) if full => last.seq,
                _ => self.after.max(settled),
            };
            if !events.is_empty() {
                return Ok(Some(events));
            }
            if let Some(task) = self.scope.task
                && over(&self.app.db, task, self.after).await?
            {
                return Ok(None);
            }
            tokio::select! {
                changed = self.settled.changed() => changed.map_err(Error::internal)?,
                () = self.app.feeds.stop.cancelled() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }
}

/// Whether nothing of a task can come behind `after`.
async fn over(db: &Db, task: Uuid, after: i64) -> Result<bool> {
    #[derive(FromQueryResult)]
    struct Last {
        state: String,
        last: Option<i64>,
    }
    let sql = "SELECT t.state, (SELECT max(e.seq) FROM core_taskevent e WHERE e.task_id = t.pulp_id) AS last \
         FROM core_task t WHERE t.pulp_id = $1";
    let found = rows::<Last>(db.read(), sql, vec![task.into()]).await?;
    let ended = |row: &Last| state::FINAL.contains(&row.state.as_str()) && row.last.is_none_or(|last| last <= after);
    Ok(found.first().is_none_or(ended))
}
