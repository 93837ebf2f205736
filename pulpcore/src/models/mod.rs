//! The core tables as entities, one file a table.
//!
//! A *master* row (content, repository, remote, publication, distribution, content guard) has a *detail* row in a plugin's table under
//! the same key; `pulp_type` says in whose. Table names are Pulp's.

use std::collections::BTreeMap;

use sea_orm::FromJsonQueryResult;
use serde::{Deserialize, Serialize};

pub mod app_status;
pub mod artifact;
pub mod content;
pub mod content_artifact;
pub mod content_guard;
pub mod created_resource;
pub mod distributed_publication;
pub mod distribution;
pub mod domain;
pub mod group_progress_report;
pub mod profile_artifact;
pub mod progress_report;
pub mod publication;
pub mod published_artifact;
pub mod published_metadata;
pub mod remote;
pub mod remote_artifact;
pub mod repository;
pub mod repository_content;
pub mod repository_version;
pub mod repository_version_count;
pub mod signing_service;
pub mod staged_content;
pub mod task;
pub mod task_event;
pub mod task_group;
pub mod task_reservation;
pub mod task_schedule;
pub mod upload;
pub mod upload_chunk;
pub mod user;

/// `pulp_labels`: keys with values that may be null.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Labels(pub BTreeMap<String, Option<String>>);

/// A list of strings in one column.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Strings(pub Vec<String>);

/// Component to version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Versions(pub BTreeMap<String, String>);

/// The states of a task, as they stand in [`task::Model::state`].
pub mod state {
    /// Queued.
    pub const WAITING: &str = "waiting";
    /// A worker has it.
    pub const RUNNING: &str = "running";
    /// It ended well.
    pub const COMPLETED: &str = "completed";
    /// It ended in an error.
    pub const FAILED: &str = "failed";
    /// It was told to stop and has not stopped yet.
    pub const CANCELING: &str = "canceling";
    /// It was stopped.
    pub const CANCELED: &str = "canceled";
    /// It was never needed.
    pub const SKIPPED: &str = "skipped";
    /// The states that a task never leaves.
    pub const FINAL: [&str; 4] = [COMPLETED, FAILED, CANCELED, SKIPPED];
    /// The states in which a task holds or awaits its locks.
    pub const UNFINISHED: [&str; 3] = [WAITING, RUNNING, CANCELING];
}
