//! A client of event streams, over either kind of connection. Dropping it cuts the connection.

use std::fmt;

use axum::http::{HeaderValue, Method};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::TestPulp;

/// Events as they come.
#[derive(Debug)]
pub struct Events {
    connection: Connection,
    close_code: Option<u16>,
}

enum Connection {
    ServerSent { body: BoxStream<'static, reqwest::Result<Bytes>>, text: Vec<u8> },
    Socket(Box<WebSocketStream<MaybeTlsStream<TcpStream>>>),
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ServerSent { .. } => "ServerSent",
            Self::Socket(_) => "Socket",
        })
    }
}

impl TestPulp {
    /// Listens to server-sent events, behind the last one that was seen.
    pub async fn server_sent_events(&self, path: &str, last: Option<i64>) -> Events {
        let mut request = self.request(Method::GET, path).header("Accept", "text/event-stream");
        if let Some(last) = last {
            request = request.header("Last-Event-ID", last);
        }
        let response = request.send().await.unwrap_or_else(|error| panic!("{path}: {error}"));
        let (status, kind) = (response.status().as_u16(), response.headers()["content-type"].clone());
        assert_eq!((status, kind.as_bytes()), (200, &b"text/event-stream"[..]), "{path}");
        let connection = Connection::ServerSent { body: response.bytes_stream().boxed(), text: Vec::new() };
        Events { connection, close_code: None }
    }

    /// Listens over a WebSocket, behind the last event that was seen.
    pub async fn socket_events(&self, path: &str, last: Option<i64>) -> Events {
        // The header that the other client would send.
        let plain = self.request(Method::GET, path).build().expect("the request is sound");
        Events::over_socket(&self.url(path), &plain.headers()["authorization"], last).await
    }
}

impl Events {
    /// Listens over a WebSocket at any server's `http://` URL, behind the last event that was seen.
    ///
    /// # Panics
    /// If the server refuses.
    pub async fn over_socket(url: &str, authorization: &HeaderValue, last: Option<i64>) -> Self {
        let mut url = url.replacen("http://", "ws://", 1);
        if let Some(last) = last {
            let mark = if url.contains('?') { '&' } else { '?' };
            url.push_str(&format!("{mark}after={last}"));
        }
        let mut request = url.clone().into_client_request().expect("the URL is sound");
        request.headers_mut().insert("authorization", authorization.clone());
        let (socket, _) = connect_async(request).await.unwrap_or_else(|error| panic!("{url}: {error}"));
        Self { connection: Connection::Socket(Box::new(socket)), close_code: None }
    }

    /// The next event; `None` if the server has ended the stream.
    ///
    /// # Panics
    /// If what comes is no event.
    pub async fn next(&mut self) -> Option<Value> {
        match &mut self.connection {
            Connection::ServerSent { body, text } => loop {
                while let Some(end) = text.windows(2).position(|pair| pair == b"\n\n") {
                    let block: Vec<u8> = text.drain(..end + 2).collect();
                    if let Some(event) = parse(&String::from_utf8_lossy(&block)) {
                        return Some(event);
                    }
                }
                text.extend_from_slice(&body.next().await?.ok()?);
            },
            Connection::Socket(socket) => loop {
                match socket.next().await?.ok()? {
                    Message::Text(text) => return Some(serde_json::from_str(&text).expect("a message is JSON")),
                    Message::Close(frame) => self.close_code = frame.map(|frame| frame.code.into()),
                    _ => {}
                }
            },
        }
    }

    /// All that come until the server ends the stream.
    pub async fn rest(&mut self) -> Vec<Value> {
        let mut rest = Vec::new();
        while let Some(event) = self.next().await {
            rest.push(event);
        }
        rest
    }

    /// How the server closed the WebSocket.
    pub fn close_code(&self) -> Option<u16> {
        self.close_code
    }
}

/// One block of the stream; `None` for a comment.
fn parse(block: &str) -> Option<Value> {
    let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let event: Value = serde_json::from_str(field("data")?).expect("an event is JSON");
    assert_eq!(field("id"), Some(event["seq"].to_string().as_str()), "{block}");
    assert_eq!(field("event"), event["kind"].as_str(), "{block}");
    Some(event)
}
