//! Repositories of images.

use pulpcore::error::Result;
use pulpcore::models::repository;
use pulpcore::plugin::{Detail, NewVersion, Repository};
use sea_orm::entity::prelude::*;

use crate::closure;
use crate::serializers::ContainerRepositoryBody;

/// One row.
#[derive(Clone, Debug, Default, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "container_containerrepository")]
pub struct Model {
    /// The repository's key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub repository_ptr_id: Uuid,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Detail for Entity {
    type Master = repository::Entity;
    const TYPE: &'static str = "container.container";
    const MODEL: &'static str = "ContainerRepository";
    const ENDPOINT: &'static str = "container";
    type Body = ContainerRepositoryBody;

    fn read(_row: &Model) -> ContainerRepositoryBody {
        ContainerRepositoryBody { manifest_signing_service: None }
    }

    fn write(_row: &mut Model, _body: ContainerRepositoryBody) {}

    fn check(body: &ContainerRepositoryBody) -> Result<()> {
        crate::serializers::check_signing_service(body.manifest_signing_service.as_deref())
    }
}

impl Repository for Entity {
    const CONTENT: &'static [&'static str] = closure::CONTENT;
    const REMOTES: &'static [&'static str] = &["container.container"];

    async fn finalize(version: &mut NewVersion<'_>) -> Result<()> {
        closure::complete(version).await
    }
}
