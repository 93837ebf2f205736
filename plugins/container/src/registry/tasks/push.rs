//! A manifest that was pushed, and its tags.

use pulpcore::error::Result;
use pulpcore::models::{content, repository};
use pulpcore::plugin::{Locks, NewVersion, Ref, Task, TaskCx, TaskKind, register};
use pulpcore::versions;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::registry::units;

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
        let mut added = units::tags(&tx, cx.domain(), &self.tags, &self.digest).await?;
        added.push(self.manifest.id);
        let mut version = NewVersion::open(&tx, self.repository.id).await?;
        version.add(&added).await?;
        let made = version.complete().await?;
        versions::commit(&cx, tx, made.as_ref()).await?;
        match &made {
            Some(version) => versions::created(&cx, version).await,
            None => Ok(()),
        }
    }
}

register!(TaskKind::of::<Push>());
