//! The rpm plugin as its users meet it: every story on a server of its own, on each database.

mod advisories;
mod common;
mod conformance;
mod copy;
mod modules;
mod objects;
mod publish;
mod retain;
mod signing;
mod solving;
mod sync;
mod uploads;
mod upstream;

// Named, so that the plugin is linked.
use pulp_rpm_lite as _;
