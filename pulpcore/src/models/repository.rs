//! Repositories: named series of immutable versions.

use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

use super::Labels;

/// One row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "core_repository")]
pub struct Model {
    /// The key, a UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub pulp_id: Uuid,
    /// When the row was made.
    pub pulp_created: OffsetDateTime,
    /// When the row was last changed.
    pub pulp_last_updated: OffsetDateTime,
    /// The domain that it lives in.
    pub pulp_domain_id: Uuid,
    /// The detail type, such as `file.file`.
    pub pulp_type: String,
    /// Its name, unique in a domain over all types.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// The labels that users attached.
    pub pulp_labels: Labels,
    /// The number that the next version gets.
    pub next_version: i64,
    /// How many versions are kept; all when unset.
    pub retain_repo_versions: Option<i64>,
    /// How many checkpoint publications are kept; all when unset.
    pub retain_checkpoints: Option<i64>,
    /// The remote that a sync uses when it names none.
    pub remote_id: Option<Uuid>,
    /// Whether lists leave it out.
    pub user_hidden: bool,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
