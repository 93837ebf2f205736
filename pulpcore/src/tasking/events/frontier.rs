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
const PAUSE: Duration = Duration::from_millis(5);

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
        let _ = tokio::time::timeout(pause, news.changed()).await;
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
