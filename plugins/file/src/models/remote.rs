//! Remotes: the URL of a manifest. Everything that they hold is core's.

use pulpcore::error::Result;
use pulpcore::models::remote;
use pulpcore::plugin::{Detail, NoFields, Pull, Remote};
use sea_orm::entity::prelude::*;

use super::FileContent;
use crate::manifest::{is_canonical, url_of};

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

impl Remote for Entity {
    /// Any file beside the manifest, whether the manifest names it or not. The manifest changes, so it is passed on.
    fn pull(remote: &remote::Model, _row: &Model, path: &str) -> Result<Option<Pull>> {
        if !is_canonical(path) {
            return Ok(None);
        }
        let url = url_of(&remote.url, path)?;
        let manifest = remote.url.split('#').next().unwrap_or_default();
        Ok(Some(if url == manifest { Pull::passed(url) } else { Pull::kept::<FileContent>(url) }))
    }
}
