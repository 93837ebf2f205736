//! What happened to tasks, in the order in which it is told.

use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "core_taskevent")]
pub struct Model {
    /// Its number; it is never used twice.
    #[sea_orm(primary_key)]
    pub seq: i64,
    /// When it happened.
    pub pulp_created: OffsetDateTime,
    /// The task.
    pub task_id: Uuid,
    /// `state`, `progress` or `log`.
    pub kind: String,
    /// What happened: an object that depends on the kind.
    pub body: Json,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
