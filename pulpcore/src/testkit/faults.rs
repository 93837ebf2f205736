//! The ways in which a remote can fail, and the machinery that makes it fail that way.
//!
//! A [`Fault`] is set on one path of a [`FixtureServer`](super::FixtureServer). Most faults only choose another
//! answer; three need power over the connection itself: hanging up before an answer ([`Fault::Close`]), hanging up
//! within one ([`Fault::Truncate`]), and falling silent ([`Fault::Stall`]). For those, every accepted connection is a
//! `Wire`, and the handler holds its `Cut`.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::content::Content;

/// One way to fail. Byte counts are of the body of the one answer, also when that is a range of a file.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Answers with this status, and with a short text instead of the file.
    Status(u16),
    /// Sends the headers, then nothing, until the client gives up or
    /// [`FixtureServer::release`](super::FixtureServer::release) is called; then the body follows.
    Stall,
    /// Like [`Fault::Stall`], with this many bytes of the body sent before the silence.
    StallAfter(u64),
    /// Sends a body of the right length in which every byte is wrong; the headers are those of the right file.
    WrongBytes,
    /// Promises the full length, sends exactly this many bytes of the body, then closes the connection.
    Truncate(u64),
    /// Answers 302 to this place: an absolute URL, or a path on this server that begins with `/`.
    Redirect(String),
    /// Answers 302 to itself, for ever.
    RedirectLoop,
    /// Sends the body slowly: at most this many bytes, then a pause, and again.
    Drip {
        /// The bytes between two pauses; 0 counts as 1.
        chunk: usize,
        /// The length of each pause.
        every: Duration,
    },
    /// Closes the connection without an answer.
    Close,
    /// Fails the first so many requests in the given way, and then no more.
    Times(usize, Box<Fault>),
}

impl Fault {
    /// This fault for the first `n` requests only.
    ///
    /// ```
    /// use pulpcore::testkit::Fault;
    /// assert!(matches!(Fault::Status(503).times(2), Fault::Times(2, _)));
    /// ```
    pub fn times(self, n: usize) -> Self {
        Self::Times(n, Box::new(self))
    }
}

/// The faults by path.
#[derive(Debug, Default)]
pub(super) struct Faults(HashMap<String, Fault>);

impl Faults {
    pub(super) fn set(&mut self, path: String, fault: Fault) {
        self.0.insert(path, fault);
    }

    pub(super) fn heal(&mut self, path: &str) {
        self.0.remove(path);
    }

    /// The fault that the next answer for `path` suffers; counts down [`Fault::Times`].
    pub(super) fn take(&mut self, path: &str) -> Option<Fault> {
        let fault = self.0.get_mut(path)?;
        let taken = fault.next();
        if taken.is_none() {
            self.0.remove(path);
        }
        taken
    }
}

impl Fault {
    fn next(&mut self) -> Option<Self> {
        match self {
            Self::Times(0, _) => None,
            Self::Times(left, fault) => {
                *left -= 1;
                fault.next()
            }
            other => Some(other.clone()),
        }
    }
}

/// The body for `range` of `content`, spoiled as `fault` says. Faults that are not about the body do nothing here.
pub(super) fn body(
    content: &Content,
    range: Range<u64>,
    fault: Option<Fault>,
    cut: Cut,
    mut released: watch::Receiver<()>,
) -> Body {
    let middle = |n: u64| range.start.saturating_add(n).min(range.end);
    match fault {
        Some(Fault::Stall) => body(content, range, Some(Fault::StallAfter(0)), cut, released),
        Some(Fault::StallAfter(n)) => {
            let rest = content.chunks(middle(n)..range.end);
            let silence = stream::once(async move {
                // An error means that the server is going away, which ends the silence as well.
                let _ = released.changed().await;
            });
            let rest = silence.flat_map(move |()| pieces(rest.clone()));
            Body::from_stream(pieces(content.chunks(range.start..middle(n))).chain(rest))
        }
        Some(Fault::Truncate(n)) => {
            let end = stream::once(async move {
                cut.once_flushed();
                std::future::pending().await
            });
            Body::from_stream(pieces(content.chunks(range.start..middle(n))).chain(end))
        }
        Some(Fault::WrongBytes) => {
            let wrong = |chunk: Bytes| chunk.iter().map(|byte| !byte).collect::<Bytes>();
            Body::from_stream(pieces(content.chunks(range).map(wrong)))
        }
        Some(Fault::Drip { chunk, every }) => {
            let drops = content.chunks(range).flat_map(move |block| split(block, chunk.max(1)));
            // The clock is the fault itself here: a remote that sends little by little.
            let clock = tokio::time::interval(every.max(Duration::from_millis(1)));
            let paced = stream::unfold((pieces(drops).boxed(), clock), |(mut drops, mut clock)| async move {
                clock.tick().await;
                let drop = drops.next().await?;
                Some((drop, (drops, clock)))
            });
            Body::from_stream(paced)
        }
        _ => {
            let mut chunks = content.chunks(range);
            // One write for headers and body together is what makes small files fast.
            if chunks.len() <= 1 {
                Body::from(chunks.next().unwrap_or_default())
            } else {
                Body::from_stream(pieces(chunks))
            }
        }
    }
}

fn pieces(chunks: impl Iterator<Item = Bytes>) -> impl Stream<Item = Result<Bytes, Infallible>> {
    stream::iter(chunks.map(Ok))
}

fn split(mut block: Bytes, size: usize) -> impl Iterator<Item = Bytes> {
    std::iter::from_fn(move || (!block.is_empty()).then(|| block.split_to(size.min(block.len()))))
}

const CUT_ONCE_FLUSHED: u8 = 1;
const CUT_NOW: u8 = 2;

/// The scissors for one connection; 0 while it is whole.
#[derive(Debug, Clone, Default)]
pub(super) struct Cut(Arc<AtomicU8>);

impl Cut {
    /// Closes the connection before another byte is written.
    pub(super) fn now(&self) {
        self.0.store(CUT_NOW, Ordering::Release);
    }

    /// Closes the connection when everything that was given to it so far has been written.
    fn once_flushed(&self) {
        self.0.store(CUT_ONCE_FLUSHED, Ordering::Release);
    }

    fn check(&self, limit: u8) -> io::Result<()> {
        if self.0.load(Ordering::Acquire) >= limit { Err(io::ErrorKind::ConnectionAborted.into()) } else { Ok(()) }
    }
}

impl Connected<IncomingStream<'_, Door>> for Cut {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        stream.io().cut.clone()
    }
}

/// A listener whose connections can be cut.
pub(super) struct Door(pub(super) TcpListener);

impl Listener for Door {
    type Io = Wire;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Wire, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.0).await;
        // Otherwise every answer in two writes waits for the client's delayed acknowledgement. A failure means that the
        // client is gone already, which the first read will notice.
        let _ = stream.set_nodelay(true);
        (Wire { stream, cut: Cut::default() }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// A connection that fails when its [`Cut`] says so; hyper then drops it, which closes the socket.
pub(super) struct Wire {
    stream: TcpStream,
    cut: Cut,
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.cut.check(CUT_NOW)?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.cut.check(CUT_NOW)?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The caller's own buffer is empty whenever it flushes us.
        self.cut.check(CUT_ONCE_FLUSHED)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test is bounded by its runner")]
mod tests {
    use std::time::{Duration, Instant};

    use futures::StreamExt;
    use reqwest::{Client, Response, StatusCode, redirect};

    use super::super::FixtureServer;
    use super::*;

    const TEXT: &str = "hello, remote world";

    async fn broken(fault: Fault) -> (FixtureServer, String) {
        let files = FixtureServer::start().await;
        files.put("small/a.txt", TEXT);
        files.fault("small/a.txt", fault);
        let url = files.url("small/a.txt");
        (files, url)
    }

    /// Everything that arrived, and whether it ended well.
    async fn drain(response: Response) -> (Vec<u8>, Result<(), reqwest::Error>) {
        let mut seen = Vec::new();
        let mut stream = response.bytes_stream();
        while let Some(chunk) = stream.next().await {
            match chunk {
                Ok(chunk) => seen.extend_from_slice(&chunk),
                Err(error) => return (seen, Err(error)),
            }
        }
        (seen, Ok(()))
    }

    #[tokio::test]
    async fn a_status_replaces_the_file_until_it_is_healed() {
        let (files, url) = broken(Fault::Status(500)).await;
        assert_eq!(reqwest::get(&url).await.unwrap().status(), StatusCode::INTERNAL_SERVER_ERROR);
        files.heal("small/a.txt");
        assert_eq!(reqwest::get(&url).await.unwrap().text().await.unwrap(), TEXT);
    }

    #[tokio::test]
    async fn a_fault_with_a_count_ends_by_itself() {
        let (_files, url) = broken(Fault::Status(503).times(2)).await;
        let mut statuses = Vec::new();
        for _ in 0..3 {
            statuses.push(reqwest::get(&url).await.unwrap().status().as_u16());
        }
        assert_eq!(statuses, [503, 503, 200]);
    }

    #[tokio::test]
    async fn a_stalled_answer_has_headers_and_no_body_until_released() {
        let (files, url) = broken(Fault::Stall).await;
        let response = reqwest::get(&url).await.unwrap();
        assert_eq!(response.content_length(), Some(TEXT.len() as u64));
        let mut body = Box::pin(drain(response));
        assert!(futures::poll!(&mut body).is_pending());
        files.release();
        let (seen, end) = body.await;
        assert_eq!(seen, TEXT.as_bytes());
        end.unwrap();
    }

    #[tokio::test]
    async fn a_client_with_a_read_timeout_escapes_a_stall() {
        let (_files, url) = broken(Fault::StallAfter(5)).await;
        let client = Client::builder().read_timeout(Duration::from_millis(100)).build().unwrap();
        let (seen, end) = drain(client.get(&url).send().await.unwrap()).await;
        assert_eq!(seen, b"hello");
        assert!(end.unwrap_err().is_timeout());
    }

    #[tokio::test]
    async fn a_stall_in_the_middle_continues_where_it_stopped() {
        let (files, url) = broken(Fault::StallAfter(5)).await;
        let mut response = reqwest::get(&url).await.unwrap();
        assert_eq!(response.chunk().await.unwrap().unwrap(), "hello");
        files.release();
        assert_eq!(response.text().await.unwrap(), TEXT[5..]);
    }

    #[tokio::test]
    async fn wrong_bytes_have_the_right_length_and_headers() {
        let (files, url) = broken(Fault::WrongBytes).await;
        let response = reqwest::get(&url).await.unwrap();
        let tag = response.headers()["etag"].clone();
        let body = response.bytes().await.unwrap();
        assert_eq!(body.len(), TEXT.len());
        assert!(body.iter().zip(TEXT.as_bytes()).all(|(wrong, right)| wrong != right));
        files.heal("small/a.txt");
        assert_eq!(reqwest::get(&url).await.unwrap().headers()["etag"], tag);
    }

    #[tokio::test]
    async fn a_truncated_body_promises_all_and_delivers_exactly_so_much() {
        let (_files, url) = broken(Fault::Truncate(7)).await;
        let response = reqwest::get(&url).await.unwrap();
        assert_eq!(response.content_length(), Some(TEXT.len() as u64));
        let (seen, end) = drain(response).await;
        assert_eq!(seen, &TEXT.as_bytes()[..7]);
        end.unwrap_err();
    }

    #[tokio::test]
    async fn a_large_body_is_truncated_to_the_byte() {
        let files = FixtureServer::start().await;
        files.generate("large/{n}.bin", 1, 50 << 20);
        files.fault("large/0.bin", Fault::Truncate((40 << 20) + 3));
        let (seen, end) = drain(reqwest::get(files.url("large/0.bin")).await.unwrap()).await;
        assert_eq!(seen.len(), (40 << 20) + 3);
        end.unwrap_err();
    }

    #[tokio::test]
    async fn redirects_lead_elsewhere_or_nowhere() {
        let (files, url) = broken(Fault::Redirect("/small/b.txt".into())).await;
        files.put("small/b.txt", "moved");
        assert_eq!(reqwest::get(&url).await.unwrap().text().await.unwrap(), "moved");

        files.fault("small/a.txt", Fault::RedirectLoop);
        files.reset_counts();
        let client = Client::builder().redirect(redirect::Policy::limited(4)).build().unwrap();
        assert!(client.get(&url).send().await.unwrap_err().is_redirect());
        assert_eq!(files.count("small/a.txt"), 5);
    }

    #[tokio::test]
    async fn a_dripping_body_comes_whole_and_slowly() {
        let every = Duration::from_millis(5);
        let (_files, url) = broken(Fault::Drip { chunk: 4, every }).await;
        let start = Instant::now();
        assert_eq!(reqwest::get(&url).await.unwrap().text().await.unwrap(), TEXT);
        assert!(start.elapsed() >= every * 4, "{} bytes by fours have four pauses", TEXT.len());
    }

    #[tokio::test]
    async fn a_closed_connection_gives_no_answer_but_was_seen() {
        let (files, url) = broken(Fault::Close).await;
        let error = reqwest::get(&url).await.unwrap_err();
        assert!(error.is_request() && error.status().is_none(), "{error:?}");
        assert_eq!(files.count("small/a.txt"), 1);
    }
}
