//! Sync: what a remote's manifest names becomes a version.

use async_stream::try_stream;
use futures::TryStreamExt;
use pulpcore::api::bodies::yes;
use pulpcore::app::App;
use pulpcore::error::{Error, Result, Upstream};
use pulpcore::models::{content_artifact, remote, repository_version};
use pulpcore::plugin::{Locks, Ref, Task, TaskCx, TaskKind, register};
use pulpcore::storage::{Algorithm, Digests, Expected, ReceiveError, Received};
use pulpcore::sync::download::{Download, HeaderMap, Request, fetch};
use pulpcore::sync::{self, Declared, DeclaredArtifact, Session};
use pulpcore::versions;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::publish;
use crate::manifest::{Entry, LONGEST_LINE, url_of};
use crate::models::content;
use crate::models::repository::{self, SyncDetails};
use crate::models::{FileContent, FileRemote, FileRepository};
use crate::serializers::MANIFEST;

/// Makes a repository hold what a remote's manifest names.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = file::Sync)]
pub struct Synchronize {
    /// The repository.
    #[schema(value_type = String, format = "uri")]
    pub repository: Ref<FileRepository>,
    /// The remote to sync from, instead of the repository's own.
    #[serde(default)]
    #[schema(value_type = String, format = "uri", required = false)]
    pub remote: Option<Ref<FileRemote>>,
    /// Whether files that the manifest does not name are removed.
    #[serde(default)]
    #[schema(default = false)]
    pub mirror: bool,
    /// Whether nothing is done if nothing changed since the last sync.
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub optimize: bool,
}

/// No manifest is longer, in bytes: some fifty million files.
const LONGEST_MANIFEST: u64 = 8 << 30;

impl Task for Synchronize {
    const TYPE: &'static str = "file/syncs";
    const NAME: &'static str = "pulp_file.app.tasks.synchronizing.synchronize";

    async fn prepare(&mut self, app: &App) -> Result<()> {
        let repository = self.repository.find(app.db.read(), "repository").await?;
        sync::settle_remote(app, &repository, &mut self.remote).await
    }

    fn locks(&self) -> Locks {
        let locks = Locks::default().exclusive(&self.repository);
        self.remote.iter().fold(locks, Locks::shared)
    }

    async fn run(self, cx: TaskCx) -> Result<()> {
        let remote = self.remote.as_ref().ok_or_else(|| Error::internal("a prepared task has its remote"))?;
        let remote = remote.find(cx.db().read(), "remote").await?;
        let session = Session::open(&cx, self.repository.id, &remote)?;
        let manifest = download(&cx, &session, &remote).await?;

        let last = self.last(&cx).await?;
        let latest = versions::latest(cx.db().read(), self.repository.id).await?;
        let mut details = SyncDetails {
            remote_pk: remote.pulp_id,
            url: remote.url.clone(),
            download_policy: remote.policy.clone(),
            mirror: self.mirror,
            most_recent_version: latest.number,
            manifest_checksum: manifest.sha256().to_owned(),
        };
        if self.optimize && last.is_some_and(|last| covers(&last, &details)) && is_whole(&cx, &remote, &latest).await? {
            return cx.progress("Skipping Sync (no change from previous sync)", "sync.was_skipped").done(1).await;
        }

        declare(&cx, &session, &remote, &manifest).await?;
        let version = session.commit(self.mirror).await?;
        if let Some(version) = &version {
            details.most_recent_version = version.number;
        }
        self.remember(&cx, details).await?;
        match version {
            Some(version) if self.mirror => mirror(&cx, version, &remote, manifest).await,
            _ => Ok(()),
        }
    }
}

register!(TaskKind::of::<Synchronize>());

impl Synchronize {
    /// What the last sync of the repository saw and made.
    async fn last(&self, cx: &TaskCx) -> Result<Option<SyncDetails>> {
        let row = FileRepository::find_by_id(self.repository.id).one(cx.db().read()).await?;
        Ok(row.and_then(|row| row.last_sync_details))
    }

    /// Writes down what this one saw and made.
    async fn remember(&self, cx: &TaskCx, details: SyncDetails) -> Result<()> {
        let tx = cx.db().write().await?;
        FileRepository::update_many()
            .col_expr(repository::Column::LastSyncDetails, Expr::value(sea_orm::Value::from(details)))
            .filter(repository::Column::RepositoryPtrId.eq(self.repository.id))
            .exec(&*tx)
            .await?;
        tx.commit().await
    }
}

/// Fetches the manifest, whose URL is the remote's.
async fn download(cx: &TaskCx, session: &Session, remote: &remote::Model) -> Result<Received> {
    let progress = cx.progress("Downloading Metadata", "sync.downloading.metadata");
    let (url, expected) = (remote.url.as_str(), &Expected { max_size: Some(LONGEST_MANIFEST), ..Expected::default() });
    let received = fetch(session.downloader(), Request::get(url), |download| async move {
        cx.storage().receive(download.body, expected).await.map_err(|error| match error {
            ReceiveError::Failed(Error::TooLarge(what)) => Error::upstream(url, Upstream::Content(what)),
            other => other.upstream(url),
        })
    })
    .await?;
    progress.done(1).await?;
    Ok(received)
}

/// Whether a sync that would see and make `now` has nothing to do after one that saw and made `last`.
fn covers(last: &SyncDetails, now: &SyncDetails) -> bool {
    let bytes = last.download_policy == "immediate" || now.download_policy != "immediate";
    let removed = last.mirror || !now.mirror;
    let rest = SyncDetails { download_policy: last.download_policy.clone(), mirror: last.mirror, ..now.clone() };
    bytes && removed && rest == *last
}

/// Whether every file of the version is here, if the remote's policy says that it should be.
async fn is_whole(cx: &TaskCx, remote: &remote::Model, version: &repository_version::Model) -> Result<bool> {
    if remote.policy != "immediate" {
        return Ok(true);
    }
    let missing = content_artifact::Entity::find()
        .filter(content_artifact::Column::ContentId.in_subquery(version.content_ids()))
        .filter(content_artifact::Column::ArtifactId.is_null());
    Ok(missing.one(cx.db().read()).await?.is_none())
}

/// Declares what the manifest names.
async fn declare(cx: &TaskCx, session: &Session, remote: &remote::Model, manifest: &Received) -> Result<()> {
    let progress = cx.progress("Parsing Metadata Lines", "sync.parsing.metadata");
    let body = Download::new(&Request::get(&remote.url), HeaderMap::new(), manifest.read().await?.body);
    let entries = try_stream! {
        let mut lines = body.lines(LONGEST_LINE);
        let (mut number, mut count) = (0, 0);
        while let Some(line) = lines.try_next().await? {
            number += 1;
            let entry = Entry::parse(&line, number)
                .map_err(|bad| Error::upstream(&remote.url, Upstream::Content(bad.to_string())))?;
            if let Some(entry) = entry {
                count += 1;
                progress.increment(1).await?;
                yield declared(remote, entry)?;
            }
        }
        progress.set_total(count);
        progress.finish().await?;
    };
    session.save::<FileContent>(entries).await
}

fn declared(remote: &remote::Model, entry: Entry) -> Result<Declared<content::Model>> {
    let url = url_of(&remote.url, &entry.relative_path)?;
    let digests = Digests::default().with(Algorithm::Sha256, &entry.sha256)?;
    let artifact = DeclaredArtifact {
        relative_path: entry.relative_path.clone(),
        url,
        expected: Expected { size: Some(entry.size), digests, max_size: None },
        deferred: remote.policy != "immediate",
    };
    let unit = content::Model { relative_path: entry.relative_path, digest: entry.sha256, ..content::Model::default() };
    Ok(Declared { unit, artifacts: vec![artifact] })
}

/// Publishes what was mirrored, with the remote's own manifest. The task still returns the version, as in Pulp.
async fn mirror(
    cx: &TaskCx,
    version: repository_version::Model,
    remote: &remote::Model,
    manifest: Received,
) -> Result<()> {
    let path = remote.url.split(['?', '#']).next().unwrap_or_default();
    let name = path.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or(MANIFEST);
    let body = manifest.read().await?.body;
    publish::publish_with(cx, version.clone(), Some(name.to_owned()), false, body).await?;
    versions::returns(cx, &version).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_sync_could_change_makes_it_run_again() {
        let last = SyncDetails {
            remote_pk: uuid::Uuid::nil(),
            url: "http://example.test/M".into(),
            download_policy: "on_demand".into(),
            mirror: false,
            most_recent_version: 3,
            manifest_checksum: "aa".into(),
        };
        let now = |change: fn(&mut SyncDetails)| {
            let mut now = last.clone();
            change(&mut now);
            covers(&last, &now)
        };
        assert!(now(|_| ()));
        assert!(now(|now| now.download_policy = "streamed".into()));
        assert!(!now(|now| now.download_policy = "immediate".into()));
        assert!(!now(|now| now.mirror = true));
        assert!(!now(|now| now.url.push('x')));
        assert!(!now(|now| now.most_recent_version = 4));
        assert!(!now(|now| now.manifest_checksum.push('x')));
        let mirrored = SyncDetails { mirror: true, download_policy: "immediate".into(), ..last.clone() };
        assert!(covers(&mirrored, &last));
    }
}
