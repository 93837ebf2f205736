//! One image of another registry, when somebody asks for it: pull-through.

use pulpcore::error::{Error, Result};
use pulpcore::models::{remote, repository};
use pulpcore::plugin::{Locks, Ref, Task, TaskCx, TaskKind, register};
use pulpcore::sync::Session;
use sea_orm::EntityTrait;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::images::Images;
use crate::models::ContainerRemote;
use crate::upstream::Upstream;

/// Adds what a tag or a digest of a remote stands for, with its referrers and its detached signatures. What did not change
/// is not downloaded again; layers stay where they are until somebody pulls them.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = container::Fetch)]
pub struct Fetch {
    /// The repository.
    #[schema(value_type = String, format = "uri")]
    pub repository: Ref<repository::Entity>,
    /// The remote.
    #[schema(value_type = String, format = "uri")]
    pub remote: Ref<ContainerRemote>,
    /// The tag or the digest.
    pub reference: String,
}

impl Task for Fetch {
    const TYPE: &'static str = "container/fetches";
    const NAME: &'static str = "pulp_container.app.tasks.download_image_data.download_image_data";
    const ENDPOINT: bool = false;

    fn locks(&self) -> Locks {
        Locks::default().exclusive(&self.repository).shared(&self.remote)
    }

    async fn run(self, cx: TaskCx) -> Result<()> {
        let remote = remote::Entity::find_by_id(self.remote.id).one(cx.db().read()).await?;
        let row = ContainerRemote::find_by_id(self.remote.id).one(cx.db().read()).await?;
        let (remote, row) = remote.zip(row).ok_or_else(|| Error::missing("remote"))?;
        let session = Session::open(&cx, self.repository.id, &remote)?;
        let upstream = Upstream::new(session.downloader(), &remote, &row.upstream_name)?;
        let mut images = Images::new(&cx, &session, &upstream, true);
        images.pulled();
        match upstream.source_of_signatures(row.sigstore.as_deref()).await {
            Ok(source) => images.with_signatures(source),
            Err(error) => tracing::warn!(%error, "Signatures are left out."),
        }
        let reference = self.reference;
        if images.take(std::slice::from_ref(&reference)).await? == 0 {
            return Err(Error::NotFound(format!("The other registry has no '{reference}'.")));
        }
        session.commit(false).await?;
        Ok(())
    }
}

register!(TaskKind::of::<Fetch>());
