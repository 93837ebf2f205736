//! Processes that are up: workers, API and content servers.

use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

use super::Versions;

/// One row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "core_appstatus")]
pub struct Model {
    /// The key, a UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub pulp_id: Uuid,
    /// When the row was made.
    pub pulp_created: OffsetDateTime,
    /// When the row was last changed.
    pub pulp_last_updated: OffsetDateTime,
    /// Its name: `pid@host`, with a slot where it has several; longer if somebody else is listed under that name.
    pub name: String,
    /// `worker`, `api` or `content`.
    pub app_type: String,
    /// The versions of the components in it.
    pub versions: Versions,
    /// How long after a heartbeat it counts as alive.
    pub ttl_seconds: i64,
    /// When it last said that it is alive.
    pub last_heartbeat: OffsetDateTime,
}

impl Model {
    /// Whether it has said lately that it is alive.
    pub(crate) fn is_heard(&self) -> bool {
        (crate::db::now() - self.last_heartbeat).whole_seconds() <= self.ttl_seconds
    }
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
