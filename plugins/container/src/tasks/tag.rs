//! Tagging: a name for a manifest that the repository holds.

use pulpcore::app::App;
use pulpcore::error::{Error, Result};
use pulpcore::models::{repository, repository_version};
use pulpcore::plugin::{Locks, NewVersion, Ref, Task, TaskCx, TaskKind, register};
use pulpcore::versions::{self, find_or_make};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::models::{Tag, manifest, tag};

/// Names a manifest; whatever had the name gives it up.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = container::Tagging)]
pub struct TagImage {
    /// The repository.
    #[schema(value_type = String, format = "uri")]
    pub repository: Ref<repository::Entity>,
    /// A tag name
    #[schema(min_length = 1, pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    pub tag: String,
    /// sha256 of the Manifest file
    #[schema(min_length = 1)]
    pub digest: String,
}

impl Task for TagImage {
    const TYPE: &'static str = "container/taggings";
    const NAME: &'static str = "pulp_container.app.tasks.tag.tag_image";
    const IMMEDIATE: bool = true;

    async fn prepare(&mut self, app: &App) -> Result<()> {
        let (version, name) = super::latest(app, &self.repository).await?;
        must_hold(app.db.read(), &version, &name, &self.digest).await
    }

    fn locks(&self) -> Locks {
        Locks::default().exclusive(&self.repository)
    }

    async fn run(self, cx: TaskCx) -> Result<()> {
        let (latest, name) = super::latest(cx.app(), &self.repository).await?;
        must_hold(cx.db().read(), &latest, &name, &self.digest).await?;
        let tx = cx.db().write().await?;
        let row = tag::Model { name: self.tag, tagged_digest: self.digest, ..tag::Model::default() };
        let (unit, new) = find_or_make::<Tag>(&tx, cx.domain(), row).await?;
        let mut version = NewVersion::open(&tx, self.repository.id).await?;
        version.add(&[unit]).await?;
        let made = version.complete().await?;
        if new {
            cx.created_in(&tx, &Ref::<Tag>::new(unit)).await?;
        }
        versions::finish(&cx, tx, made).await
    }
}

register!(TaskKind::of::<TagImage>());

/// Refuses the digest of a manifest that a version does not hold.
pub(super) async fn must_hold(
    db: &impl ConnectionTrait,
    version: &repository_version::Model,
    name: &str,
    digest: &str,
) -> Result<()> {
    let held = manifest::Entity::find()
        .filter(manifest::Column::Digest.eq(digest))
        .filter(manifest::Column::ContentPtrId.in_subquery(version.content_ids()));
    match held.count(db).await? {
        0 => {
            let message = format!(
                "A manifest with the digest '{digest}' does not exist in the latest repository version '{name}'"
            );
            Err(Error::invalid_together(message))
        }
        _ => Ok(()),
    }
}
