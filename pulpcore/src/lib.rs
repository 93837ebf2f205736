//! The framework: Pulp's nouns, REST API, content service, tasks, storage and sync.
//!
//! A plugin is a crate that fills the nouns. What it may use stands in [`plugin`]; everything else is the house around it:
//!
//! | module | what it is |
//! | --- | --- |
//! | [`plugin`] | the traits that a plugin implements and the registrations that it makes |
//! | [`models`] | the core tables as entities |
//! | [`versions`] | repository versions: what they hold, how one is made and deleted |
//! | [`api`] | the management API: every operation, its checks, its OpenAPI document |
//! | [`auth`] | users and their passwords |
//! | [`content`] | the content service: from a path to bytes |
//! | [`tasking`] | the queue, its locks and the workers |
//! | [`sync`] | from a remote to a version: download, save, link |
//! | [`publish`] | from a version to a publication |
//! | [`signing`] | signing services; the check of what others signed |
//! | [`storage`] | the bytes: received, verified, named, served |
//! | `claims`, `live` | who answers in which part of the URL space; the protocols of plugins |
//! | [`server`], [`cli`] | the process: roles on one listener, and the command line around it |
//! | [`settings`], [`telemetry`], [`secrets`] | configuration, logs, encryption at rest |
//! | [`db`], [`migrate`] | the database, and bringing it up to date |
//! | [`registry`], [`refs`], [`error`] | what is linked in, names of things, what can go wrong |
//!
//! # A complete plugin
//!
//! Quotes: content that is uploaded, and a repository that holds one quote a name. This is all of it; linked into a
//! binary it has tables, typed REST operations with filters and an OpenAPI description, uploads, immutable versions and
//! labels.
//!
//! ```standalone_crate
//! use pulpcore::error::Result;
//! use pulpcore::migrate::prelude::*;
//! use pulpcore::models::{artifact, content, repository};
//! use pulpcore::plugin::{Content, Detail, Filters, NoFields, Noun, Plugin, Repository, Upload, register};
//!
//! register!(Plugin {
//!     label: "quote",
//!     package: "pulp-quote",
//!     module: "pulp_quote.app",
//!     version: "0.1.0",
//!     summary: "Quotes.",
//!     migrations: || vec![Box::new(Initial)],
//! });
//!
//! /// The plugin's columns; core keeps the rest under the same key.
//! mod quote {
//!     use sea_orm::entity::prelude::*;
//!
//!     #[derive(Clone, Debug, Default, PartialEq, DeriveEntityModel)]
//!     #[sea_orm(table_name = "quote_quote")]
//!     pub struct Model {
//!         #[sea_orm(primary_key, auto_increment = false)]
//!         pub pulp_id: Uuid,
//!         pub author: String,
//!         pub digest: String,
//!     }
//!     #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
//!     pub enum Relation {}
//!     impl ActiveModelBehavior for ActiveModel {}
//! }
//!
//! /// What clients read and write of a quote.
//! #[derive(serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
//! #[schema(as = quote::Quote)]
//! pub struct QuoteBody {
//!     /// Who said it.
//!     #[schema(min_length = 1)]
//!     author: String,
//! }
//!
//! impl Detail for quote::Entity {
//!     type Master = content::Entity;
//!     type Body = QuoteBody;
//!     const TYPE: &'static str = "quote.quote";
//!     const MODEL: &'static str = "Quote";
//!     const ENDPOINT: &'static str = "quotes"; // …/api/v3/content/quote/quotes/
//!
//!     fn read(row: &quote::Model) -> QuoteBody {
//!         QuoteBody { author: row.author.clone() }
//!     }
//!     fn write(row: &mut quote::Model, body: QuoteBody) {
//!         row.author = body.author;
//!     }
//!     fn filters() -> Filters {
//!         Filters::new().text(quote::Column::Author)
//!     }
//! }
//!
//! impl Content for quote::Entity {
//!     const NATURAL_KEY: &'static [quote::Column] = &[quote::Column::Author, quote::Column::Digest];
//!     const REPO_KEY: &'static [quote::Column] = &[quote::Column::Author];
//!
//!     fn from_upload(body: QuoteBody, artifact: &artifact::Model) -> Result<Upload<quote::Model>> {
//!         let relative_path = format!("{}.txt", body.author);
//!         let row = quote::Model { author: body.author, digest: artifact.sha256.clone(), ..Default::default() };
//!         Ok(Upload { row, relative_path })
//!     }
//! }
//! register!(Noun::content::<quote::Entity>());
//!
//! mod collection {
//!     use sea_orm::entity::prelude::*;
//!
//!     #[derive(Clone, Debug, Default, PartialEq, DeriveEntityModel)]
//!     #[sea_orm(table_name = "quote_collection")]
//!     pub struct Model {
//!         #[sea_orm(primary_key, auto_increment = false)]
//!         pub pulp_id: Uuid,
//!     }
//!     #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
//!     pub enum Relation {}
//!     impl ActiveModelBehavior for ActiveModel {}
//! }
//!
//! impl Detail for collection::Entity {
//!     type Master = repository::Entity;
//!     type Body = NoFields;
//!     const TYPE: &'static str = "quote.collection";
//!     const MODEL: &'static str = "QuoteCollection";
//!     const ENDPOINT: &'static str = "collections";
//!
//!     fn read(_: &collection::Model) -> NoFields {
//!         NoFields {}
//!     }
//!     fn write(_: &mut collection::Model, _: NoFields) {}
//! }
//!
//! impl Repository for collection::Entity {
//!     const CONTENT: &'static [&'static str] = &["quote.quote"];
//! }
//! register!(Noun::repository::<collection::Entity>());
//!
//! #[derive(DeriveMigrationName)]
//! struct Initial;
//!
//! #[async_trait::async_trait]
//! impl MigrationTrait for Initial {
//!     async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
//!         NewTable::new("quote_quote")
//!             .master_key("pulp_id", "core_content")
//!             .column("author", Text)
//!             .column("digest", Text)
//!             .unique(["author", "digest"])
//!             .create(manager)
//!             .await?;
//!         NewTable::new("quote_collection").master_key("pulp_id", "core_repository").create(manager).await
//!     }
//! }
//!
//! // An assembled binary checks this when it starts: nothing collides, and what was chosen is there.
//! pulpcore::registry::get().check(&["quote"]).unwrap();
//! ```

pub mod api;
pub mod app;
pub mod artifacts;
pub mod auth;
#[cfg(test)]
mod authority;
mod claims;
pub mod cli;
pub mod content;
pub mod db;
pub mod error;
mod guards;
mod live;
mod metrics;
pub mod migrate;
pub mod models;
pub mod plugin;
pub mod publish;
pub mod refs;
pub mod registry;
#[cfg(test)]
mod sample;
pub mod secrets;
pub mod server;
pub mod settings;
pub mod signing;
mod statistics;
pub mod storage;
pub mod sync;
pub mod tasking;
pub mod telemetry;
#[cfg(feature = "testkit")]
pub mod testkit;
mod together;
pub mod versions;

/// The version of Pulp's API that core speaks: clients enable features by it.
pub const CORE_VERSION: &str = "3.123.1";
