//! Bytes going out: whole or a range, in large blocks, read ahead by one.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::PathBuf;

use bytes::{Bytes, BytesMut};
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};

use super::{blocking, is_absent, joined, not_found};
use crate::error::Result;

/// The unit in which files are read. Up to two of them are in memory for a reader.
const BLOCK: u64 = 256 * 1024;

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

/// A local file. Opening it and reading its first block is one trip to another thread.
pub(super) async fn file(path: PathBuf, range: Option<Range<u64>>) -> Result<Reading> {
    let opened = blocking(move || match open(path, range) {
        Err(error) if is_absent(&error) => Ok(None),
        outcome => outcome,
    });
    let Opened { size, range, first, rest } = opened.await?.ok_or_else(not_found)?;
    let first = stream::iter((!first.is_empty()).then_some(Ok(first)));
    Ok(Reading { size, range, body: first.chain(rest.stream()).boxed() })
}

/// A file of which the first block was read.
struct Opened {
    size: u64,
    range: Range<u64>,
    first: Bytes,
    rest: Rest,
}

/// `None` for what is there and is no file.
fn open(path: PathBuf, range: Option<Range<u64>>) -> io::Result<Option<Opened>> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(None);
    }
    let range = within(metadata.len(), range);
    if range.start > 0 {
        file.seek(SeekFrom::Start(range.start))?;
    }
    let (first, rest) = Rest { file, left: range.end - range.start }.block()?;
    Ok(Some(Opened { size: metadata.len(), range, first, rest }))
}

/// What is left of a file to read.
struct Rest {
    file: File,
    left: u64,
}

impl Rest {
    /// The next block; empty at the end.
    fn block(mut self) -> io::Result<(Bytes, Self)> {
        let wanted = self.left.min(BLOCK);
        let mut block = Vec::with_capacity(usize::try_from(wanted).map_err(io::Error::other)?);
        if (&self.file).take(wanted).read_to_end(&mut block)? as u64 != wanted {
            return Err(io::Error::new(ErrorKind::UnexpectedEof, "a stored file became shorter while it was read"));
        }
        self.left -= wanted;
        Ok((block.into(), self))
    }

    /// The remaining blocks; the next is read while the reader is busy with the one before.
    fn stream(self) -> impl futures::Stream<Item = Result<Bytes>> + Send {
        stream::try_unfold(self.ahead(), |ahead| async move {
            let Some(reading) = ahead else { return Ok(None) };
            let (block, rest) = joined(reading.await)?;
            Ok(Some((block, rest.ahead())))
        })
    }

    fn ahead(self) -> Option<tokio::task::JoinHandle<io::Result<(Bytes, Self)>>> {
        (self.left > 0).then(|| tokio::task::spawn_blocking(move || self.block()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[tokio::test]
    async fn files_come_out_whole_or_in_part() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let size = 2 * BLOCK + 10;
        let content: Vec<u8> = (0..size).map(|nth| (nth % 251) as u8).collect();
        std::fs::write(&path, &content).unwrap();

        let ranges = [0..size, 0..1, 0..0, 5..BLOCK + 7, size - 1..size, BLOCK..2 * BLOCK];
        for asked in ranges {
            let reading = file(path.clone(), Some(asked.clone())).await.unwrap();
            assert_eq!((reading.size, &reading.range), (size, &asked));
            let wanted = &content[asked.start as usize..asked.end as usize];
            assert!(reading.bytes().await.unwrap() == wanted, "{asked:?}");
        }
        assert!(file(path.clone(), None).await.unwrap().bytes().await.unwrap() == content);

        let over = file(path.clone(), Some(size - 2..u64::MAX)).await.unwrap();
        assert_eq!(over.range, size - 2..size);
        let beyond = file(path, Some(size + 1..size + 9)).await.unwrap();
        assert_eq!(beyond.range, size..size);
        assert!(beyond.bytes().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_missing_file_and_a_folder_are_not_found() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().join("missing"), folder.path().to_owned()] {
            assert!(matches!(file(path, None).await, Err(Error::NotFound(_))));
        }
    }
}
