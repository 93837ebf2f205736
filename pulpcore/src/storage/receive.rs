//! Bodies coming in: bounded, hashed once while they stream, verified, and not yet named.

use std::io::Write;
use std::pin::pin;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt};

use super::blocking;
use super::digest::{Algorithm, Digests, Hasher};
use super::lanes::{Lane, Lanes};
use super::read::{self, Reading};
use super::spool::{Spool, Spooled};
use crate::error::{Error, Result, Upstream};

/// Bodies up to this many bytes never touch the disk before they are named.
pub const IN_MEMORY: usize = 64 * 1024;

/// The unit in which larger bodies go to the disk and to the hashers. At most three of them are in memory for a body, six
/// for a part of an upload.
pub(super) const BLOCK: usize = 256 * 1024;

/// What the sender of a body promised, and how much is accepted at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// The exact number of bytes.
    pub size: Option<u64>,
    /// Digests, of any algorithm.
    pub digests: Digests,
    /// The largest number of bytes that is accepted.
    pub max_size: Option<u64>,
}

/// Why a body was not received. Nothing of it is left.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// A digest is not the promised one. The text is Pulp's.
    #[error("The {algorithm} checksum did not match.")]
    Digest {
        /// The first algorithm, in Pulp's order, that differs.
        algorithm: Algorithm,
        /// What was promised, in hexadecimal.
        expected: String,
        /// What came, in hexadecimal.
        actual: String,
    },
    /// There were fewer or more bytes than promised. The text is Pulp's.
    #[error("The size did not match actual size of file.")]
    Size {
        /// What was promised.
        expected: u64,
        /// What came. Reading stops at the first chunk too many, so that there may have been more.
        actual: u64,
    },
    /// The stream failed, was too large ([`Error::TooLarge`]), or the storage failed.
    #[error(transparent)]
    Failed(#[from] Error),
}

impl ReceiveError {
    /// As a fault of the server at `url`, for a download.
    pub fn upstream(self, url: impl AsRef<str>) -> Error {
        match self {
            Self::Digest { algorithm, expected, actual } => {
                Error::upstream(url, Upstream::Digest { digest: algorithm.name(), expected, actual })
            }
            Self::Size { expected, actual } => Error::upstream(url, Upstream::Size { expected, actual }),
            Self::Failed(error) => error,
        }
    }

    /// As a fault of the client who sent the body, for an upload.
    pub fn invalid(self) -> Error {
        match self {
            Self::Failed(error) => error,
            mismatch => Error::invalid_together(mismatch.to_string()),
        }
    }
}

/// A verified body that has no name yet. Dropping it removes it.
#[derive(Debug)]
pub struct Received {
    pub(super) size: u64,
    pub(super) digests: Digests,
    pub(super) body: Body,
}

/// Where a received body lies.
#[derive(Debug)]
pub(super) enum Body {
    Memory(Bytes),
    Spooled(Spooled),
}

impl Received {
    /// How many bytes it has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Its digests, by the configured algorithms.
    pub fn digests(&self) -> &Digests {
        &self.digests
    }

    /// Its SHA-256 digest, in lower-case hexadecimal.
    pub fn sha256(&self) -> &str {
        self.digests.sha256()
    }

    /// The body, for whoever has to look into it before it is kept.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if the temporary file cannot be read.
    pub async fn read(&self) -> Result<Reading> {
        match &self.body {
            Body::Memory(bytes) => Ok(Reading::of_bytes(bytes.clone())),
            Body::Spooled(spooled) => read::file(spooled.path().to_owned(), None, None).await,
        }
    }
}

/// Receives a body: see [`super::Storage::receive`].
pub(super) async fn receive<S>(
    spool: &Arc<Spool>,
    configured: &[Algorithm],
    stream: S,
    expected: &Expected,
) -> Result<Received, ReceiveError>
where
    S: Stream<Item = Result<Bytes>> + Send,
{
    let algorithms = expected.algorithms(configured);

    let mut size = 0;
    expected.admit(expected.size.unwrap_or(0))?;
    let mut stream = pin!(stream);
    let mut pending = BytesMut::new();
    let mut pipeline = None;
    while let Some(chunk) = stream.next().await {
        let mut chunk = chunk?;
        size += chunk.len() as u64;
        expected.admit(size)?;
        if pending.len() + chunk.len() > IN_MEMORY && pending.capacity() < BLOCK {
            pending.reserve(BLOCK - pending.len());
        }
        while pending.len() + chunk.len() >= BLOCK {
            // Chunks that are blocks already are passed on without a copy.
            let block = if pending.is_empty() {
                chunk.split_to(BLOCK)
            } else {
                pending.extend_from_slice(&chunk.split_to(BLOCK - pending.len()));
                std::mem::take(&mut pending).freeze()
            };
            if pipeline.is_none() {
                pipeline = Some(Pipeline::start(spool, &algorithms).await?);
            }
            if let Some(pipeline) = &mut pipeline {
                pipeline.push(block).await?;
            }
        }
        pending.extend_from_slice(&chunk);
    }

    let rest = pending.freeze();
    let (digests, body) = match pipeline {
        Some(pipeline) => pipeline.finish(rest).await?,
        None if rest.len() <= IN_MEMORY => {
            let mut hasher = Hasher::new(&algorithms);
            hasher.update(&rest);
            // A copy, because the buffer has room for more than the body, and a batch holds many.
            (hasher.finish().1, Body::Memory(Bytes::copy_from_slice(&rest)))
        }
        None => spool_at_once(spool, algorithms, rest).await?,
    };
    expected.verify(size, &digests)?;
    Ok(Received { size, digests: only(configured, digests), body })
}

impl Expected {
    /// What a body is hashed by: the configured algorithms, and those that something is promised of. Each once.
    pub(super) fn algorithms(&self, configured: &[Algorithm]) -> Vec<Algorithm> {
        let mut algorithms = configured.to_vec();
        algorithms.extend(self.digests.iter().map(|(algorithm, _)| algorithm));
        algorithms.sort_unstable();
        algorithms.dedup();
        algorithms
    }

    /// Whether a body of so many bytes, or one that begins so, is still acceptable.
    pub(crate) fn admit(&self, size: u64) -> Result<(), ReceiveError> {
        if let Some(max) = self.max_size
            && size > max
        {
            return Err(Error::TooLarge(format!("The body is larger than {max} bytes.")).into());
        }
        match self.size {
            Some(expected) if size > expected => Err(ReceiveError::Size { expected, actual: size }),
            _ => Ok(()),
        }
    }

    /// Whether a whole body is what was promised.
    pub(crate) fn verify(&self, size: u64, digests: &Digests) -> Result<(), ReceiveError> {
        if let Some(expected) = self.size
            && size != expected
        {
            return Err(ReceiveError::Size { expected, actual: size });
        }
        for (algorithm, promised) in self.digests.iter() {
            let actual = digests.get(algorithm).unwrap_or_default();
            if actual != promised {
                let (expected, actual) = (promised.to_owned(), actual.to_owned());
                return Err(ReceiveError::Digest { algorithm, expected, actual });
            }
        }
        Ok(())
    }
}

/// Drops the digests that were computed for verification alone.
pub(super) fn only(configured: &[Algorithm], mut digests: Digests) -> Digests {
    for algorithm in Algorithm::ALL {
        if !configured.contains(&algorithm) {
            digests.take(algorithm);
        }
    }
    digests
}

/// Writes and hashes a body that fits one block: one trip to another thread instead of several.
async fn spool_at_once(spool: &Arc<Spool>, algorithms: Vec<Algorithm>, body: Bytes) -> Result<(Digests, Body)> {
    let spool = Arc::clone(spool);
    blocking(move || {
        let (mut file, spooled) = spool.create()?;
        file.write_all(&body)?;
        let mut hasher = Hasher::new(&algorithms);
        hasher.update(&body);
        Ok((hasher.finish().1, Body::Spooled(spooled)))
    })
    .await
}

/// Feeds a body to lanes, block by block, while it is acceptable; says how long it was. They may still be at it then.
pub(super) async fn feed<S>(lanes: &Lanes, stream: S, expected: &Expected) -> Result<u64, ReceiveError>
where
    S: Stream<Item = Result<Bytes>> + Send,
{
    let mut size = 0;
    expected.admit(expected.size.unwrap_or(0))?;
    let mut stream = pin!(stream);
    let mut pending = BytesMut::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk?;
        size += chunk.len() as u64;
        expected.admit(size)?;
        // Blocks that are whole already are passed on without a copy.
        if pending.is_empty() && chunk.len() >= BLOCK {
            lanes.push(chunk).await?;
            continue;
        }
        pending.extend_from_slice(&chunk);
        if pending.len() >= BLOCK {
            lanes.push(std::mem::take(&mut pending).freeze()).await?;
        }
    }
    if !pending.is_empty() {
        lanes.push(pending.freeze()).await?;
    }
    Ok(size)
}

/// Hashes a body by these algorithms and those that something is promised of, and verifies it.
pub(super) async fn hash<S>(configured: &[Algorithm], stream: S, expected: &Expected) -> Result<Digests, ReceiveError>
where
    S: Stream<Item = Result<Bytes>> + Send,
{
    let lanes = Lanes::start(None, &expected.algorithms(configured));
    let size = feed(&lanes, stream, expected).await?;
    let digests = lanes.finish().await?;
    expected.verify(size, &digests)?;
    Ok(digests)
}

/// Blocks on their way to the disk and through the hashers.
struct Pipeline {
    /// Removes the file when the pipeline is dropped early, even while it is still being written.
    spooled: Spooled,
    lanes: Lanes,
}

impl Pipeline {
    async fn start(spool: &Arc<Spool>, algorithms: &[Algorithm]) -> Result<Self> {
        let spool = Arc::clone(spool);
        let (file, spooled) = blocking(move || spool.create()).await?;
        Ok(Self { spooled, lanes: Lanes::start(Some(Lane::Write(file)), algorithms) })
    }

    async fn push(&self, block: Bytes) -> Result<()> {
        self.lanes.push(block).await
    }

    /// Takes the last block and waits for everything.
    async fn finish(self, rest: Bytes) -> Result<(Digests, Body)> {
        self.lanes.push(rest).await?;
        Ok((self.lanes.finish().await?, Body::Spooled(self.spooled)))
    }
}

#[cfg(test)]
mod tests {
    use futures::{future, stream};

    use super::*;

    const CONFIGURED: [Algorithm; 2] = [Algorithm::Sha256, Algorithm::Sha512];

    fn chunks(body: &[u8], size: usize) -> impl Stream<Item = Result<Bytes>> + Send + use<> {
        let chunks: Vec<_> = body.chunks(size).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        stream::iter(chunks)
    }

    fn digests_of(body: &[u8], algorithms: &[Algorithm]) -> Digests {
        let mut hasher = Hasher::new(algorithms);
        hasher.update(body);
        hasher.finish().1
    }

    fn body(size: usize) -> Vec<u8> {
        (0..size).map(|nth| (nth % 251) as u8).collect()
    }

    fn spool() -> (tempfile::TempDir, Arc<Spool>) {
        let folder = tempfile::tempdir().unwrap();
        let spool = Arc::new(Spool::new(folder.path().to_owned()));
        (folder, spool)
    }

    #[tokio::test]
    async fn bodies_of_every_size_come_through_whole_and_hashed() {
        let (_folder, spool) = spool();
        let sizes = [0, 1, IN_MEMORY, IN_MEMORY + 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 17];
        for size in sizes {
            for chunk in [1000, 70_000, 4 * BLOCK] {
                let body = body(size);
                let expected = Expected {
                    size: Some(size as u64),
                    digests: digests_of(&body, &Algorithm::ALL),
                    max_size: Some(size as u64),
                };
                let received = receive(&spool, &CONFIGURED, chunks(&body, chunk), &expected).await.unwrap();
                assert_eq!(received.size(), size as u64);
                assert_eq!(received.digests(), &digests_of(&body, &CONFIGURED));
                assert_eq!(spool.files().len(), usize::from(size > IN_MEMORY), "{size}");
                assert!(received.read().await.unwrap().bytes().await.unwrap() == body, "{size} in {chunk}");
                drop(received);
                assert!(spool.files().is_empty());
            }
        }
    }

    #[tokio::test]
    async fn a_body_that_is_not_what_was_promised_leaves_nothing() {
        let (_folder, spool) = spool();
        for size in [10, BLOCK, 3 * BLOCK] {
            let body = body(size);
            let wrong = Expected { digests: digests_of(b"other", &[Algorithm::Md5]), ..Expected::default() };
            let error = receive(&spool, &CONFIGURED, chunks(&body, 50_000), &wrong).await.unwrap_err();
            assert!(matches!(&error, ReceiveError::Digest { algorithm: Algorithm::Md5, actual, .. }
                if Some(actual.as_str()) == digests_of(&body, &[Algorithm::Md5]).get(Algorithm::Md5)));
            assert_eq!(error.invalid().to_string(), "non_field_errors: The md5 checksum did not match.");

            for promised in [size as u64 - 1, size as u64 + 1] {
                let wrong = Expected { size: Some(promised), ..Expected::default() };
                let error = receive(&spool, &CONFIGURED, chunks(&body, 50_000), &wrong).await.unwrap_err();
                assert!(matches!(error, ReceiveError::Size { expected, .. } if expected == promised));
                assert!(error.upstream("http://a.test/").to_string().starts_with("http://a.test/: got "));
            }

            let small = Expected { max_size: Some(size as u64 - 1), ..Expected::default() };
            let error = receive(&spool, &CONFIGURED, chunks(&body, 50_000), &small).await.unwrap_err();
            assert!(matches!(error, ReceiveError::Failed(Error::TooLarge(_))));
            assert!(spool.files().is_empty());
        }
    }

    #[tokio::test]
    async fn a_promise_above_the_bound_is_refused_unread() {
        let (_folder, spool) = spool();
        let expected = Expected { size: Some(11), max_size: Some(10), ..Expected::default() };
        let error = receive(&spool, &CONFIGURED, stream::pending(), &expected).await.unwrap_err();
        assert!(matches!(error, ReceiveError::Failed(Error::TooLarge(_))));
    }

    #[tokio::test]
    async fn a_failing_stream_fails_with_its_own_error_and_leaves_nothing() {
        let (_folder, spool) = spool();
        let broken = chunks(&body(2 * BLOCK), BLOCK).chain(stream::iter([Err(Error::Canceled)]));
        let error = receive(&spool, &CONFIGURED, broken, &Expected::default()).await.unwrap_err();
        assert!(matches!(error, ReceiveError::Failed(Error::Canceled)));
        assert!(spool.files().is_empty());
    }

    #[tokio::test]
    async fn a_receiver_that_is_dropped_half_way_leaves_nothing() {
        let (_folder, spool) = spool();
        let expected = Expected::default();
        let halfway = tokio::sync::Notify::new();
        let stalled = chunks(&body(2 * BLOCK), BLOCK).chain(stream::once(async {
            assert_eq!(spool.files().len(), 1);
            halfway.notify_one();
            future::pending().await
        }));
        let receiving = receive(&spool, &CONFIGURED, stalled, &expected);
        tokio::select! {
            _ = receiving => panic!("the stream never ends"),
            () = halfway.notified() => {}
        }
        assert!(spool.files().is_empty());
    }
}
