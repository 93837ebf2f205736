//! Who is about to use an object: what locks on files are to a folder, within one process.
//!
//! An object store knows no locks. Whoever keeps a body holds its path until the row is committed; whoever removes what
//! nobody uses takes the paths that nobody holds, and those who come meanwhile wait until it is done. Processes do not see
//! each other's holds: between them the database alone says what is used.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// What is held, and what is being removed.
#[derive(Debug, Default)]
pub(super) struct Holds {
    paths: Mutex<HashMap<String, State>>,
    removed: Notify,
}

#[derive(Debug)]
enum State {
    /// By so many; they put one after the other, so that the second finds what the first has put.
    Held(usize, Arc<tokio::sync::Mutex<()>>),
    Removing,
}

/// Keeps a path from being removed.
#[derive(Debug)]
pub(super) struct Held {
    holds: Arc<Holds>,
    path: String,
    /// To be locked by who puts something there.
    pub(super) turn: Arc<tokio::sync::Mutex<()>>,
}

/// Keeps paths from being held.
#[derive(Debug)]
pub(super) struct Removing {
    holds: Arc<Holds>,
    /// Those that nobody held.
    pub(super) paths: Vec<String>,
}

impl Holds {
    /// Holds a path, once nobody removes it.
    pub(super) async fn hold(self: &Arc<Self>, path: &str) -> Held {
        loop {
            // Created before the look, so that no removal ends between the two.
            let removed = self.removed.notified();
            if let Some(held) = self.try_hold(path) {
                return held;
            }
            removed.await;
        }
    }

    fn try_hold(self: &Arc<Self>, path: &str) -> Option<Held> {
        let mut paths = self.lock();
        let state = paths.entry(path.to_owned()).or_insert_with(|| State::Held(0, Arc::default()));
        let State::Held(count, turn) = state else { return None };
        *count += 1;
        Some(Held { holds: Arc::clone(self), path: path.to_owned(), turn: Arc::clone(turn) })
    }

    /// Takes the paths that nobody holds.
    pub(super) fn remove(self: &Arc<Self>, paths: &[String]) -> Removing {
        let mut states = self.lock();
        let mut free = Vec::with_capacity(paths.len());
        for path in paths {
            if !states.contains_key(path) {
                states.insert(path.clone(), State::Removing);
                free.push(path.clone());
            }
        }
        Removing { holds: Arc::clone(self), paths: free }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, State>> {
        self.paths.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut paths = self.holds.lock();
        if let Some(State::Held(count, _)) = paths.get_mut(&self.path) {
            *count -= 1;
            if *count == 0 {
                paths.remove(&self.path);
            }
        }
    }
}

impl Drop for Removing {
    fn drop(&mut self) {
        let mut states = self.holds.lock();
        for path in &self.paths {
            states.remove(path);
        }
        drop(states);
        self.holds.removed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn what_is_held_is_not_removed_and_what_is_being_removed_is_waited_for() {
        let holds = Arc::new(Holds::default());
        let paths = ["a".to_owned(), "b".to_owned()];
        let (first, second) = (holds.hold("a").await, holds.hold("a").await);
        drop(first);
        let removing = holds.remove(&paths);
        assert_eq!(removing.paths, ["b"]);
        let waiting = holds.hold("b");
        futures::pin_mut!(waiting);
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(removing);
        drop(waiting.await);
        drop(second);
        assert_eq!(holds.remove(&paths).paths, paths);
        assert!(holds.lock().is_empty());
    }
}
