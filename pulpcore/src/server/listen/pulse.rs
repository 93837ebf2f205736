//! What a connection is doing, and whether it has done so for long enough.
//!
//! Nobody sets a timer for a request: the connection notes what happens, and looks now and then at what it noted. A
//! request costs a few numbers so.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

use super::Bounds;

/// The notes of one connection. Clients that lie gain nothing: each note is made by what was really sent or taken.
#[derive(Debug)]
pub(super) struct Pulse {
    began: Instant,
    /// Requests that have begun and whose answers have not ended.
    running: AtomicUsize,
    /// Those of them whose answer is on its way,
    answering: AtomicUsize,
    /// and those whose answer waits for us, not for the client.
    waiting: AtomicUsize,
    // Times are milliseconds since the beginning, plus one; zero is never.
    /// When the last request ended.
    idle: AtomicU64,
    /// When the header of the next one began.
    reading: AtomicU64,
    /// When the client last sent something,
    heard: AtomicU64,
    /// and last took something.
    moved: AtomicU64,
}

/// What is to be done about a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing.
    Goes,
    /// It has been idle for long enough.
    Idle,
    /// The client is too slow, or gone.
    Cut,
}

impl Pulse {
    pub(super) fn new() -> Arc<Self> {
        let pulse = Self {
            began: Instant::now(),
            running: AtomicUsize::new(0),
            answering: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            idle: AtomicU64::new(1),
            reading: AtomicU64::new(0),
            heard: AtomicU64::new(1),
            moved: AtomicU64::new(1),
        };
        Arc::new(pulse)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX - 1) + 1
    }

    fn has_passed(&self, bound: Duration, since: u64) -> bool {
        u128::from(self.now().saturating_sub(since)) >= bound.as_millis()
    }

    /// The client sent something.
    pub(super) fn hears(&self) {
        let now = self.now();
        self.heard.store(now, Relaxed);
        if self.running.load(Relaxed) == 0 && self.reading.load(Relaxed) == 0 {
            self.reading.store(now, Relaxed);
        }
    }

    /// The client took something.
    pub(super) fn moves(&self) {
        self.moved.store(self.now(), Relaxed);
    }

    /// A request begins.
    pub(super) fn begins(self: &Arc<Self>) -> Turn {
        self.running.fetch_add(1, Relaxed);
        self.reading.store(0, Relaxed);
        Turn { pulse: Arc::clone(self), answers: false, waits: false }
    }

    /// Whether the connection has had its time. `shares`: several requests run on it at a time, as in HTTP/2, and what a
    /// client sends need not be the header of one.
    pub(super) fn verdict(&self, bounds: &Bounds, shares: bool) -> Verdict {
        let running = self.running.load(Relaxed);
        if running > 0 {
            // Whether it is our answers that everybody waits for.
            let is_ours = self.answering.load(Relaxed) < running || self.waiting.load(Relaxed) > 0;
            let is_stalled = !is_ours && self.has_passed(bounds.stall, self.moved.load(Relaxed));
            return if is_stalled { Verdict::Cut } else { Verdict::Goes };
        }
        let reading = self.reading.load(Relaxed);
        if !shares && reading > 0 {
            return if self.has_passed(bounds.header, reading) { Verdict::Cut } else { Verdict::Goes };
        }
        match self.has_passed(bounds.keep_alive, self.idle.load(Relaxed)) {
            true => Verdict::Idle,
            false => Verdict::Goes,
        }
    }

    /// Whether nothing has been heard for so long.
    pub(super) fn is_silent(&self, bound: Duration) -> bool {
        self.has_passed(bound, self.heard.load(Relaxed))
    }
}

/// One request, from its header to the end of its answer.
#[derive(Debug)]
pub(super) struct Turn {
    pulse: Arc<Pulse>,
    answers: bool,
    waits: bool,
}

impl Turn {
    /// Its answer is on its way.
    pub(super) fn answers(&mut self) {
        self.answers = true;
        self.pulse.moves();
        self.pulse.answering.fetch_add(1, Relaxed);
    }

    /// More of the answer was wanted, and was there or not.
    pub(super) fn polled(&mut self, is_pending: bool) {
        self.pulse.moves();
        if is_pending != self.waits {
            self.waits = is_pending;
            match is_pending {
                true => self.pulse.waiting.fetch_add(1, Relaxed),
                false => self.pulse.waiting.fetch_sub(1, Relaxed),
            };
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.waits {
            self.pulse.waiting.fetch_sub(1, Relaxed);
        }
        if self.answers {
            self.pulse.answering.fetch_sub(1, Relaxed);
        }
        if self.pulse.running.fetch_sub(1, Relaxed) == 1 {
            self.pulse.idle.store(self.pulse.now(), Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const BOUNDS: Bounds =
        Bounds { header: Duration::from_secs(3), keep_alive: Duration::from_secs(7), stall: Duration::from_secs(5) };

    #[tokio::test(start_paused = true)]
    async fn a_header_is_to_come_within_its_time_and_the_next_one_within_another() {
        let pulse = Pulse::new();
        advance(Duration::from_secs(6)).await;
        assert_eq!(pulse.verdict(&BOUNDS, false), Verdict::Goes, "nothing was sent yet");
        pulse.hears();
        advance(Duration::from_secs(2)).await;
        pulse.hears();
        assert_eq!(pulse.verdict(&BOUNDS, false), Verdict::Goes);
        advance(Duration::from_secs(1)).await;
        pulse.hears();
        assert_eq!(pulse.verdict(&BOUNDS, false), Verdict::Cut, "a byte now and then does not help");

        drop(pulse.begins());
        advance(Duration::from_secs(6)).await;
        assert_eq!(pulse.verdict(&BOUNDS, false), Verdict::Goes);
        advance(Duration::from_secs(1)).await;
        assert_eq!(pulse.verdict(&BOUNDS, false), Verdict::Idle);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_cut_and_one_that_waits_for_us_is_not() {
        let pulse = Pulse::new();
        let mut turn = pulse.begins();
        advance(Duration::from_secs(600)).await;
        assert_eq!(pulse.verdict(&BOUNDS, true), Verdict::Goes, "the answer has not begun");
        turn.answers();
        turn.polled(true);
        advance(Duration::from_secs(600)).await;
        assert_eq!(pulse.verdict(&BOUNDS, true), Verdict::Goes, "the answer waits for its source");
        turn.polled(false);
        advance(Duration::from_secs(4)).await;
        pulse.moves();
        advance(Duration::from_secs(4)).await;
        assert_eq!(pulse.verdict(&BOUNDS, true), Verdict::Goes);
        advance(Duration::from_secs(1)).await;
        assert_eq!(pulse.verdict(&BOUNDS, true), Verdict::Cut);
        let other = pulse.begins();
        assert_eq!(pulse.verdict(&BOUNDS, true), Verdict::Goes, "another request is being worked on");
        drop((turn, other));
        assert_eq!(pulse.verdict(&BOUNDS, true), Verdict::Goes);
        assert_eq!(pulse.running.load(Relaxed) + pulse.answering.load(Relaxed) + pulse.waiting.load(Relaxed), 0);
    }
}
