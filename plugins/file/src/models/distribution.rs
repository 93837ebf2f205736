//! Distributions: what is served of a publication. Everything that they hold is core's.

use pulpcore::models::distribution;
use pulpcore::plugin::{Asked, Detail, Distribution, NoFields};
use sea_orm::entity::prelude::*;

use crate::serializers::MANIFEST;

/// One row.
#[derive(Clone, Debug, Default, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "file_filedistribution")]
pub struct Model {
    /// The distribution's key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub distribution_ptr_id: Uuid,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Detail for Entity {
    type Master = distribution::Entity;
    const TYPE: &'static str = "file.file";
    const MODEL: &'static str = "FileDistribution";
    const ENDPOINT: &'static str = "file";
    type Body = NoFields;

    fn read(_row: &Model) -> NoFields {
        NoFields {}
    }

    fn write(_row: &mut Model, _body: NoFields) {}
}

impl Distribution for Entity {
    const PUBLICATIONS: &'static [&'static str] = &["file.file"];
    // As in Pulp: a version without a publication has no manifest and is not served.
    const SERVES_VERSIONS: bool = false;
    const REMOTES: &'static [&'static str] = &["file.file"];

    fn asked(_path: &str) -> Asked {
        Asked::Never
    }

    // The next publication has another one under the same name.
    fn cache_control(path: &str) -> Option<&'static str> {
        (path == MANIFEST).then_some("no-cache")
    }
}
