//! Group commit: what callers ask for at the same time is done for all of them at once.
//!
//! Whoever comes first takes the turn and what has gathered meanwhile; those who come during its work make the next group.
//! A lone caller waits for nobody.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use crate::error::{Error, Result};

/// How many requests are served at once at most.
const MOST: usize = 200;

/// Requests that gather while others are being served.
pub(crate) struct Together<T, R> {
    waiting: Mutex<Vec<(T, oneshot::Sender<R>)>>,
    turn: tokio::sync::Mutex<()>,
}

impl<T: Clone, R> Together<T, R> {
    /// Has a request served by `work`, with whichever others there are; `work` answers each, in their order.
    ///
    /// What was asked for is done even if whoever asked does not wait for it.
    ///
    /// # Errors
    /// Those of `work`. When a group fails, each of it is asked for once more, alone: nobody gets an error for somebody
    /// else's sake.
    pub(crate) async fn ask<W, Fut>(&self, request: T, work: W) -> Result<R>
    where
        W: Fn(Vec<T>) -> Fut,
        Fut: Future<Output = Result<Vec<R>>>,
    {
        let (answer, mut answered) = oneshot::channel();
        self.waiting().push((request.clone(), answer));
        let _turn = self.turn.lock().await;
        loop {
            match answered.try_recv() {
                Ok(answer) => return Ok(answer),
                Err(TryRecvError::Closed) => break,
                // Not served yet. A failure of the group shows in the next look: nobody is left to answer.
                Err(TryRecvError::Empty) => drop(self.serve(&work).await),
            }
        }
        work(vec![request]).await?.pop().ok_or_else(unanswered)
    }

    /// Serves those who have waited longest.
    async fn serve<W, Fut>(&self, work: &W) -> Result<()>
    where
        W: Fn(Vec<T>) -> Fut,
        Fut: Future<Output = Result<Vec<R>>>,
    {
        let group: Vec<_> = {
            let mut waiting = self.waiting();
            let size = waiting.len().min(MOST);
            waiting.drain(..size).collect()
        };
        let (requests, callers): (Vec<T>, Vec<_>) = group.into_iter().unzip();
        let answers = work(requests).await?;
        if answers.len() != callers.len() {
            return Err(unanswered());
        }
        for (caller, answer) in callers.into_iter().zip(answers) {
            // Whoever has gone does not want it.
            let _ = caller.send(answer);
        }
        Ok(())
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<(T, oneshot::Sender<R>)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unanswered() -> Error {
    Error::internal("a request of a group got no answer")
}

impl<T, R> Default for Together<T, R> {
    fn default() -> Self {
        Self { waiting: Mutex::default(), turn: tokio::sync::Mutex::default() }
    }
}

impl<T, R> fmt::Debug for Together<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Together")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::join_all;
    use tokio::sync::Notify;

    use super::*;

    /// Doubles numbers, refuses groups with a 13 in them, and counts the groups. The first one waits to be let go.
    #[derive(Default)]
    struct Doubler {
        together: Together<i32, i32>,
        groups: AtomicUsize,
        go: Notify,
    }

    impl Doubler {
        async fn double(&self, number: i32) -> Result<i32> {
            let work = async |numbers: Vec<i32>| {
                if self.groups.fetch_add(1, Ordering::Relaxed) == 0 {
                    self.go.notified().await;
                }
                match numbers.contains(&13) {
                    true => Err(Error::Conflict("unlucky".to_owned())),
                    false => Ok(numbers.iter().map(|number| number * 2).collect()),
                }
            };
            self.together.ask(number, work).await
        }

        async fn all(&self, numbers: impl Iterator<Item = i32>) -> Vec<Option<i32>> {
            let asked = join_all(numbers.map(|number| self.double(number)));
            let (answers, ()) = tokio::join!(asked, async { self.go.notify_one() });
            answers.into_iter().map(Result::ok).collect()
        }
    }

    #[tokio::test]
    async fn those_who_come_together_are_served_together() {
        let doubler = Doubler::default();
        let numbers = 100..600;
        assert_eq!(doubler.all(numbers.clone()).await, numbers.map(|n| Some(n * 2)).collect::<Vec<_>>());
        assert!(doubler.groups.load(Ordering::Relaxed) <= 4);
    }

    #[tokio::test]
    async fn an_error_is_for_whom_it_concerns() {
        let doubler = Doubler::default();
        assert_eq!(doubler.all([1, 2, 13, 4].into_iter()).await, [Some(2), Some(4), None, Some(8)]);
    }
}
