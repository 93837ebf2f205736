//! The workers of a process, and what becomes of one task in their hands.

use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::cx::TaskCx;
use super::diagnostics;
use super::end::{Ended, PANICKED, failure};
use super::life::Listed;
use super::slots::Slots;
use crate::app::App;
use crate::error::{Error, Result};
use crate::models::task;
use crate::registry;

/// The workers of this process.
#[derive(Debug)]
pub struct Worker {
    app: App,
    slots: usize,
}

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
