//! Making a repository like any other of one that a push made long ago.

use pulpcore::app::App;
use pulpcore::error::{Error, Result};
use pulpcore::models::repository;
use pulpcore::plugin::{Detail, Locks, Ref, Task, TaskCx, TaskKind, register};
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::models::{ContainerPushRepository, ContainerRepository, repository as container_repository};

/// Converts a repository in place: its key, versions and distributions stay as they are.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = container::PushRepositoryMigration)]
pub struct MigratePushRepository {
    /// The repository.
    #[schema(value_type = String, format = "uri")]
    pub repository: Ref<ContainerPushRepository>,
}

impl Task for MigratePushRepository {
    const TYPE: &'static str = "container/push-repository-migrations";
    const NAME: &'static str = "pulp_container.app.tasks.migrate_push_repository.migrate_push_repository";
    const ENDPOINT: bool = false;
    const IMMEDIATE: bool = true;

    async fn prepare(&mut self, app: &App) -> Result<()> {
        super::must_exist(app, "repository", &Ref::of(ContainerPushRepository::TYPE, self.repository.id)?)
            .await
            .map(drop)
    }

    fn locks(&self) -> Locks {
        Locks::default().exclusive(&self.repository)
    }

    async fn run(self, cx: TaskCx) -> Result<()> {
        let id = self.repository.id;
        let tx = cx.db().write().await?;
        let changed = repository::Entity::update_many()
            .col_expr(repository::Column::PulpType, Expr::value(ContainerRepository::TYPE))
            .filter(repository::Column::PulpId.eq(id))
            .filter(repository::Column::PulpType.eq(ContainerPushRepository::TYPE))
            .exec(&*tx)
            .await?;
        if changed.rows_affected != 1 {
            return Err(Error::NotFound("The repository is gone, or is one like any other.".to_owned()));
        }
        ContainerPushRepository::delete_by_id(id).exec(&*tx).await?;
        container_repository::ActiveModel { repository_ptr_id: Set(id) }.insert(&*tx).await?;
        cx.created_in(&tx, &Ref::<ContainerRepository>::new(id)).await?;
        tx.commit().await
    }
}

register!(TaskKind::of::<MigratePushRepository>());
