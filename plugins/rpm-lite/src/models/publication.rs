//! Publications: a version with metadata for clients.

use pulpcore::error::Result;
use pulpcore::models::{publication, repository_version};
use pulpcore::plugin::{Detail, Publication, Ref, VersionRef};
use sea_orm::entity::prelude::*;

use crate::serializers::RpmPublicationBody;
use crate::tasks::Publish;

/// One row.
#[derive(Clone, Debug, Default, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "rpm_rpmpublication")]
pub struct Model {
    /// The publication's key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub publication_ptr_id: Uuid,
    /// The digests that its metadata is made with.
    pub checksum_type: String,
    /// `zstd`, `gz` or `none`.
    pub compression_type: Option<String>,
    /// `nested_alphabetically`, `flat` or `nested_by_digest`.
    pub layout: Option<String>,
    /// What stands in `config.repo` besides.
    pub repo_config: Json,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Detail for Entity {
    type Master = publication::Entity;
    const TYPE: &'static str = "rpm.rpm";
    const MODEL: &'static str = "RpmPublication";
    const ENDPOINT: &'static str = "rpm";
    type Body = RpmPublicationBody;
    const LACKS: &'static [&'static str] = &["distributions"];

    fn read(row: &Model) -> RpmPublicationBody {
        RpmPublicationBody::of(row)
    }

    /// Publishing makes the row.
    fn write(_row: &mut Model, _body: RpmPublicationBody) {}

    fn check(body: &RpmPublicationBody) -> Result<()> {
        body.check()
    }
}

impl Publication for Entity {
    type Publish = Publish;

    fn publish(body: RpmPublicationBody, version: &repository_version::Model, checkpoint: bool) -> Result<Publish> {
        Ok(Publish {
            repository_version: Some(VersionRef::new(version.pulp_id)),
            repository: Some(Ref::new(version.repository_id)),
            checksum_type: body.checksum_type,
            compression_type: body.compression_type,
            layout: body.layout,
            repo_config: body.repo_config,
            checkpoint,
        })
    }
}
