//! A tag, a manifest or a blob that is deleted.

use pulpcore::error::Result;
use pulpcore::models::repository;
use pulpcore::plugin::{Locks, NewVersion, Ref, Task, TaskCx, TaskKind, register};
use pulpcore::versions;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::closure;
use crate::models::pending_content as pending;

/// Removes units: one version.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = container::Remove)]
pub struct Remove {
    /// The repository.
    #[schema(value_type = String, format = "uri")]
    pub repository: Ref<repository::Entity>,
    /// The keys of the units.
    pub units: Vec<Uuid>,
    /// Whether what only they referred to goes with them.
    pub recursive: bool,
}

impl Task for Remove {
    const TYPE: &'static str = "container/removals-by-clients";
    const NAME: &'static str = "pulp_container.app.tasks.remove_from_registry";
    const ENDPOINT: bool = false;
    const IMMEDIATE: bool = true;

    fn locks(&self) -> Locks {
        Locks::default().exclusive(&self.repository)
    }

    async fn run(self, cx: TaskCx) -> Result<()> {
        let tx = cx.db().write().await?;
        pending::Entity::delete_many()
            .filter(pending::Column::RepositoryId.eq(self.repository.id))
            .filter(pending::Column::ContentId.is_in(self.units.iter().copied()))
            .exec(&*tx)
            .await?;
        let mut version = NewVersion::open(&tx, self.repository.id).await?;
        match self.recursive {
            true => closure::remove(&mut version, &self.units).await?,
            false => version.remove(&self.units).await?,
        }
        let made = version.complete().await?;
        versions::finish(&cx, tx, made).await
    }
}

register!(TaskKind::of::<Remove>());
