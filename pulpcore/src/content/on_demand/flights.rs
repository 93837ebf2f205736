//! Downloads under way, and the clients that follow them.
//!
//! A download tells how far it is in a [`State`] that all its clients watch; they read its temporary file by themselves.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::Stream;
use tokio::sync::watch;
use uuid::Uuid;

use super::{Failure, Promised, reset};
use crate::content::stored::Stored;
use crate::error::{Error, Result};
use crate::storage::Arriving;

/// How many bytes at the end of an answer wait for the verification.
const HELD_BACK: u64 = crate::storage::IN_MEMORY as u64;

/// The unit in which a client reads. It is what a client costs.
const BLOCK: u64 = 64 * 1024;

/// What is downloaded once, however many ask.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    /// A content artifact.
    Unit(Uuid),
    /// What is at a URL of a remote.
    Url(Uuid, String),
}

/// All downloads of this process that clients can join.
#[derive(Default)]
pub(super) struct Flights(Mutex<HashMap<Key, Arc<watch::Sender<State>>>>);

/// What is known about a file when its first bytes may go out.
#[derive(Clone, Debug)]
pub(in crate::content) struct Told {
    /// The strong entity tag, with its quotes.
    pub(super) tag: Option<String>,
    /// How many bytes it has.
    pub(super) size: Option<u64>,
}

impl Told {
    /// What a promise says, and the remote.
    pub(in crate::content) fn of(promised: &Promised, size: Option<u64>) -> Self {
        let sha256 = promised.expected.digests.sha256();
        Self { tag: (!sha256.is_empty()).then(|| format!("\"{sha256}\"")), size }
    }
}

/// How far a download is.
#[derive(Default)]
pub(super) struct State {
    /// Which attempt this is: what an earlier one still says means nothing.
    attempt: u32,
    /// There from the moment when a remote answered.
    told: Option<Told>,
    file: Option<Arriving>,
    /// How many bytes are in the file.
    written: u64,
    end: Option<End>,
}

/// How a download ended.
enum End {
    /// Everything came and is what it should be: so many bytes, which are here if they are few, and else in the file.
    Whole(u64, Option<Bytes>),
    /// None was needed: somebody else has kept the file in the meantime.
    Stored(Arc<Stored>),
    Failed(Failure),
}

/// What a client can begin with.
pub(super) enum Beginning {
    Begun(Told),
    Stored(Arc<Stored>),
    Failed(Failure),
}

impl State {
    /// Whether bytes may have gone out: from then on there is no other attempt.
    fn has_spoken(&self) -> bool {
        let Some(told) = &self.told else { return false };
        match told.size {
            Some(size) => self.written > 0 && size > HELD_BACK,
            None => self.written > HELD_BACK,
        }
    }

    /// How far a client may read whose answer ends at `to`, or with the file.
    fn open_to(&self, to: Option<u64>) -> u64 {
        match (&self.end, to) {
            (Some(End::Whole(size, _)), to) => to.unwrap_or(*size),
            (_, Some(to)) => self.written.min(to.saturating_sub(HELD_BACK)),
            (_, None) => self.written.saturating_sub(HELD_BACK),
        }
    }

    fn step(&self, at: u64, to: Option<u64>) -> Step {
        if matches!(self.end, Some(End::Failed(_) | End::Stored(_))) {
            return Step::Broken;
        }
        let open = self.open_to(to);
        if at >= open {
            return if self.end.is_some() { Step::Done } else { Step::Wait };
        }
        match (&self.end, &self.file) {
            (Some(End::Whole(_, Some(bytes))), _) => match (usize::try_from(at), usize::try_from(open)) {
                (Ok(at), Ok(open)) if open <= bytes.len() => Step::Bytes(bytes.slice(at..open)),
                _ => Step::Broken,
            },
            (_, Some(file)) => Step::Read(file.clone(), (open - at).min(BLOCK)),
            (_, None) => Step::Broken,
        }
    }
}

/// What a client does next.
enum Step {
    Bytes(Bytes),
    Read(Arriving, u64),
    Wait,
    Done,
    Broken,
}

impl Flights {
    /// Follows the download of `key`; `begin` starts it if there is none.
    pub(super) fn join(self: &Arc<Self>, key: Key, begin: impl FnOnce(Landing)) -> Follower {
        let mut all = self.all();
        if let Some(state) = all.get(&key) {
            return Follower(state.subscribe());
        }
        let (state, follower) = watch::channel(State::default());
        let state = Arc::new(state);
        all.insert(key.clone(), Arc::clone(&state));
        drop(all);
        begin(Landing { flights: Arc::clone(self), key, state });
        Follower(follower)
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Key, Arc<watch::Sender<State>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a download tells how far it is. Nobody can join it any more when this is dropped.
pub(super) struct Landing {
    flights: Arc<Flights>,
    key: Key,
    state: Arc<watch::Sender<State>>,
}

impl Landing {
    /// A remote has answered: what comes goes to this file.
    pub(super) fn begun(&self, told: Told, file: Option<Arriving>) {
        self.state.send_modify(|state| (state.told, state.file) = (Some(told), file));
    }

    /// What is to be told how many bytes are in the file.
    pub(super) fn grown(&self) -> Arc<dyn Fn(u64) + Send + Sync> {
        let (state, attempt) = (Arc::clone(&self.state), self.state.borrow().attempt);
        Arc::new(move |written| {
            state.send_if_modified(|state| {
                let is_news = state.attempt == attempt;
                if is_news {
                    state.written = written;
                }
                is_news
            });
        })
    }

    /// Everything came.
    pub(super) fn whole(&self, size: u64, bytes: Option<Bytes>) {
        self.state.send_modify(|state| state.end = Some(End::Whole(size, bytes)));
    }

    /// Nothing has to come.
    pub(super) fn stored(&self, stored: Stored) {
        self.state.send_modify(|state| state.end = Some(End::Stored(Arc::new(stored))));
    }

    /// That is the end.
    pub(super) fn failed(&self, failure: Failure) {
        self.state.send_modify(|state| state.end = Some(End::Failed(failure)));
    }

    /// An attempt failed. Says whether there may be another one; if not, that is the end.
    pub(super) fn may_try_again(&self, failure: Failure) -> bool {
        let mut may = false;
        self.state.send_modify(|state| {
            may = !state.has_spoken();
            if may {
                *state = State { attempt: state.attempt + 1, ..State::default() };
            } else {
                state.end = Some(End::Failed(failure));
            }
        });
        may
    }

    /// Returns when nobody follows.
    pub(super) async fn deserted(&self) {
        self.state.closed().await;
    }

    /// If still nobody follows, nobody can any more.
    pub(super) fn abandon(&self) -> bool {
        let mut all = self.flights.all();
        let deserted = self.state.is_closed();
        if deserted {
            self.forget(&mut all);
        }
        deserted
    }

    fn forget(&self, all: &mut HashMap<Key, Arc<watch::Sender<State>>>) {
        if all.get(&self.key).is_some_and(|state| Arc::ptr_eq(state, &self.state)) {
            all.remove(&self.key);
        }
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.forget(&mut self.flights.all());
    }
}

/// A client of a download. Dropping it leaves the download.
pub(super) struct Follower(watch::Receiver<State>);

impl Follower {
    /// Waits until bytes may go out, or never will.
    pub(super) async fn begun(&mut self) -> Result<Beginning> {
        let state = self.0.wait_for(|state| state.end.is_some() || state.has_spoken()).await.map_err(lost)?;
        Ok(match (&state.end, &state.told) {
            (Some(End::Failed(failure)), _) => Beginning::Failed(*failure),
            (Some(End::Stored(stored)), _) => Beginning::Stored(Arc::clone(stored)),
            (Some(End::Whole(size, _)), Some(told)) => Beginning::Begun(Told { size: Some(*size), ..told.clone() }),
            (None, Some(told)) => Beginning::Begun(told.clone()),
            (_, None) => return Err(Error::internal("a download began without an answer")),
        })
    }

    /// Waits until the byte at `from` may go out, in an answer that ends at `to`.
    pub(super) async fn reach(&mut self, from: u64, to: Option<u64>) -> Result<Result<(), Failure>> {
        let reached = self.0.wait_for(|state| state.end.is_some() || state.open_to(to) > from);
        let state = reached.await.map_err(lost)?;
        Ok(if let Some(End::Failed(failure)) = &state.end { Err(*failure) } else { Ok(()) })
    }

    /// The bytes from `from` on, as they come. It breaks off unless the download ends well.
    pub(super) fn body(mut self, from: u64, to: Option<u64>) -> impl Stream<Item = io::Result<Bytes>> + Send {
        async_stream::try_stream! {
            let mut at = from;
            loop {
                let step = self.0.borrow_and_update().step(at, to);
                match step {
                    Step::Bytes(bytes) => {
                        at += bytes.len() as u64;
                        yield bytes;
                    }
                    Step::Read(file, length) => {
                        // Lossless: at most a block.
                        let block = file.read(at, length as usize).await.map_err(|error| {
                            tracing::error!("a download cannot be read: {}", error.log());
                            reset()
                        })?;
                        at += length;
                        yield block;
                    }
                    Step::Wait => self.0.changed().await.map_err(|_| reset())?,
                    Step::Done => break,
                    Step::Broken => Err(reset())?,
                }
            }
        }
    }
}

fn lost(_: watch::error::RecvError) -> Error {
    Error::internal("a download ended without an outcome")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: u64 = 1024;

    fn state(size: Option<u64>, written: u64) -> State {
        State { told: Some(Told { tag: None, size }), written, ..State::default() }
    }

    #[test]
    fn the_end_of_each_answer_waits() {
        let half = state(Some(1000 * KIB), 500 * KIB);
        assert_eq!(half.open_to(Some(1000 * KIB)), 500 * KIB);
        assert_eq!(half.open_to(Some(400 * KIB)), 400 * KIB - HELD_BACK);
        assert_eq!(half.open_to(Some(10)), 0);
        let all = state(Some(1000 * KIB), 1000 * KIB);
        assert_eq!(all.open_to(Some(1000 * KIB)), 1000 * KIB - HELD_BACK);
        let endless = state(None, 500 * KIB);
        assert_eq!(endless.open_to(None), 500 * KIB - HELD_BACK);
        let verified = State { end: Some(End::Whole(1000 * KIB, None)), ..all };
        assert_eq!((verified.open_to(None), verified.open_to(Some(10))), (1000 * KIB, 10));
    }

    #[test]
    fn what_is_small_is_verified_before_anything_is_said() {
        assert!(!state(Some(HELD_BACK), HELD_BACK).has_spoken());
        assert!(!state(None, HELD_BACK).has_spoken());
        assert!(!State::default().has_spoken());
        assert!(state(Some(HELD_BACK + 1), 1).has_spoken());
        assert!(state(None, HELD_BACK + 1).has_spoken());
    }

    #[tokio::test]
    async fn what_an_earlier_attempt_still_writes_means_nothing() {
        let flights = Arc::new(Flights::default());
        let mut landing = None;
        let follower = flights.join(Key::Unit(Uuid::nil()), |new| landing = Some(new));
        let landing = landing.unwrap();
        landing.begun(Told { tag: None, size: Some(100) }, None);
        let late = landing.grown();
        assert!(landing.may_try_again(Failure::Unreachable));
        late(100);
        assert_eq!(follower.0.borrow().written, 0);
        landing.grown()(7);
        assert_eq!(follower.0.borrow().written, 7);
    }

    #[tokio::test]
    async fn nobody_joins_what_was_abandoned() {
        let flights = Arc::new(Flights::default());
        let mut landing = None;
        let follower = flights.join(Key::Unit(Uuid::nil()), |new| landing = Some(new));
        let landing = landing.unwrap();
        assert!(!landing.abandon());
        drop(follower);
        landing.deserted().await;
        let second = flights.join(Key::Unit(Uuid::nil()), |_| panic!("there is one"));
        assert!(!landing.abandon(), "somebody came");
        drop(second);
        assert!(landing.abandon());
        let mut began = false;
        drop(flights.join(Key::Unit(Uuid::nil()), |_| began = true));
        assert!(began);
    }
}
