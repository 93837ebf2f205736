//! Removing an image: a manifest, its tags, and what only it referred to.

use pulpcore::app::App;
use pulpcore::error::Result;
use pulpcore::models::repository;
use pulpcore::plugin::{Locks, NewVersion, Ref, Task, TaskCx, TaskKind, register};
use pulpcore::versions;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::tag::must_hold;
use crate::closure;
use crate::models::{manifest, tag};

/// Removes a manifest by its digest, with all its tags. A manifest that an index of the repository names stays.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = container::ImageRemoval)]
pub struct RemoveImage {
    /// The repository.
    #[schema(value_type = String, format = "uri")]
    pub repository: Ref<repository::Entity>,
    /// sha256 of the Manifest file
    #[schema(min_length = 1)]
    pub digest: String,
}

impl Task for RemoveImage {
    const TYPE: &'static str = "container/image-removals";
    const NAME: &'static str = "pulp_container.app.tasks.recursive_remove.remove_image";
    const IMMEDIATE: bool = true;

    async fn prepare(&mut self, app: &App) -> Result<()> {
        let (version, name) = super::latest(app, &self.repository).await?;
        must_hold(app.db.read(), &version, &name, &self.digest).await
    }

    fn locks(&self) -> Locks {
        Locks::default().exclusive(&self.repository)
    }

    async fn run(self, cx: TaskCx) -> Result<()> {
        let tx = cx.db().write().await?;
        let mut version = NewVersion::open(&tx, self.repository.id).await?;
        let mut units: Vec<Uuid> = tag::Entity::find()
            .select_only()
            .column(tag::Column::ContentPtrId)
            .filter(tag::Column::TaggedDigest.eq(&self.digest))
            .filter(tag::Column::ContentPtrId.in_subquery(version.content_ids()))
            .into_tuple()
            .all(&*tx)
            .await?;
        let manifest: Option<Uuid> = manifest::Entity::find()
            .select_only()
            .column(manifest::Column::ContentPtrId)
            .filter(manifest::Column::Digest.eq(&self.digest))
            .filter(manifest::Column::ContentPtrId.in_subquery(version.content_ids()))
            .into_tuple()
            .one(&*tx)
            .await?;
        units.extend(manifest);
        closure::remove(&mut version, &units).await?;
        let made = version.complete().await?;
        versions::finish(&cx, tx, made).await
    }
}

register!(TaskKind::of::<RemoveImage>());
