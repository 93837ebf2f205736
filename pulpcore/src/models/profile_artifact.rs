//! What was observed while a task ran.

use sea_orm::entity::prelude::*;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "core_profileartifact")]
pub struct Model {
    /// The key, a UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub pulp_id: Uuid,
    /// The task.
    pub task_id: Uuid,
    /// What was written down.
    pub artifact_id: Uuid,
    /// The kind of observation, such as `logs`.
    pub name: String,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
