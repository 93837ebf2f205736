//! Up to which number everything is there that will ever be.
//!
//! Readers go by numbers: "whatever is behind the last one that I saw". That misses nothing only if no smaller number
//! appears later. On SQLite none does: writers take turns. On PostgreSQL a number is given out before its transaction
//! commits, so 11 may be seen before 10; and 10 may never come, because its transaction was rolled back.
//!
//! So readers see only what is *settled*. As long as numbers follow each other without a gap, they are. At a gap the
//! question is who may still fill it. Whoever inserts takes the table's `ROW EXCLUSIVE` lock before the number and gives
//! it back after the commit can be seen. So of all numbers up to one that is visible, each is visible, or will never be,
//! or belongs to a transaction that holds that lock right now: once those have ended, all these numbers are settled. The
//! same answers where to begin, in a table of any size, and it does not matter who deletes rows.
//!
//! (The snapshot's transaction ids would not do. A number may be given out before its transaction has an id; and they make
//! everybody wait for the longest transaction of the whole cluster, whatever it writes.)

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use sea_orm::FromQueryResult;
use tokio::sync::{Mutex, watch};

use crate::app::App;
use crate::db::{Db, rows};
use crate::error::Result;

/// How far events are settled, as this process knows. It looks only while somebody listens.
#[derive(Debug)]
pub(super) struct Frontier {
    state: Mutex<State>,
    settled: watch::Sender<i64>,
    listeners: watch::Sender<usize>,
}

/// Between two looks at least: what happens closer together is seen together.
const PAUSE: Duration = Duration::from_millis(50);

/// Between two looks at most: a wake-up may be lost.
const POLL: Duration = Duration::from_secs(1);

/// Between two looks while transactions are waited for; their end wakes nobody if they are rolled back.
const GAP: Duration = Duration::from_millis(20);

/// After so long without a look, numbers are not walked over one by one.
const LONG: Duration = Duration::from_secs(5);

/// Numbers that are read at a time.
const STEP: usize = 1000;

impl Frontier {
    pub(super) fn new() -> Self {
        Self { state: Mutex::default(), settled: watch::Sender::new(0), listeners: watch::Sender::new(0) }
    }

    /// The settled number, from now on.
    pub(super) fn watch(&self) -> watch::Receiver<i64> {
        self.settled.subscribe()
    }

    /// One more listens, or one less.
    pub(super) fn listeners(&self, change: impl FnOnce(&mut usize)) {
        self.listeners.send_modify(change);
    }

    /// Looks once; whether transactions have to end before it can go on.
    async fn look(&self, db: &Db) -> Result<bool> {
        let mut state = self.state.lock().await;
        let waits = state.look(db).await?;
        self.settled.send_if_modified(|settled| std::mem::replace(settled, state.settled) != state.settled);
        Ok(waits)
    }

    /// What is settled now; transactions that are in the way are waited for, but not for ever.
    pub(super) async fn now(&self, db: &Db) -> Result<i64> {
        let began = Instant::now();
        while self.look(db).await? && began.elapsed() < POLL {
            tokio::time::sleep(GAP).await;
        }
        Ok(*self.settled.borrow())
    }
}

/// Looks again and again, as long as somebody listens, for ever.
pub(crate) async fn follow(app: App) {
    let frontier = app.feeds.frontier();
    let (mut news, mut listeners) = (app.queue.watch(), frontier.listeners.subscribe());
    while listeners.wait_for(|listeners| *listeners > 0).await.is_ok() {
        news.borrow_and_update();
        let pause = match frontier.look(&app.db).await {
            Ok(waits) => {
                if waits {
                    GAP
                } else {
                    POLL
                }
            }
            Err(error) => {
                tracing::warn!(error = error.log(), "The events of tasks could not be followed.");
                POLL
            }
        };
        tokio::time::sleep(PAUSE).await;
        tokio::select! {
            _ = news.changed() => {}
            // Who begins to listen may have missed the news.
            _ = listeners.changed() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

#[derive(Debug, Default)]
struct State {
    settled: i64,
    looked: Option<Instant>,
    gap: Option<Gap>,
}

/// What is waited for.
#[derive(Debug)]
struct Gap {
    /// The largest number that could be seen.
    upto: i64,
    /// The transactions that may have smaller ones.
    writers: BTreeSet<String>,
}

#[derive(FromQueryResult)]
struct Number {
    seq: i64,
}

impl State {
    async fn look(&mut self, db: &Db) -> Result<bool> {
        if db.is_sqlite() {
            self.settled = self.settled.max(last(db).await?);
            return Ok(false);
        }
        let mut walks = self.looked.replace(Instant::now()).is_some_and(|looked| looked.elapsed() < LONG);
        if !walks {
            self.gap = None;
        }
        loop {
            if walks && self.walk(db).await? {
                self.gap = None;
                return Ok(false);
            }
            walks = true;
            let gap = match self.gap.take().filter(|gap| gap.upto > self.settled) {
                // First the number, then who writes: in the other order one could slip in between.
                None => Gap { upto: last(db).await?, writers: writers(db).await? },
                Some(mut gap) => {
                    let present = writers(db).await?;
                    gap.writers.retain(|writer| present.contains(writer));
                    gap
                }
            };
            if !gap.writers.is_empty() {
                self.gap = Some(gap);
                return Ok(true);
            }
            self.settled = self.settled.max(gap.upto);
        }
    }

    /// Goes on as far as numbers follow each other; whether that is as far as they go.
    async fn walk(&mut self, db: &Db) -> Result<bool> {
        loop {
            let sql = format!("SELECT seq FROM core_taskevent WHERE seq > $1 ORDER BY seq LIMIT {STEP}");
            let numbers = rows::<Number>(db.read(), &sql, vec![self.settled.into()]).await?;
            for Number { seq } in &numbers {
                if *seq != self.settled + 1 {
                    return Ok(false);
                }
                self.settled = *seq;
            }
            if numbers.len() < STEP {
                return Ok(true);
            }
        }
    }
}

/// The largest number that can be seen.
async fn last(db: &Db) -> Result<i64> {
    let sql = "SELECT coalesce(max(seq), 0) AS seq FROM core_taskevent";
    Ok(rows::<Number>(db.read(), sql, Vec::new()).await?.first().map_or(0, |row| row.seq))
}

/// The transactions that have written events, or are about to.
async fn writers(db: &Db) -> Result<BTreeSet<String>> {
    #[derive(FromQueryResult)]
    struct Writer {
        virtualtransaction: String,
    }
    let sql = "SELECT virtualtransaction FROM pg_locks WHERE locktype = 'relation' AND granted \
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
         AND relation = 'core_taskevent'::regclass AND mode = 'RowExclusiveLock'";
    let writers = rows::<Writer>(db.read(), sql, Vec::new()).await?;
    Ok(writers.into_iter().map(|row| row.virtualtransaction).collect())
}

#[cfg(all(test, feature = "testkit", feature = "postgres"))]
mod tests {
    use uuid::Uuid;

    use super::super::{Event, Feed, KINDS, Row, Scope, record};
    use super::*;
    use crate::db::{WriteTx, exec};
    use crate::sample::Sample;

    /// A process with a task, and its feed behind what is there already.
    struct Story {
        sample: Sample,
        task: Uuid,
        feed: Feed,
    }

    impl Story {
        async fn begin() -> Self {
            let sample = Sample::postgres().await;
            let task = sample.talk(0).await;
            let scope = Scope { task: None, kinds: KINDS.to_vec() };
            let seen = last(&sample.app.db).await.unwrap();
            let feed = Feed::open(&sample.app, scope, seen).await.unwrap();
            assert!(!sample.app.feeds.frontier().look(&sample.app.db).await.unwrap());
            Self { sample, task, feed }
        }

        /// An event that is not committed.
        async fn write(&self, state: &str) -> WriteTx {
            let tx = self.sample.app.db.write().await.unwrap();
            record(&tx, vec![Event::state(self.task, state)]).await.unwrap();
            tx
        }

        /// Whether the frontier waits for somebody, and how far it is.
        async fn look(&self) -> (bool, i64) {
            let frontier = self.sample.app.feeds.frontier();
            let waits = frontier.look(&self.sample.app.db).await.unwrap();
            (waits, *frontier.settled.borrow())
        }

        async fn next(&mut self) -> Vec<String> {
            let state = |row: Row| row.body["state"].as_str().unwrap_or_default().to_owned();
            self.feed.next().await.unwrap().expect("the feed goes on").into_iter().map(state).collect()
        }
    }

    #[tokio::test]
    async fn what_is_committed_in_another_order_is_read_in_the_order_of_its_numbers() {
        let mut story = Story::begin().await;
        let (_, before) = story.look().await;
        let first = story.write("first").await;
        story.write("second").await.commit().await.unwrap();
        assert_eq!(story.look().await, (true, before));
        assert_eq!(story.look().await, (true, before), "however often one looks");
        first.commit().await.unwrap();
        assert_eq!(story.look().await, (false, before + 2));
        assert_eq!(story.next().await, ["first", "second"]);
    }

    #[tokio::test]
    async fn what_is_rolled_back_is_waited_for_and_then_passed_over() {
        let mut story = Story::begin().await;
        let (_, before) = story.look().await;
        let first = story.write("first").await;
        story.write("second").await.commit().await.unwrap();
        assert_eq!(story.look().await, (true, before));
        // Whoever comes later has larger numbers, and is not waited for.
        let late = story.write("late").await;
        first.rollback().await.unwrap();
        assert_eq!(story.look().await, (false, before + 2));
        assert_eq!(story.next().await, ["second"]);
        late.commit().await.unwrap();
        assert_eq!(story.look().await, (false, before + 3));
        assert_eq!(story.next().await, ["late"]);
    }

    #[tokio::test]
    async fn whoever_starts_to_follow_waits_for_those_who_were_there_before() {
        let story = Story::begin().await;
        let first = story.write("first").await;
        story.write("second").await.commit().await.unwrap();
        let (there, new) = (last(&story.sample.app.db).await.unwrap(), Frontier::new());
        assert!(new.look(&story.sample.app.db).await.unwrap());
        assert_eq!(*new.settled.borrow(), 0);
        first.commit().await.unwrap();
        assert!(!new.look(&story.sample.app.db).await.unwrap());
        assert_eq!(*new.settled.borrow(), there);
    }

    #[tokio::test]
    async fn transactions_that_write_other_things_hold_nobody_up() {
        let mut story = Story::begin().await;
        let other = story.sample.app.db.write().await.unwrap();
        exec(&*other, "UPDATE core_domain SET description = 'x'", Vec::new()).await.unwrap();
        story.write("gone").await.rollback().await.unwrap();
        story.write("there").await.commit().await.unwrap();
        assert!(!story.look().await.0);
        assert_eq!(story.next().await, ["there"]);
        other.rollback().await.unwrap();
    }

    #[tokio::test]
    async fn two_who_write_at_once_are_read_completely_and_in_order() {
        let mut story = Story::begin().await;
        let follower = tokio::spawn(follow(story.sample.app.clone()));
        let write = async |name: &str| {
            for nth in 0..40 {
                let tx = story.sample.app.db.write().await.unwrap();
                let events = vec![Event::state(story.task, &format!("{name}{nth}"))];
                record(&tx, events).await.unwrap();
                if nth % 5 == 0 {
                    tx.rollback().await.unwrap()
                } else {
                    tx.commit().await.unwrap()
                }
                story.sample.app.queue.wakes.news();
            }
        };
        let mut seen = Vec::new();
        let read = async {
            while seen.len() < 64 {
                seen.extend(story.feed.next().await.unwrap().expect("the feed goes on"));
            }
        };
        tokio::join!(write("a"), write("b"), read);
        let seen: Vec<i64> = seen.iter().map(|row| row.seq).collect();
        let table: Vec<i64> = story.sample.told().await.iter().map(|event| event.seq).skip(1).collect();
        assert_eq!(seen, table);
        follower.abort();
    }
}
