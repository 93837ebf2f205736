//! The files of a content unit: which artifact stands at which path.

use sea_orm::entity::prelude::*;

/// One row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "core_contentartifact")]
pub struct Model {
    /// The key, a UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub pulp_id: Uuid,
    /// The unit.
    pub content_id: Uuid,
    /// The bytes; none while they are only known to a remote.
    pub artifact_id: Option<Uuid>,
    /// The path below a distribution.
    pub relative_path: String,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
