//! Bringing the database up to date, and what a plugin writes its migrations with.
//!
//! The work is done by `pulp-migrations`; this is its face in core. A plugin hands over an [`App`] with its label and
//! its migrations:
//!
//! ```
//! use pulpcore::migrate::{App, prelude::*};
//!
//! /// The name of a migration is the name of its file.
//! #[derive(DeriveMigrationName)]
//! struct Migration;
//!
//! #[async_trait::async_trait]
//! impl MigrationTrait for Migration {
//!     async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
//!         NewTable::new("demo_thing")
//!             .master_key("content_ptr_id", "core_content")
//!             .column("digest", Text)
//!             .unique(["digest"])
//!             .create(manager)
//!             .await
//!     }
//! }
//!
//! let app = App { label: "demo", migrations: || vec![Box::new(Migration)] };
//! # let _ = app;
//! ```

use sea_orm::ConnectionTrait;

use crate::db::Db;
use crate::error::{Error, Result};

pub use pulp_migrations::core::app as core_app;
pub use pulp_migrations::{App, Report, prelude};

#[cfg(any(test, feature = "testkit"))]
pub mod round_trip;

/// Applies what is pending in core and in `apps` (core need not be among them). Safe to call from any number of
/// processes at once: one migrates, the others wait and find nothing left to do.
///
/// # Errors
/// [`Error::Config`] for a database that a newer build has written, naming the migrations that are unknown here; any
/// failure of a migration is internal, and leaves the database as the migrations before it made it.
pub async fn up(db: &Db, apps: Vec<App>) -> Result<Report> {
    Ok(pulp_migrations::run(db.read(), &with_core(apps)).await?)
}

/// What [`up`] would apply, as `label.name`; empty when the database is up to date. Writes nothing.
///
/// # Errors
/// [`Error::Config`] for a database that a newer build has written.
pub async fn check(db: &Db, apps: Vec<App>) -> Result<Vec<String>> {
    Ok(pulp_migrations::pending(db.read(), &with_core(apps)).await?)
}

/// The labels of plugins that have data in the database and are not among `apps`.
pub async fn absent_apps(db: &Db, apps: Vec<App>) -> Result<Vec<String>> {
    Ok(pulp_migrations::absent_apps(db.read(), &with_core(apps)).await?)
}

/// The schema as sorted text, to check in and to compare.
pub async fn schema_dump(db: &Db) -> Result<String> {
    Ok(pulp_migrations::schema::dump(db.read()).await?)
}

/// The next [`seq`](crate::models::task::Model::seq): greater than that of every task that wants one of the same resources,
/// if it is asked for when it is this transaction's turn on them.
pub async fn next_task_seq(tx: &impl ConnectionTrait) -> Result<i64> {
    Ok(pulp_migrations::sequence::next(tx).await?)
}

fn with_core(mut apps: Vec<App>) -> Vec<App> {
    if !apps.iter().any(|app| app.label == App::CORE) {
        apps.push(core_app());
    }
    apps
}

impl From<pulp_migrations::Error> for Error {
    fn from(error: pulp_migrations::Error) -> Self {
        use pulp_migrations::Error as Migration;
        match error {
            Migration::Newer(_) | Migration::Duplicate(_) => Self::Config(error.to_string()),
            other => Self::internal(other),
        }
    }
}

#[cfg(all(test, feature = "sqlite"))]
mod tests;
