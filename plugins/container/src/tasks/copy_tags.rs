//! Copying tags from one repository to another, with everything that they refer to.

use pulpcore::app::App;
use pulpcore::error::Result;
use pulpcore::models::repository;
use pulpcore::plugin::{Locks, Ref, Task, TaskCx, TaskKind, VersionRef, register};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::source;
use crate::models::tag;

/// Adds tags of another repository, and whatever they refer to.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = container::TagCopying)]
pub struct CopyTags {
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
    /// A list of tag names to copy.
    #[serde(default)]
    #[schema(nullable = false)]
    pub names: Option<Vec<String>>,
}

impl Task for CopyTags {
    const TYPE: &'static str = "container/tag-copies";
    const NAME: &'static str = "pulp_container.app.tasks.recursive_add.copy_tags";

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
        let held = tag::Entity::find()
            .select_only()
            .column(tag::Column::ContentPtrId)
            .filter(tag::Column::ContentPtrId.in_subquery(source.content_ids()));
        source::copy(&cx, &self.repository, held, (tag::Column::Name, self.names)).await
    }
}

register!(TaskKind::of::<CopyTags>());
