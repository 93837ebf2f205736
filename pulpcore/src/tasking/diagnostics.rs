//! Diagnostics: what a task logged and how much memory its process had, kept as files beside the task.
//!
//! A client asks for them with the header `X-Task-Diagnostics`. They tell of one run of the task, and never get in its
//! way: if they cannot be kept, the log says so and the task goes on.

mod lines;
mod memory;

use bytes::Bytes;
use futures::stream;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, EntityTrait};
use uuid::Uuid;

pub(crate) use self::lines::layer;
use crate::app::App;
use crate::artifacts;
use crate::error::Result;
use crate::models::profile_artifact;
use crate::storage::{Expected, ReceiveError};

/// The log lines of the task.
const LOGS: &str = "logs";
/// The memory of the process.
const MEMORY: &str = "memory";

/// Those diagnostics of a list that this server has. The original has others, which look into a Python process; like the
/// original we ignore what we do not know.
pub(crate) fn known<'a>(wanted: impl Iterator<Item = &'a str>) -> Vec<String> {
    let wanted: Vec<&str> = wanted.map(str::trim).collect();
    [LOGS, MEMORY].into_iter().filter(|name| wanted.contains(name)).map(str::to_owned).collect()
}

/// Runs a task and observes what is wanted. What was observed is kept when this returns, so whoever sees the task's end
/// finds it.
pub(super) async fn observed<T>(app: &App, task: Uuid, wanted: &[String], run: impl Future<Output = T>) -> T {
    let wants = |name: &str| wanted.iter().any(|wanted| wanted == name);
    let lines = wants(LOGS).then(|| lines::collect(task));
    let (ended, memory) = match wants(MEMORY) {
        true => memory::sampled(run).await,
        false => (run.await, None),
    };
    // Under the names that the original gives them.
    let files = [(LOGS, lines.map(lines::Lines::take)), ("memory_profile", memory)];
    for (name, text) in files.into_iter().filter_map(|(name, text)| Some((name, text?))) {
        if let Err(error) = keep(app, task, name, text).await {
            tracing::warn!(name, error = error.log(), "What was observed of a task could not be kept.");
        }
    }
    ended
}

/// Keeps a text as an artifact of the task.
async fn keep(app: &App, task: Uuid, name: &str, text: String) -> Result<()> {
    let body = stream::iter([Ok(Bytes::from(text))]);
    let received = app.storage.receive(body, &Expected::default()).await.map_err(ReceiveError::invalid)?;
    let (artifact, _) = artifacts::save(app, received).await?;
    let tx = app.db.write().await?;
    // A task that was handed back runs again; what counts is the last run.
    let conflict = OnConflict::columns([profile_artifact::Column::TaskId, profile_artifact::Column::Name])
        .update_column(profile_artifact::Column::ArtifactId)
        .to_owned();
    profile_artifact::Entity::insert(profile_artifact::ActiveModel {
        pulp_id: Set(Uuid::now_v7()),
        task_id: Set(task),
        artifact_id: Set(artifact.pulp_id),
        name: Set(name.to_owned()),
    })
    .on_conflict(conflict)
    .exec_without_returning(&*tx)
    .await?;
    tx.commit().await
}

#[cfg(all(test, feature = "testkit", feature = "sqlite"))]
mod tests;
