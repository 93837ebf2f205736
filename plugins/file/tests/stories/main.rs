//! The file plugin as its users meet it: every story on a server of its own, on each database.

mod common;
mod conformance;
mod content;
#[cfg(feature = "test-s3")]
mod objects;
mod publish;
mod pull_through;
mod repositories;
mod rules;
mod sync;

// Named, so that the plugin is linked.
use pulp_file as _;
