//! A body on several ways at once: to the disk, and through a hasher for each algorithm.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::digest::{Algorithm, Digests, Hasher};
use super::growing::Writer;
use super::parts::Place;
use super::{blocking, fault};
use crate::error::{Error, Result};

/// What is done with every block of a body, all at the same time.
///
/// A thread is borrowed while blocks are there: a sender who takes hours holds none while it sends nothing.
pub(super) struct Lanes(Vec<Slot>);

/// How many blocks may be with a lane of an upload: its client waits for each part, so that lanes are not to wait for each
/// other, nor for the next part.
const ROOM: u32 = 4;

/// A lane, and the blocks that are with it.
#[derive(Clone)]
struct Slot {
    state: Arc<Mutex<State>>,
    /// For so many blocks.
    most: u32,
    room: Arc<Semaphore>,
}

struct State {
    /// Unless a thread is at it.
    lane: Option<Lane>,
    waiting: VecDeque<(Bytes, OwnedSemaphorePermit)>,
    failed: Option<io::Error>,
}

impl Slot {
    fn new(lane: Lane, most: u32) -> Self {
        let state = State { lane: Some(lane), waiting: VecDeque::new(), failed: None };
        Self { state: Arc::new(Mutex::new(state)), most, room: Arc::new(Semaphore::new(most as usize)) }
    }

    async fn push(&self, block: Bytes) -> Result<()> {
        let Ok(room) = Arc::clone(&self.room).acquire_owned().await else { return Err(self.failure()) };
        let mut state = self.lock();
        match state.lane.take() {
            None => state.waiting.push_back((block, room)),
            Some(lane) => {
                let slot = self.clone();
                tokio::task::spawn_blocking(move || slot.work(lane, (block, room)));
            }
        }
        Ok(())
    }

    /// Works off the blocks that are there.
    fn work(&self, mut lane: Lane, mut next: (Bytes, OwnedSemaphorePermit)) {
        let _lost = Lost(&self.room);
        loop {
            let outcome = lane.run(&next.0);
            let mut state = self.lock();
            if let Err(error) = outcome {
                state.failed = Some(error);
                self.room.close();
                return;
            }
            // The room of the last block is given back when the lane is there again.
            match state.waiting.pop_front() {
                Some(block) => next = block,
                None => return state.lane = Some(lane),
            }
        }
    }

    /// Waits for the last block.
    async fn finish(self) -> Result<Lane> {
        let Ok(_all) = self.room.acquire_many(self.most).await else { return Err(self.failure()) };
        let lane = self.lock().lane.take();
        lane.ok_or_else(|| self.failure())
    }

    fn failure(&self) -> Error {
        match self.lock().failed.take() {
            Some(error) => fault(error),
            None => Error::internal("a lane of a body got lost"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells whoever waits for room if the lane comes to grief.
struct Lost<'a>(&'a Semaphore);

impl Drop for Lost<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.close();
        }
    }
}

/// What happens to each block.
pub(super) enum Lane {
    Write(File),
    Grow(Writer),
    Place(Place),
    Hash(Hasher),
}

impl Lane {
    fn run(&mut self, block: &[u8]) -> io::Result<()> {
        match self {
            Self::Write(file) => file.write_all(block),
            Self::Grow(writer) => writer.write(block),
            Self::Place(place) => place.write(block),
            Self::Hash(hasher) => {
                hasher.update(block);
                Ok(())
            }
        }
    }

    fn close(self) {
        if let Self::Place(place) = self {
            place.close();
        }
    }
}

impl Lanes {
    /// As few blocks as will do are in memory: there are many downloads at a time.
    pub(super) fn start(writing: Option<Lane>, algorithms: &[Algorithm]) -> Self {
        Self::with_room(1, writing, algorithms)
    }

    /// Writes a part to its place, and hashes it by the given algorithms.
    pub(super) fn placing(place: Place, algorithms: &[Algorithm]) -> Self {
        Self::with_room(ROOM, Some(Lane::Place(place)), algorithms)
    }

    /// Hashes one part of an upload after the other.
    pub(super) fn running(algorithms: &[Algorithm]) -> Self {
        Self::with_room(ROOM, None, algorithms)
    }

    fn with_room(most: u32, writing: Option<Lane>, algorithms: &[Algorithm]) -> Self {
        // One lane an algorithm: what they cost differs too much, and from processor to processor, to share it out.
        let hashing = algorithms.iter().map(|algorithm| Lane::Hash(Hasher::new(&[*algorithm])));
        let lanes = writing.into_iter().chain(hashing);
        Self(lanes.map(|lane| Slot::new(lane, most)).collect())
    }

    /// Writes where others read already, and hashes.
    pub(super) fn growing(writer: Writer, algorithms: &[Algorithm]) -> Self {
        Self::start(Some(Lane::Grow(writer)), algorithms)
    }

    /// Adds lanes for the same body; says how many there were before.
    pub(super) fn join(&mut self, others: Self) -> usize {
        let before = self.0.len();
        self.0.extend(others.0);
        before
    }

    /// Takes lanes away again, those from a certain one on.
    pub(super) fn part(&mut self, from: usize) -> Self {
        Self(self.0.split_off(from))
    }

    /// Hands a block to each lane as soon as there is room for it.
    pub(super) async fn push(&self, block: Bytes) -> Result<()> {
        for slot in &self.0 {
            slot.push(block.clone()).await?;
        }
        Ok(())
    }

    /// Waits for everything.
    pub(super) async fn finish(self) -> Result<Digests> {
        let mut hashers = Vec::with_capacity(self.0.len());
        for slot in self.0 {
            match slot.finish().await? {
                Lane::Hash(hasher) => hashers.push(hasher),
                // Closing can wait for a network filesystem.
                writing => {
                    let close = move || {
                        writing.close();
                        Ok(())
                    };
                    blocking(close).await?;
                }
            }
        }
        Ok(hashers.into_iter().collect())
    }
}

impl fmt::Debug for Lanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lanes").field(&self.0.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(nth: usize) -> Bytes {
        vec![nth as u8; 1000 + nth].into()
    }

    #[tokio::test]
    async fn each_lane_gets_every_block_in_order_however_far_ahead_it_is_fed() {
        let whole: Vec<u8> = (0..200).flat_map(block).collect();
        for most in [1, 3] {
            let file = tempfile::NamedTempFile::new().unwrap();
            let writing = Lane::Write(file.reopen().unwrap());
            let lanes = Lanes::with_room(most, Some(writing), &Algorithm::ALL);
            for nth in 0..200 {
                lanes.push(block(nth)).await.unwrap();
            }
            let mut expected = Hasher::new(&Algorithm::ALL);
            expected.update(&whole);
            assert_eq!(lanes.finish().await.unwrap(), expected.finish().1);
            assert!(std::fs::read(file.path()).unwrap() == whole);
        }
    }

    #[tokio::test]
    async fn a_lane_that_fails_ends_the_body_at_the_next_block_or_at_the_end() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let unwritable = || Some(Lane::Write(File::open(file.path()).unwrap()));
        let lanes = Lanes::with_room(3, unwritable(), &[]);
        let mut pushed = 0;
        while lanes.push(block(1)).await.is_ok() {
            pushed += 1;
        }
        assert!(pushed <= 3, "nothing makes room: {pushed}");

        let lanes = Lanes::start(unwritable(), &[Algorithm::Sha256]);
        lanes.push(block(1)).await.unwrap();
        assert!(matches!(lanes.finish().await, Err(Error::Internal(_))));
    }
}
