//! The container plugin as its users meet it: every story on a server of its own, on each database.

mod conformance;
mod registry;

// Named, so that the plugin is linked.
use pulp_container as _;
