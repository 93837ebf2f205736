//! Uploads of blobs that are under way: a client may go on with one after a break, here or in another process.

use sea_orm::entity::prelude::*;
use sea_orm::prelude::TimeDateTimeWithTimeZone as OffsetDateTime;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "container_upload")]
pub struct Model {
    /// The key, a UUIDv7: the session's name in URLs.
    #[sea_orm(primary_key, auto_increment = false)]
    pub pulp_id: Uuid,
    /// When the row was made.
    pub pulp_created: OffsetDateTime,
    /// When the last chunk came.
    pub pulp_last_updated: OffsetDateTime,
    /// The repository that the blob is for.
    pub repository_id: Uuid,
    /// How many bytes are there: where the next chunk begins.
    pub size: i64,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
