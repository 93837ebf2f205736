//! What is dispatched again and again.

use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "core_taskschedule")]
pub struct Model {
    /// The key, a UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub pulp_id: Uuid,
    /// When the row was made.
    pub pulp_created: OffsetDateTime,
    /// When the row was last changed.
    pub pulp_last_updated: OffsetDateTime,
    /// Its name.
    pub name: String,
    /// When it is due; null if it is not to be dispatched any more.
    pub next_dispatch: Option<OffsetDateTime>,
    /// Seconds from one dispatch to the next.
    pub dispatch_interval: i64,
    /// The name of the task on the wire, a dotted path.
    pub task_name: String,
    /// What was dispatched last.
    pub last_task_id: Option<Uuid>,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
