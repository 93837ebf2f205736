//! Tasks that belong together.

use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "core_taskgroup")]
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
    /// What they are for.
    pub description: String,
    /// Whether no more tasks will join.
    pub all_tasks_dispatched: bool,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
