//! Removing units, with everything that nothing else in the repository refers to.

use pulpcore::app::App;
use pulpcore::error::{Error, Result};
use pulpcore::models::repository;
use pulpcore::plugin::{Locks, NewVersion, Ref, Task, TaskCx, TaskKind, register};
use pulpcore::versions;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::closure;

/// Removes tags, manifests, blobs and signatures from a repository, and what only they referred to. What something that
/// stays refers to stays as well.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = container::RecursiveRemoval)]
pub struct RecursiveRemove {
    /// The repository.
    #[schema(value_type = String, format = "uri")]
    pub repository: Ref<repository::Entity>,
    /// A list of content units to operate on; `*` stands for all.
    #[serde(default)]
    #[schema(required = false)]
    pub content_units: Vec<String>,
}

/// Stands for all units.
const ALL: &str = "*";

impl RecursiveRemove {
    fn is_all(&self) -> bool {
        self.content_units.iter().any(|unit| unit == ALL)
    }
}

impl Task for RecursiveRemove {
    const TYPE: &'static str = "container/recursive-removals";
    const NAME: &'static str = "pulp_container.app.tasks.recursive_remove.recursive_remove_content";

    async fn prepare(&mut self, app: &App) -> Result<()> {
        super::must_exist(app, "repository", &self.repository).await?;
        match (self.is_all(), self.content_units.len()) {
            (true, 1) => Ok(()),
            (true, _) => {
                let message = format!("'*' should be the only item present in the {:?}", self.content_units);
                Err(Error::invalid_together(message))
            }
            (false, _) => versions::units(app, "content_units", &self.content_units).await.map(drop),
        }
    }

    fn locks(&self) -> Locks {
        Locks::default().exclusive(&self.repository)
    }

    async fn run(self, cx: TaskCx) -> Result<()> {
        let units = match self.is_all() {
            true => None,
            false => Some(versions::units(cx.app(), "content_units", &self.content_units).await?),
        };
        let tx = cx.db().write().await?;
        let mut version = NewVersion::open(&tx, self.repository.id).await?;
        match units {
            None => version.remove_all().await?,
            Some(units) => closure::remove(&mut version, &units).await?,
        }
        let made = version.complete().await?;
        versions::finish(&cx, tx, made).await
    }
}

register!(TaskKind::of::<RecursiveRemove>());
