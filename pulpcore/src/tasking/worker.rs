//! A worker: slots that take one task each, and a heartbeat that says so.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use uuid::Uuid;

use super::cx::TaskCx;
use super::queue::Ended;
use crate::app::App;
use crate::db::now;
use crate::error::{Error, Result};
use crate::models::{Versions, app_status, state, task};
use crate::{registry, telemetry};

/// The workers of this process.
#[derive(Debug)]
pub struct Worker {
    app: App,
    slots: usize,
}

/// How long an idle slot sleeps at most: wake-ups of other processes are not heard.
const POLL: Duration = Duration::from_secs(2);

/// How often a running task looks whether another process has ended it.
const LOOK: Duration = Duration::from_secs(1);

impl Worker {
    /// As many slots as the settings say.
    pub fn new(app: App) -> Self {
        let slots = app.settings.workers.max(1);
        Self { app, slots }
    }

    /// Takes tasks until `stop`; then finishes what runs, or cancels it after the settings' grace period.
    ///
    /// # Errors
    /// If the database fails at the start.
    pub async fn run(self, stop: CancellationToken) -> Result<()> {
        let mut slots = tokio::task::JoinSet::new();
        for slot in 0..self.slots {
            let row = announce(&self.app, "worker", slot).await?;
            slots.spawn(run_slot(self.app.clone(), row, stop.clone()));
        }
        while slots.join_next().await.is_some() {}
        Ok(())
    }
}

/// Writes a process (or a slot of one) into the table of those that are up.
pub(crate) async fn announce(app: &App, app_type: &str, slot: usize) -> Result<app_status::Model> {
    let (id, now) = (Uuid::now_v7(), now());
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let process = match slot {
        0 => std::process::id().to_string(),
        slot => format!("{}-{slot}", std::process::id()),
    };
    let mut name = format!("{process}@{host}");
    let taken = app_status::Entity::find()
        .filter(app_status::Column::Name.eq(&name))
        .filter(app_status::Column::AppType.eq(app_type));
    if taken.one(app.db.read()).await?.is_some() {
        // In a container every process has the same number. One that was killed stays listed until it is missed, and
        // another host of the same name may be up.
        name = format!("{process}-{}@{host}", id.simple());
    }
    let versions = registry::get().plugins().iter().map(|p| (p.label.to_owned(), p.version.to_owned()));
    let row = app_status::Model {
        pulp_id: id,
        pulp_created: now,
        pulp_last_updated: now,
        name,
        app_type: app_type.to_owned(),
        versions: Versions(versions.chain([("core".to_owned(), crate::CORE_VERSION.to_owned())]).collect()),
        ttl_seconds: i64::try_from(app.settings.worker_ttl).unwrap_or(30),
        last_heartbeat: now,
    };
    heartbeat(app, &row).await?;
    Ok(row)
}

/// Says that a process is alive; one that others gave up, because it was silent for too long, is listed again.
pub(crate) async fn heartbeat(app: &App, row: &app_status::Model) -> Result<()> {
    let row = app_status::Model { last_heartbeat: now(), ..row.clone() };
    let tx = app.db.write().await?;
    app_status::Entity::insert(row.into_active_model().reset_all())
        .on_conflict(
            OnConflict::column(app_status::Column::PulpId).update_column(app_status::Column::LastHeartbeat).to_owned(),
        )
        .exec_without_returning(&*tx)
        .await?;
    tx.commit().await
}

/// Takes a process out of the table.
pub(crate) async fn retire(app: &App, id: Uuid) -> Result<()> {
    let tx = app.db.write().await?;
    app_status::Entity::delete_by_id(id).exec(&*tx).await?;
    tx.commit().await
}

/// Repeats the heartbeat of a process for ever.
pub(crate) async fn beat(app: App, row: app_status::Model) {
    let pause = Duration::from_secs(app.settings.worker_ttl.max(3) / 3);
    loop {
        tokio::time::sleep(pause).await;
        if let Err(error) = heartbeat(&app, &row).await {
            tracing::warn!(error = error.log(), "The heartbeat could not be written.");
        }
    }
}

async fn run_slot(app: App, row: app_status::Model, stop: CancellationToken) {
    let id = row.pulp_id;
    let heart = tokio::spawn(beat(app.clone(), row));
    let mut changes = app.queue.watch();
    while !stop.is_cancelled() {
        changes.borrow_and_update();
        match app.queue.claim(id).await {
            Ok(Some(row)) => run_task(&app, row, &stop).await,
            Ok(None) => {
                tokio::select! {
                    () = stop.cancelled() => {}
                    _ = changes.changed() => {}
                    () = tokio::time::sleep(POLL) => {}
                }
            }
            Err(error) => {
                tracing::error!(error = error.log(), "No task could be taken from the queue.");
                tokio::time::sleep(POLL).await;
            }
        }
    }
    heart.abort();
    // Its last beat must not come after the end.
    let _ = heart.await;
    if let Err(error) = retire(&app, id).await {
        tracing::warn!(error = error.log(), "The worker could not sign off.");
    }
}

/// Runs one task to its end, whatever that is.
pub(crate) async fn run_task(app: &App, row: task::Model, stop: &CancellationToken) {
    let span = telemetry::task_span(&row.logging_cid, row.pulp_id, &row.name);
    async {
        let id = row.pulp_id;
        let canceled = app.queue.started(id);
        tracing::info!("The task starts.");
        let ended = tokio::select! {
            ended = run(app, row) => ended,
            () = canceled.cancelled() => Ended::Canceled,
            () = ended_elsewhere(app, id) => Ended::Canceled,
            () = grace_over(app, stop) => Ended::Failed(failure("The worker was shut down before the task ended.")),
        };
        match &ended {
            Ended::Completed(_) => tracing::info!("The task is completed."),
            Ended::Failed(error) => tracing::warn!(%error, "The task failed."),
            Ended::Canceled => tracing::info!("The task is canceled."),
        }
        let finished = app.queue.finish(id, ended).await;
        app.queue.stopped(id);
        if let Err(error) = finished {
            tracing::error!(error = error.log(), "The end of the task could not be written.");
        }
    }
    .instrument(span)
    .await;
}

/// Waits until another process has canceled a task, or given up the worker that runs it.
async fn ended_elsewhere(app: &App, id: Uuid) {
    if app.db.is_sqlite() {
        return std::future::pending().await;
    }
    loop {
        tokio::time::sleep(LOOK).await;
        match task::Entity::find_by_id(id).one(app.db.read()).await {
            Ok(Some(row)) if row.state == state::RUNNING => {}
            Ok(Some(row)) if row.state == state::CANCELING => return,
            Ok(_) => {
                tracing::warn!("The task is not ours any more.");
                return;
            }
            Err(error) => tracing::warn!(%error, "The state of the running task could not be read."),
        }
    }
}

async fn grace_over(app: &App, stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(Duration::from_secs(app.settings.task_grace_interval)).await;
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
        Err(_panic) => Ended::Failed(failure("The task panicked; the server's log has the details.")),
    }
}

/// How a failure stands in a task's row.
pub(super) fn failure(description: &str) -> serde_json::Value {
    serde_json::json!({ "description": description, "traceback": null })
}
