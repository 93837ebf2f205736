//! Which manifests an index names, by digest, and for which platform.

use sea_orm::entity::prelude::*;

/// One row.
#[derive(Clone, Debug, Default, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "container_manifestlistmanifest")]
pub struct Model {
    /// The index.
    #[sea_orm(primary_key, auto_increment = false)]
    pub list_id: Uuid,
    /// Where in the index it stands, counted from 0.
    #[sea_orm(primary_key, auto_increment = false)]
    pub position: i64,
    /// The manifest's digest.
    pub digest: String,
    /// The processor.
    pub architecture: Option<String>,
    /// The operating system.
    pub os: Option<String>,
    /// The processor's variant.
    pub variant: Option<String>,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
