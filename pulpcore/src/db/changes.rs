//! News of what distributions serve: who changes it says so once it is committed, and whoever remembers it hears so.
//!
//! Nobody can forget to: every statement of a writing transaction is looked at (`writing.rs`), and one that writes a table
//! on which serving depends, without anybody having said what it changes, is told as [`Change::Everything`]. Saying it
//! precisely ([`WriteTx::changes`](super::WriteTx::changes)) only spares what did not change.
//!
//! Within the process listeners are called before the commit returns, so that whoever made a change sees it with the next
//! request. Other processes hear it over PostgreSQL (`content/heard.rs`), after the commit and never in it.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::Notify;
use uuid::Uuid;

/// So many changes that nobody was told of yet are told as [`Change::Everything`].
const MOST: usize = 200;

/// What has changed of what distributions serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// What is unknown, or too much to say.
    Everything,
    /// Artifacts were removed.
    Artifacts,
    /// A distribution is new, changed or gone.
    Distribution(Uuid),
    /// A repository has another latest version or publication, lost one, or is gone.
    Repository(Uuid),
    /// A publication is gone.
    Publication(Uuid),
    /// A content guard decides otherwise from now on, or is gone.
    Guard(Uuid),
}

/// As it goes to other processes.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => f.write_str("everything"),
            Self::Artifacts => f.write_str("artifacts"),
            Self::Distribution(id) => write!(f, "distribution {id}"),
            Self::Repository(id) => write!(f, "repository {id}"),
            Self::Publication(id) => write!(f, "publication {id}"),
            Self::Guard(id) => write!(f, "guard {id}"),
        }
    }
}

impl FromStr for Change {
    type Err = std::convert::Infallible;

    /// What is not understood, because a newer build says it, may be anything.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let change = match text.split_once(' ') {
            None if text == "artifacts" => Some(Self::Artifacts),
            None => None,
            Some((what, id)) => Uuid::parse_str(id).ok().and_then(|id| match what {
                "distribution" => Some(Self::Distribution(id)),
                "repository" => Some(Self::Repository(id)),
                "publication" => Some(Self::Publication(id)),
                "guard" => Some(Self::Guard(id)),
                _ => None,
            }),
        };
        Ok(change.unwrap_or(Self::Everything))
    }
}

/// Who remembers what distributions serve. Called in the middle of others' work: it must not wait.
pub(crate) trait Hears: Send + Sync {
    /// These have changed.
    fn changed(&self, changes: &[Change]);

    /// From now on changes are heard, or are not: what is remembered may have changed unheard.
    fn hears(&self, hears: bool);
}

/// The changes that one process makes and hears of. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Changes(Arc<Inner>);

struct Inner {
    /// What this process is called where others are told: it has no need to hear itself.
    #[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "there are no others"))]
    process: String,
    state: Mutex<State>,
    /// What other processes are to hear, if there may be others.
    outbox: Option<Mutex<BTreeSet<Change>>>,
    post: Notify,
}

struct State {
    hears: bool,
    listeners: Vec<Weak<dyn Hears>>,
}

impl Changes {
    /// `shared`: whether other processes may write the database, too.
    pub(super) fn new(shared: bool) -> Self {
        let state = Mutex::new(State { hears: !shared, listeners: Vec::new() });
        let process = Uuid::now_v7().simple().to_string();
        Self(Arc::new(Inner { process, state, outbox: shared.then(Mutex::default), post: Notify::new() }))
    }

    /// Calls a listener from now on, for as long as it lives; first with whether changes are heard.
    pub(crate) fn subscribe(&self, listener: Weak<dyn Hears>) {
        let mut state = self.state();
        if let Some(listener) = listener.upgrade() {
            listener.hears(state.hears);
        }
        state.listeners.retain(|listener| listener.strong_count() > 0);
        state.listeners.push(listener);
    }

    /// This process has changed something: the commit is done, or nobody knows.
    pub(super) fn made(&self, changes: &[Change]) {
        self.heard(changes);
        self.put(changes);
    }

    /// Puts changes where they wait for others to be told.
    fn put(&self, changes: &[Change]) {
        if let Some(mut outbox) = self.outbox() {
            outbox.extend(changes);
            if outbox.len() > MOST {
                *outbox = BTreeSet::from([Change::Everything]);
            }
            self.0.post.notify_one();
        }
    }

    fn outbox(&self) -> Option<MutexGuard<'_, BTreeSet<Change>>> {
        Some(self.0.outbox.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Some process has changed something.
    pub(crate) fn heard(&self, changes: &[Change]) {
        let state = self.state();
        state.listeners.iter().filter_map(Weak::upgrade).for_each(|listener| listener.changed(changes));
    }

    /// Whether others' changes are heard from now on.
    #[cfg(feature = "postgres")]
    pub(crate) fn hears(&self, hears: bool) {
        let mut state = self.state();
        state.hears = hears;
        state.listeners.iter().filter_map(Weak::upgrade).for_each(|listener| listener.hears(hears));
    }

    /// Waits until there is something to tell other processes.
    #[cfg(feature = "postgres")]
    pub(crate) async fn to_tell(&self) {
        while self.outbox().is_none_or(|outbox| outbox.is_empty()) {
            self.0.post.notified().await;
        }
    }

    /// What other processes are to be told, all of it. What is not [`Taken::done`] with comes back.
    #[cfg(feature = "postgres")]
    pub(crate) fn take(&self) -> Taken<'_> {
        let taken = self.outbox().map(|mut outbox| std::mem::take(&mut *outbox)).unwrap_or_default();
        Taken { changes: self, taken: taken.into_iter().collect() }
    }

    #[cfg(feature = "postgres")]
    pub(crate) fn process(&self) -> &str {
        &self.0.process
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Changes that others are being told of.
#[cfg(feature = "postgres")]
pub(crate) struct Taken<'a> {
    changes: &'a Changes,
    taken: Vec<Change>,
}

#[cfg(feature = "postgres")]
impl Taken<'_> {
    /// They know.
    pub(crate) fn done(mut self) {
        self.taken.clear();
    }
}

#[cfg(feature = "postgres")]
impl std::ops::Deref for Taken<'_> {
    type Target = [Change];

    fn deref(&self) -> &[Change] {
        &self.taken
    }
}

#[cfg(feature = "postgres")]
impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if !self.taken.is_empty() {
            self.changes.put(&self.taken);
        }
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes").field("hears", &self.state().hears).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_read_as_it_was_written_and_what_is_unknown_is_everything() {
        let id = Uuid::now_v7();
        for change in [
            Change::Everything,
            Change::Artifacts,
            Change::Distribution(id),
            Change::Repository(id),
            Change::Publication(id),
            Change::Guard(id),
        ] {
            assert_eq!(change.to_string().parse(), Ok(change));
        }
        for unknown in ["", "moon 1", &format!("moon {id}"), "guard x"] {
            assert_eq!(unknown.parse(), Ok(Change::Everything), "{unknown}");
        }
    }
}
