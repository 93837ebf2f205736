//! A server that says what a test wants it to, byte by byte.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// What is done with one connection, after its request was read.
#[derive(Clone)]
pub(super) enum Reply {
    /// Sends this and closes.
    Close(String),
    /// Sends this and then nothing, until the client is gone.
    Stall(String),
}

impl Reply {
    /// A whole answer without a body.
    pub(super) fn status(status: u16, headers: &str) -> Self {
        Self::Close(format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n{headers}\r\n"))
    }

    pub(super) fn redirect(location: &str) -> Self {
        Self::status(302, &format!("Location: {location}\r\n"))
    }

    /// A whole answer.
    pub(super) fn body(body: &str) -> Self {
        Self::Close(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()))
    }
}

/// Answers one connection after the other from a list; after that, connections are refused.
pub(super) struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(super) async fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        Self::start_with(None, replies).await
    }

    /// The same behind TLS. Connections that end during the handshake count.
    pub(super) async fn start_tls(tls: TlsAcceptor, replies: impl IntoIterator<Item = Reply>) -> Self {
        Self::start_with(Some(tls), replies).await
    }

    async fn start_with(tls: Option<TlsAcceptor>, replies: impl IntoIterator<Item = Reply>) -> Self {
        let replies: Vec<Reply> = replies.into_iter().collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        tokio::spawn(async move {
            for reply in replies {
                let (stream, _) = listener.accept().await.unwrap();
                match &tls {
                    None => converse(stream, reply, &seen).await,
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(stream).await {
                            converse(stream, reply, &seen).await;
                        }
                    }
                }
            }
        });
        Self { address, requests }
    }

    pub(super) fn host(&self) -> String {
        self.address.to_string()
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// The heads of the requests so far, in small letters.
    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn converse(mut stream: impl AsyncRead + AsyncWrite + Unpin, reply: Reply, seen: &Mutex<Vec<String>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    seen.lock().unwrap().push(String::from_utf8(head).unwrap().to_lowercase());
    // The client may leave whenever it likes.
    match reply {
        Reply::Close(text) => {
            let _ = stream.write_all(text.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
        Reply::Stall(text) => {
            let _ = stream.write_all(text.as_bytes()).await;
            let _ = stream.read_u8().await;
        }
    }
}
