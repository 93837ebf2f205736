//! The chunks of an upload, each kept as an artifact: the first one, if it is the only one, is the blob.

use sea_orm::entity::prelude::*;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "container_uploadchunk")]
pub struct Model {
    /// The upload.
    #[sea_orm(primary_key, auto_increment = false)]
    pub upload_id: Uuid,
    /// Where it begins.
    #[sea_orm(primary_key, auto_increment = false)]
    pub offset: i64,
    /// Its bytes.
    pub artifact_id: Uuid,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
