//! A name that nobody offers, and to which somebody pushes.

use pulpcore::error::{Error, Result};
use pulpcore::models::{distribution, repository};
use pulpcore::plugin::{Detail, Locks, Ref, Task, TaskCx, TaskKind, register};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::models::{ContainerDistribution, ContainerPullThroughDistribution, ContainerRepository};

/// Makes a repository and a distribution of a name, unless they are there.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = container::Open)]
pub struct Open {
    /// The name of both, and the path of the latter.
    pub name: String,
}

impl Task for Open {
    const TYPE: &'static str = "container/openings";
    const NAME: &'static str = "pulp_container.app.tasks.open_repository";
    const ENDPOINT: bool = false;
    const IMMEDIATE: bool = true;

    fn locks(&self) -> Locks {
        Locks::default().exclusive("/api/v3/distributions/")
    }

    async fn run(self, cx: TaskCx) -> Result<()> {
        let name = &self.name;
        let here = distribution::Entity::find().filter(distribution::Column::PulpDomainId.eq(cx.domain()));
        if here.filter(distribution::Column::BasePath.eq(name)).one(cx.db().read()).await?.is_some() {
            // Somebody else was faster.
            return Ok(());
        }
        if is_held(&cx, name).await? {
            return Err(Error::invalid("name", "This name is pulled through from another registry."));
        }
        let (repository, new) = match existing(&cx, name).await? {
            Some(repository) => (repository, false),
            None => {
                let id = cx.make::<ContainerRepository>(fields(json!({ "name": name }))).await?;
                (Ref::of("container.container", id)?, true)
            }
        };
        let distribution = json!({ "name": name, "base_path": name, "repository": repository.prn() });
        let made = cx.make::<ContainerDistribution>(fields(distribution)).await;
        if made.is_err() && new {
            let tx = cx.db().write().await?;
            repository::Entity::delete_by_id(repository.id).exec(&*tx).await?;
            tx.commit().await?;
        }
        made.map(drop)
    }
}

register!(TaskKind::of::<Open>());

/// Whether a name lies below a pull-through distribution, where names are another registry's.
async fn is_held(cx: &TaskCx, name: &str) -> Result<bool> {
    let above = name.match_indices('/').map(|(at, _)| &name[..at]);
    let held = distribution::Entity::find()
        .filter(distribution::Column::PulpDomainId.eq(cx.domain()))
        .filter(distribution::Column::PulpType.eq(ContainerPullThroughDistribution::TYPE))
        .filter(distribution::Column::BasePath.is_in(above));
    Ok(held.one(cx.db().read()).await?.is_some())
}

/// The repository of this name, if it holds images.
async fn existing(cx: &TaskCx, name: &str) -> Result<Option<Ref<repository::Entity>>> {
    let same = repository::Entity::find().filter(repository::Column::PulpDomainId.eq(cx.domain()));
    let Some(row) = same.filter(repository::Column::Name.eq(name)).one(cx.db().read()).await? else { return Ok(None) };
    if !row.pulp_type.starts_with("container.") {
        return Err(Error::invalid("name", "A repository of another type has this name."));
    }
    Ref::of(&row.pulp_type, row.pulp_id).map(Some)
}

/// The fields of an object.
pub(super) fn fields(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}
