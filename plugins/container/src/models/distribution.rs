//! Distributions: which repository the registry serves under which name.

use pulpcore::api::reader::Reader;
use pulpcore::app::App;
use pulpcore::db::WriteTx;
use pulpcore::error::Result;
use pulpcore::models::distribution;
use pulpcore::plugin::{Asked, Detail, Distribution, Filters};
use sea_orm::entity::prelude::*;
use sea_orm::{Condition, QuerySelect, QueryTrait};
use serde_json::{Map, Value};

use super::{namespace, references};
use crate::serializers::{ContainerDistributionBody, check_base_path};

/// One row.
#[derive(Clone, Debug, Default, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "container_containerdistribution")]
pub struct Model {
    /// The distribution's key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub distribution_ptr_id: Uuid,
    /// The namespace that its path begins with.
    pub namespace_id: Option<Uuid>,
    /// The pull-through distribution that made it.
    pub pull_through_distribution_id: Option<Uuid>,
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
    const TYPE: &'static str = "container.container";
    const MODEL: &'static str = "ContainerDistribution";
    const ENDPOINT: &'static str = "container";
    type Body = ContainerDistributionBody;
    // The remote is shown and not written: pull-through sets it.
    const LACKS: &'static [&'static str] = &["base_url", "checkpoint", "publication", "remote"];

    fn read(row: &Model) -> ContainerDistributionBody {
        ContainerDistributionBody {
            registry_path: None,
            remote: None,
            namespace: None,
            private: row.private,
            description: row.description.clone(),
        }
    }

    fn write(row: &mut Model, body: ContainerDistributionBody) {
        row.private = body.private;
        row.description = body.description;
    }

    fn filters() -> Filters {
        Filters::new()
            .custom("namespace__name", |name, _| {
                let named = namespace::Entity::find()
                    .select_only()
                    .column(namespace::Column::PulpId)
                    .filter(namespace::Column::Name.eq(name))
                    .into_query();
                Ok(Condition::all().add(Column::NamespaceId.in_subquery(named)))
            })
            .ordered(&[Column::Description, Column::Private])
    }

    async fn beside(reader: &Reader, keys: &[Uuid]) -> Result<Vec<Map<String, Value>>> {
        references::of_distributions(reader, keys).await
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

    fn asked(_path: &str) -> Asked {
        Asked::Never
    }
}
