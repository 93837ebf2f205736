//! How far a group of tasks has come.

use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "core_groupprogressreport")]
pub struct Model {
    /// The key, a UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub pulp_id: Uuid,
    /// When the row was made.
    pub pulp_created: OffsetDateTime,
    /// When the row was last changed.
    pub pulp_last_updated: OffsetDateTime,
    /// The group.
    pub task_group_id: Uuid,
    /// What is counted, for people.
    pub message: String,
    /// What is counted, for programs.
    pub code: String,
    /// How many there will be, where that is known.
    pub total: Option<i64>,
    /// How many are done.
    pub done: i64,
    /// What else to say.
    pub suffix: Option<String>,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
