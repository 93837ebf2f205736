//! At most so many requests a second.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Gives out moments that are evenly spread, one a caller. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Throttle {
    interval: Duration,
    next: Arc<Mutex<Instant>>,
}

impl Throttle {
    /// `None` for no limit.
    pub(super) fn new(per_second: Option<u32>) -> Option<Self> {
        let per_second = per_second.filter(|number| *number > 0)?;
        Some(Self { interval: Duration::from_secs(1) / per_second, next: Arc::new(Mutex::new(Instant::now())) })
    }

    /// Waits for the next free moment. One that is waited for and then not wanted is lost.
    pub(super) async fn acquire(&self) {
        let mine = {
            // A moment is always a valid one, whoever panicked.
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let mine = (*next).max(Instant::now());
            *next = mine + self.interval;
            mine
        };
        sleep_until(mine).await;
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn clones_share_one_pace() {
        let throttle = Throttle::new(Some(10)).unwrap();
        let clone = throttle.clone();
        let start = Instant::now();
        join_all((0..21).map(|number| if number % 2 == 0 { &throttle } else { &clone }).map(Throttle::acquire)).await;
        let elapsed = start.elapsed();
        assert!((2000..2010).contains(&elapsed.as_millis()), "{elapsed:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn time_without_requests_is_not_saved_up() {
        let throttle = Throttle::new(Some(10)).unwrap();
        tokio::time::advance(Duration::from_secs(60)).await;
        let start = Instant::now();
        throttle.acquire().await;
        throttle.acquire().await;
        assert!(start.elapsed() >= Duration::from_millis(100));
    }

    #[test]
    fn zero_is_no_limit() {
        assert!(Throttle::new(Some(0)).is_none());
        assert!(Throttle::new(None).is_none());
    }
}
