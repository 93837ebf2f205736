//! The container plugin as its users meet it: every story on a server of its own, on each database.

mod actions;
mod common;
mod conformance;
mod mirrors;
mod places;
mod push_repositories;
mod registry;
mod signatures;
mod signing;
mod specification;
mod sync;
mod upstream;

// Named, so that the plugin is linked.
use pulp_container as _;
