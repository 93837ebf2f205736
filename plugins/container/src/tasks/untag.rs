//! Taking a name away. The manifest stays.

use pulpcore::app::App;
use pulpcore::error::{Error, Result};
use pulpcore::models::repository;
use pulpcore::plugin::{Locks, Ref, Task, TaskCx, TaskKind, register};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect, QueryTrait};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::models::tag;

/// Takes a tag out of a repository.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = container::Untagging)]
pub struct UntagImage {
    /// The repository.
    #[schema(value_type = String, format = "uri")]
    pub repository: Ref<repository::Entity>,
    /// A tag name
    #[schema(min_length = 1, pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    pub tag: String,
}

impl Task for UntagImage {
    const TYPE: &'static str = "container/untaggings";
    const NAME: &'static str = "pulp_container.app.tasks.untag.untag_image";
    const IMMEDIATE: bool = true;

    async fn prepare(&mut self, app: &App) -> Result<()> {
        let (version, name) = super::latest(app, &self.repository).await?;
        let held = tag::Entity::find()
            .filter(tag::Column::Name.eq(&self.tag))
            .filter(tag::Column::ContentPtrId.in_subquery(version.content_ids()));
        match held.count(app.db.read()).await? {
            0 => {
                let message =
                    format!("The tag '{}' does not exist in the latest repository version '{name}'", self.tag);
                Err(Error::invalid_together(message))
            }
            _ => Ok(()),
        }
    }

    fn locks(&self) -> Locks {
        Locks::default().exclusive(&self.repository)
    }

    async fn run(self, cx: TaskCx) -> Result<()> {
        let named = tag::Entity::find()
            .select_only()
            .column(tag::Column::ContentPtrId)
            .filter(tag::Column::Name.eq(self.tag))
            .into_query();
        super::remove_selected(&cx, &self.repository, named).await
    }
}

register!(TaskKind::of::<UntagImage>());
