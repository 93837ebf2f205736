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

#[cfg(test)]
impl Model {
    /// One that offers nothing, and is called as its path is.
    pub(crate) fn bare(domain: Uuid, pulp_type: &str, base_path: &str) -> Self {
        let now = crate::db::now();
        Self {
            pulp_id: Uuid::now_v7(),
            pulp_created: now,
            pulp_last_updated: now,
            pulp_domain_id: domain,
            pulp_type: pulp_type.to_owned(),
            name: base_path.to_owned(),
            base_path: base_path.to_owned(),
            pulp_labels: Labels::default(),
            hidden: false,
            checkpoint: false,
            content_guard_id: None,
            publication_id: None,
            repository_id: None,
            repository_version_id: None,
            remote_id: None,
        }
    }
}
