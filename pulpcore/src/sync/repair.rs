//! Repairing a version: files that are gone or damaged are downloaded again from a remote that knows them.

use std::collections::HashMap;
use std::sync::Arc;

use futures::StreamExt;
use sea_orm::{ColumnTrait, EntityTrait, FromQueryResult, QueryFilter};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::download::{Downloader, Request, fetch};
use crate::api::families::remote::downloader;
use crate::db::rows;
use crate::error::{Error, Result};
use crate::models::{artifact, remote, remote_artifact, repository_version};
use crate::plugin::{Locks, Task, TaskCx, TaskKind, register};
use crate::storage::{Algorithm, Digests, Expected, Hasher};
use crate::tasking::Progress;

/// Repairs a repository version.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = core::VersionRepair)]
pub(crate) struct RepairVersion {
    /// The version.
    pub(crate) version: Uuid,
    /// The repository's PRN.
    pub(crate) repository: String,
    /// Whether every file is read and compared with its digest; else only that it is there, whole.
    pub(crate) verify_checksums: bool,
}

/// How many files are looked up at once.
const PAGE: u64 = 500;

#[derive(Debug, FromQueryResult)]
struct File {
    content_artifact_id: Uuid,
    artifact_id: Uuid,
}

impl Task for RepairVersion {
    const TYPE: &'static str = "core/version-repairs";
    const NAME: &'static str = "pulpcore.app.tasks.repository.repair_version";
    const ENDPOINT: bool = false;

    fn locks(&self) -> Locks {
        Locks::default().shared(&self.repository)
    }

    async fn run(self, cx: TaskCx) -> Result<()> {
        let version = repository_version::Entity::find_by_id(self.version).one(cx.db().read()).await?;
        let version = version.ok_or_else(|| crate::api::not_found("RepositoryVersion"))?;
        let missing = cx.progress("Identify missing units", "repair.missing");
        let corrupted = cx.progress("Identify corrupted units", "repair.corrupted");
        let repaired = cx.progress("Repair corrupted units", "repair.repaired");
        let mut repair = Repair { cx: &cx, remotes: HashMap::new(), missing, corrupted, repaired };
        let mut last = Uuid::nil();
        loop {
            let files = files(&cx, &version, last).await?;
            let Some(end) = files.last() else { break };
            last = end.content_artifact_id;
            for file in files {
                repair.check(&file, self.verify_checksums).await?;
            }
        }
        repair.finish().await
    }
}

register!(TaskKind::of::<RepairVersion>());

/// The next files of a version, in the order of their keys.
async fn files(cx: &TaskCx, version: &repository_version::Model, after: Uuid) -> Result<Vec<File>> {
    let sql = format!(
        "SELECT ca.pulp_id AS content_artifact_id, ca.artifact_id AS artifact_id FROM core_contentartifact ca \
         JOIN core_repositorycontent m ON m.content_id = ca.content_id \
         WHERE m.repository_id = $1 AND m.version_added <= $2 AND (m.version_removed IS NULL OR m.version_removed > $2) \
         AND ca.artifact_id IS NOT NULL AND ca.pulp_id > $3 ORDER BY ca.pulp_id LIMIT {PAGE}"
    );
    rows(cx.db().read(), &sql, vec![version.repository_id.into(), version.number.into(), after.into()]).await
}

struct Repair<'a> {
    cx: &'a TaskCx,
    remotes: HashMap<Uuid, Option<Arc<dyn Downloader>>>,
    missing: Progress,
    corrupted: Progress,
    repaired: Progress,
}

impl Repair<'_> {
    async fn check(&mut self, file: &File, verify: bool) -> Result<()> {
        let Some(row) = artifact::Entity::find_by_id(file.artifact_id).one(self.cx.db().read()).await? else {
            return Ok(());
        };
        let size = self.cx.storage().size(&row.file).await?;
        let whole = size == u64::try_from(row.size).ok();
        if whole && (!verify || sha256(self.cx, &row).await? == row.sha256) {
            return Ok(());
        }
        let report = if size.is_none() { &self.missing } else { &self.corrupted };
        report.increment(1).await?;
        tracing::warn!(artifact = %row.pulp_id, "The file of an artifact is missing or damaged.");
        if self.fetch_again(file, &row).await? {
            self.repaired.increment(1).await?;
        }
        Ok(())
    }

    /// Tries every remote that knows the file, until one sends what it should be.
    async fn fetch_again(&mut self, file: &File, row: &artifact::Model) -> Result<bool> {
        let sources = remote_artifact::Entity::find()
            .filter(remote_artifact::Column::ContentArtifactId.eq(file.content_artifact_id))
            .all(self.cx.db().read())
            .await?;
        let digests = Digests::default().with(Algorithm::Sha256, &row.sha256).map_err(Error::internal)?;
        let expected = Expected { size: u64::try_from(row.size).ok(), digests, max_size: None };
        for source in sources {
            let Some(downloader) = self.downloader(source.remote_id).await? else { continue };
            let received =
                fetch(&*downloader, Request::get(&source.url), |download| {
                    let (storage, expected, url) = (self.cx.storage().clone(), expected.clone(), source.url.clone());
                    async move {
                        storage.receive(download.body.boxed(), &expected).await.map_err(|error| error.upstream(url))
                    }
                })
                .await;
            match received {
                Ok(received) => {
                    // The damaged file goes first: what has a name is never overwritten.
                    self.cx.storage().delete(std::slice::from_ref(&row.file)).await?;
                    self.cx.storage().keep_one(received).await?;
                    return Ok(true);
                }
                Err(error) => tracing::warn!(error = error.log(), "A remote could not replace the file."),
            }
        }
        Ok(false)
    }

    async fn downloader(&mut self, id: Uuid) -> Result<Option<Arc<dyn Downloader>>> {
        if let Some(known) = self.remotes.get(&id) {
            return Ok(known.clone());
        }
        let made = match remote::Entity::find_by_id(id).one(self.cx.db().read()).await? {
            Some(row) => Some(downloader(self.cx.app(), &row)?),
            None => None,
        };
        self.remotes.insert(id, made.clone());
        Ok(made)
    }

    async fn finish(self) -> Result<()> {
        self.missing.finish().await?;
        self.corrupted.finish().await?;
        self.repaired.finish().await
    }
}

/// The digest of what is stored.
async fn sha256(cx: &TaskCx, row: &artifact::Model) -> Result<String> {
    let mut reading = cx.storage().read(&row.file, None).await?;
    let mut hasher = Hasher::new(&[Algorithm::Sha256]);
    while let Some(block) = reading.body.next().await {
        hasher.update(&block?);
    }
    Ok(hasher.finish().1.sha256().to_owned())
}
