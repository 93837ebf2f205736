//! Bodies that others read while they come in: any number of readers of one download.
//!
//! A growing body goes to its temporary file as it comes, also when little comes, and whoever sends it is told how much of
//! it can be read. It counts as received when it is whole and verified, like any other.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt};
use tokio::time::timeout;

use super::blocking;
use super::digest::{Algorithm, Hasher};
use super::lanes::Lanes;
use super::receive::{BLOCK, Body, Expected, IN_MEMORY, ReceiveError, Received, only};
use super::spool::{Spool, Spooled};
use crate::error::{Error, Result};

/// How long something that came waits for more before it goes to the file.
const PROMPT: Duration = Duration::from_millis(20);

/// Is told that so many bytes can be read.
type Grown = Arc<dyn Fn(u64) + Send + Sync>;

/// Room for a body that is about to come in. Dropping it removes it.
#[derive(Debug)]
pub struct Growing(Option<(Arriving, Spooled)>);

/// The file of a body that is coming in. Cheap to clone. It can be read for as long as somebody holds it, wherever it is
/// moved meanwhile, and if it is removed.
#[derive(Clone, Debug)]
pub struct Arriving(Arc<File>);

/// A body that came in whole and is what was promised.
#[derive(Debug)]
pub struct Arrived {
    /// How many bytes it has.
    pub size: u64,
    /// The bytes, if they are so few that they are not in the file.
    pub bytes: Option<Bytes>,
    /// The same to be kept, if that was wanted.
    pub received: Option<Received>,
}

impl Growing {
    /// Room for a body of `size` bytes, if that is known.
    pub(super) async fn open(spool: &Arc<Spool>, size: Option<u64>) -> Result<Self> {
        if size.is_some_and(|size| size <= IN_MEMORY as u64) {
            return Ok(Self(None));
        }
        let spool = Arc::clone(spool);
        let (file, spooled) = blocking(move || spool.create()).await?;
        Ok(Self(Some((Arriving(Arc::new(file)), spooled))))
    }

    /// Where the body can be read as far as it has come; `None` for one so small that it never is on the disk.
    pub fn file(&self) -> Option<Arriving> {
        self.0.as_ref().map(|(file, _)| file.clone())
    }
}

impl Arriving {
    /// The bytes from `at` on, exactly `length`.
    ///
    /// # Errors
    /// [`Error::Internal`] if they are not there yet, or cannot be read.
    pub async fn read(&self, at: u64, length: usize) -> Result<Bytes> {
        let file = Arc::clone(&self.0);
        blocking(move || {
            let mut block = vec![0; length];
            file.read_exact_at(&mut block, at)?;
            Ok(block.into())
        })
        .await
    }
}

/// One that writes what comes, and says so.
pub(super) struct Writer {
    file: Arriving,
    written: u64,
    grown: Grown,
}

impl Writer {
    pub(super) fn write(&mut self, block: &[u8]) -> io::Result<()> {
        self.file.0.write_all_at(block, self.written)?;
        self.written += block.len() as u64;
        (self.grown)(self.written);
        Ok(())
    }
}

/// Receives a body: see [`super::Storage::receive_growing`].
pub(super) async fn receive<S>(
    growing: Growing,
    configured: &[Algorithm],
    stream: S,
    expected: &Expected,
    keep: bool,
    grown: Grown,
) -> Result<Arrived, ReceiveError>
where
    S: Stream<Item = Result<Bytes>> + Send,
{
    let algorithms = expected.algorithms(if keep { configured } else { &[] });

    expected.admit(expected.size.unwrap_or(0))?;
    let is_large = |size: u64| size.max(expected.size.unwrap_or(0)) > IN_MEMORY as u64;
    let mut size = 0;
    let mut stream = pin!(stream);
    let mut pending = BytesMut::new();
    let mut lanes = None;
    loop {
        let next = if pending.is_empty() || !is_large(size) {
            stream.next().await
        } else {
            match timeout(PROMPT, stream.next()).await {
                Ok(next) => next,
                Err(_) => {
                    let block = std::mem::take(&mut pending).freeze();
                    start(&mut lanes, &growing, &algorithms, &grown)?.push(block).await?;
                    continue;
                }
            }
        };
        let Some(chunk) = next else { break };
        let chunk = chunk?;
        size += chunk.len() as u64;
        expected.admit(size)?;
        // Blocks that are whole already are passed on without a copy.
        let block = if pending.is_empty() && chunk.len() >= BLOCK {
            chunk
        } else {
            pending.extend_from_slice(&chunk);
            if pending.len() < BLOCK {
                continue;
            }
            std::mem::take(&mut pending).freeze()
        };
        start(&mut lanes, &growing, &algorithms, &grown)?.push(block).await?;
    }

    let rest = pending.freeze();
    if is_large(size) && !rest.is_empty() {
        start(&mut lanes, &growing, &algorithms, &grown)?.push(rest.clone()).await?;
    }
    let (digests, bytes) = match lanes {
        Some(lanes) => (lanes.finish().await?, None),
        None => {
            let mut hasher = Hasher::new(&algorithms);
            hasher.update(&rest);
            // A copy, because the buffer has room for more than the body.
            (hasher.finish().1, Some(Bytes::copy_from_slice(&rest)))
        }
    };
    expected.verify(size, &digests)?;
    let body = match (&bytes, growing.0) {
        (Some(bytes), _) => Some(Body::Memory(bytes.clone())),
        (None, spooled) => spooled.map(|(_, spooled)| Body::Spooled(spooled)),
    };
    let received = body.filter(|_| keep).map(|body| Received { size, digests: only(configured, digests), body });
    Ok(Arrived { size, bytes, received })
}

fn start<'a>(
    lanes: &'a mut Option<Lanes>,
    growing: &Growing,
    algorithms: &[Algorithm],
    grown: &Grown,
) -> Result<&'a mut Lanes> {
    if lanes.is_none() {
        let file = growing.file().ok_or_else(|| Error::internal("a body is larger than it was said to be"))?;
        *lanes = Some(Lanes::growing(Writer { file, written: 0, grown: Arc::clone(grown) }, algorithms));
    }
    lanes.as_mut().ok_or_else(|| Error::internal("lanes that were just made are gone"))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU64, Ordering};

    use futures::stream;
    use tokio::sync::mpsc;

    use super::*;

    fn spool() -> (tempfile::TempDir, Arc<Spool>) {
        let folder = tempfile::tempdir().unwrap();
        let spool = Arc::new(Spool::new(folder.path().to_owned()));
        (folder, spool)
    }

    fn body(size: usize) -> Vec<u8> {
        (0..size).map(|nth| (nth % 251) as u8).collect()
    }

    const CONFIGURED: [Algorithm; 2] = [Algorithm::Sha256, Algorithm::Sha512];

    #[tokio::test]
    async fn bodies_of_every_size_arrive_whole_and_are_kept_or_not() {
        let (_folder, spool) = spool();
        for size in [0, 1, IN_MEMORY, IN_MEMORY + 1, BLOCK, 3 * BLOCK + 17] {
            for (chunk, said) in [(1000, true), (70_000, false), (4 * BLOCK, true)] {
                for keep in [true, false] {
                    let body = body(size);
                    let chunks: Vec<_> = body.chunks(chunk).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
                    let size = said.then_some(size as u64);
                    let expected = Expected { size, ..Expected::default() };
                    let growing = Growing::open(&spool, size).await.unwrap();
                    let file = growing.file();
                    let seen = Arc::new(AtomicU64::new(0));
                    let grown: Grown = Arc::new({
                        let seen = Arc::clone(&seen);
                        move |written| seen.store(written, Ordering::Relaxed)
                    });
                    let arrived = receive(growing, &CONFIGURED, stream::iter(chunks), &expected, keep, grown);
                    let arrived = arrived.await.unwrap();
                    assert_eq!((arrived.size, arrived.received.is_some()), (body.len() as u64, keep));
                    let read = match &arrived.bytes {
                        Some(bytes) => bytes.clone(),
                        None => {
                            assert_eq!(seen.load(Ordering::Relaxed), arrived.size);
                            file.unwrap().read(0, body.len()).await.unwrap()
                        }
                    };
                    assert!(read == body, "{size:?} in {chunk}");
                    if let Some(received) = arrived.received {
                        assert_eq!(received.digests().iter().count(), CONFIGURED.len());
                        assert!(received.read().await.unwrap().bytes().await.unwrap() == body);
                    }
                    assert!(spool.files().is_empty());
                }
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_came_can_be_read_though_no_more_comes() {
        let (_folder, spool) = spool();
        let (sender, mut chunks) = mpsc::unbounded_channel();
        let stream = stream::poll_fn(move |cx| chunks.poll_recv(cx));
        let growing = Growing::open(&spool, None).await.unwrap();
        let file = growing.file().unwrap();
        let (grown, mut told) = mpsc::unbounded_channel();
        let grown: Grown = Arc::new(move |written| grown.send(written).unwrap());
        let receiving = tokio::spawn(async move {
            receive(growing, &CONFIGURED, stream, &Expected::default(), false, grown).await.map(|arrived| arrived.size)
        });
        for (chunk, total) in [(70_000, 70_000), (1, 70_001), (300_000, 370_001)] {
            sender.send(Ok(Bytes::from(vec![7; chunk]))).unwrap();
            assert_eq!(told.recv().await, Some(total));
            assert_eq!(file.read(total - 1, 1).await.unwrap(), [7_u8][..]);
        }
        drop(sender);
        assert_eq!(receiving.await.unwrap().unwrap(), 370_001);
        assert!(spool.files().is_empty(), "nobody wanted to keep it");
        assert_eq!(file.read(0, 1).await.unwrap(), [7_u8][..], "and who reads it still can");
    }

    #[tokio::test]
    async fn a_body_that_is_not_what_was_promised_leaves_nothing() {
        let (_folder, spool) = spool();
        let wrong = Expected { digests: crate::storage::Digests::default(), size: Some(200_001), max_size: None };
        let sizes = Arc::new(Mutex::new(Vec::new()));
        let growing = Growing::open(&spool, None).await.unwrap();
        let chunks = stream::iter([Ok(Bytes::from(vec![1; 200_000]))]);
        let grown: Grown = Arc::new({
            let sizes = Arc::clone(&sizes);
            move |written| sizes.lock().unwrap().push(written)
        });
        let error = receive(growing, &CONFIGURED, chunks, &wrong, true, grown).await.unwrap_err();
        assert!(matches!(error, ReceiveError::Size { expected: 200_001, actual: 200_000 }));
        assert_eq!(*sizes.lock().unwrap(), [200_000]);
        assert!(spool.files().is_empty());
    }
}
