//! The public halves of the keys that sign tokens: all that a process needs to check one.

use sea_orm::entity::prelude::*;
use sea_orm::prelude::TimeDateTimeWithTimeZone as OffsetDateTime;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "container_tokenkey")]
pub struct Model {
    /// The key's id, a UUIDv7, which tokens name.
    #[sea_orm(primary_key, auto_increment = false)]
    pub pulp_id: Uuid,
    /// When it was made.
    pub pulp_created: OffsetDateTime,
    /// A point of the curve P-256, uncompressed, in hexadecimal.
    pub public_key: String,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
