//! Adding units, with everything that they refer to.

use pulpcore::app::App;
use pulpcore::error::Result;
use pulpcore::models::repository;
use pulpcore::plugin::{Locks, NewVersion, Ref, Task, TaskCx, TaskKind, register};
use pulpcore::versions;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Adds tags, manifests and blobs to a repository, and whatever they refer to.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = container::RecursiveAddition)]
pub struct RecursiveAdd {
    /// The repository.
    #[schema(value_type = String, format = "uri")]
    pub repository: Ref<repository::Entity>,
    /// A list of content units to operate on.
    #[serde(default)]
    #[schema(required = false)]
    pub content_units: Vec<String>,
}

impl Task for RecursiveAdd {
    const TYPE: &'static str = "container/recursive-additions";
    const NAME: &'static str = "pulp_container.app.tasks.recursive_add.recursive_add_content";

    async fn prepare(&mut self, app: &App) -> Result<()> {
        super::must_exist(app, "repository", &self.repository).await?;
        versions::units(app, "content_units", &self.content_units).await.map(drop)
    }

    fn locks(&self) -> Locks {
        Locks::default().exclusive(&self.repository)
    }

    async fn run(self, cx: TaskCx) -> Result<()> {
        let units = versions::units(cx.app(), "content_units", &self.content_units).await?;
        let tx = cx.db().write().await?;
        let mut version = NewVersion::open(&tx, self.repository.id).await?;
        version.add(&units).await?;
        let made = version.complete().await?;
        versions::finish(&cx, tx, made).await
    }
}

register!(TaskKind::of::<RecursiveAdd>());
