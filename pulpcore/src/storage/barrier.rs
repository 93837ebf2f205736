//! Group commit: callers who ask for the same costly flush at the same time share one.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;

use super::blocking;
use crate::error::{Error, Result};

/// Makes everything that was done before a call of [`Barrier::wait`] durable, with as few flushes as will do.
#[derive(Debug, Default)]
pub(super) struct Barrier {
    /// How many callers have come. A ticket's work was done before it was drawn.
    tickets: AtomicU64,
    settled: Mutex<Settled>,
}

/// What became of the tickets so far.
#[derive(Debug, Default)]
struct Settled {
    /// Up to this ticket a flush was tried.
    tried: u64,
    /// Tickets whose flush failed. The system reports such a failure once, so another flush would succeed without
    /// having written their data. After several failures this spans them all, which fails at worst a caller too many.
    lost: Option<(u64, u64)>,
}

impl Barrier {
    /// Returns once a flush that began after this call has ended.
    pub(super) async fn wait(&self, flush: impl FnOnce() -> io::Result<()> + Send + 'static) -> Result<()> {
        let ticket = self.tickets.fetch_add(1, Ordering::SeqCst) + 1;
        let mut settled = self.settled.lock().await;
        if settled.lost.is_some_and(|(first, last)| (first..=last).contains(&ticket)) {
            return Err(Error::internal("a flush of the storage failed"));
        }
        if settled.tried >= ticket {
            return Ok(());
        }
        let covered = self.tickets.load(Ordering::SeqCst);
        let outcome = blocking(flush).await;
        if outcome.is_err() {
            let first = settled.lost.map_or(settled.tried + 1, |(first, _)| first);
            settled.lost = Some((first, covered));
        }
        settled.tried = covered;
        outcome
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc;

    use super::*;

    /// Lets one flush begin, sends `others` callers in while it runs, then lets it end with `first`.
    async fn crowd(others: u64, second: fn() -> io::Result<()>) -> (u64, Vec<Result<()>>) {
        let barrier = Arc::new(Barrier::default());
        let flushes = Arc::new(AtomicU64::new(0));
        let (begun, began) = tokio::sync::oneshot::channel();
        let (release, released) = mpsc::channel::<()>();
        let first = tokio::spawn({
            let (barrier, flushes) = (Arc::clone(&barrier), Arc::clone(&flushes));
            async move {
                let flush = move || {
                    flushes.fetch_add(1, Ordering::SeqCst);
                    begun.send(()).unwrap();
                    released.recv().map_err(io::Error::other)
                };
                barrier.wait(flush).await
            }
        });
        began.await.unwrap();
        let waiting: Vec<_> = (0..others)
            .map(|_| {
                let (barrier, flushes) = (Arc::clone(&barrier), Arc::clone(&flushes));
                tokio::spawn(async move {
                    let flush = move || {
                        flushes.fetch_add(1, Ordering::SeqCst);
                        second()
                    };
                    barrier.wait(flush).await
                })
            })
            .collect();
        while barrier.tickets.load(Ordering::SeqCst) < others + 1 {
            tokio::task::yield_now().await;
        }
        release.send(()).unwrap();
        let mut outcomes = vec![first.await.unwrap()];
        for caller in waiting {
            outcomes.push(caller.await.unwrap());
        }
        (flushes.load(Ordering::SeqCst), outcomes)
    }

    #[tokio::test]
    async fn callers_who_came_during_a_flush_share_the_next_one() {
        let (flushes, outcomes) = crowd(10, || Ok(())).await;
        assert_eq!(flushes, 2);
        assert!(outcomes.iter().all(Result::is_ok));
    }

    #[tokio::test]
    async fn a_failed_flush_fails_everyone_whom_it_covered() {
        let (flushes, outcomes) = crowd(3, || Err(io::Error::other("the disk is gone"))).await;
        assert_eq!(flushes, 2);
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_err()).count(), 3);
        assert!(outcomes[0].is_ok());
    }
}
