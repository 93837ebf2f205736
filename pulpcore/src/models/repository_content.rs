//! Membership: a unit is in version *n* when `version_added <= n` and it was not removed at or before *n*.
//!
//! Version *numbers*, not keys, so that the content of any version is one range condition on one index.

use sea_orm::entity::prelude::*;

/// One row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "core_repositorycontent")]
pub struct Model {
    /// The repository.
    #[sea_orm(primary_key, auto_increment = false)]
    pub repository_id: Uuid,
    /// The unit.
    #[sea_orm(primary_key, auto_increment = false)]
    pub content_id: Uuid,
    /// The first version that holds it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub version_added: i64,
    /// The first later version that does not hold it any more.
    pub version_removed: Option<i64>,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
