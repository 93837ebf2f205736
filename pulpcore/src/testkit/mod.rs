//! What plugin and whole-system tests are written with (feature `testkit`).
//!
//! Tests of a content server need the world around it: a remote to sync from that can misbehave on command, and a
//! database that is empty and theirs alone. Both are here, both live on the loopback interface, and nothing waits
//! by sleeping.
//!
//! - [`TestPulp`]: a whole server for one test, and [`both_databases!`](crate::both_databases).
//! - [`conformance`]: what every plugin must do, whatever its content is.
//! - [`fixture`]: [`FixtureServer`], an HTTP server that plays a remote.
//! - [`faults`]: [`Fault`], the ways in which that remote can fail.
//! - `s3` (feature `testkit-s3`): `S3Server`, an object store, and `both_databases_on_s3!`.
//! - [`peak_memory`]: how much a process has held.
//! - [`OpenPgpKey`]: what signs, made for one test.
//! - [`postgres`]: [`Database`], a fresh PostgreSQL database for one test, on a cluster that all test processes share.

mod answer;
pub mod conformance;
mod content;
#[cfg(feature = "postgres")]
mod edge;
mod events;
pub mod faults;
pub mod fixture;
mod memory;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "testkit-s3")]
pub mod s3;
mod server;
mod template;

pub use self::answer::{Answer, Ended};
#[cfg(feature = "postgres")]
pub use self::edge::TestEdge;
pub use self::events::Events;
pub use self::memory::peak_memory;
#[cfg(feature = "testkit-s3")]
pub use self::s3::S3Server;
pub use self::server::{Backend, TestPulp};
pub use crate::signing::testing::OpenPgpKey;
pub use faults::Fault;
pub use fixture::{FixtureServer, Seen};
#[cfg(feature = "postgres")]
pub use postgres::{Cluster, Database, TestDatabase, TestRole};
