//! Bytes going out: whole or a range, in large blocks.
//!
//! What the system has in its page cache is copied where it is asked for: a trip to another thread and back would take as
//! long as the copy. What it has not is read on a thread that may block; where the file system cannot tell (network file
//! systems), each block is, one ahead of the reader.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use bytes::{Bytes, BytesMut};
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use tokio::task::JoinHandle;

use super::buffers::Buffer;
use super::direct::Direct;
use super::{blocking, is_absent, joined, not_found};
use crate::error::Result;

/// The unit in which files are read. Up to two of them are in memory for a reader.
const BLOCK: usize = Buffer::SIZE;

/// A body, or a part of one, on its way out.
pub struct Reading {
    /// How many bytes the whole has.
    pub size: u64,
    /// Which of them [`Self::body`] yields: the range that was asked for, cut off at the end of the whole.
    pub range: Range<u64>,
    /// The bytes, in blocks of up to a few hundred KiB.
    pub body: BoxStream<'static, Result<Bytes>>,
}

impl Reading {
    /// All of the bytes at once: only for what is known to be small, see [`Self::range`].
    ///
    /// # Errors
    ///
    /// Whatever the stream fails with.
    pub async fn bytes(mut self) -> Result<Bytes> {
        let Some(first) = self.body.try_next().await? else { return Ok(Bytes::new()) };
        let Some(second) = self.body.try_next().await? else { return Ok(first) };
        let mut all = BytesMut::from(first);
        all.extend_from_slice(&second);
        while let Some(block) = self.body.try_next().await? {
            all.extend_from_slice(&block);
        }
        Ok(all.freeze())
    }

    /// Bytes that are in memory.
    pub(super) fn of_bytes(bytes: Bytes) -> Self {
        let size = bytes.len() as u64;
        Self { size, range: 0..size, body: stream::iter((size > 0).then_some(Ok(bytes))).boxed() }
    }
}

impl std::fmt::Debug for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reading").field("size", &self.size).field("range", &self.range).finish_non_exhaustive()
    }
}

/// The part of a range that lies within `size` bytes.
pub(super) fn within(size: u64, range: Option<Range<u64>>) -> Range<u64> {
    let range = range.unwrap_or(0..size);
    let start = range.start.min(size);
    start..range.end.clamp(start, size)
}

/// A local file. Opening it and reading its first block is one trip to another thread. What is longer than that block goes
/// out directly, if it can.
pub(super) async fn file(path: PathBuf, range: Option<Range<u64>>, direct: Option<&Direct>) -> Result<Reading> {
    let can_be_direct = direct.is_some();
    let opened = blocking(move || match open(path, range, can_be_direct) {
        Err(error) if is_absent(&error) => Ok(None),
        outcome => outcome,
    });
    let Opened { size, range, first, rest } = opened.await?.ok_or_else(not_found)?;
    let body = match direct {
        Some(direct) if first.is_empty() => direct.body(rest.file, range.clone()).boxed(),
        _ => stream::iter((!first.is_empty()).then_some(Ok(first))).chain(rest.stream()).boxed(),
    };
    Ok(Reading { size, range, body })
}

/// A file of which the first block was read, unless it is to go out directly.
struct Opened {
    size: u64,
    range: Range<u64>,
    first: Bytes,
    rest: Rest,
}

/// `None` for what is there and is no file.
fn open(path: PathBuf, range: Option<Range<u64>>, can_be_direct: bool) -> io::Result<Option<Opened>> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(None);
    }
    let range = within(metadata.len(), range);
    let rest = Rest { file, at: range.start, left: range.end - range.start };
    rest.expect();
    let is_direct = can_be_direct && rest.left > BLOCK as u64;
    let (first, rest) = if is_direct { (Bytes::new(), rest) } else { rest.block()? };
    Ok(Some(Opened { size: metadata.len(), range, first, rest }))
}

/// What is left of a file to read.
struct Rest {
    file: File,
    at: u64,
    left: u64,
}

/// Where the next block comes from.
enum Next {
    Here(Rest),
    Ahead(JoinHandle<io::Result<(Bytes, Rest)>>),
}

impl Rest {
    /// The next block, whoever has to be waited for; empty at the end.
    fn block(mut self) -> io::Result<(Bytes, Self)> {
        let wanted = self.wanted();
        let mut buffer = if wanted < BLOCK { Buffer::small(wanted) } else { Buffer::take() };
        self.file.read_exact_at(&mut buffer[..wanted], self.at).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => shorter(),
            _ => error,
        })?;
        self.advance(wanted);
        Ok((buffer.filled(wanted), self))
    }

    /// As much of the next block as can be had without waiting.
    ///
    /// # Errors
    /// [`ErrorKind::WouldBlock`] if that is nothing, another if it cannot be told.
    fn at_hand(&mut self) -> io::Result<Bytes> {
        let wanted = self.wanted();
        let mut buffer = Buffer::take();
        let length = read_at_hand(&self.file, &mut buffer[..wanted], self.at)?;
        if length == 0 {
            return Err(shorter());
        }
        self.advance(length);
        Ok(buffer.filled(length))
    }

    /// The remaining blocks.
    fn stream(self) -> impl futures::Stream<Item = Result<Bytes>> + Send {
        stream::try_unfold(Next::Here(self), |next| async move {
            let mut rest = match next {
                Next::Ahead(reading) => {
                    let (block, rest) = joined(reading.await)?;
                    return Ok(Some((block, rest.ahead())));
                }
                Next::Here(rest) if rest.left == 0 => return Ok(None),
                Next::Here(rest) => rest,
            };
            match rest.at_hand() {
                Ok(block) => Ok(Some((block, Next::Here(rest)))),
                Err(error) => {
                    let (block, rest) = blocking(move || rest.block()).await?;
                    let knows = error.kind() == ErrorKind::WouldBlock;
                    Ok(Some((block, if knows { Next::Here(rest) } else { rest.ahead() })))
                }
            }
        })
    }

    /// The next block is read while the reader is busy with the one before.
    fn ahead(self) -> Next {
        match self.left {
            0 => Next::Here(self),
            _ => Next::Ahead(tokio::task::spawn_blocking(move || self.block())),
        }
    }

    /// Tells the system that all of it will be read, so that it reads ahead.
    fn expect(&self) {
        #[cfg(target_os = "linux")]
        if self.left > BLOCK as u64 {
            // Advice: nothing is lost without it.
            let _ = rustix::fs::fadvise(&self.file, self.at, None, rustix::fs::Advice::Sequential);
        }
    }

    fn wanted(&self) -> usize {
        usize::try_from(self.left).unwrap_or(usize::MAX).min(BLOCK)
    }

    fn advance(&mut self, length: usize) {
        self.at += length as u64;
        self.left -= length as u64;
    }
}

#[cfg(target_os = "linux")]
pub(super) fn read_at_hand(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let flags = rustix::io::ReadWriteFlags::NOWAIT;
    Ok(rustix::io::preadv2(file, &mut [io::IoSliceMut::new(buffer)], at, flags)?)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn read_at_hand(_: &File, _: &mut [u8], _: u64) -> io::Result<usize> {
    Err(ErrorKind::Unsupported.into())
}

pub(super) fn shorter() -> io::Error {
    io::Error::new(ErrorKind::UnexpectedEof, "a stored file became shorter while it was read")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    const BLOCK: u64 = super::BLOCK as u64;

    #[tokio::test]
    async fn files_come_out_whole_or_in_part() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let size = 2 * BLOCK + 10;
        let content: Vec<u8> = (0..size).map(|nth| (nth % 251) as u8).collect();
        std::fs::write(&path, &content).unwrap();

        let ranges = [0..size, 0..1, 0..0, 5..BLOCK + 7, size - 1..size, BLOCK..2 * BLOCK];
        for asked in ranges {
            let reading = file(path.clone(), Some(asked.clone()), None).await.unwrap();
            assert_eq!((reading.size, &reading.range), (size, &asked));
            let wanted = &content[asked.start as usize..asked.end as usize];
            assert!(reading.bytes().await.unwrap() == wanted, "{asked:?}");
        }
        assert!(file(path.clone(), None, None).await.unwrap().bytes().await.unwrap() == content);

        let over = file(path.clone(), Some(size - 2..u64::MAX), None).await.unwrap();
        assert_eq!(over.range, size - 2..size);
        let beyond = file(path, Some(size + 1..size + 9), None).await.unwrap();
        assert_eq!(beyond.range, size..size);
        assert!(beyond.bytes().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn blocks_read_ahead_are_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let content: Vec<u8> = (0..3 * BLOCK + 10).map(|nth| (nth % 251) as u8).collect();
        std::fs::write(&path, &content).unwrap();
        let rest = Rest { file: File::open(path).unwrap(), at: 5, left: 3 * BLOCK };
        let mut read = Vec::new();
        let mut next = rest.ahead();
        while let Next::Ahead(reading) = next {
            let (block, rest) = reading.await.unwrap().unwrap();
            read.extend_from_slice(&block);
            next = rest.ahead();
        }
        assert!(read == content[5..5 + 3 * BLOCK as usize]);
    }

    #[tokio::test]
    async fn a_file_that_becomes_shorter_is_a_failure() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, vec![1; 3 * BLOCK as usize]).unwrap();
        let reading = file(path.clone(), None, None).await.unwrap();
        std::fs::File::options().write(true).open(&path).unwrap().set_len(BLOCK + 1).unwrap();
        let error = reading.bytes().await.unwrap_err();
        assert!(error.log().contains("became shorter"), "{}", error.log());
    }

    #[tokio::test]
    async fn a_missing_file_and_a_folder_are_not_found() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().join("missing"), folder.path().to_owned()] {
            assert!(matches!(file(path, None, None).await, Err(Error::NotFound(_))));
        }
    }
}
