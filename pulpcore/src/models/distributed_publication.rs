//! Publications that a distribution served until recently.
//!
//! Unlike Pulp's table of this name it holds what was superseded only: what is served now is found where it stands.

use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "core_distributedpublication")]
pub struct Model {
    /// The distribution.
    #[sea_orm(primary_key, auto_increment = false)]
    pub distribution_id: Uuid,
    /// What it served.
    #[sea_orm(primary_key, auto_increment = false)]
    pub publication_id: Uuid,
    /// Until when its files are still found.
    pub expires_at: OffsetDateTime,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
