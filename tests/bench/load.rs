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

/// Sends requests over so many connections for so long; gives how many were answered a second.
///
/// # Errors
/// When an answer is anything but a success.
pub(crate) async fn rate(address: &str, connections: u32, time: Duration, requests: &Requests) -> Result<f64> {
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
            let mut answered = 0_u32;
            while start.elapsed() < time {
                connection.ask(&requests(next.fetch_add(1, Ordering::Relaxed))).await?;
                answered += 1;
            }
            anyhow::Ok(answered)
        })
    });
    let mut answered = 0;
    for client in clients.collect::<Vec<_>>() {
        answered += client.await??;
    }
    Ok(f64::from(answered) / start.elapsed().as_secs_f64())
}

/// A connection that stays open.
struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    async fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(64 * 1024) })
    }

    /// Sends a request and reads the answer to its end.
    async fn ask(&mut self, request: &[u8]) -> Result<()> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let head = loop {
            if let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            self.read().await?;
        };
        let whole = head + content_length(&self.buffer[..head])?;
        while self.buffer.len() < whole {
            self.read().await?;
        }
        // `HTTP/1.1 2`
        if self.buffer.get(9) != Some(&b'2') {
            bail!("an answer is no success: {}", String::from_utf8_lossy(&self.buffer));
        }
        Ok(())
    }

    async fn read(&mut self) -> Result<()> {
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => bail!("the server closed a connection: {}", String::from_utf8_lossy(&self.buffer)),
            _ => Ok(()),
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
