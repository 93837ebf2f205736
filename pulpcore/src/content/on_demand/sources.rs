//! Where a content artifact can be had, what was promised about it, and with which downloader.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use time::OffsetDateTime;
use uuid::Uuid;

use super::Writing;
use crate::api::families::remote::downloader;
use crate::app::App;
use crate::db::{now, one_of};
use crate::error::{Result, shown};
use crate::models::{remote, remote_artifact};
use crate::settings::OnDemand;
use crate::storage::{Algorithm, Digests, Expected};
use crate::sync::download::Downloader;

/// No remote artifact is left alone for longer.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How many remotes of one content artifact are tried.
const TRIED: u64 = 16;

/// How many downloaders are kept, and for how long without use. They hold connections.
const DOWNLOADERS: u64 = 256;
const UNUSED: Duration = Duration::from_secs(600);

/// The remotes of content artifacts. Cheap to clone.
#[derive(Clone)]
pub(super) struct Sources {
    app: App,
    /// By remote and its last change, so that a changed remote gets a new one.
    downloaders: Cache<(Uuid, OffsetDateTime), Arc<dyn Downloader>>,
    /// Remote artifacts that were wrong, where that cannot be written down.
    cooling: Cache<Uuid, ()>,
    /// For how long a remote artifact that was wrong is left alone.
    cooldown: Duration,
}

/// One place that offers a file.
#[derive(Clone)]
pub(in crate::content) struct Promised {
    /// The remote artifact; none for a file of which nothing is known but its URL.
    id: Option<Uuid>,
    pub(super) url: String,
    pub(super) expected: Expected,
    pub(super) is_cooling: bool,
    pub(super) remote: Arc<remote::Model>,
}

impl Promised {
    /// A file of which nothing is known; no more than `most` bytes of it are taken.
    pub(in crate::content) fn unknown(url: String, remote: Arc<remote::Model>, most: u64) -> Self {
        let expected = Expected { max_size: Some(most), ..Expected::default() };
        Self { id: None, url, expected, is_cooling: false, remote }
    }
}

impl Sources {
    pub(super) fn new(app: App) -> Self {
        let cooldown = Duration::from_secs(app.settings.remote_content_fetch_failure_cooldown).min(LONGEST);
        Self {
            app,
            downloaders: Cache::builder().max_capacity(DOWNLOADERS).time_to_idle(UNUSED).build(),
            cooling: Cache::builder().max_capacity(100_000).time_to_live(cooldown).build(),
            cooldown,
        }
    }

    /// The places that offer a content artifact.
    pub(super) async fn of(&self, unit: Uuid) -> Result<Vec<Promised>> {
        let db = self.app.db.read();
        let rows = remote_artifact::Entity::find()
            .filter(remote_artifact::Column::ContentArtifactId.eq(unit))
            .order_by_asc(remote_artifact::Column::PulpId)
            .limit(TRIED)
            .all(db)
            .await?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let ids = rows.iter().map(|row| row.remote_id);
        let remotes = remote::Entity::find().filter(one_of(db, remote::Column::PulpId, ids)).all(db).await?;
        let remotes: Vec<_> = remotes.into_iter().map(Arc::new).collect();
        let promised = |row: remote_artifact::Model| {
            let remote = remotes.iter().find(|remote| remote.pulp_id == row.remote_id)?;
            Some(Promised {
                id: Some(row.pulp_id),
                expected: expected(&row),
                is_cooling: self.cooling.contains_key(&row.pulp_id)
                    || row.failed_at.is_some_and(|failed| now() - failed < self.cooldown),
                url: row.url,
                remote: Arc::clone(remote),
            })
        };
        Ok(rows.into_iter().filter_map(promised).collect())
    }

    /// The downloader of a remote, made when it is first needed.
    pub(super) fn downloader(&self, promised: &Promised) -> Result<Arc<dyn Downloader>> {
        let remote = &promised.remote;
        let key = (remote.pulp_id, remote.pulp_last_updated);
        if let Some(found) = self.downloaders.get(&key) {
            return Ok(found);
        }
        let made = downloader(&self.app, remote)?;
        self.downloaders.insert(key, Arc::clone(&made));
        Ok(made)
    }

    /// Leaves a remote artifact alone for a while, in all processes if this one may write.
    pub(super) async fn cool(&self, promised: &Promised, writing: &Writing) {
        let Some(id) = promised.id else { return };
        if self.app.settings.on_demand == OnDemand::Save && writing.is_allowed() {
            match self.write_down(id).await {
                Ok(()) => return,
                Err(error) if writing.was_refused(&error) => {}
                Err(error) => tracing::error!("a wrong remote artifact cannot be marked: {}", error.log()),
            }
        }
        self.cooling.insert(id, ());
    }

    async fn write_down(&self, id: Uuid) -> Result<()> {
        let tx = self.app.db.write().await?;
        remote_artifact::Entity::update_many()
            .col_expr(remote_artifact::Column::FailedAt, Expr::value(now()))
            .filter(remote_artifact::Column::PulpId.eq(id))
            .exec(&*tx)
            .await?;
        tx.commit().await
    }
}

/// What was promised. A digest that is none is left out: nothing could ever match it.
fn expected(row: &remote_artifact::Model) -> Expected {
    let mut digests = Digests::default();
    for (algorithm, digest) in [
        (Algorithm::Md5, &row.md5),
        (Algorithm::Sha1, &row.sha1),
        (Algorithm::Sha224, &row.sha224),
        (Algorithm::Sha256, &row.sha256),
        (Algorithm::Sha384, &row.sha384),
        (Algorithm::Sha512, &row.sha512),
    ] {
        if let Some(digest) = digest
            && let Err(error) = digests.set(algorithm, digest)
        {
            tracing::warn!(url = shown(&row.url), "{error}");
        }
    }
    Expected { size: row.size.and_then(|size| u64::try_from(size).ok()), digests, max_size: None }
}
