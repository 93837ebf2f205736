//! Downloads over HTTP against servers that behave and servers that do not.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use super::super::testing::{Reply, Server};
use super::super::{ByteRange, check_certificate, fetch};
use super::*;
use crate::authority::Authority;

fn remote(url: &str) -> RemoteConfig {
    RemoteConfig { url: url.into(), ..RemoteConfig::default() }
}

/// Pauses are too short to notice; how long they are is tested where they are made.
fn downloader(config: &RemoteConfig) -> HttpDownloader {
    let settings = DownloadSettings { retry_pause: Duration::from_micros(1), ..DownloadSettings::default() };
    HttpDownloader::new(config, &settings).unwrap()
}

async fn get(config: &RemoteConfig, url: &str) -> Result<Bytes> {
    fetch(&downloader(config), Request::get(url), |download| download.bytes(1000)).await
}

fn problem(result: Result<Bytes>) -> Upstream {
    match result {
        Err(Error::Upstream { problem, .. }) => problem,
        other => panic!("not a failure of the remote: {other:?}"),
    }
}

#[tokio::test]
async fn a_download_has_its_headers_and_its_bytes() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nETag: \"e\"\r\nContent-Type: text/plain\r\n\
                  Content-Encoding: gzip\r\n\r\nabc";
    let server = Server::start([Reply::Close(answer.into())]).await;
    let url = server.url("a");
    let download = downloader(&remote(&url)).get(Request::get(&url)).await.unwrap();
    assert_eq!((download.status, download.is_partial(), download.url.as_str()), (200, false, url.as_str()));
    assert_eq!((download.content_length(), download.etag()), (Some(3), Some("\"e\"")));
    assert_eq!(download.content_type(), Some("text/plain"));
    assert_eq!(download.bytes(10).await.unwrap(), "abc", "as it came, whatever it is said to be encoded with");
    let request = &server.requests()[0];
    assert!(request.contains(concat!("user-agent: pulpcore/", env!("CARGO_PKG_VERSION"), "\r\n")), "{request}");
    assert!(request.contains("accept-encoding: identity\r\n"), "{request}");
}

#[tokio::test]
async fn who_asks_for_the_headers_gets_nothing_else() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nETag: \"e\"\r\nConnection: close\r\n\r\n";
    let server = Server::start([Reply::redirect("/b"), Reply::Close(answer.into())]).await;
    let url = server.url("a");
    let download = downloader(&remote(&url)).get(Request::head(&url)).await.unwrap();
    assert_eq!((download.content_length(), download.etag()), (Some(3), Some("\"e\"")));
    assert_eq!(download.bytes(10).await.unwrap(), "");
    assert!(server.requests().iter().all(|request| request.starts_with("head /")), "{:?}", server.requests());
}

#[tokio::test]
async fn a_server_that_recovers_is_asked_again() {
    let server = Server::start([Reply::status(500, ""), Reply::status(503, ""), Reply::body("abc")]).await;
    let url = server.url("a");
    assert_eq!(get(&remote(&url), &url).await.unwrap(), "abc");
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn retries_end() {
    let server = Server::start([Reply::status(500, ""), Reply::status(500, ""), Reply::body("abc")]).await;
    let url = server.url("a");
    let config = RemoteConfig { max_retries: Some(1), ..remote(&url) };
    assert!(matches!(problem(get(&config, &url).await), Upstream::Status(500)));
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn what_is_not_there_is_asked_for_once() {
    let server = Server::start([Reply::status(404, "WWW-Authenticate: Bearer\r\n"), Reply::body("abc")]).await;
    let url = server.url("a");
    let failure = downloader(&remote(&url)).get(Request::get(&url)).await.unwrap_err();
    assert_eq!(failure.headers.unwrap()["www-authenticate"], "Bearer");
    let server = Server::start([Reply::status(404, ""), Reply::body("abc")]).await;
    let url = server.url("a");
    let error = get(&remote(&url), &url).await.unwrap_err();
    assert_eq!(error.to_string(), format!("{url}: the server answered 404"));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_body_that_ends_early_is_fetched_again() {
    let short = Reply::Close("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc".into());
    let chunked = Reply::Close("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n".into());
    let server = Server::start([short.clone(), chunked.clone(), Reply::body("whole")]).await;
    let url = server.url("a");
    assert_eq!(get(&remote(&url), &url).await.unwrap(), "whole");

    let server = Server::start([short, chunked]).await;
    let url = server.url("a");
    let config = RemoteConfig { max_retries: Some(0), ..remote(&url) };
    assert!(matches!(problem(get(&config, &url).await), Upstream::Size { expected: 10, actual: 3 }));
    let text = problem(get(&config, &url).await).to_string();
    assert_eq!(text, "connection closed in the middle, after 3 bytes");
}

#[tokio::test]
async fn a_server_that_falls_silent_is_left() {
    let begun = Reply::Stall("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc".into());
    let server = Server::start([begun.clone(), Reply::Stall(String::new()), begun]).await;
    let url = server.url("a");
    let config = RemoteConfig { max_retries: Some(0), sock_read_timeout: Some(0.05), ..remote(&url) };
    for _ in 0..2 {
        let text = get(&config, &url).await.unwrap_err().to_string();
        assert_eq!(text, format!("{url}: timed out: nothing came for 0.05 seconds"));
    }
    let config =
        RemoteConfig { total_timeout: Some(0.05), sock_read_timeout: Some(0.0), max_retries: Some(0), ..config };
    let text = get(&config, &url).await.unwrap_err().to_string();
    assert_eq!(text, format!("{url}: timed out: not everything came within 0.05 seconds"));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_in_plain_words() {
    let server = Server::start([]).await;
    let url = server.url("a");
    let error = get(&remote(&url), &url).await.unwrap_err();
    assert_eq!(error.to_string(), format!("{url}: connection refused"));
}

#[tokio::test]
async fn credentials_and_headers_arrive() {
    let server = Server::start([Reply::body("a"), Reply::body("b")]).await;
    let url = server.url("a");
    let config = RemoteConfig {
        username: Some("me".into()),
        password: Some(" pw".into()),
        headers: vec![("X-Token".into(), "t".into()), ("User-Agent".into(), "other".into())],
        ..remote(&url)
    };
    get(&config, &url).await.unwrap();
    let own = Request::get(&url).header("authorization", "Bearer b").header("x-token", "mine");
    fetch(&downloader(&config), own, |download| download.bytes(10)).await.unwrap();
    let requests = server.requests();
    for line in ["authorization: basic bwu6ihb3\r\n", "x-token: t\r\n", "user-agent: other\r\n"] {
        assert!(requests[0].contains(line), "{line}: {}", requests[0]);
    }
    assert!(requests[1].contains("authorization: bearer b\r\n") && !requests[1].contains("basic"), "{}", requests[1]);
    assert!(requests[1].contains("x-token: mine\r\n") && !requests[1].contains("x-token: t"), "{}", requests[1]);
}

#[tokio::test]
async fn redirects_are_followed_without_giving_secrets_away() {
    let elsewhere = Server::start([Reply::body("abc")]).await;
    let home = Server::start([Reply::redirect("/b"), Reply::redirect(&elsewhere.url("c?signature=s"))]).await;
    let url = home.url("a");
    let config = RemoteConfig {
        username: Some("me".into()),
        headers: vec![("X-Token".into(), "t".into()), ("User-Agent".into(), "other".into())],
        ..remote(&url)
    };
    let request = Request::get(&url).header("Cookie", "c").header("Accept", "text/plain");
    let download = downloader(&config).get(request).await.unwrap();
    assert_eq!(download.url, elsewhere.url("c?signature=s"));
    assert_eq!(download.bytes(10).await.unwrap(), "abc");
    let at_home = &home.requests()[1];
    assert!(at_home.starts_with("get /b http/1.1\r\n"), "{at_home}");
    for line in ["authorization: ", "x-token: ", "cookie: "] {
        assert!(at_home.contains(line), "{at_home}");
        assert!(!elsewhere.requests()[0].contains(line), "{}", elsewhere.requests()[0]);
    }
    assert!(elsewhere.requests()[0].contains("user-agent: other\r\n"), "{}", elsewhere.requests()[0]);
    assert!(elsewhere.requests()[0].contains("accept: text/plain\r\n"), "{}", elsewhere.requests()[0]);
}

#[tokio::test]
async fn a_failure_after_a_redirect_names_what_was_asked_for() {
    let elsewhere = Server::start([Reply::status(403, "")]).await;
    let home = Server::start([Reply::redirect(&elsewhere.url("c?signature=s"))]).await;
    let url = home.url("a");
    let error = get(&remote(&url), &url).await.unwrap_err();
    assert_eq!(error.to_string(), format!("{url}: the server answered 403"));
}

#[tokio::test]
async fn redirects_end_and_stay_with_http() {
    let server = Server::start(vec![Reply::redirect("/again"); 11]).await;
    let url = server.url("a");
    assert_eq!(problem(get(&remote(&url), &url).await).to_string(), "more than 10 redirects");
    assert_eq!(server.requests().len(), 11);
    for location in ["file:///etc/passwd", "ftp://example.test/", "http://"] {
        let server = Server::start([Reply::redirect(location)]).await;
        let url = server.url("a");
        let text = problem(get(&remote(&url), &url).await).to_string();
        assert_eq!(text, "redirected to what is not an http or https URL", "{location}");
    }
}

#[tokio::test]
async fn only_http_is_asked_for() {
    for url in ["file:///etc/passwd", "ftp://example.test/", "a/b", ""] {
        let text = problem(get(&remote("http://example.test/"), url).await).to_string();
        assert_eq!(text, "not an http or https URL", "{url}");
    }
}

#[tokio::test]
async fn a_range_is_the_one_that_was_asked_for() {
    let partial = |range: &str| {
        Reply::Close(format!("HTTP/1.1 206 X\r\nContent-Length: 2\r\n{range}Connection: close\r\n\r\ncd"))
    };
    let server = Server::start([
        partial("Content-Range: bytes 2-3/10\r\n"),
        Reply::body("0123"),
        partial("Content-Range: bytes 0-1/10\r\n"),
        partial(""),
    ])
    .await;
    let downloader = downloader(&remote(&server.url("a")));
    let get = || downloader.get(Request::get(server.url("a")).range(ByteRange { first: 2, last: Some(3) }));
    assert!(get().await.unwrap().is_partial());
    assert!(server.requests()[0].contains("range: bytes=2-3\r\n"));
    assert!(!get().await.unwrap().is_partial(), "a server need not know ranges");
    for _ in 0..2 {
        assert!(get().await.unwrap_err().to_string().ends_with("a range that was not asked for"));
    }
}

#[tokio::test]
async fn a_proxy_is_asked_with_its_credentials() {
    let proxy = Server::start([Reply::body("abc")]).await;
    let config = RemoteConfig {
        proxy_url: Some(format!("http://{}", proxy.host())),
        proxy_username: Some("me".into()),
        proxy_password: Some("p:w@".into()),
        ..remote("http://example.test/a")
    };
    assert_eq!(get(&config, "http://example.test/a").await.unwrap(), "abc");
    let request = &proxy.requests()[0];
    assert!(request.starts_with("get http://example.test/a http/1.1\r\n"), "{request}");
    let expected = STANDARD.encode("me:p:w@").to_lowercase();
    assert!(request.contains(&format!("proxy-authorization: basic {expected}\r\n")), "{request}");
}

#[tokio::test]
async fn requests_keep_to_the_rate() {
    let server = Server::start([Reply::body("a"), Reply::body("b"), Reply::body("c")]).await;
    let config = RemoteConfig { rate_limit: Some(50), ..remote(&server.url("a")) };
    let downloader = downloader(&config);
    let start = Instant::now();
    for _ in 0..3 {
        downloader.get(Request::get(server.url("a"))).await.unwrap().bytes(10).await.unwrap();
    }
    assert!(start.elapsed() >= Duration::from_millis(40), "{:?}", start.elapsed());
}

#[test]
fn what_cannot_be_used_is_named_by_its_field() {
    let field = |change: fn(&mut RemoteConfig)| {
        let mut config = remote("https://example.test/");
        change(&mut config);
        match HttpDownloader::new(&config, &DownloadSettings::default()) {
            Err(Error::Invalid(invalid)) => invalid.fields().keys().cloned().collect::<Vec<_>>().join(","),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(field(|config| config.headers.push(("a b".into(), "c".into()))), "headers");
    assert_eq!(field(|config| config.headers.push(("a".into(), "c\n".into()))), "headers");
    assert_eq!(field(|config| config.proxy_url = Some("http://[".into())), "proxy_url");
    assert_eq!(field(|config| config.ca_cert = Some("no".into())), "ca_cert");
    assert_eq!(
        field(|config| {
            config.client_cert = Some("no".into());
            config.client_key = Some("no".into());
        }),
        "client_key"
    );
}

impl Authority {
    /// A server at 127.0.0.1 with a certificate of this authority, that wants one of its clients or not.
    fn server(&self, clients: bool) -> TlsAcceptor {
        let provider = Arc::new(default_provider());
        let config =
            ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let config = if clients {
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider).build().unwrap();
            config.with_client_cert_verifier(verifier)
        } else {
            config.with_no_client_auth()
        };
        let (certificate, key) = self.issue("127.0.0.1");
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Arc::new(config.with_single_cert(vec![certificate.der().clone()], key).unwrap()).into()
    }
}

#[tokio::test]
async fn a_server_is_trusted_if_the_remote_says_by_whom() {
    let authority = Authority::new();
    let server = Server::start_tls(authority.server(false), vec![Reply::body("abc"); 5]).await;
    let url = format!("https://{}/a", server.host());
    let stranger = RemoteConfig { max_retries: Some(0), ..remote(&url) };
    let trusted = RemoteConfig { ca_cert: Some(authority.0.pem()), ..stranger.clone() };
    let unchecked = RemoteConfig { tls_validation: false, ..stranger.clone() };
    let other = RemoteConfig { ca_cert: Some(Authority::new().0.pem()), ..stranger.clone() };

    assert_eq!(get(&trusted, &url).await.unwrap(), "abc");
    assert_eq!(get(&unchecked, &url).await.unwrap(), "abc");
    for config in [&stranger, &other] {
        match problem(get(config, &url).await) {
            Upstream::Connection(text) => assert!(text.contains("certificate"), "{text}"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_client_says_who_it_is() {
    let authority = Authority::new();
    let server = Server::start_tls(authority.server(true), vec![Reply::body("abc"); 2]).await;
    let url = format!("https://{}/a", server.host());
    let nobody = RemoteConfig { max_retries: Some(0), ca_cert: Some(authority.0.pem()), ..remote(&url) };
    let (certificate, key) = authority.issue("client.test");
    let known =
        RemoteConfig { client_cert: Some(certificate.pem()), client_key: Some(key.serialize_pem()), ..nobody.clone() };
    assert_eq!(get(&known, &url).await.unwrap(), "abc");
    assert!(matches!(problem(get(&nobody, &url).await), Upstream::Connection(_)));
}

#[test]
fn a_certificate_is_checked_and_kept_without_what_surrounds_it() {
    let (certificate, key) = Authority::new().issue("client.test");
    let (pem, key) = (certificate.pem(), key.serialize_pem());
    let kept = check_certificate("client_cert", &format!("Subject: me\n{pem}\n{key}")).unwrap();
    assert_eq!(kept.lines().collect::<Vec<_>>(), pem.lines().collect::<Vec<_>>());
    let message = check_certificate("ca_cert", &key).unwrap_err();
    assert!(message.starts_with("No ca_cert specified"), "{message}");
    assert!(!message.contains(key.lines().nth(1).unwrap()));
    let garbled = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(check_certificate("ca_cert", garbled).unwrap_err().starts_with("Invalid ca_cert specified"));
    assert!(check_certificate("ca_cert", &pem[..60]).unwrap_err().starts_with("Invalid ca_cert specified"));
}
