//! Units that a running task has saved and that its version will hold: the bridge from a stream to one set-based transaction.

use sea_orm::entity::prelude::*;

/// One row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "core_stagedcontent")]
pub struct Model {
    /// The draft of a version.
    #[sea_orm(primary_key, auto_increment = false)]
    pub draft_id: Uuid,
    /// The unit.
    #[sea_orm(primary_key, auto_increment = false)]
    pub content_id: Uuid,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
