//! From declarations to a version.
//!
//! A plugin reads a remote's metadata and declares what stands there, unit by unit, as a stream. Everything else happens
//! here: finding what is known already, downloading what is missing, saving both in batches, and making one version of
//! all of it.
//!
//! ```text
//!   declared ──▶ resolve ──▶ fetch ──▶ batch ──▶ keep ──▶ save ──▶ draft ──▶ commit: one version
//!   a stream     look-ups,   up to     bounded   named,   one       keys in
//!                a batch     N at      by count  durable  transac-  a table
//!                at a time   once      and bytes at once  tion each
//! ```
//!
//! Fetching goes on while the batches before are kept and saved; a slow database or disk holds the downloads up, and they hold the
//! stream of declarations up, so that memory stays flat whatever the repository's size. Order means nothing.
//!
//! Types of content are saved one after the other into the same [`Session`]; nothing of it can be seen in the repository
//! before [`Session::commit`]. What was saved by a sync that fails is found again by the next one.
//!
//! ```no_run
//! # use futures::stream;
//! # use pulpcore::error::Result;
//! # use pulpcore::models::remote;
//! # use pulpcore::plugin::{Content, TaskCx};
//! # use pulpcore::sync::{Declared, Session};
//! # async fn example<P: Content, A: Content>(
//! #     cx: &TaskCx, repository: uuid::Uuid, remote: &remote::Model,
//! #     packages: Vec<Result<Declared<P::Model>>>, advisories: Vec<Result<Declared<A::Model>>>,
//! # ) -> Result<()> {
//! let session = Session::open(cx, repository, remote)?;
//! session.save::<P>(stream::iter(packages)).await?;
//! session.save::<A>(stream::iter(advisories)).await?;
//! let version = session.commit(true).await?;
//! # Ok(())
//! # }
//! ```

mod declared;
mod fetch;
mod known;
mod resolve;
mod rows;
mod save;
#[cfg(all(test, feature = "testkit"))]
mod tests;

use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use futures::{Stream, StreamExt, TryStreamExt, stream};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;
use uuid::Uuid;

use self::declared::Unit;
pub use self::declared::{Declared, DeclaredArtifact, Saved};
use super::download::Downloader;
use crate::api::families::remote::downloader;
use crate::error::{Error, Result};
use crate::models::{remote, repository_version, repository_version_count as counts};
use crate::plugin::{Content, TaskCx};
use crate::statistics;
use crate::tasking::Progress;
use crate::versions::{self, Draft, NewVersion};

/// One sync of one repository from one remote.
pub struct Session {
    parts: Arc<Parts>,
    draft: Draft,
    downloads: Progress,
}

/// What every stage needs.
struct Parts {
    cx: TaskCx,
    repository: Uuid,
    remote: Uuid,
    downloader: Arc<dyn Downloader>,
}

/// How many batches may hold bytes at once: one that fills up, one that waits, one that goes into the storage.
const BATCHES: u64 = 3;

impl Session {
    /// Begins a sync with the downloader that the remote's URL asks for.
    ///
    /// # Errors
    /// [`Error::Upstream`](crate::error::Error::Upstream) or [`Error::Invalid`](crate::error::Error::Invalid) if the remote cannot be used as it is configured.
    pub fn open(cx: &TaskCx, repository: Uuid, remote: &remote::Model) -> Result<Self> {
        let downloader = downloader(cx.app(), remote)?;
        Ok(Self::with_downloader(cx, repository, remote, downloader))
    }

    /// Begins a sync with a downloader of the plugin's own.
    pub fn with_downloader(
        cx: &TaskCx,
        repository: Uuid,
        remote: &remote::Model,
        downloader: Arc<dyn Downloader>,
    ) -> Self {
        let downloads = cx.progress("Downloading Artifacts", "sync.downloading.artifacts");
        let parts = Parts { cx: cx.clone(), repository, remote: remote.pulp_id, downloader };
        Self { parts: Arc::new(parts), draft: Draft::new(cx.id()), downloads }
    }

    /// What fetches the bytes: for metadata, which the plugin reads itself.
    pub fn downloader(&self) -> &dyn Downloader {
        self.parts.downloader.as_ref()
    }

    /// Saves what is declared, with its files, and takes it down for the version. A unit that is known already is not
    /// saved again, and bytes that are in the storage are not downloaded again. A unit that is declared twice counts once.
    ///
    /// # Errors
    /// The first failure ends it: the stream's own, [`Error::Upstream`](crate::error::Error::Upstream) with the URL for a
    /// download, or a fault of the database or the storage.
    pub async fn save<C: Content>(
        &self,
        declared: impl Stream<Item = Result<Declared<C::Model>>> + Send,
    ) -> Result<()> {
        self.save_each::<C>(declared, |_| ()).await
    }

    /// [`Session::save`], and tells `saved` of each batch, once it is committed: units of other types may need the keys.
    ///
    /// # Errors
    /// As [`Session::save`].
    pub async fn save_each<C: Content>(
        &self,
        declared: impl Stream<Item = Result<Declared<C::Model>>> + Send,
        saved: impl FnMut(Vec<Saved<C::Model>>) + Send,
    ) -> Result<()> {
        let most = self.parts.cx.app().settings.sync_batch_size.max(1);
        let (declare, to_resolve) = mpsc::channel(most);
        let (resolved, to_fetch) = mpsc::channel(1);
        let (fetched, to_keep) = mpsc::channel(1);
        let (kept, to_save) = mpsc::channel(1);
        // Five futures, each polled whatever the others do, with channels between them. In one chain of stream
        // combinators a stage that waits would leave the one before it suspended wherever it happens to be: in the middle
        // of a write transaction, which is what the stage that waits may be waiting for.
        tokio::try_join!(
            declared_one_by_one(declared, declare),
            self.resolve_all::<C>(to_resolve, resolved, most),
            self.fetch_all(to_fetch, fetched, most),
            self.keep_all(to_keep, kept),
            self.save_all::<C>(to_save, saved),
        )
        .map(|_| ())
    }

    /// Looks up what is declared, as much at a time as there is.
    async fn resolve_all<C: Content>(
        &self,
        mut declared: mpsc::Receiver<Declared<C::Model>>,
        resolved: mpsc::Sender<Vec<Unit<C::Model>>>,
        most: usize,
    ) -> Result<()> {
        let mut chunk = Vec::with_capacity(most);
        while declared.recv_many(&mut chunk, most).await > 0 {
            let units = resolve::resolve::<C>(&self.parts, std::mem::take(&mut chunk)).await?;
            if resolved.send(units).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Downloads what is missing, and gathers batches that are neither too long nor too heavy.
    async fn fetch_all<M: Send + 'static>(
        &self,
        mut resolved: mpsc::Receiver<Vec<Unit<M>>>,
        fetched: mpsc::Sender<Vec<Unit<M>>>,
        most: usize,
    ) -> Result<()> {
        let heaviest = (self.parts.cx.app().settings.sync_max_in_flight_mb << 20) / BATCHES;
        let units = stream::poll_fn(|cx| resolved.poll_recv(cx)).flat_map(stream::iter);
        let fetching = units.map(|unit| apart(fetch::fetch(Arc::clone(&self.parts), unit)));
        let mut done = pin!(fetching.buffer_unordered(self.parts.downloader.concurrency().max(1)));
        let (mut batch, mut weight) = (Vec::new(), 0);
        while let Some(unit) = done.try_next().await? {
            weight += unit.weight();
            batch.push(unit);
            if batch.len() >= most || weight >= heaviest {
                weight = 0;
                if fetched.send(std::mem::take(&mut batch)).await.is_err() {
                    return Ok(());
                }
            }
        }
        if !batch.is_empty() {
            // Whoever saves is gone only after a failure of its own, which is what is reported then.
            let _ = fetched.send(batch).await;
        }
        Ok(())
    }

    /// Puts batch after batch into the storage, while the database has the one before.
    async fn keep_all<M>(
        &self,
        mut batches: mpsc::Receiver<Vec<Unit<M>>>,
        kept: mpsc::Sender<Vec<Unit<M>>>,
    ) -> Result<()> {
        while let Some(batch) = batches.recv().await {
            if kept.send(save::keep(&self.parts, batch).await?).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Saves batch after batch, [`Session::savers`] at a time.
    async fn save_all<C: Content>(
        &self,
        mut batches: mpsc::Receiver<Vec<Unit<C::Model>>>,
        saved: impl FnMut(Vec<Saved<C::Model>>) + Send,
    ) -> Result<()> {
        let saved = Mutex::new(saved);
        let batches = stream::poll_fn(|cx| batches.poll_recv(cx)).map(Ok);
        let saving = batches.try_for_each_concurrent(self.savers(), |batch| async {
            let (units, downloaded) = save::save::<C>(&self.parts, &self.draft, batch).await?;
            if downloaded > 0 {
                self.downloads.increment(downloaded).await?;
            }
            (saved.lock().unwrap_or_else(PoisonError::into_inner))(units);
            Ok(())
        });
        saving.await
    }

    /// How many batches are saved at a time. A connection to PostgreSQL is a process, which checks one key after the other
    /// and keeps one processor busy; SQLite has one writer.
    fn savers(&self) -> usize {
        if self.parts.cx.db().is_sqlite() { 1 } else { 2 }
    }

    /// Forgets what was saved, as far as the version is concerned: the remote changed, and what it offers now is declared from the
    /// beginning.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn forget(&self) -> Result<()> {
        let tx = self.parts.cx.db().write().await?;
        self.draft.clear(&*tx).await?;
        tx.commit().await
    }

    /// Makes a version of everything that was saved: added to the latest version's content or, with `mirror`, instead of
    /// it. Records it as what the task made and lets the repository's plugin act on it. `None` if nothing changed.
    ///
    /// # Errors
    /// Whatever refuses the version; the repository stays as it was then.
    pub async fn commit(self, mirror: bool) -> Result<Option<repository_version::Model>> {
        let cx = &self.parts.cx;
        self.downloads.finish().await?;
        let associating = cx.progress("Associating Content", "associating.content");
        let tx = cx.db().write().await?;
        let mut version = NewVersion::open(&tx, self.parts.repository).await?;
        if mirror {
            version.remove_others(self.draft.units()).await?;
        }
        version.add_selected(self.draft.units()).await?;
        let version = version.complete().await?;
        self.draft.clear(&*tx).await?;
        versions::commit(cx, tx, version.as_ref()).await?;
        let (added, removed) = match &version {
            Some(version) => changed(cx, version).await?,
            None => (0, 0),
        };
        statistics::units_changed(cx.db(), added + removed);
        associating.done(added).await?;
        if removed > 0 {
            cx.progress("Un-Associating Content", "unassociating.content").done(removed).await?;
        }
        if let Some(version) = &version {
            versions::created(cx, version).await?;
        }
        Ok(version)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts { repository, remote, .. } = &*self.parts;
        f.debug_struct("Session").field("repository", repository).field("remote", remote).finish_non_exhaustive()
    }
}

/// Runs a future beside the others, on whichever thread is free, and no longer than somebody waits for it.
async fn apart<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    match AbortOnDropHandle::new(tokio::spawn(work.in_current_span())).await {
        Ok(outcome) => outcome,
        Err(stopped) => match stopped.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(Error::Canceled),
        },
    }
}

/// Takes the plugin's stream into a channel. Between two units it is never left in the middle of something.
async fn declared_one_by_one<M>(
    declared: impl Stream<Item = Result<Declared<M>>> + Send,
    units: mpsc::Sender<Declared<M>>,
) -> Result<()> {
    let mut declared = pin!(declared);
    while let Some(unit) = declared.try_next().await? {
        if units.send(unit).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// How many units a version gained and lost.
async fn changed(cx: &TaskCx, version: &repository_version::Model) -> Result<(i64, i64)> {
    let rows = counts::Entity::find()
        .filter(counts::Column::RepositoryVersionId.eq(version.pulp_id))
        .all(cx.db().read())
        .await?;
    let sum = |kind: &str| rows.iter().filter(|row| row.count_type == kind).map(|row| row.count).sum();
    Ok((sum("A"), sum("R")))
}
