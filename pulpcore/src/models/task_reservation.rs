//! Locks, held or waited for. A row lives exactly as long as its task is unfinished.

use sea_orm::entity::prelude::*;

/// One row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "core_taskreservation")]
pub struct Model {
    /// The task.
    #[sea_orm(primary_key, auto_increment = false)]
    pub task_id: Uuid,
    /// What is locked, usually a PRN.
    #[sea_orm(primary_key, auto_increment = false)]
    pub resource: String,
    /// Whether it wants it for itself.
    pub exclusive: bool,
    /// The task's place in the queue.
    pub seq: i64,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
