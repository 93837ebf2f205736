//! Publishing: a version, with metadata for clients.

use pulpcore::app::App;
use pulpcore::error::{Error, Result};
use pulpcore::models::{publication, repository_version};
use pulpcore::plugin::{Locks, Publisher, Ref, Task, TaskCx, TaskKind, VersionRef, register};
use pulpcore::publish::settle_version;
use sea_orm::EntityTrait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::models::{RpmPublication, RpmRepository, publication as published, repository};
use crate::serializers::{ChecksumType, CompressionType, Layout};

/// Makes a publication of a repository version. What is not said is as the repository says.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = rpm::Publish)]
pub struct Publish {
    /// The version.
    #[serde(default)]
    #[schema(nullable = false)]
    pub repository_version: Option<VersionRef>,
    /// The repository whose latest version is meant, where none is named.
    #[serde(default)]
    #[schema(value_type = String, format = "uri", required = false)]
    pub repository: Option<Ref<RpmRepository>>,
    /// The digests that metadata is made with.
    #[serde(default)]
    #[schema(nullable = false, required = false)]
    pub checksum_type: Option<ChecksumType>,
    /// How metadata is compressed.
    #[serde(default)]
    #[schema(nullable = false, required = false)]
    pub compression_type: Option<CompressionType>,
    /// Where packages stand.
    #[serde(default)]
    pub layout: Option<Layout>,
    /// What stands in `config.repo` besides.
    #[serde(default)]
    #[schema(required = false, value_type = pulpcore::api::schema::markers::Anything)]
    pub repo_config: Option<Value>,
    /// Whether it is kept as a point in time.
    #[serde(default)]
    #[schema(default = false)]
    pub checkpoint: bool,
}

/// How a version is published.
#[derive(Clone, Debug)]
pub struct How {
    /// The digests that metadata is made with.
    pub checksum_type: ChecksumType,
    /// How metadata is compressed; gzip if nobody said.
    pub compression_type: Option<CompressionType>,
    /// Where packages stand.
    pub layout: Layout,
    /// What stands in `config.repo` besides.
    pub repo_config: Value,
    /// Who signs the metadata, if anybody does.
    pub signing_service: Option<Uuid>,
}

impl How {
    /// As a repository says.
    pub fn of(row: &repository::Model) -> Self {
        Self {
            checksum_type: row.checksum_type.as_deref().and_then(ChecksumType::parse).unwrap_or(ChecksumType::Sha256),
            compression_type: row.compression_type.as_deref().and_then(CompressionType::parse),
            layout: row.layout.as_deref().and_then(Layout::parse).unwrap_or(Layout::NestedAlphabetically),
            repo_config: row.repo_config.clone(),
            signing_service: row.metadata_signing_service_id,
        }
    }
}

impl Task for Publish {
    const TYPE: &'static str = "rpm/publications";
    const NAME: &'static str = "pulp_rpm.app.tasks.publishing.publish";

    async fn prepare(&mut self, app: &App) -> Result<()> {
        settle_version(app, &mut self.repository, &mut self.repository_version, self.checkpoint).await
    }

    fn locks(&self) -> Locks {
        self.repository.iter().fold(Locks::default(), Locks::shared)
    }

    async fn run(self, cx: TaskCx) -> Result<()> {
        let version = self.repository_version.ok_or_else(|| Error::internal("a prepared task has its version"))?;
        let version = version.find(cx.db().read(), "repository_version").await?;
        let row = RpmRepository::find_by_id(version.repository_id).one(cx.db().read()).await?;
        let own = How::of(&row.unwrap_or_default());
        let how = How {
            checksum_type: self.checksum_type.unwrap_or(own.checksum_type),
            compression_type: self.compression_type.or(own.compression_type),
            layout: self.layout.unwrap_or(own.layout),
            repo_config: self.repo_config.unwrap_or(own.repo_config),
            signing_service: own.signing_service,
        };
        publish(&cx, version, how, self.checkpoint).await?;
        Ok(())
    }
}

register!(TaskKind::of::<Publish>());

/// Publishes a version.
///
/// # Errors
/// If the database or the storage fails.
pub async fn publish(
    cx: &TaskCx,
    version: repository_version::Model,
    how: How,
    checkpoint: bool,
) -> Result<publication::Model> {
    let mut publisher = Publisher::new(cx, version).checkpoint(checkpoint);
    crate::publish::fill(cx, &mut publisher, &how).await?;
    let row = published::Model {
        checksum_type: how.checksum_type.to_string(),
        compression_type: how.compression_type.map(|kind| kind.to_string()),
        layout: Some(how.layout.to_string()),
        repo_config: how.repo_config,
        ..published::Model::default()
    };
    publisher.complete::<RpmPublication>(row).await
}
