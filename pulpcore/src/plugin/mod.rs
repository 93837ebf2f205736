//! What a plugin author implements and registers, and nothing else.
//!
//! A plugin is a crate that names its nouns. Each noun is a sea-orm entity (the *detail* table) with one of the traits
//! [`Content`], [`Repository`], [`Remote`], [`Publication`], [`Distribution`] or [`ContentGuard`] right under it, and one
//! line that registers it. A complete one is the example of the [crate] itself.
//!
//! Background work is a struct with [`Task`], and with [`Scheduled`] if it is done again and again. Everything is collected at
//! link time; the order of registration means nothing; whatever two plugins could collide on is refused at start-up, by name
//! (see [`crate::registry`]).

mod content;
mod detail;
mod distribution;
mod guard;
mod live;
mod noun;
mod publication;
mod reads;
mod remote;
mod repository;
mod schedule;
mod task;

pub use inventory::submit as register;
use sea_orm_migration::MigrationTrait;

pub use self::content::{Content, Upload};
pub use self::detail::{Detail, NoFields};
pub use self::distribution::{Asked, ContentCx, Distribution};
pub(crate) use self::guard::{Beside, Compiled, MOST_ASKED};
pub use self::guard::{ContentGuard, GuardRequest};
pub use self::live::{LiveApi, LiveCx, LiveRoute, Refusal, WellKnown};
pub(crate) use self::noun::BoxFuture;
pub(crate) use self::noun::{DistributionHooks, Hooks, Table, insert, key};
pub use self::noun::{Family, Master, Noun};
pub use self::publication::{Publication, Publisher};
pub use self::reads::ContentReads;
pub use self::remote::{Pull, Remote};
pub use self::repository::{NewVersion, Repository};
pub use self::schedule::{Schedule, Scheduled};
pub(crate) use self::task::Prepared;
pub use self::task::{Lock, Locks, Task, TaskKind};
pub use crate::api::endpoint::Endpoint;
pub use crate::api::filters::Filters;
pub use crate::content::{ClientCertificate, Offer};
pub use crate::guards::preauthenticate;
pub use crate::refs::{Ref, VersionRef};
pub use crate::tasking::cx::TaskCx;

/// A plugin's manifest. One a crate.
///
/// ```
/// use pulpcore::plugin::{Plugin, register};
///
/// register!(Plugin {
///     label: "doc",
///     package: "pulp-doc",
///     module: "pulp_doc.app",
///     version: "1.2.0",
///     summary: "Documents.",
///     migrations: || Vec::new(),
/// });
/// # fn main() {}
/// ```
#[derive(Debug)]
pub struct Plugin {
    /// The short name: first part of its types, segment of its URLs, name of its feature and settings section.
    pub label: &'static str,
    /// The package that `status/` names.
    pub package: &'static str,
    /// The module that `status/` names; clients of the original expect its Python path.
    pub module: &'static str,
    /// The version that `status/` names. Clients enable features by it, so it is the version of the API that the plugin
    /// speaks, not the crate's.
    pub version: &'static str,
    /// One sentence for `plugins list`.
    pub summary: &'static str,
    /// The plugin's migrations, oldest first.
    pub migrations: fn() -> Vec<Box<dyn MigrationTrait>>,
}

inventory::collect!(Plugin);
inventory::collect!(Noun);
inventory::collect!(TaskKind);
inventory::collect!(LiveApi);
inventory::collect!(WellKnown);
inventory::collect!(ContentReads);
inventory::collect!(Schedule);
