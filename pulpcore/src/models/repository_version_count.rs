//! How many units of each type a version holds, gained and lost; kept so that `content_summary` never counts.

use sea_orm::entity::prelude::*;

/// One row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "core_repositoryversioncontentdetails")]
pub struct Model {
    /// The version.
    #[sea_orm(primary_key, auto_increment = false)]
    pub repository_version_id: Uuid,
    /// The type, such as `file.file`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub content_type: String,
    /// `P` present, `A` added, `R` removed.
    #[sea_orm(primary_key, auto_increment = false)]
    pub count_type: String,
    /// How many.
    pub count: i64,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
