//! Distributions: what is served under which path.

use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

use super::Labels;

/// One row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "core_distribution")]
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
    /// Its name, unique in a domain.
    pub name: String,
    /// The path below the content prefix; never nested in another's.
    pub base_path: String,
    /// The labels that users attached.
    pub pulp_labels: Labels,
    /// Whether listings leave it out.
    pub hidden: bool,
    /// Whether it serves checkpoints.
    pub checkpoint: bool,
    /// Who may read it.
    pub content_guard_id: Option<Uuid>,
    /// Serves this publication,
    pub publication_id: Option<Uuid>,
    /// or the latest version of this repository,
    pub repository_id: Option<Uuid>,
    /// or this version.
    pub repository_version_id: Option<Uuid>,
    /// Where to look for what is not there.
    pub remote_id: Option<Uuid>,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
