//! A connection's bytes, noted as they pass.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;

use super::pulse::Pulse;

/// How an HTTP/2 connection begins (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A stream with its notes and its slot, which is free again when the stream is closed, whoever has it by then.
#[derive(Debug)]
pub(super) struct Watched<S> {
    stream: S,
    pulse: Arc<Pulse>,
    /// What was read already to tell the protocol, and how much of it was passed on.
    begun: Vec<u8>,
    passed: usize,
    _slot: Option<OwnedSemaphorePermit>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Watched<S> {
    pub(super) fn new(stream: S, pulse: Arc<Pulse>, slot: Option<OwnedSemaphorePermit>) -> Self {
        Self { stream, pulse, begun: Vec::new(), passed: 0, _slot: slot }
    }

    /// Whether the client begins as HTTP/2 does when both sides know that the other speaks it.
    pub(super) async fn begins_as_http2(&mut self) -> io::Result<bool> {
        let mut begun = [0; PREFACE.len()];
        let mut length = 0;
        while length < PREFACE.len() && PREFACE.starts_with(&begun[..length]) {
            let read = self.stream.read(&mut begun[length..]).await?;
            if read == 0 {
                break;
            }
            self.pulse.hears();
            length += read;
        }
        self.begun = begun[..length].to_vec();
        Ok(length == PREFACE.len() && begun == PREFACE)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let left = &this.begun[this.passed..];
        if !left.is_empty() {
            let length = left.len().min(buffer.remaining());
            buffer.put_slice(&left[..length]);
            this.passed += length;
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            this.pulse.hears();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> Watched<S> {
    fn noted(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if matches!(written, Poll::Ready(Ok(1..))) {
            self.pulse.moves();
        }
        written
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.noted(written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, pieces);
        this.noted(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    /// What is told of a connection that begins so, and what is read of it.
    async fn read(begin: &[u8]) -> (bool, Vec<u8>) {
        let (mut client, server) = tokio::io::duplex(1000);
        let mut server = Watched::new(server, Pulse::new(), None);
        client.write_all(begin).await.unwrap();
        drop(client);
        let is_http2 = server.begins_as_http2().await.unwrap();
        let mut all = Vec::new();
        server.read_to_end(&mut all).await.unwrap();
        (is_http2, all)
    }

    #[tokio::test]
    async fn the_protocol_is_told_by_its_beginning_and_nothing_is_lost() {
        let longer = [PREFACE, b"and more"].concat();
        for (begin, is_http2) in [
            (PREFACE, true),
            (&longer, true),
            (b"GET / HTTP/1.1\r\n\r\n", false),
            (b"PRI / HTTP/1.1\r\n\r\n", false),
            (&PREFACE[..10], false),
            (b"", false),
        ] {
            assert_eq!(read(begin).await, (is_http2, begin.to_vec()));
        }
    }
}
