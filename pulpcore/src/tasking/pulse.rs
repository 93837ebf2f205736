//! Signs of life of this process's part in the queue, for whoever asks after its health.
//!
//! They are kept where they arise, as times, and judged when somebody asks: what is long ago is the asker's to say.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// When this process last showed that it is alive.
#[derive(Debug, Default)]
pub(crate) struct Pulse(Mutex<Signs>);

#[derive(Debug, Default)]
struct Signs {
    /// By the kind of process: one process may be listed as several.
    hearts: BTreeMap<String, Heart>,
    workers: Workers,
    hears: bool,
}

/// One heart: it beats whether or not the database hears it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heart {
    /// When it last beat.
    pub(crate) beat: Instant,
    /// When the database last took it down.
    pub(crate) written: Instant,
}

/// What the workers' loop does.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Workers {
    /// It has not begun.
    #[default]
    Unstarted,
    /// It has been in a turn with the queue since then.
    Turning(Instant),
    /// Something is free, so that it looks for tasks by itself. It sat down then.
    Looking(Instant),
    /// It waits for tasks to end, however long that takes; there is nothing else to do.
    Busy,
    /// A bug ended it.
    Died,
}

/// Tells what became of the workers' loop when it is dropped.
#[derive(Debug)]
pub(super) struct Watch<'a>(&'a Pulse);

impl Pulse {
    /// A heartbeat, and whether it was written down.
    pub(crate) fn beats(&self, kind: &str, written: bool) {
        let now = Instant::now();
        let mut signs = self.lock();
        match signs.hearts.get_mut(kind) {
            Some(heart) => {
                heart.beat = now;
                heart.written = if written { now } else { heart.written };
            }
            None => drop(signs.hearts.insert(kind.to_owned(), Heart { beat: now, written: now })),
        }
    }

    /// The workers' loop begins.
    pub(super) fn watch(&self) -> Watch<'_> {
        Watch(self)
    }

    /// The workers' loop takes a turn with the queue.
    pub(crate) fn turns(&self) {
        self.lock().workers = Workers::Turning(Instant::now());
    }

    /// The workers' loop waits, and `looks` for tasks by itself after a while.
    pub(crate) fn waits(&self, looks: bool) {
        self.lock().workers = if looks { Workers::Looking(Instant::now()) } else { Workers::Busy };
    }

    /// Whether this process hears the wake-ups of others.
    #[cfg(feature = "postgres")]
    pub(super) fn hears(&self, hears: bool) {
        self.lock().hears = hears;
    }

    /// The heart of a kind of process, if this one is listed as such.
    pub(crate) fn heart(&self, kind: &str) -> Option<Heart> {
        self.lock().hearts.get(kind).copied()
    }

    /// What the workers' loop does.
    pub(crate) fn workers(&self) -> Workers {
        self.lock().workers
    }

    /// Whether this process hears the wake-ups of others.
    pub(crate) fn is_hearing(&self) -> bool {
        self.lock().hears
    }

    fn lock(&self) -> MutexGuard<'_, Signs> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.lock().workers = Workers::Died;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn a_loop_that_panics_has_died_and_one_that_ends_has_not() {
        let pulse = Pulse::default();
        drop(pulse.watch());
        assert!(matches!(pulse.workers(), Workers::Unstarted));
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _watch = pulse.watch();
            panic!("a bug");
        }));
        assert!(panicked.is_err() && matches!(pulse.workers(), Workers::Died));
    }

    #[test]
    fn a_beat_that_was_not_written_is_a_beat_all_the_same() {
        let pulse = Pulse::default();
        assert!(pulse.heart("worker").is_none());
        pulse.beats("worker", true);
        let first = pulse.heart("worker").unwrap();
        pulse.beats("worker", false);
        let second = pulse.heart("worker").unwrap();
        assert!(second.beat >= first.beat && second.written == first.written);
    }
}
