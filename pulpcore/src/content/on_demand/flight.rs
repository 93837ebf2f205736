//! One download for all who want it: from the first remote that delivers, through the verification, into the storage.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use tokio::time::Instant;
use tracing::Instrument;
use uuid::Uuid;

use super::flights::{Key, Landing, Told};
use super::{Failure, Promised, Shared};
use crate::app::App;
use crate::artifacts;
use crate::content::pull_through::{self, Pulled};
use crate::content::stored::Stored;
use crate::error::{Error, Result, shown};
use crate::models::{artifact, content_artifact};
use crate::settings;
use crate::storage::{ReceiveError, Received};
use crate::sync::download::{Request, fetch};

/// What is wanted, and who may have it.
#[derive(Clone)]
pub(in crate::content) struct Cargo {
    pub(in crate::content) purpose: Purpose,
    /// In the order in which they are asked. Not those that are left alone.
    pub(in crate::content) promises: Vec<Promised>,
}

/// What becomes of the bytes.
#[derive(Clone)]
pub(in crate::content) enum Purpose {
    /// They are those of a content artifact.
    Known(Uuid),
    /// They are at a path that nobody asked for before.
    New(Arc<Pulled>),
}

impl Purpose {
    /// What is the same for whoever can share a download.
    pub(super) fn key(&self) -> Key {
        match self {
            Self::Known(unit) => Key::Unit(*unit),
            Self::New(pulled) => Key::Url(pulled.remote.pulp_id, pulled.url.clone()),
        }
    }

    /// Whether anything can become of the bytes but to be passed on.
    fn can_be_kept(&self) -> bool {
        match self {
            Self::Known(_) => true,
            Self::New(pulled) => pulled.content.is_some(),
        }
    }

    /// The bytes, if they were kept since the client looked for them.
    async fn stored(&self, app: &App) -> Result<Option<Stored>> {
        let stored = match self {
            Self::Known(unit) => stored(app, *unit).await?,
            Self::New(pulled) => pull_through::known(app, pulled).await?.and_then(|known| known.file.stored),
        };
        let Some(stored) = stored else { return Ok(None) };
        // The storage may have lost what the database knows.
        let size = app.storage.size(&stored.file).await?;
        Ok((size == Some(stored.size)).then_some(stored))
    }

    async fn keep(&self, app: &App, received: Received) -> Result<()> {
        match self {
            Self::Known(unit) => keep(app, *unit, received).await,
            Self::New(pulled) => pull_through::keep(app, pulled, received).await,
        }
    }
}

/// One download on its way to the clients, the verification, and the storage.
pub(super) struct Flight {
    shared: Arc<Shared>,
    cargo: Cargo,
    landing: Landing,
    /// Whether what comes will be kept.
    is_kept: AtomicBool,
}

impl Flight {
    /// Starts it, in a task of its own: what is being kept does not end with its clients.
    pub(super) fn begin(shared: Arc<Shared>, cargo: Cargo, landing: Landing) {
        let flight = Self { is_kept: AtomicBool::new(false), shared, cargo, landing };
        let is_kept = flight.cargo.promises.iter().any(|promised| flight.will_keep(promised));
        flight.is_kept.store(is_kept, Ordering::Relaxed);
        let flying = async move {
            tokio::select! {
                () = flight.run() => {}
                () = flight.abandoned() => tracing::debug!("nobody waits for a download any more: it is stopped"),
            }
        };
        tokio::spawn(flying.in_current_span());
    }

    async fn run(&self) {
        match self.cargo.purpose.stored(&self.shared.app).await {
            Ok(None) => {}
            Ok(Some(stored)) => return self.landing.stored(stored),
            Err(error) => tracing::warn!("whether a file is here cannot be told: {}", error.log()),
        }
        let mut worst = Failure::Absent;
        for promised in &self.cargo.promises {
            let begun = Instant::now();
            let outcome = self.attempt(promised).await;
            observed(promised, begun, outcome);
            match outcome {
                Ok(_) | Err(Failure::NoRoom) => return,
                Err(failure) if self.landing.may_try_again(failure) => worst = worst.max(failure),
                Err(_) => return,
            }
        }
        self.landing.failed(worst);
    }

    /// Asks one remote, and passes on what it sends. Gives the number of bytes.
    async fn attempt(&self, promised: &Promised) -> Result<u64, Failure> {
        let Shared { app, sources, writing, .. } = &*self.shared;
        let remote = promised.remote.name.as_str();
        let growing = app.storage.grow(promised.expected.size).await.map_err(|error| {
            tracing::warn!(
                "there is no room for a temporary file, so each client has its own download: {}",
                error.log()
            );
            self.landing.failed(Failure::NoRoom);
            Failure::NoRoom
        })?;
        let download = self.shared.ask(promised).await?;
        let size = self.shared.agreed(promised, download.content_length()).await?;
        let is_kept = self.will_keep(promised);
        self.is_kept.store(is_kept, Ordering::Relaxed);
        self.landing.begun(Told::of(promised, size), growing.file());

        let (expected, grown) = (&promised.expected, self.landing.grown());
        let arrived = app.storage.receive_growing(growing, download.body, expected, is_kept, grown).await;
        let arrived = match arrived {
            Ok(arrived) => arrived,
            Err(ReceiveError::Failed(error)) => {
                tracing::warn!(remote, "a download broke off: {}", error.log());
                return Err(Failure::of(&error));
            }
            Err(mismatch) => {
                tracing::warn!(remote, "a remote sent something else: {}", mismatch.upstream(&promised.url));
                sources.cool(promised, writing).await;
                return Err(Failure::Wrong);
            }
        };
        if let Some(received) = arrived.received
            && let Err(error) = self.cargo.purpose.keep(app, received).await
            && !writing.was_refused(&error)
        {
            tracing::error!(remote, "what was served is not kept: {}", error.log());
        }
        self.landing.whole(arrived.size, arrived.bytes);
        Ok(arrived.size)
    }

    /// Whether what this remote sends is to be kept.
    fn will_keep(&self, promised: &Promised) -> bool {
        self.shared.app.settings.on_demand == settings::OnDemand::Save
            && promised.remote.policy != "streamed"
            && self.cargo.purpose.can_be_kept()
            && self.shared.writing.is_allowed()
    }

    /// Returns when nobody wants it any more, and it need not be finished.
    async fn abandoned(&self) {
        loop {
            self.landing.deserted().await;
            if self.is_kept.load(Ordering::Relaxed)
                && let Ok(_permit) = self.shared.left_alone.try_acquire()
            {
                return std::future::pending().await;
            }
            if self.landing.abandon() {
                return;
            }
        }
    }
}

impl Shared {
    /// Asks a remote; returns when it has begun to answer.
    pub(super) async fn ask(&self, promised: &Promised) -> Result<crate::sync::download::Download, Failure> {
        let remote = promised.remote.name.as_str();
        let downloader = self.sources.downloader(promised).map_err(|error| {
            tracing::warn!(remote, "a remote cannot be used: {}", error.log());
            Failure::Unreachable
        })?;
        let began = Instant::now();
        let fetched = fetch(&*downloader, Request::get(&promised.url), |download| async { Ok(download) }).await;
        self.app.traffic.upstream(began.elapsed());
        fetched.map_err(|error| {
            tracing::warn!(remote, "content is not served on demand: {}", error.log());
            Failure::of(&error)
        })
    }

    /// How many bytes the file has, if the promise and the answer agree on it.
    pub(super) async fn agreed(&self, promised: &Promised, announced: Option<u64>) -> Result<Option<u64>, Failure> {
        let (url, expected) = (shown(&promised.url), &promised.expected);
        if let (Some(announced), Some(size)) = (announced, expected.size)
            && announced != size
        {
            tracing::warn!(url, announced, size, "a remote has a file of another size");
            self.sources.cool(promised, &self.writing).await;
            return Err(Failure::Wrong);
        }
        if let (Some(announced), Some(most)) = (announced, expected.max_size)
            && announced > most
        {
            tracing::warn!(url, announced, most, "a remote has a file that is too large");
            return Err(Failure::Unreachable);
        }
        Ok(expected.size.or(announced))
    }
}

/// What a remote took for one file: the one place that knows how long remotes keep clients waiting.
pub(super) fn observed(promised: &Promised, begun: Instant, outcome: Result<u64, Failure>) {
    let seconds = begun.elapsed().as_secs_f64();
    let remote = promised.remote.name.as_str();
    match outcome {
        Ok(bytes) => tracing::debug!(remote, seconds, bytes, outcome = "whole", "a remote was asked"),
        Err(failure) => tracing::debug!(remote, seconds, outcome = ?failure, "a remote was asked"),
    }
}

/// The stored bytes of a content artifact.
async fn stored(app: &App, unit: Uuid) -> Result<Option<Stored>> {
    let db = app.db.read();
    let found = content_artifact::Entity::find_by_id(unit)
        .filter(content_artifact::Column::ArtifactId.is_not_null())
        .one(db)
        .await?;
    let Some(found) = found else { return Ok(None) };
    let Some(id) = found.artifact_id else { return Ok(None) };
    let Some(row) = artifact::Entity::find_by_id(id).one(db).await? else { return Ok(None) };
    Stored::new(row.file, row.size, &row.sha256, row.pulp_created, &found.relative_path).map(Some)
}

/// Makes received bytes those of a content artifact. Doing it twice changes nothing, in however many processes.
async fn keep(app: &App, unit: Uuid, received: Received) -> Result<()> {
    let kept = app.storage.keep_one(received).await?;
    let tx = app.db.write().await?;
    let same = [artifact::Column::PulpDomainId, artifact::Column::Sha256];
    artifact::Entity::insert(artifacts::row(app.domain, &kept))
        // Spares the row that is there from orphan cleanup until it is referred to.
        .on_conflict(OnConflict::columns(same).update_column(artifact::Column::TimestampOfInterest).to_owned())
        .exec_without_returning(&*tx)
        .await?;
    let found = artifacts::by_sha256(&*tx, app.domain, kept.digests.sha256()).await?;
    let found = found.ok_or_else(|| Error::internal("an artifact that was just saved is gone"))?;
    content_artifact::Entity::update_many()
        .col_expr(content_artifact::Column::ArtifactId, Expr::value(found.pulp_id))
        .filter(content_artifact::Column::PulpId.eq(unit))
        .exec(&*tx)
        .await?;
    tx.commit().await
}
