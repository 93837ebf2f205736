//! The framework: Pulp's nouns, REST API, content service, tasks, storage and sync.

pub mod db;
pub mod api;
pub mod error;
pub mod migrate;
pub mod models;
pub mod secrets;
pub mod settings;
pub mod telemetry;
pub mod sync;
#[cfg(feature = "testkit")]
pub mod testkit;
pub mod storage;
