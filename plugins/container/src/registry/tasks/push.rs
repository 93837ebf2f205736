//! A manifest that was pushed, and its tags.

use pulpcore::error::Result;
use pulpcore::models::{content, repository};
use pulpcore::plugin::{Locks, NewVersion, Ref, Task, TaskCx, TaskKind, register};
use pulpcore::versions::{self, find_or_make};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::models::{Tag, tag};

/// Adds a manifest, with all that it refers to, and tags it: one version.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = container::Push)]
pub struct Push {
    /// The repository.
    #[schema(value_type = String, format = "uri")]
    pub repository: Ref<repository::Entity>,
    /// The manifest.
    #[schema(value_type = String, format = "uri")]
    pub manifest: Ref<content::Entity>,
    /// Its digest.
    pub digest: String,
    /// The names that stand for it from now on.
    pub tags: Vec<String>,
}

impl Task for Push {
    const TYPE: &'static str = "container/pushes";
    const NAME: &'static str = "pulp_container.app.tasks.push_manifest";
    const ENDPOINT: bool = false;
    const IMMEDIATE: bool = true;

    fn locks(&self) -> Locks {
        Locks::default().exclusive(&self.repository)
    }

    async fn run(self, cx: TaskCx) -> Result<()> {
        let tx = cx.db().write().await?;
        let mut units = vec![self.manifest.id];
        for name in self.tags {
            let row = tag::Model { name, tagged_digest: self.digest.clone(), ..tag::Model::default() };
            units.push(find_or_make::<Tag>(&tx, cx.domain(), row).await?.0);
        }
        let mut version = NewVersion::open(&tx, self.repository.id).await?;
        version.add(&units).await?;
        let made = version.complete().await?;
        versions::finish(&cx, tx, made).await
    }
}

register!(TaskKind::of::<Push>());
