//! Files as streams of records: they are decompressed and parsed on a thread of their own, which never is more than some
//! records ahead of whoever takes them.

use std::io::{self, Read};

use bytes::{Buf, Bytes};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, stream};
use pulpcore::error::{Error, Result};
use pulpcore::storage::Received;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::bad;
use crate::compression::{Limits, reader};

/// How many records are parsed ahead.
const AHEAD: usize = 32;

/// A file, for code that waits for its bytes: only on a thread that may.
pub(crate) struct Waiting {
    handle: Handle,
    body: BoxStream<'static, Result<Bytes>>,
    chunk: Bytes,
}

impl Waiting {
    /// Opens a file.
    pub(crate) async fn open(file: &Received) -> Result<Self> {
        Ok(Self::of(file.read().await?.body))
    }

    /// Of a stream.
    pub(crate) fn of(body: BoxStream<'static, Result<Bytes>>) -> Self {
        Self { handle: Handle::current(), body, chunk: Bytes::new() }
    }
}

impl Read for Waiting {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            match self.handle.block_on(self.body.next()) {
                Some(chunk) => self.chunk = chunk.map_err(io::Error::other)?,
                None => return Ok(0),
            }
        }
        let length = into.len().min(self.chunk.len());
        self.chunk.copy_to_slice(&mut into[..length]);
        Ok(length)
    }
}

/// Runs a parser apart; what it gives away becomes a stream. `parse` ends when it is told that nobody takes any more.
pub(crate) fn records<T: Send + 'static>(
    parse: impl FnOnce(&mut dyn FnMut(T) -> bool) -> Result<()> + Send + 'static,
) -> impl Stream<Item = Result<T>> + Send {
    let (send, receive) = mpsc::channel(AHEAD);
    tokio::task::spawn_blocking(move || {
        let ended = parse(&mut |record| send.blocking_send(Ok(record)).is_ok());
        if let Err(error) = ended {
            // Whoever is gone does not want to know.
            let _ = send.blocking_send(Err(error));
        }
    });
    stream::unfold(receive, |mut receive| async move { receive.recv().await.map(|record| (record, receive)) })
}

/// Runs a parser apart, to its end.
///
/// # Errors
/// The parser's own.
pub(crate) async fn apart<T: Send + 'static>(parse: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(parse).await.map_err(Error::internal)?
}

/// A file's bytes, decompressed.
///
/// # Errors
/// If it does not begin as it should.
pub(crate) fn decompressed(file: Waiting, url: &str, limits: Limits) -> Result<impl io::BufRead + Send + use<>> {
    reader(file, limits).map_err(|error| bad(url, error))
}

/// The whole of a file as text, decompressed, if it is no longer than `most` bytes.
///
/// # Errors
/// [`Error::Upstream`] if it is longer, or no text.
pub(crate) async fn text(file: Waiting, url: String, most: u64, limits: Limits) -> Result<String> {
    apart(move || {
        let mut text = String::new();
        let limits = Limits { most_bytes: most.min(limits.most_bytes), ..limits };
        let mut source = reader(file, limits).map_err(|error| bad(&url, error))?;
        source.read_to_string(&mut text).map_err(|error| bad(&url, error))?;
        Ok(text)
    })
    .await
}
