//! What was pushed into a repository and is in no version of it yet: blobs before their manifest, manifests before their
//! index. Whoever may pull from the repository may read them. A version that takes a unit ends its waiting; orphan cleanup
//! takes those that nobody came back for.

use sea_orm::entity::prelude::*;
use sea_orm::prelude::TimeDateTimeWithTimeZone as OffsetDateTime;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "container_pendingcontent")]
pub struct Model {
    /// The repository.
    #[sea_orm(primary_key, auto_increment = false)]
    pub repository_id: Uuid,
    /// The unit.
    #[sea_orm(primary_key, auto_increment = false)]
    pub content_id: Uuid,
    /// When it was pushed.
    pub pulp_created: OffsetDateTime,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
