//! Core's tables and the runner that brings a database up to date.
//!
//! | module | holds |
//! | --- | --- |
//! | [`runner`] | applies the migrations of core and of every plugin, once, under a lock |
//! | [`table`] | the builder that migrations declare tables with, alike on both databases |
//! | [`sequence`] | counters whose order is the order of commits |
//! | [`schema`] | the resulting schema as text, to review and to compare |
//! | [`core`] | core's own migrations |
//!
//! A migration is never edited once it was released. Nothing here knows a plugin: the assembly passes one [`App`] a
//! plugin, and each keeps its history in a table of its own, so that a build without a plugin leaves the plugin's data
//! and history alone.

pub mod core;
pub mod runner;
pub mod schema;
pub mod sequence;
mod session;
pub mod table;

pub use runner::{App, Error, Report, absent_apps, pending, run};

/// What a migration file needs: `use …::prelude::*;`.
pub mod prelude {
    pub use sea_orm_migration::prelude::*;
    // `DeriveMigrationName` writes this crate's name into the code that it makes.
    pub use sea_orm_migration;

    pub use crate::table::Kind::{self, BigInt, Bool, Double, Json, Serial, Text, Time, Uuid};
    pub use crate::table::OnDelete::{self, Cascade, Restrict, SetNull};
    pub use crate::table::{NewTable, column};
}
