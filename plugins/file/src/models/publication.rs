//! Publications: a version and its manifest.

use pulpcore::error::Result;
use pulpcore::models::{publication, repository_version};
use pulpcore::plugin::{Detail, Publication, Ref, VersionRef};
use sea_orm::entity::prelude::*;

use crate::serializers::FilePublicationBody;
use crate::tasks::Publish;

/// One row.
#[derive(Clone, Debug, Default, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "file_filepublication")]
pub struct Model {
    /// The publication's key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub publication_ptr_id: Uuid,
    /// The name of the manifest; none was made where it is null.
    pub manifest: Option<String>,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Detail for Entity {
    type Master = publication::Entity;
    const TYPE: &'static str = "file.file";
    const MODEL: &'static str = "FilePublication";
    const ENDPOINT: &'static str = "file";
    type Body = FilePublicationBody;

    fn read(row: &Model) -> FilePublicationBody {
        FilePublicationBody { manifest: row.manifest.clone() }
    }

    fn write(row: &mut Model, body: FilePublicationBody) {
        row.manifest = body.manifest;
    }
}

impl Publication for Entity {
    type Publish = Publish;

    fn publish(body: FilePublicationBody, version: &repository_version::Model, checkpoint: bool) -> Result<Publish> {
        Ok(Publish {
            repository_version: Some(VersionRef::new(version.pulp_id)),
            repository: Some(Ref::new(version.repository_id)),
            manifest: body.manifest,
            checkpoint,
        })
    }
}
