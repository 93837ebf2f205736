//! A load generator that takes as little as it can of the cores that it shares with the server: requests that are
//! written as they are, over connections that stay open, and answers of which only status and length are read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Makes the `n`-th request, head and body.
pub(crate) type Requests = Arc<dyn Fn(u64) -> Vec<u8> + Send + Sync>;

/// Before the clock starts: fills caches and opens connections.
const WARM_UP: u32 = 5;

/// How much of a body is read at a time; no head is longer.
const BUFFER: usize = 256 * 1024;

/// What came of sending requests for a while.
pub(crate) struct Measured {
    /// Answers in a second.
    pub(crate) rate: f64,
    /// Bytes of bodies in a second.
    pub(crate) throughput: f64,
    /// How long each answer took, the shortest first.
    took: Vec<Duration>,
}

impl Measured {
    /// How long so many of a hundred answers took at most.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let nth = (self.took.len() * percent).div_ceil(100).saturating_sub(1);
        self.took.get(nth).copied().unwrap_or_default()
    }
}

/// Sends requests over so many connections for so long; gives how many were answered a second.
///
/// # Errors
/// When an answer is anything but a success.
pub(crate) async fn rate(address: &str, connections: u32, time: Duration, requests: &Requests) -> Result<f64> {
    Ok(measured(address, connections, time, requests).await?.rate)
}

/// The same with all that can be said about it.
///
/// # Errors
/// As above.
pub(crate) async fn measured(address: &str, connections: u32, time: Duration, requests: &Requests) -> Result<Measured> {
    let next = Arc::new(AtomicU64::new(0));
    let mut open = Vec::new();
    for _ in 0..connections {
        let mut connection = Connection::open(address).await?;
        for _ in 0..WARM_UP {
            connection.ask(&requests(next.fetch_add(1, Ordering::Relaxed))).await?;
        }
        open.push(connection);
    }
    let start = Instant::now();
    let clients = open.into_iter().map(|mut connection| {
        let (requests, next) = (Arc::clone(requests), Arc::clone(&next));
        tokio::spawn(async move {
            let (mut bytes, mut took) = (0, Vec::new());
            let mut before = start;
            while before - start < time {
                bytes += connection.ask(&requests(next.fetch_add(1, Ordering::Relaxed))).await?;
                let now = Instant::now();
                took.push(now - before);
                before = now;
            }
            anyhow::Ok((bytes, took))
        })
    });
    let (mut bytes, mut took) = (0, Vec::new());
    for client in clients.collect::<Vec<_>>() {
        let (more, later) = client.await??;
        bytes += more;
        took.extend(later);
    }
    let seconds = start.elapsed().as_secs_f64();
    took.sort_unstable();
    Ok(Measured { rate: took.len() as f64 / seconds, throughput: bytes as f64 / seconds, took })
}

/// A connection that stays open.
struct Connection {
    stream: TcpStream,
    /// Bodies are read over each other.
    buffer: Vec<u8>,
}

impl Connection {
    async fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; BUFFER] })
    }

    /// Sends a request and reads the answer to its end; gives the length of its body.
    async fn ask(&mut self, request: &[u8]) -> Result<u64> {
        self.stream.write_all(request).await?;
        let mut have = 0;
        let head = loop {
            have += self.read(have).await?;
            if let Some(end) = self.buffer[..have].windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
        };
        // `HTTP/1.1 2`
        if self.buffer[9] != b'2' {
            bail!("an answer is no success: {}", String::from_utf8_lossy(&self.buffer[..have]));
        }
        let length = content_length(&self.buffer[..head])?;
        let mut left = length - (have - head);
        while left > 0 {
            left -= self.read(0).await?;
        }
        Ok(length as u64)
    }

    async fn read(&mut self, have: usize) -> Result<usize> {
        match self.stream.read(&mut self.buffer[have..]).await? {
            0 => bail!("the server closed a connection: {}", String::from_utf8_lossy(&self.buffer[..have])),
            read => Ok(read),
        }
    }
}

fn content_length(head: &[u8]) -> Result<usize> {
    let head = std::str::from_utf8(head)?;
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    let found = fields.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let (_, length) = found.with_context(|| format!("an answer does not say its length:\n{head}"))?;
    Ok(length.trim().parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_is_found_whatever_its_case() {
        assert_eq!(content_length(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n").ok(), Some(12));
        assert_eq!(content_length(b"HTTP/1.1 200 OK\r\nx: y\r\ncontent-length:7\r\n\r\n").ok(), Some(7));
        assert!(content_length(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }

    #[tokio::test]
    async fn answers_are_counted_and_a_failure_ends_it() {
        let files = pulpcore::testkit::FixtureServer::start().await;
        files.put("here", "hello");
        let address = files.address().to_string();
        let asking = |path: &'static str| -> Requests {
            Arc::new(move |_| format!("GET /{path} HTTP/1.1\r\nHost: x\r\n\r\n").into_bytes())
        };
        let moment = Duration::from_millis(50);
        assert!(rate(&address, 2, moment, &asking("here")).await.expect("the file is there") > 0.0);
        let error = rate(&address, 2, moment, &asking("gone")).await.expect_err("the file is not there");
        assert!(error.to_string().contains("404"), "{error}");
        assert!(files.count("here") > 2 * WARM_UP as usize);
    }
}
