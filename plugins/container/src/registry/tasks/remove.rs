//! A tag, a manifest or a blob that is deleted.

use pulpcore::error::Result;
use pulpcore::models::repository;
use pulpcore::plugin::{Locks, NewVersion, Ref, Task, TaskCx, TaskKind, register};
use pulpcore::versions;
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::ColumnTrait;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::closure::same;
use crate::models::{blob, blob_manifest, pending_content as pending};

/// Removes units, and the blobs that only they needed: one version.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = container::Remove)]
pub struct Remove {
    /// The repository.
    #[schema(value_type = String, format = "uri")]
    pub repository: Ref<repository::Entity>,
    /// The keys of the units.
    pub units: Vec<Uuid>,
}

impl Task for Remove {
    const TYPE: &'static str = "container/removals";
    const NAME: &'static str = "pulp_container.app.tasks.remove_from_registry";
    const ENDPOINT: bool = false;
    const IMMEDIATE: bool = true;

    fn locks(&self) -> Locks {
        Locks::default().exclusive(&self.repository)
    }

    async fn run(self, cx: TaskCx) -> Result<()> {
        use sea_orm::{EntityTrait, QueryFilter};
        let tx = cx.db().write().await?;
        pending::Entity::delete_many()
            .filter(pending::Column::RepositoryId.eq(self.repository.id))
            .filter(pending::Column::ContentId.is_in(self.units.iter().copied()))
            .exec(&*tx)
            .await?;
        let mut version = NewVersion::open(&tx, self.repository.id).await?;
        version.remove(&self.units).await?;
        version.remove_selected(no_longer_needed(&version, &self.units)).await?;
        let made = version.complete().await?;
        versions::commit(&cx, tx, made.as_ref()).await?;
        match &made {
            Some(version) => versions::created(&cx, version).await,
            None => Ok(()),
        }
    }
}

register!(TaskKind::of::<Remove>());

/// The blobs that these manifests name, and that no manifest names which is still there.
fn no_longer_needed(version: &NewVersion<'_>, manifests: &[Uuid]) -> sea_orm::sea_query::SelectStatement {
    let still = sea_orm::sea_query::Alias::new("still");
    let needed = Query::select()
        .expr(Expr::val(1))
        .from_as(blob_manifest::Entity, still.clone())
        .and_where(
            Expr::col((still.clone(), blob_manifest::Column::Digest)).equals((blob::Entity, blob::Column::Digest)),
        )
        .and_where(Expr::col((still, blob_manifest::Column::ManifestId)).in_subquery(version.content_ids()))
        .take();
    Query::select()
        .column((blob::Entity, blob::Column::ContentPtrId))
        .from(blob_manifest::Entity)
        .inner_join(
            blob::Entity,
            same((blob::Entity, blob::Column::Digest), (blob_manifest::Entity, blob_manifest::Column::Digest)),
        )
        .and_where(blob_manifest::Column::ManifestId.is_in(manifests.iter().copied()))
        .and_where(Expr::exists(needed).not())
        .take()
}
