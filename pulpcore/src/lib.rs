//! The framework: Pulp's nouns, REST API, content service, tasks, storage and sync.

pub mod db;
pub mod error;
pub mod migrate;
pub mod models;
