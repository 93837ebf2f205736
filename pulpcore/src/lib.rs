//! The framework: Pulp's nouns, REST API, content service, tasks, storage and sync.

pub mod api;
pub mod error;
