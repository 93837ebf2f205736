//! Look-ups that ask the database only for what is not remembered, and do without it while it is away.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::cache::{Age, Cache, Kept};
use super::resolve::{self, File, Source};
use crate::app::App;
use crate::db::{Hears, unavailable};
use crate::error::{Error, Result};

/// How long the database may take to answer what something else could answer as well.
const PATIENCE: Duration = Duration::from_secs(1);

/// After it did not, nobody else tries for so long who has another answer.
const AGAIN: Duration = Duration::from_secs(1);

/// Finds distributions and files.
pub(super) struct Lookups {
    app: App,
    pub(super) cache: Arc<Cache>,
    away: Away,
}

/// What was looked up.
pub(super) struct Found<T> {
    pub(super) kept: Arc<Kept<T>>,
    pub(super) from: Origin,
}

/// Where an answer comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// It was remembered, and nothing has changed.
    Cache,
    Database,
    /// It was remembered, and the database could not be asked whether anything has changed.
    BeforeItWentAway,
}

impl Lookups {
    pub(super) fn new(app: App) -> Self {
        let cache = Arc::new(Cache::new(&app.settings));
        let hears: Arc<dyn Hears> = Arc::<Cache>::clone(&cache);
        app.db.changes().subscribe(Arc::downgrade(&hears));
        Self { app, cache, away: Away::default() }
    }

    /// The distribution that a path leads into.
    ///
    /// # Errors
    /// [`Error::Unavailable`] while the database is away and nothing is remembered.
    pub(super) async fn source(&self, path: &str) -> Result<Option<Found<Source>>> {
        let kept = self.cache.source(path);
        if let Some((kept, Age::Fresh)) = kept {
            return Ok(Some(Found { kept, from: Origin::Cache }));
        }
        let begun = self.cache.begin();
        match self.ask(kept.is_some(), resolve::source(&self.app, path)).await {
            Ok(Some(source)) => {
                let kept = self.cache.keep_source(begun, source);
                Ok(Some(Found { kept, from: Origin::Database }))
            }
            Ok(None) => {
                if let Some((kept, _)) = kept {
                    self.cache.forget_source(&kept.found.base_path);
                }
                Ok(None)
            }
            Err(error) => fallback(error, kept),
        }
    }

    /// The file at a path of what a distribution serves.
    ///
    /// # Errors
    /// As [`Self::source`].
    pub(super) async fn file(&self, source: &Source, path: &str) -> Result<Option<Found<File>>> {
        let Some(snapshot) = source.snapshot() else { return Ok(None) };
        let kept = self.cache.file(snapshot, path);
        if let Some((kept, Age::Fresh)) = kept {
            return Ok(Some(Found { kept, from: Origin::Cache }));
        }
        let begun = self.cache.begin();
        match self.ask(kept.is_some(), resolve::file(&self.app, source, path)).await {
            Ok(Some(file)) => {
                let kept = self.cache.keep_file(begun, snapshot, path, file);
                if kept.found.stored.is_some() {
                    self.app.traffic.remembers(true);
                }
                Ok(Some(Found { kept, from: Origin::Database }))
            }
            Ok(None) => Ok(None),
            Err(error) => {
                self.app.traffic.remembers(self.cache.holds_files());
                fallback(error, kept)
            }
        }
    }

    /// Asks the database; not for long if there is another answer.
    async fn ask<T>(&self, has_fallback: bool, query: impl Future<Output = Result<T>>) -> Result<T> {
        let answer = if !has_fallback {
            query.await
        } else if self.away.is_away() {
            return Err(Error::Unavailable("The database is away.".to_owned()));
        } else {
            let late = || Err(Error::Unavailable("The database does not answer in time.".to_owned()));
            tokio::time::timeout(PATIENCE, query).await.unwrap_or_else(|_| late())
        };
        let answer = answer.map_err(unavailable);
        self.away.note(matches!(answer, Err(Error::Unavailable(_))));
        answer
    }
}

/// What was remembered, if the database could not be asked; a question that failed otherwise has failed.
fn fallback<T>(error: Error, kept: Option<(Arc<Kept<T>>, Age)>) -> Result<Option<Found<T>>> {
    match (error, kept) {
        (Error::Unavailable(_), Some((kept, _))) => Ok(Some(Found { kept, from: Origin::BeforeItWentAway })),
        (error, _) => Err(error),
    }
}

/// Until when the database counts as away.
struct Away {
    start: Instant,
    /// Milliseconds after the start.
    until: AtomicU64,
}

impl Default for Away {
    fn default() -> Self {
        Self { start: Instant::now(), until: AtomicU64::new(0) }
    }
}

impl Away {
    fn is_away(&self) -> bool {
        self.now() < self.until.load(Ordering::Relaxed)
    }

    fn note(&self, away: bool) {
        let until = if away { self.now() + AGAIN.as_millis() as u64 } else { 0 };
        self.until.store(until, Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX / 2)
    }
}
