//! The framework: Pulp's nouns, REST API, content service, tasks, storage and sync.

pub mod api;
pub mod app;
pub mod artifacts;
pub mod auth;
pub mod db;
pub mod error;
pub mod migrate;
pub mod models;
pub mod plugin;
pub mod publish;
pub mod refs;
pub mod registry;
pub mod secrets;
pub mod settings;
pub mod storage;
pub mod sync;
pub mod tasking;
pub mod telemetry;
#[cfg(feature = "testkit")]
pub mod testkit;
pub mod versions;

/// The version of Pulp's API that core speaks: clients enable features by it.
pub const CORE_VERSION: &str = "3.123.1";
