//! Remotes: the URL of a manifest. Everything that they hold is core's.

use pulpcore::models::remote;
use pulpcore::plugin::{Detail, NoFields, Remote};
use sea_orm::entity::prelude::*;

/// One row.
#[derive(Clone, Debug, Default, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "file_fileremote")]
pub struct Model {
    /// The remote's key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub remote_ptr_id: Uuid,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Detail for Entity {
    type Master = remote::Entity;
    const TYPE: &'static str = "file.file";
    const MODEL: &'static str = "FileRemote";
    const ENDPOINT: &'static str = "file";
    type Body = NoFields;

    fn read(_row: &Model) -> NoFields {
        NoFields {}
    }

    fn write(_row: &mut Model, _body: NoFields) {}
}

impl Remote for Entity {}
