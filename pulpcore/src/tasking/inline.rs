//! Immediate tasks: run in the process that was asked for them, if nothing stands in their way.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::Instrument;
use uuid::Uuid;

use super::dispatch::Dispatch;
use super::end::{Ended, failure};
use super::worker;
use crate::app::App;
use crate::error::{Error, Result};
use crate::models::{state, task};
use crate::telemetry;

/// Where immediate tasks run, in a process that may run them.
#[derive(Debug, Default)]
pub(crate) struct Inline(OnceLock<Place>);

#[derive(Debug)]
struct Place {
    /// The process, as it is listed: if it dies, its tasks are failed like those of any worker.
    runner: Uuid,
    room: Arc<Semaphore>,
}

/// Tasks that run beside requests at a time; more of them queue.
const ROOM: usize = 8;

/// How long a task may keep its client waiting, as in Pulp.
const LIMIT: Duration = Duration::from_secs(5);

/// Before an end that could not be written is tried again.
const AGAIN: Duration = Duration::from_secs(1);

impl Inline {
    /// This process, listed under `runner`, runs immediate tasks from now on.
    pub(crate) fn open(&self, runner: Uuid) {
        let _ = self.0.set(Place { runner, room: Arc::new(Semaphore::new(ROOM)) });
    }

    /// Lets what runs come to its end, and takes nothing more.
    pub(crate) async fn close(&self) {
        if let Some(place) = self.0.get() {
            let all = u32::try_from(ROOM).unwrap_or(u32::MAX);
            if let Ok(Ok(permits)) = tokio::time::timeout(LIMIT * 2, place.room.acquire_many(all)).await {
                permits.forget();
            }
        }
    }

    fn enter(&self) -> Option<(Uuid, OwnedSemaphorePermit)> {
        let place = self.0.get()?;
        Some((place.runner, Arc::clone(&place.room).try_acquire_owned().ok()?))
    }
}

/// Queues a task. If it is immediate, nothing is in its way and there is room, it has ended when this returns.
///
/// # Errors
/// Only if the database fails.
pub(crate) async fn dispatch(app: &App, dispatch: Dispatch) -> Result<task::Model> {
    let place = if dispatch.immediate { app.queue.inline.enter() } else { None };
    let Some((runner, room)) = place else { return app.queue.dispatch(dispatch).await };
    let app = app.clone();
    // A client that goes away does not take its task along, nor leave one that is said to run and does not.
    let ran = async move {
        let row = run(&app, dispatch, runner).await;
        drop(room);
        row
    };
    tokio::spawn(ran.in_current_span()).await.map_err(Error::internal)?
}

async fn run(app: &App, dispatch: Dispatch, runner: Uuid) -> Result<task::Model> {
    let row = app.queue.insert(dispatch, Some(runner)).await?;
    if row.state != state::RUNNING {
        return Ok(row);
    }
    let id = row.pulp_id;
    let span = telemetry::task_span(&row.logging_cid, id, &row.name);
    let late = |_| Ended::Failed(failure("The immediate task did not end within 5 seconds."));
    let ended = tokio::time::timeout(LIMIT, worker::run_task(app, row)).instrument(span).await.unwrap_or_else(late);
    let ended = [(id, ended)];
    while let Err(error) = app.queue.turn(&ended, &[]).await {
        tracing::warn!(error = error.log(), "The end of an immediate task could not be written; it is tried again.");
        tokio::time::sleep(AGAIN).await;
    }
    app.queue.stopped(id);
    app.queue.ended(id).await
}
