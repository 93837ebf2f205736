//! Domains: namespaces with storage of their own. Only `default` exists for now.

use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

use super::Labels;

/// One row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "core_domain")]
pub struct Model {
    /// The key, a UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub pulp_id: Uuid,
    /// When the row was made.
    pub pulp_created: OffsetDateTime,
    /// When the row was last changed.
    pub pulp_last_updated: OffsetDateTime,
    /// Its name, unique.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// The labels that users attached.
    pub pulp_labels: Labels,
    /// How its artifacts are stored, in the words of Pulp.
    pub storage_class: String,
    /// Settings of that storage.
    pub storage_settings: Json,
    /// Whether the content service redirects to signed URLs.
    pub redirect_to_object_storage: bool,
    /// Whether listings leave out guarded distributions.
    pub hide_guarded_distributions: bool,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
