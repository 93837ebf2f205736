//! The container plugin as its users meet it: every story on a server of its own, on each database.

mod actions;
mod common;
mod conformance;
mod mirrors;
mod places;
mod registry;
mod sync;
mod upstream;

// Named, so that the plugin is linked.
use pulp_container as _;
