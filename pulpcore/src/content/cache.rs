//! What was resolved before: from a base path to what its distribution serves, and from a path in that to a file.
//!
//! Versions and publications never change, so a file stays what it is for as long as its artifact is there; what changes
//! is what a distribution serves. Changes are heard ([`Hears`]) and take away exactly what they touch. Where they are not
//! heard, nothing counts as fresh: it is asked for again, and only an answer that cannot be had is replaced by what was
//! remembered, for a while.
//!
//! A look-up that began before a change does not put its answer here after it: the change has moved the epoch on.

use std::any::Any;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use equivalent::Equivalent;
use moka::sync::Cache as Bounded;
use uuid::Uuid;

use super::hooks;
use super::resolve::{self, File, Source};
use crate::db::{Change, Hears};
use crate::settings::Settings;

/// Nothing is remembered for more seconds than a year has.
const LONGEST: u64 = 365 * 24 * 3600;

/// What files are looked up in: it never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Snapshot {
    Publication(Uuid),
    /// A version, by its repository and number.
    Version(Uuid, i64),
}

/// A file's place, as it is kept.
#[derive(PartialEq, Eq, Hash)]
struct Place {
    snapshot: Snapshot,
    path: Box<str>,
}

/// The same, borrowed: it must hash alike.
#[derive(PartialEq, Eq, Hash)]
struct Asked<'a> {
    snapshot: Snapshot,
    path: &'a str,
}

impl Equivalent<Place> for Asked<'_> {
    fn equivalent(&self, place: &Place) -> bool {
        self.snapshot == place.snapshot && self.path == &*place.path
    }
}

/// What one process remembers. All of it is bounded.
pub(super) struct Cache {
    sources: Bounded<Box<str>, Arc<Kept<Source>>>,
    files: Bounded<Place, Arc<Kept<File>>>,
    terms: Terms,
    /// Changes and newcomers take turns.
    door: Mutex<Door>,
    /// Moved on by every change.
    epoch: AtomicU64,
    /// What was looked up before these epochs does not count.
    sources_since: AtomicU64,
    files_since: AtomicU64,
}

/// For how long what is remembered is good.
#[derive(Clone, Copy)]
struct Terms {
    fresh: Duration,
    stale: Duration,
}

struct Door {
    hears: bool,
}

/// When a look-up began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Begun {
    epoch: u64,
    at: Instant,
}

/// What was found, and when.
#[derive(Debug)]
pub(super) struct Kept<T> {
    pub(super) found: T,
    begun: Begun,
    /// Since when it may have changed unheard.
    unheard: OnceLock<Instant>,
    /// What a plugin has made of it: good for as long as this is.
    pub(super) made: OnceLock<Arc<dyn Any + Send + Sync>>,
}

/// How good what is remembered is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Age {
    Fresh,
    /// Better than nothing.
    Stale,
}

impl<T> Kept<T> {
    fn new(found: T, begun: Begun) -> Arc<Self> {
        Arc::new(Self { found, begun, unheard: OnceLock::new(), made: OnceLock::new() })
    }

    fn age(&self, now: Instant, terms: Terms) -> Option<Age> {
        let lapses = self.begun.at + terms.fresh;
        let lapses = self.unheard.get().map_or(lapses, |unheard| lapses.min(*unheard));
        if now < lapses {
            return Some(Age::Fresh);
        }
        (now < lapses + terms.stale).then_some(Age::Stale)
    }
}

impl Cache {
    pub(super) fn new(settings: &Settings) -> Self {
        let terms = Terms {
            fresh: Duration::from_secs(settings.content_cache_ttl.min(LONGEST)),
            stale: Duration::from_secs(settings.content_stale_ttl.min(LONGEST)),
        };
        let longest = terms.fresh + terms.stale;
        let most = settings.content_cache_entries;
        Self {
            sources: Bounded::builder().max_capacity(most).time_to_live(longest).build(),
            files: Bounded::builder().max_capacity(most).time_to_live(longest).build(),
            terms,
            door: Mutex::new(Door { hears: false }),
            epoch: AtomicU64::new(0),
            sources_since: AtomicU64::new(0),
            files_since: AtomicU64::new(0),
        }
    }

    /// Whether anything is ever answered from here without a question.
    pub(super) fn is_on(&self) -> bool {
        !self.terms.fresh.is_zero()
    }

    /// Call this before looking up what is to be kept.
    pub(super) fn begin(&self) -> Begun {
        Begun { epoch: self.epoch.load(Ordering::SeqCst), at: Instant::now() }
    }

    /// The distribution that a path leads into, if it is remembered.
    pub(super) fn source(&self, path: &str) -> Option<(Arc<Kept<Source>>, Age)> {
        let since = self.sources_since.load(Ordering::Acquire);
        // Base paths do not nest, except below those that are not kept: the first that is known is the one.
        resolve::prefixes(path).find_map(|prefix| self.good(self.sources.get(prefix)?, since))
    }

    /// The file at a path, if it is remembered.
    pub(super) fn file(&self, snapshot: Snapshot, path: &str) -> Option<(Arc<Kept<File>>, Age)> {
        self.good(self.files.get(&Asked { snapshot, path })?, self.files_since.load(Ordering::Acquire))
    }

    fn good<T>(&self, kept: Arc<Kept<T>>, since: u64) -> Option<(Arc<Kept<T>>, Age)> {
        if kept.begun.epoch < since {
            return None;
        }
        let age = kept.age(Instant::now(), self.terms)?;
        Some((kept, age))
    }

    /// Remembers a distribution, unless anything has changed since the look-up began.
    pub(super) fn keep_source(&self, begun: Begun, found: Source) -> Arc<Kept<Source>> {
        let base_path = found.base_path.as_str().into();
        let kept = Kept::new(found, begun);
        // Others may lie below one that holds others, and it would hide them.
        let holds = hooks(&kept.found).is_some_and(|hooks| !hooks.holds.is_empty());
        if !holds && let Some(door) = self.enter(begun) {
            if !door.hears {
                // Nobody but this look-up can set it: nobody else knows it yet.
                let _ = kept.unheard.set(begun.at);
            }
            self.sources.insert(base_path, Arc::clone(&kept));
        }
        kept
    }

    /// Remembers a file, if its bytes are here: what only remotes have is about to change.
    pub(super) fn keep_file(&self, begun: Begun, snapshot: Snapshot, path: &str, found: File) -> Arc<Kept<File>> {
        let is_stored = found.stored.is_some();
        let kept = Kept::new(found, begun);
        if is_stored && let Some(_door) = self.enter(begun) {
            self.files.insert(Place { snapshot, path: path.into() }, Arc::clone(&kept));
        }
        kept
    }

    /// Whether there is a file that could be sent without a question.
    pub(super) fn holds_files(&self) -> bool {
        self.files.run_pending_tasks();
        self.files.entry_count() > 0
    }

    /// Nothing lies under a base path any more.
    pub(super) fn forget_source(&self, base_path: &str) {
        self.sources.invalidate(base_path);
    }

    /// The bytes of a file turned out to be gone.
    pub(super) fn forget_file(&self, snapshot: Snapshot, path: &str) {
        self.files.invalidate(&Asked { snapshot, path });
    }

    fn enter(&self, begun: Begun) -> Option<MutexGuard<'_, Door>> {
        let door = self.door();
        (self.epoch.load(Ordering::SeqCst) == begun.epoch).then_some(door)
    }

    fn door(&self) -> MutexGuard<'_, Door> {
        self.door.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets the distributions that a change touches.
    fn forget(&self, touched: impl Fn(&Source) -> bool) {
        for (base_path, kept) in &self.sources {
            if touched(&kept.found) {
                self.sources.invalidate(&**base_path);
            }
        }
    }
}

impl Hears for Cache {
    fn changed(&self, changes: &[Change]) {
        let _door = self.door();
        let epoch = self.epoch.fetch_add(1, Ordering::SeqCst) + 1;
        for change in changes {
            match *change {
                Change::Everything => {
                    self.sources_since.store(epoch, Ordering::Release);
                    self.files_since.store(epoch, Ordering::Release);
                }
                Change::Artifacts => self.files_since.store(epoch, Ordering::Release),
                Change::Distribution(id) => self.forget(|source| source.distribution_id == id),
                Change::Repository(id) => {
                    self.forget(|source| source.repository_id == Some(id) || source.bound_to == Some(id));
                }
                Change::Publication(id) => self.forget(|source| source.publication_id == Some(id)),
                // It may be one that another one asks.
                Change::Guard(_) => self.forget(|source| source.content_guard_id.is_some()),
            }
        }
    }

    fn hears(&self, hears: bool) {
        let mut door = self.door();
        door.hears = hears;
        // A look-up that began before changes were heard may have missed one.
        self.epoch.fetch_add(1, Ordering::SeqCst);
        if !hears {
            let now = Instant::now();
            for (_, kept) in &self.sources {
                // What was set before counts from then.
                let _ = kept.unheard.set(now);
            }
        }
    }
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache").field("sources", &self.sources.entry_count()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
