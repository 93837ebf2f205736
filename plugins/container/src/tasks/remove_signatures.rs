//! Removing the signatures that one key made.

use pulpcore::app::App;
use pulpcore::error::{Error, Result};
use pulpcore::models::repository;
use pulpcore::plugin::{Locks, Ref, Task, TaskCx, TaskKind, register};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect, QueryTrait};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::models::manifest_signature as signature;

/// Removes all signatures that a key made from a repository.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = container::SignatureRemoval)]
pub struct RemoveSignatures {
    /// The repository.
    #[schema(value_type = String, format = "uri")]
    pub repository: Ref<repository::Entity>,
    /// key_id the signatures were produced with
    #[schema(min_length = 1)]
    pub signed_with_key_id: String,
}

impl Task for RemoveSignatures {
    const TYPE: &'static str = "container/signature-removals";
    const NAME: &'static str = "pulp_container.app.tasks.recursive_remove.remove_signatures";
    const IMMEDIATE: bool = true;

    async fn prepare(&mut self, app: &App) -> Result<()> {
        let (version, name) = super::latest(app, &self.repository).await?;
        let held = signature::Entity::find()
            .filter(signature::Column::KeyId.eq(&self.signed_with_key_id))
            .filter(signature::Column::ContentPtrId.in_subquery(version.content_ids()));
        match held.count(app.db.read()).await? {
            0 => {
                let key = &self.signed_with_key_id;
                let message =
                    format!("There are no signatures of the key '{key}' in the latest repository version '{name}'");
                Err(Error::invalid("signed_with_key_id", message))
            }
            _ => Ok(()),
        }
    }

    fn locks(&self) -> Locks {
        Locks::default().exclusive(&self.repository)
    }

    async fn run(self, cx: TaskCx) -> Result<()> {
        let made = signature::Entity::find()
            .select_only()
            .column(signature::Column::ContentPtrId)
            .filter(signature::Column::KeyId.eq(self.signed_with_key_id))
            .into_query();
        super::remove_selected(&cx, &self.repository, made).await
    }
}

register!(TaskKind::of::<RemoveSignatures>());
