//! A signature that was sent for a manifest.

use pulpcore::error::Result;
use pulpcore::models::repository;
use pulpcore::plugin::{Locks, NewVersion, Ref, Task, TaskCx, TaskKind, register};
use pulpcore::versions;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Adds a signature: one version.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = container::Sign)]
pub struct Sign {
    /// The repository.
    #[schema(value_type = String, format = "uri")]
    pub repository: Ref<repository::Entity>,
    /// The key of the signature.
    pub signature: Uuid,
}

impl Task for Sign {
    const TYPE: &'static str = "container/signatures-by-clients";
    const NAME: &'static str = "pulp_container.app.tasks.add_signature";
    const ENDPOINT: bool = false;
    const IMMEDIATE: bool = true;

    fn locks(&self) -> Locks {
        Locks::default().exclusive(&self.repository)
    }

    async fn run(self, cx: TaskCx) -> Result<()> {
        let tx = cx.db().write().await?;
        let mut version = NewVersion::open(&tx, self.repository.id).await?;
        version.add(&[self.signature]).await?;
        let made = version.complete().await?;
        versions::finish(&cx, tx, made).await
    }
}

register!(TaskKind::of::<Sign>());
