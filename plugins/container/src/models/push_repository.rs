//! Repositories that older versions of Pulp made of pushes. Now a push makes a repository like any other.

use pulpcore::error::Result;
use pulpcore::models::repository;
use pulpcore::plugin::{Detail, NewVersion, Repository};
use sea_orm::entity::prelude::*;

use crate::closure;
use crate::serializers::ContainerPushRepositoryBody;

/// One row.
#[derive(Clone, Debug, Default, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "container_containerpushrepository")]
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
    const TYPE: &'static str = "container.container-push";
    const MODEL: &'static str = "ContainerPushRepository";
    const ENDPOINT: &'static str = "container-push";
    type Body = ContainerPushRepositoryBody;
    const LACKS: &'static [&'static str] = &["remote"];

    fn read(_row: &Model) -> ContainerPushRepositoryBody {
        ContainerPushRepositoryBody { manifest_signing_service: None }
    }

    fn write(_row: &mut Model, _body: ContainerPushRepositoryBody) {}

    fn check(body: &ContainerPushRepositoryBody) -> Result<()> {
        crate::serializers::check_signing_service(body.manifest_signing_service.as_deref())
    }
}

impl Repository for Entity {
    const CONTENT: &'static [&'static str] = closure::CONTENT;

    async fn finalize(version: &mut NewVersion<'_>) -> Result<()> {
        closure::complete(version).await
    }
}
