//! Tasks that have ended, until the database knows it.
//!
//! On PostgreSQL somebody writes them beside the turns that take tasks: a worker goes on to its next task while the end of
//! the last one is on its way, and what ends meanwhile is written together. SQLite has one writer, to whom one turn for
//! both is cheaper.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::timeout_at;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::Queue;
use super::end::Ended;
use crate::error::Result;
use crate::models::task;

/// Ends that are written in one transaction: their resources are locked one by one.
const AT_ONCE: usize = 64;

/// How long a task that has ended, or a worker that is free, waits for others. A turn costs much the same for one and for
/// many.
pub(super) const GATHER: Duration = Duration::from_millis(2);

/// How long it is until the database is asked again that has refused something.
const AGAIN: Duration = Duration::from_secs(2);

/// Tasks that have ended, which the database does not know yet.
pub(super) struct Ends {
    queue: Queue,
    unwritten: Vec<(Uuid, Ended)>,
}

impl Ends {
    pub(super) fn new(queue: Queue) -> Self {
        Self { queue, unwritten: Vec::new() }
    }

    pub(super) fn push(&mut self, task: Uuid, ended: Ended) {
        self.unwritten.push((task, ended));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.unwritten.is_empty()
    }

    fn len(&self) -> usize {
        self.unwritten.len()
    }

    /// A turn with the queue: writes some of them, and takes tasks for the workers that are `free`.
    pub(super) async fn turn(&mut self, free: &[Uuid]) -> Result<Vec<task::Model>> {
        let some = self.unwritten.len().min(AT_ONCE);
        let turn = self.queue.turn(&self.unwritten[..some], free).await;
        match &turn {
            Ok(_) => self.unwritten.drain(..some).for_each(|(id, _)| self.queue.stopped(id)),
            Err(error) => {
                tracing::error!(error = error.log(), "No turn with the queue.");
                self.set_aside().await;
            }
        }
        turn
    }

    /// If it was one task's end that could not be written, it shall not hold up the others.
    async fn set_aside(&mut self) {
        for (id, ended) in std::mem::take(&mut self.unwritten) {
            match self.queue.turn(&[(id, ended.clone())], &[]).await {
                Ok(_) => self.queue.stopped(id),
                Err(_) => self.unwritten.push((id, ended)),
            }
        }
    }
}

/// Somebody who writes ends.
pub(super) struct Writer {
    ends: mpsc::Sender<(Uuid, Ended)>,
    most: usize,
    done: AbortOnDropHandle<()>,
}

impl Writer {
    /// For workers of whom at most so many have a task each. Once they are through, the database has `patience` to take the
    /// last ends.
    pub(super) fn start(queue: Queue, workers: usize, patience: Duration) -> Self {
        let most = workers.max(AT_ONCE);
        let (ends, given) = mpsc::channel(2 * most);
        Self { ends, most, done: AbortOnDropHandle::new(tokio::spawn(write(Ends::new(queue), given, patience))) }
    }

    /// Takes an end over; gives it back if there is nobody any more.
    pub(super) fn take(&self, task: Uuid, ended: Ended) -> Option<(Uuid, Ended)> {
        self.ends.try_send((task, ended)).err().map(|error| error.into_inner())
    }

    /// Whether all workers could begin another task: its end would find room.
    pub(super) fn has_room(&self) -> bool {
        self.ends.capacity() >= self.most
    }

    /// Waits until it has room.
    pub(super) async fn room(&self) {
        let _ = self.ends.reserve_many(self.most).await;
    }

    /// Waits until the last end is written, or the patience over.
    pub(super) async fn finish(self) {
        drop(self.ends);
        let _ = self.done.await;
    }
}

async fn write(mut ends: Ends, mut given: mpsc::Receiver<(Uuid, Ended)>, patience: Duration) {
    let (mut failing, mut usual) = (None, 1);
    loop {
        if ends.is_empty() {
            match given.recv().await {
                Some((task, ended)) => ends.push(task, ended),
                None => return,
            }
        }
        while let Ok((task, ended)) = given.try_recv() {
            ends.push(task, ended);
        }
        // As many as the last time are likely to come.
        let over = (Instant::now() + GATHER).into();
        while ends.len() < usual {
            match timeout_at(over, given.recv()).await {
                Ok(Some((task, ended))) => ends.push(task, ended),
                _ => break,
            }
        }
        usual = ends.len().min(AT_ONCE);
        if ends.turn(&[]).await.is_ok() {
            failing = None;
            continue;
        }
        if given.is_closed() && failing.get_or_insert_with(Instant::now).elapsed() > patience {
            tracing::error!("The database takes no ends of tasks; others will give them up.");
            return;
        }
        tokio::time::sleep(AGAIN).await;
    }
}
