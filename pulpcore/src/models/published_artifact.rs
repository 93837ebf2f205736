//! Files of a publication that are files of content units.

use sea_orm::entity::prelude::*;

/// One row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "core_publishedartifact")]
pub struct Model {
    /// The publication.
    #[sea_orm(primary_key, auto_increment = false)]
    pub publication_id: Uuid,
    /// The path below a distribution.
    #[sea_orm(primary_key, auto_increment = false)]
    pub relative_path: String,
    /// The file.
    pub content_artifact_id: Uuid,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
