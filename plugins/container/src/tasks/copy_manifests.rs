//! Copying manifests from one repository to another, with everything that they refer to. Tags stay behind.

use pulpcore::app::App;
use pulpcore::error::Result;
use pulpcore::models::repository;
use pulpcore::plugin::{Locks, Ref, Task, TaskCx, TaskKind, VersionRef, register};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::source;
use crate::models::manifest;
use crate::serializers::MediaType;

/// Adds manifests of another repository, and whatever they refer to.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = container::ManifestCopying)]
pub struct CopyManifests {
    /// The repository that gets them.
    #[schema(value_type = String, format = "uri")]
    pub repository: Ref<repository::Entity>,
    /// A URI of the repository to copy content from.
    #[serde(default)]
    #[schema(value_type = String, format = "uri", required = false)]
    pub source_repository: Option<Ref<repository::Entity>>,
    /// A URI of the repository version to copy content from.
    #[serde(default)]
    #[schema(nullable = false)]
    pub source_repository_version: Option<VersionRef>,
    /// A list of manifest digests to copy.
    #[serde(default)]
    #[schema(nullable = false)]
    pub digests: Option<Vec<String>>,
    /// A list of media_types to copy.
    #[serde(default)]
    #[schema(nullable = false)]
    pub media_types: Option<Vec<MediaType>>,
}

impl Task for CopyManifests {
    const TYPE: &'static str = "container/manifest-copies";
    const NAME: &'static str = "pulp_container.app.tasks.recursive_add.copy_manifests";

    async fn prepare(&mut self, app: &App) -> Result<()> {
        super::must_exist(app, "repository", &self.repository).await?;
        source::resolve(app, &mut self.source_repository, &mut self.source_repository_version).await
    }

    fn locks(&self) -> Locks {
        let locks = Locks::default().exclusive(&self.repository);
        self.source_repository.iter().fold(locks, Locks::shared)
    }

    async fn run(self, cx: TaskCx) -> Result<()> {
        let source = source::version(&cx, self.source_repository_version).await?;
        let mut held = manifest::Entity::find()
            .select_only()
            .column(manifest::Column::ContentPtrId)
            .filter(manifest::Column::ContentPtrId.in_subquery(source.content_ids()));
        if let Some(media_types) = self.media_types {
            held = held.filter(manifest::Column::MediaType.is_in(media_types.into_iter().map(MediaType::as_str)));
        }
        source::copy(&cx, &self.repository, held, (manifest::Column::Digest, self.digests)).await
    }
}

register!(TaskKind::of::<CopyManifests>());
