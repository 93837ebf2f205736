//! Pull-through distributions: another registry under a name. What is pulled below it gets a repository and a distribution
//! of its own.

use pulpcore::api::reader::Reader;
use pulpcore::app::App;
use pulpcore::db::WriteTx;
use pulpcore::error::Result;
use pulpcore::models::distribution;
use pulpcore::plugin::{Asked, Detail, Distribution};
use sea_orm::entity::prelude::*;
use serde_json::{Map, Value};

use super::{namespace, references};
use crate::serializers::{ContainerPullThroughDistributionBody, check_base_path};

/// One row.
#[derive(Clone, Debug, Default, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "container_containerpullthroughdistribution")]
pub struct Model {
    /// The distribution's key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub distribution_ptr_id: Uuid,
    /// The namespace that its path begins with.
    pub namespace_id: Option<Uuid>,
    /// Whether only users may pull from it.
    pub private: bool,
    /// What it is for.
    pub description: Option<String>,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Detail for Entity {
    type Master = distribution::Entity;
    const TYPE: &'static str = "container.pull-through";
    const MODEL: &'static str = "ContainerPullThroughDistribution";
    const ENDPOINT: &'static str = "pull-through";
    type Body = ContainerPullThroughDistributionBody;
    const LACKS: &'static [&'static str] = &["base_url", "checkpoint", "publication"];
    const REQUIRES: &'static [&'static str] = &["remote"];

    fn read(row: &Model) -> ContainerPullThroughDistributionBody {
        ContainerPullThroughDistributionBody {
            distributions: None,
            namespace: None,
            private: row.private,
            description: row.description.clone(),
        }
    }

    fn write(row: &mut Model, body: ContainerPullThroughDistributionBody) {
        row.private = body.private;
        row.description = body.description;
    }

    async fn beside(reader: &Reader, keys: &[Uuid]) -> Result<Vec<Map<String, Value>>> {
        references::of_pull_through_distributions(reader, keys).await
    }

    async fn check_whole(_app: &App, body: &Map<String, Value>) -> Result<()> {
        check_base_path(body)
    }

    async fn written(tx: &WriteTx, key: Uuid) -> Result<()> {
        namespace::join::<Entity>(tx, key, Column::DistributionPtrId, Column::NamespaceId).await
    }
}

/// The content service has nothing to serve of it: images go out through the registry alone, which asks who may.
impl Distribution for Entity {
    const SERVES_VERSIONS: bool = false;
    const REMOTES: &'static [&'static str] = &["container.pull-through"];
    const HOLDS: &'static [&'static str] = &["container.container"];

    fn asked(_path: &str) -> Asked {
        Asked::Never
    }
}
