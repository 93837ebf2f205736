//! Sync: what a remote's metadata describes becomes a version.

use pulpcore::api::bodies::yes;
use pulpcore::app::App;
use pulpcore::error::{Error, Result};
use pulpcore::models::remote;
use pulpcore::plugin::{Locks, Ref, Task, TaskCx, TaskKind, register};
use pulpcore::sync::{self, Session};
use pulpcore::versions;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::models::repository::{self, SyncDetails};
use crate::models::{RpmRemote, RpmRepository};
use crate::serializers::actions::{SkipType, SyncPolicy};
use crate::settings::RpmSettings;
use crate::sync::metadata::Metadata;
use crate::sync::place::Place;
use crate::sync::signature::proven;
use crate::sync::taking::Take;
use crate::sync::{may_be_a_change, mirror};

/// Makes a repository hold what a remote's metadata describes.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = rpm::Sync)]
pub struct Synchronize {
    /// The repository.
    #[schema(value_type = String, format = "uri")]
    pub repository: Ref<RpmRepository>,
    /// The remote to sync from, instead of the repository's own.
    #[serde(default)]
    #[schema(value_type = String, format = "uri", required = false)]
    pub remote: Option<Ref<RpmRemote>>,
    /// How the repository follows the remote.
    #[serde(default)]
    #[schema(required = false)]
    pub sync_policy: SyncPolicy,
    /// What is left out.
    #[serde(default)]
    #[schema(required = false)]
    pub skip_types: Vec<SkipType>,
    /// Whether nothing is done if nothing changed since the last sync.
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub optimize: bool,
}

/// How often a repository may change while it is read.
const ATTEMPTS: usize = 3;

impl Task for Synchronize {
    const TYPE: &'static str = "rpm/syncs";
    const NAME: &'static str = "pulp_rpm.app.tasks.synchronizing.synchronize";

    async fn prepare(&mut self, app: &App) -> Result<()> {
        let repository = self.repository.find(app.db.read(), "repository").await?;
        sync::settle_remote(app, &repository, &mut self.remote).await?;
        let row = RpmRepository::find_by_id(self.repository.id).one(app.db.read()).await?.unwrap_or_default();
        let refuse = |setting: &str, policies: &str| {
            let message = format!("Cannot use '{setting}' in combination with a {policies} sync policy.");
            Err(Error::invalid_bare(message))
        };
        if self.sync_policy.mirrors() && row.retain_package_versions > 0 {
            return refuse("retain_package_versions", "'mirror_complete' or 'mirror_content_only'");
        }
        if self.sync_policy == SyncPolicy::MirrorComplete && row.autopublish {
            return refuse("autopublish", "'mirror_complete'");
        }
        if self.sync_policy == SyncPolicy::MirrorComplete && !self.skip_types.is_empty() {
            return refuse("skip_types", "'mirror_complete'");
        }
        Ok(())
    }

    fn locks(&self) -> Locks {
        let locks = Locks::default().exclusive(&self.repository);
        self.remote.iter().fold(locks, Locks::shared)
    }

    async fn run(self, cx: TaskCx) -> Result<()> {
        let named = self.remote.as_ref().ok_or_else(|| Error::internal("a prepared task has its remote"))?;
        let remote = named.find(cx.db().read(), "remote").await?;
        let own = RpmRemote::find_by_id(named.id).one(cx.db().read()).await?;
        let own = own.ok_or_else(|| Error::internal("a remote of this kind has its row"))?;
        let repository = RpmRepository::find_by_id(self.repository.id).one(cx.db().read()).await?.unwrap_or_default();
        let session = Session::open(&cx, self.repository.id, &remote)?;
        let token = own.sles_auth_token.as_deref();
        let (place, repomd) = Place::find(session.downloader(), &remote.url, token).await?;
        let proven = |repomd| proven(session.downloader(), &place, &own, repomd);
        let mut metadata = Metadata::open(&place, proven(repomd).await?)?;

        let mut details = self.details(&cx, &remote, &repository).await?;
        details.revision = metadata.repomd.revision.clone();
        details.repomd_checksum = metadata.checksum();
        let last = repository.last_sync_details.clone();
        if self.optimize && last.is_some_and(|last| covers(&last, &details)) {
            return cx.progress("Skipping Sync (no change from previous sync)", "sync.was_skipped").done(1).await;
        }

        let keep_versions = usize::try_from(repository.retain_package_versions).unwrap_or_default();
        let limits = RpmSettings::of(cx.app())?.limits();
        let take =
            Take { task: &self, cx: &cx, session: &session, remote: &remote, place: &place, keep_versions, limits };
        let mut attempt = 1;
        let taken = loop {
            let error = match take.all(&mut metadata).await {
                Ok(taken) => break taken,
                Err(error) if may_be_a_change(&error) && attempt < ATTEMPTS => error,
                Err(error) => return Err(error),
            };
            // It is one if `repomd.xml` is another one now.
            let now = place.repomd(session.downloader()).await?;
            if now == metadata.bytes {
                return Err(error);
            }
            tracing::info!(error = error.log(), attempt, "The repository was changed while it was synced.");
            session.forget().await?;
            metadata = Metadata::open(&place, proven(now).await?)?;
            attempt += 1;
        };
        details.revision = metadata.repomd.revision.clone();
        details.repomd_checksum = metadata.checksum();

        let extras = match self.sync_policy {
            SyncPolicy::MirrorComplete => mirror::signatures(&session, &place, metadata.signature.clone()).await?,
            _ => Vec::new(),
        };
        let version = session.commit(self.sync_policy.mirrors()).await?;
        if let Some(version) = &version {
            details.most_recent_version = version.number;
        }
        self.remember(&cx, details).await?;
        if self.sync_policy == SyncPolicy::MirrorComplete {
            let version = match version {
                Some(version) => version,
                None => versions::latest(cx.db().read(), self.repository.id).await?,
            };
            return mirror::publish(&cx, version, &repository, metadata, taken, extras).await;
        }
        Ok(())
    }
}

register!(TaskKind::of::<Synchronize>());

impl Synchronize {
    /// What this sync sees, as far as it is known before it begins.
    async fn details(
        &self,
        cx: &TaskCx,
        remote: &remote::Model,
        repository: &repository::Model,
    ) -> Result<SyncDetails> {
        let latest = versions::latest(cx.db().read(), self.repository.id).await?;
        Ok(SyncDetails {
            remote_pk: remote.pulp_id,
            url: remote.url.clone(),
            download_policy: remote.policy.clone(),
            sync_policy: self.sync_policy.as_str().to_owned(),
            skip_types: self.skip_types.iter().map(|kind| format!("{kind:?}").to_lowercase()).collect(),
            most_recent_version: latest.number,
            retain_package_versions: repository.retain_package_versions,
            revision: None,
            repomd_checksum: String::new(),
        })
    }

    /// Writes down what it saw and made.
    async fn remember(&self, cx: &TaskCx, details: SyncDetails) -> Result<()> {
        let tx = cx.db().write().await?;
        RpmRepository::update_many()
            .col_expr(repository::Column::LastSyncDetails, Expr::value(sea_orm::Value::from(details)))
            .filter(repository::Column::RepositoryPtrId.eq(self.repository.id))
            .exec(&*tx)
            .await?;
        tx.commit().await
    }
}

/// Whether a sync that would see and make `now` has nothing to do after one that saw and made `last`.
fn covers(last: &SyncDetails, now: &SyncDetails) -> bool {
    let bytes = last.download_policy == "immediate" || now.download_policy != "immediate";
    let rest = SyncDetails { download_policy: last.download_policy.clone(), ..now.clone() };
    bytes && rest == *last
}
