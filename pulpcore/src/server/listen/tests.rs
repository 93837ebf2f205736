//! Connections, as clients meet them.

use std::path::Path;

use axum::Extension;
use axum::body::Bytes;
use axum::http::Version;
use axum::routing::{get, post};
use rcgen::KeyPair;
use reqwest::{Certificate, Client, ClientBuilder, Identity};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::*;
use crate::authority::Authority;
use crate::content::ClientCertificate;
use crate::settings::ClientCertificates;

/// A listener whose answers a test looks at.
struct Door {
    serving: Serving,
    stop: CancellationToken,
    address: SocketAddr,
    shared: Arc<Shared>,
    _folder: TempDir,
}

impl Door {
    async fn open(router: Router) -> Self {
        Self::with(router, |_, _| ()).await
    }

    async fn with(router: Router, change: impl FnOnce(&mut Settings, &Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::for_tests(folder.path());
        change(&mut settings, folder.path());
        settings.check().unwrap();
        let listener = Listener::bind(&settings).await.unwrap();
        let (stop, address) = (CancellationToken::new(), listener.address());
        let shared = Arc::clone(&listener.shared);
        Self { serving: listener.serve(router, stop.clone()), stop, address, shared, _folder: folder }
    }

    fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}/", self.address)
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

fn hello() -> Router {
    Router::new().route("/", get(async || "hello"))
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// Reads until a text, and gives everything that came.
async fn until(stream: &mut TcpStream, end: &str) -> String {
    let mut read = Vec::new();
    while !String::from_utf8_lossy(&read).contains(end) {
        read.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(read).unwrap().to_lowercase()
}

/// Everything until the connection ends, however it does.
async fn rest(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    let _ = stream.read_to_end(&mut read).await;
    String::from_utf8_lossy(&read).to_lowercase()
}

fn client() -> ClientBuilder {
    Client::builder().no_proxy()
}

async fn version(client: ClientBuilder, url: &str) -> Result<Version, reqwest::Error> {
    let response = client.build().unwrap().get(url).send().await?;
    let version = response.version();
    assert_eq!(response.text().await?, "hello");
    Ok(version)
}

#[tokio::test]
async fn without_tls_both_protocols_are_spoken_and_the_client_chooses() {
    let door = Door::open(hello()).await;
    let url = door.url("http");
    assert_eq!(version(client(), &url).await.unwrap(), Version::HTTP_11);
    assert_eq!(version(client().http2_prior_knowledge(), &url).await.unwrap(), Version::HTTP_2);
}

#[tokio::test]
async fn a_header_that_is_too_large_is_refused() {
    let door = Door::open(hello()).await;
    let mut stream = door.connect().await;
    let line = format!("X-Long: {}\r\n", "x".repeat(1000));
    let header = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", line.repeat(50));
    // It may hang up before it has read everything.
    let _ = stream.write_all(header.as_bytes()).await;
    assert!(until(&mut stream, "\r\n\r\n").await.starts_with("http/1.1 431"));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_its_time_for_a_header_is_cut() {
    let door = Door::open(hello()).await;
    for begin in [&b""[..], b"G", b"GET / HTTP/1.1\r\nHost", b"PRI * HTTP/2.0\r\n"] {
        let mut stream = door.connect().await;
        stream.write_all(begin).await.unwrap();
        assert_eq!(rest(&mut stream).await, "");
    }
    // The second request of a connection, too.
    let mut stream = door.connect().await;
    stream.write_all(GET).await.unwrap();
    until(&mut stream, "hello").await;
    stream.write_all(b"GET /").await.unwrap();
    assert_eq!(rest(&mut stream).await, "");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_nobody_uses_is_closed() {
    let door = Door::open(hello()).await;
    let mut stream = door.connect().await;
    stream.write_all(GET).await.unwrap();
    until(&mut stream, "hello").await;
    assert_eq!(rest(&mut stream).await, "");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let door = Door::open(Router::new().route("/", post(async |body: Bytes| format!("{} bytes", body.len())))).await;
    let mut stream = door.connect().await;
    stream.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc").await.unwrap();
    assert!(rest(&mut stream).await.starts_with("http/1.1 400"));
}

#[tokio::test]
async fn a_body_that_nobody_wants_takes_neither_the_answer_away_nor_the_connection() {
    let door = Door::open(Router::new().route("/", post(async || "no").get(async || "hello"))).await;
    let mut stream = door.connect().await;
    let post =
        |length: u64, more: &str| format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n{more}\r\n");
    let size = 8 << 20;
    stream.write_all(post(size, "").as_bytes()).await.unwrap();
    assert!(!until(&mut stream, "no").await.contains("connection: close"));
    stream.write_all(&vec![b'x'; size as usize]).await.unwrap();
    stream.write_all(GET).await.unwrap();
    until(&mut stream, "hello").await;
    // One that would take too long to come ends the connection, and the client is told.
    stream.write_all(post(1 << 30, "").as_bytes()).await.unwrap();
    assert!(until(&mut stream, "no").await.contains("connection: close"));
    // Who asks first is not waited for.
    let mut stream = door.connect().await;
    stream.write_all(post(5, "Expect: 100-continue\r\n").as_bytes()).await.unwrap();
    assert!(rest(&mut stream).await.ends_with("no"));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_of_what_it_asked_for_is_cut() {
    let endless = get(async || {
        let piece = Bytes::from(vec![0; 1 << 20]);
        axum::body::Body::from_stream(futures::stream::repeat_with(move || Ok::<_, io::Error>(piece.clone())))
    });
    let door = Door::open(Router::new().route("/", endless)).await;
    let mut stream = door.connect().await;
    stream.write_all(GET).await.unwrap();
    until(&mut stream, "\r\n\r\n").await;
    // All slots are free again when the connection is gone, but for the one that waits for the next connection.
    let all = u32::try_from(Settings::default().max_connections).unwrap() - 1;
    drop(door.shared.slots.acquire_many(all).await.unwrap());
}

#[tokio::test]
async fn more_connections_than_are_allowed_have_to_wait() {
    let door = Door::with(hello(), |settings, _| settings.max_connections = 1).await;
    let mut first = door.connect().await;
    first.write_all(GET).await.unwrap();
    until(&mut first, "hello").await;
    let mut second = door.connect().await;
    second.write_all(GET).await.unwrap();
    assert_eq!(door.shared.slots.available_permits(), 0);
    drop(first);
    until(&mut second, "hello").await;
}

#[tokio::test]
async fn a_stop_lets_answers_end_closes_what_is_idle_and_refuses_what_is_new() {
    let (began, finish) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell, wait) = (Arc::clone(&began), Arc::clone(&finish));
    let slow = get(async move || {
        tell.notify_one();
        wait.notified().await;
        "done"
    });
    let Door { serving, stop, address, _folder, .. } = Door::open(hello().route("/slow", slow)).await;
    let connect = async || TcpStream::connect(address).await;
    let (mut idle, mut busy) = (connect().await.unwrap(), connect().await.unwrap());
    idle.write_all(GET).await.unwrap();
    until(&mut idle, "hello").await;
    busy.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    began.notified().await;
    let by_http2 = client().http2_prior_knowledge().build().unwrap().get(format!("http://{address}/slow")).send();
    let by_http2 = tokio::spawn(by_http2);
    began.notified().await;

    stop.cancel();
    assert_eq!(rest(&mut idle).await, "");
    while connect().await.is_ok() {
        tokio::task::yield_now().await;
    }
    finish.notify_waiters();
    let answer = rest(&mut busy).await;
    assert!(answer.contains("connection: close\r\n") && answer.ends_with("done"), "{answer}");
    assert_eq!(by_http2.await.unwrap().unwrap().text().await.unwrap(), "done");
    serving.ended(Duration::from_secs(60)).await;
}

#[tokio::test]
async fn an_answer_that_does_not_end_is_cut_when_the_time_to_drain_is_over() {
    let began = Arc::new(Notify::new());
    let tell = Arc::clone(&began);
    let never = get(async move || {
        tell.notify_one();
        std::future::pending::<()>().await;
    });
    let Door { serving, stop, address, _folder, .. } = Door::open(Router::new().route("/", never)).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(GET).await.unwrap();
    began.notified().await;
    stop.cancel();
    serving.ended(Duration::ZERO).await;
    assert_eq!(rest(&mut stream).await, "");
}

impl Authority {
    /// Writes a certificate for this machine where the settings say.
    fn write(&self, settings: &Settings, remark: &str) {
        let (certificate, key) = self.issue("127.0.0.1");
        std::fs::write(settings.tls_certificate.as_ref().unwrap(), remark.to_owned() + &certificate.pem()).unwrap();
        std::fs::write(settings.tls_key.as_ref().unwrap(), key.serialize_pem()).unwrap();
    }

    /// A client that trusts nobody else.
    fn client(&self) -> ClientBuilder {
        client().tls_certs_only([Certificate::from_pem(self.0.pem().as_bytes()).unwrap()])
    }

    /// Who this authority says that one is.
    fn identity(&self, name: &str) -> (Identity, Vec<u8>) {
        let (certificate, key) = self.issue(name);
        let pem = certificate.pem() + &key.serialize_pem();
        (Identity::from_pem(pem.as_bytes()).unwrap(), certificate.der().to_vec())
    }
}

fn with_tls(settings: &mut Settings, folder: &Path) {
    settings.tls_certificate = Some(folder.join("tls.pem"));
    settings.tls_key = Some(folder.join("tls.key"));
}

#[tokio::test]
async fn with_a_certificate_the_protocol_is_agreed_on_in_the_handshake() {
    let authority = Authority::new();
    let door = Door::with(hello(), |settings, folder| {
        with_tls(settings, folder);
        authority.write(settings, "");
    })
    .await;
    let url = door.url("https");
    assert_eq!(version(authority.client(), &url).await.unwrap(), Version::HTTP_2);
    assert_eq!(version(authority.client().http1_only(), &url).await.unwrap(), Version::HTTP_11);
    assert!(version(Authority::new().client(), &url).await.is_err());
    assert!(version(client(), &door.url("http")).await.is_err(), "nothing is said without TLS");
}

#[tokio::test]
async fn a_certificate_is_renewed_without_dropping_connections_and_a_broken_one_is_not_taken() {
    let (old, new) = (Authority::new(), Authority::new());
    let mut at = None;
    let door = Door::with(hello(), |settings, folder| {
        with_tls(settings, folder);
        old.write(settings, "");
        at = Some(settings.clone());
    })
    .await;
    let (settings, url) = (at.unwrap(), door.url("https"));
    let tls = Arc::clone(door.shared.tls.as_ref().unwrap());
    let connected = old.client().build().unwrap();
    let ask = async || connected.get(&url).send().await.unwrap().text().await.unwrap();
    assert_eq!(ask().await, "hello");

    new.write(&settings, "a longer file\n");
    tls.renew(false);
    assert_eq!(ask().await, "hello", "the connection goes on");
    assert!(version(new.client(), &url).await.is_ok());
    assert!(version(old.client(), &url).await.is_err());

    for broken in ["nothing", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        std::fs::write(settings.tls_certificate.as_ref().unwrap(), broken).unwrap();
        tls.renew(false);
        assert!(version(new.client(), &url).await.is_ok(), "{broken}");
    }
    std::fs::remove_file(settings.tls_certificate.as_ref().unwrap()).unwrap();
    tls.renew(true);
    assert!(version(new.client(), &url).await.is_ok());
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_stops_the_start_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = Settings::for_tests(folder.path());
    with_tls(&mut settings, folder.path());
    let error = Listener::bind(&settings).await.unwrap_err();
    assert!(error.to_string().contains("tls.pem cannot be used for TLS"), "{error}");
    Authority::new().write(&settings, "");
    std::fs::write(settings.tls_key.as_ref().unwrap(), KeyPair::generate().unwrap().serialize_pem()).unwrap();
    let error = Listener::bind(&settings).await.unwrap_err();
    assert!(error.to_string().contains("cannot be used for TLS"), "{error}");
}

/// A server that says which certificate a client gave.
async fn asking(authority: &Authority, clients: ClientCertificates, trusted: Option<&Authority>) -> Door {
    let told = get(async |certificate: Option<Extension<ClientCertificate>>| {
        certificate
            .map_or_else(Vec::new, |Extension(certificate)| certificate.chain().first().cloned().unwrap_or_default())
    });
    Door::with(Router::new().route("/", told), |settings, folder| {
        with_tls(settings, folder);
        authority.write(settings, "");
        settings.tls_client_certificates = clients;
        if let Some(trusted) = trusted {
            std::fs::write(folder.join("ca.pem"), trusted.0.pem()).unwrap();
            settings.tls_client_ca = Some(folder.join("ca.pem"));
        }
    })
    .await
}

async fn told(client: ClientBuilder, door: &Door) -> Result<Vec<u8>, reqwest::Error> {
    Ok(client.build().unwrap().get(door.url("https")).send().await?.bytes().await?.to_vec())
}

#[tokio::test]
async fn a_clients_certificate_comes_with_its_requests_whoever_made_it() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let door = asking(&authority, ClientCertificates::Request, None).await;
    for who in [&authority, &stranger] {
        let (identity, der) = who.identity("client.test");
        assert_eq!(told(authority.client().identity(identity.clone()), &door).await.unwrap(), der);
        assert_eq!(told(authority.client().http1_only().identity(identity), &door).await.unwrap(), der);
    }
    assert_eq!(told(authority.client(), &door).await.unwrap(), b"", "nobody has to have one");
}

#[tokio::test]
async fn a_certificate_can_be_required_and_its_maker_be_named() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (known, der) = authority.identity("client.test");
    let (unknown, _) = stranger.identity("client.test");
    let door = asking(&authority, ClientCertificates::Require, Some(&authority)).await;
    assert_eq!(told(authority.client().identity(known.clone()), &door).await.unwrap(), der);
    assert!(told(authority.client().identity(unknown.clone()), &door).await.is_err());
    assert!(told(authority.client(), &door).await.is_err());

    let door = asking(&authority, ClientCertificates::Require, None).await;
    assert!(told(authority.client().identity(unknown), &door).await.is_ok());
    assert!(told(authority.client(), &door).await.is_err());

    let door = asking(&authority, ClientCertificates::Request, Some(&stranger)).await;
    assert!(told(authority.client().identity(known), &door).await.is_err());
    assert!(told(authority.client(), &door).await.is_ok());
}
