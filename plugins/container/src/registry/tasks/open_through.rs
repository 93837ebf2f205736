//! A name of another registry that somebody pulls for the first time.

use pulpcore::app::App;
use pulpcore::db::now;
use pulpcore::error::{Error, Result};
use pulpcore::models::{Labels, distribution, remote, repository};
use pulpcore::plugin::{Detail, Locks, Ref, Task, TaskCx, TaskKind, register};
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::open::fields;
use crate::models::{
    ContainerDistribution, ContainerPullThroughDistribution, ContainerPullThroughRemote, ContainerRemote,
    ContainerRepository, distribution as container_distribution, remote as container_remote,
};
use crate::upstream::patterns::wanted;

/// Makes a remote, a repository and a distribution of a name below a pull-through distribution, unless they are there.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = container::OpenThrough)]
pub struct OpenThrough {
    /// The pull-through distribution.
    pub distribution: Uuid,
    /// The name of all three, and the path of the latter.
    pub name: String,
    /// The name in the other registry.
    pub upstream_name: String,
}

impl Task for OpenThrough {
    const TYPE: &'static str = "container/through-openings";
    const NAME: &'static str = "pulp_container.app.tasks.open_through";
    const ENDPOINT: bool = false;
    const IMMEDIATE: bool = true;

    fn locks(&self) -> Locks {
        Locks::default().exclusive("/api/v3/distributions/")
    }

    async fn run(self, cx: TaskCx) -> Result<()> {
        let here = distribution::Entity::find().filter(distribution::Column::PulpDomainId.eq(cx.domain()));
        if here.filter(distribution::Column::BasePath.eq(&self.name)).one(cx.db().read()).await?.is_some() {
            // Somebody else was faster.
            return Ok(());
        }
        let (above, whole) = whole(cx.app(), self.distribution, &self.upstream_name).await?;
        let private = ContainerPullThroughDistribution::find_by_id(self.distribution).one(cx.db().read()).await?;
        let private = private.ok_or_else(gone)?.private;
        let remote = self.remote(&cx, whole).await?.ok_or_else(gone)?;
        let repository = self.repository(&cx, remote).await?;
        let guard = above.content_guard_id;
        let made = json!({
            "name": self.name, "base_path": self.name, "repository": repository.prn(), "private": private,
        });
        let id = cx.make::<ContainerDistribution>(fields(made)).await?;
        let tx = cx.db().write().await?;
        container_distribution::Entity::update_many()
            .col_expr(container_distribution::Column::PullThroughDistributionId, Expr::value(self.distribution))
            .filter(container_distribution::Column::DistributionPtrId.eq(id))
            .exec(&*tx)
            .await?;
        // Whoever guards the whole guards its parts.
        distribution::Entity::update_many()
            .col_expr(distribution::Column::ContentGuardId, Expr::value(guard))
            .filter(distribution::Column::PulpId.eq(id))
            .exec(&*tx)
            .await?;
        tx.commit().await
    }
}

register!(TaskKind::of::<OpenThrough>());

fn gone() -> Error {
    Error::NotFound("The pull-through distribution is gone, or has no remote.".to_owned())
}

/// A pull-through distribution and its remote, if that wants a name.
///
/// # Errors
/// [`Error::NotFound`] if it does not, or if either is gone.
pub(in crate::registry) async fn whole(
    app: &App,
    distribution: Uuid,
    upstream_name: &str,
) -> Result<(distribution::Model, remote::Model)> {
    let db = app.db.read();
    let above = distribution::Entity::find_by_id(distribution).one(db).await?.ok_or_else(gone)?;
    let id = above.remote_id.ok_or_else(gone)?;
    let remote = remote::Entity::find_by_id(id).one(db).await?.ok_or_else(gone)?;
    let patterns = ContainerPullThroughRemote::find_by_id(id).one(db).await?.unwrap_or_default();
    let (includes, excludes) = (patterns.includes.unwrap_or_default().0, patterns.excludes.unwrap_or_default().0);
    match wanted(upstream_name, &includes, &excludes) {
        true => Ok((above, remote)),
        false => Err(Error::NotFound(format!("'{upstream_name}' is not pulled through."))),
    }
}

impl OpenThrough {
    /// The remote of the name: that of the whole with a name of its own.
    async fn remote(&self, cx: &TaskCx, row: remote::Model) -> Result<Option<Uuid>> {
        let same = remote::Entity::find().filter(remote::Column::PulpDomainId.eq(cx.domain()));
        if let Some(found) = same.filter(remote::Column::Name.eq(&self.name)).one(cx.db().read()).await? {
            // Left by one who came no further.
            return Ok((found.pulp_type == ContainerRemote::TYPE).then_some(found.pulp_id));
        }
        let (id, now) = (Uuid::now_v7(), now());
        let copy = remote::Model {
            pulp_id: id,
            pulp_created: now,
            pulp_last_updated: now,
            pulp_type: ContainerRemote::TYPE.to_owned(),
            name: self.name.clone(),
            pulp_labels: Labels::default(),
            policy: "on_demand".to_owned(),
            ..row
        };
        let tx = cx.db().write().await?;
        copy.into_active_model().reset_all().insert(&*tx).await?;
        let detail = container_remote::ActiveModel {
            remote_ptr_id: Set(id),
            upstream_name: Set(self.upstream_name.clone()),
            includes: Set(None),
            excludes: Set(None),
            sigstore: Set(None),
        };
        detail.insert(&*tx).await?;
        tx.commit().await?;
        Ok(Some(id))
    }

    async fn repository(&self, cx: &TaskCx, remote: Uuid) -> Result<Ref<ContainerRepository>> {
        let same = repository::Entity::find().filter(repository::Column::PulpDomainId.eq(cx.domain()));
        let found = same.filter(repository::Column::Name.eq(&self.name)).one(cx.db().read()).await?;
        match found {
            Some(row) if row.pulp_type == ContainerRepository::TYPE && row.remote_id == Some(remote) => {
                Ok(Ref::new(row.pulp_id))
            }
            Some(_) => Err(Error::invalid("name", "Another repository has this name.")),
            None => {
                let remote = Value::from(Ref::<ContainerRemote>::new(remote).prn());
                let made = json!({ "name": self.name, "remote": remote });
                Ok(Ref::new(cx.make::<ContainerRepository>(fields(made)).await?))
            }
        }
    }
}
