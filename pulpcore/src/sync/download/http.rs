//! `http://` and `https://`.

use std::fmt;

use async_trait::async_trait;
use axum::http::header::{
    ACCEPT, ACCEPT_ENCODING, ACCEPT_LANGUAGE, AUTHORIZATION, CONTENT_RANGE, COOKIE, HeaderName, HeaderValue, LOCATION,
    PROXY_AUTHORIZATION, RANGE, USER_AGENT,
};
use axum::http::{HeaderMap, Method, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::{StreamExt, stream};
use reqwest::redirect::Policy;
use reqwest::{Client, Proxy, Response, Url};
use tokio::time::Instant;

use super::body::measured;
use super::config::Timeouts;
use super::throttle::Throttle;
use super::{Download, DownloadSettings, Downloader, Failure, RemoteConfig, Request, Retry, reason, tls};
use crate::error::{Error, Result, Upstream};

/// How many redirects are followed.
const MAX_REDIRECTS: usize = 10;

/// Of a remote's headers, those that say nothing about who asks and so go to every host.
const PUBLIC: [HeaderName; 4] = [ACCEPT, ACCEPT_ENCODING, ACCEPT_LANGUAGE, USER_AGENT];

/// Of a request's headers, those that a redirect to another host loses.
const CREDENTIALS: [HeaderName; 3] = [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION];

/// Downloads over HTTP, with one pool of connections.
///
/// Redirects are followed here and not by the client below, which knows of credentials only what stands in
/// `Authorization` and `Cookie`; a remote's own headers are as often tokens.
pub struct HttpDownloader {
    client: Client,
    /// The host that the remote's headers and credentials are for.
    home: Option<Url>,
    /// What is sent home, and what is sent elsewhere.
    home_headers: HeaderMap,
    public_headers: HeaderMap,
    timeouts: Timeouts,
    throttle: Option<Throttle>,
    concurrency: usize,
    retry: Retry,
}

impl HttpDownloader {
    /// A client for one remote. Making it reads the system's certificates: make one a sync, not one a file.
    ///
    /// # Errors
    /// [`Error::Invalid`], by field, for certificates, headers and a proxy that cannot be used.
    pub fn new(config: &RemoteConfig, settings: &DownloadSettings) -> Result<Self> {
        let home_headers = home_headers(config)?;
        let timeouts = config.timeouts();
        Ok(Self {
            client: client(config, &timeouts)?,
            home: Url::parse(&config.url).ok(),
            public_headers: PUBLIC
                .into_iter()
                .filter_map(|name| home_headers.get(&name).cloned().map(|value| (name, value)))
                .collect(),
            home_headers,
            timeouts,
            throttle: Throttle::new(config.rate_limit),
            concurrency: config.concurrency(),
            retry: Retry { max_retries: config.max_retries.unwrap_or(3), pause: settings.retry_pause },
        })
    }

    /// What is sent to `url`: the request's own headers, and the remote's where the request has none of that name.
    fn headers_for(&self, url: &Url, own: &HeaderMap) -> HeaderMap {
        let at_home = self.home.as_ref().is_some_and(|home| may_see_credentials_of(home, url));
        let mut headers = if at_home { self.home_headers.clone() } else { self.public_headers.clone() };
        for name in own.keys() {
            headers.remove(name);
        }
        headers.extend(own.clone());
        headers
    }
}

#[async_trait]
impl Downloader for HttpDownloader {
    async fn get(&self, request: Request) -> Result<Download, Failure> {
        let asked = request.url.as_str();
        let fail = |problem| Failure::upstream(asked, problem);
        let mut own = own_headers(&request).map_err(|what| fail(Upstream::Content(what)))?;
        let mut url = Url::parse(asked)
            .ok()
            .filter(is_http)
            .ok_or_else(|| fail(Upstream::Content("not an http or https URL".into())))?;
        let mut deadline = None;
        for _ in 0..=MAX_REDIRECTS {
            if let Some(throttle) = &self.throttle {
                throttle.acquire().await;
            }
            let method = if request.head { Method::HEAD } else { Method::GET };
            let mut builder = self.client.request(method, url.clone()).headers(self.headers_for(&url, &own));
            if let Some(total) = self.timeouts.total {
                let deadline = *deadline.get_or_insert_with(|| Instant::now() + total);
                builder = builder.timeout(deadline.saturating_duration_since(Instant::now()));
            }
            let response = builder.send().await.map_err(|error| fail(reason::request(&error, &self.timeouts)))?;
            let Some(location) = redirect(&response) else { return self.open(&request, response) };
            let next = url
                .join(&location)
                .ok()
                .filter(is_http)
                .ok_or_else(|| fail(Upstream::Content("redirected to what is not an http or https URL".into())))?;
            if !may_see_credentials_of(&url, &next) {
                for name in &CREDENTIALS {
                    own.remove(name);
                }
            }
            url = next;
        }
        Err(fail(Upstream::Content(format!("more than {MAX_REDIRECTS} redirects"))))
    }

    fn concurrency(&self) -> usize {
        self.concurrency
    }

    fn retry(&self) -> Retry {
        self.retry
    }
}

impl HttpDownloader {
    /// The answer as a download, if it is one.
    fn open(&self, request: &Request, mut response: Response) -> Result<Download, Failure> {
        let asked = request.url.clone();
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        if !status.is_success() {
            let error = Error::upstream(&asked, Upstream::Status(status.as_u16()));
            return Err(Failure { error, headers: Some(Box::new(headers)) });
        }
        if status == StatusCode::PARTIAL_CONTENT {
            let wanted = request.range.map(|range| range.first);
            if wanted.is_none() || first_byte(&headers) != wanted {
                return Err(Failure::upstream(&asked, Upstream::Content("a range that was not asked for".into())));
            }
        }
        let url = response.url().to_string();
        if request.head {
            return Ok(Download { url, status: status.as_u16(), headers, body: stream::empty().boxed(), asked });
        }
        let length = response.content_length();
        let timeouts = self.timeouts;
        let source = response.bytes_stream().map(move |chunk| chunk.map_err(|error| reason::body(&error, &timeouts)));
        let body = measured(asked.clone(), length, source);
        Ok(Download { url, status: status.as_u16(), headers, body, asked })
    }
}

/// Headers are secrets: what is shown is the pace.
impl fmt::Debug for HttpDownloader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpDownloader")
            .field("timeouts", &self.timeouts)
            .field("concurrency", &self.concurrency)
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}

fn client(config: &RemoteConfig, timeouts: &Timeouts) -> Result<Client> {
    let build = |platform: bool| -> Result<reqwest::Result<Client>> {
        let mut builder = Client::builder()
            .no_gzip()
            .no_proxy()
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .tcp_nodelay(true)
            .pool_max_idle_per_host(config.concurrency());
        if let Some(limit) = timeouts.connect {
            builder = builder.connect_timeout(limit);
        }
        if let Some(limit) = timeouts.read {
            builder = builder.read_timeout(limit);
        }
        if let Some(url) = config.proxy_url.as_deref().filter(|url| !url.is_empty()) {
            builder = builder.proxy(proxy(url, config)?);
        }
        if !platform {
            builder = builder.tls_certs_only([]);
        }
        Ok(tls::configure(builder, config)?.build())
    };
    match build(true)? {
        Ok(client) => Ok(client),
        Err(_) if config.ca_cert.is_some() => Err(Error::invalid("ca_cert", "Not an X.509 certificate in PEM.")),
        Err(_) if config.client_cert.is_some() => {
            Err(Error::invalid("client_cert", "The certificate and its key cannot be used together."))
        }
        // A machine may have no certificates at all, as bare containers do. It trusts nobody then, but plain http works.
        Err(error) => {
            tracing::warn!(%error, "the system's certificates cannot be read: no server is trusted");
            build(false)?.map_err(Error::internal)
        }
    }
}

fn proxy(url: &str, config: &RemoteConfig) -> Result<Proxy> {
    let proxy = Proxy::all(url).map_err(|_| Error::invalid("proxy_url", "Not the URL of a proxy."))?;
    Ok(match &config.proxy_username {
        Some(user) => proxy.basic_auth(user, config.proxy_password.as_deref().unwrap_or_default()),
        None => proxy,
    })
}

/// The headers that go to the remote's own host.
fn home_headers(config: &RemoteConfig) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("pulpcore/", env!("CARGO_PKG_VERSION"))));
    // Nothing else leaves the bytes as the repository stores them; saying nothing would leave it to the server.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let own = header_map(&config.headers).map_err(|what| Error::invalid("headers", what))?;
    for name in own.keys() {
        headers.remove(name);
    }
    headers.extend(own);
    if let Some(user) = &config.username {
        let password = config.password.as_deref().unwrap_or_default();
        let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
            .expect("base64 is made of letters that a header may hold");
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok(headers)
}

fn own_headers(request: &Request) -> Result<HeaderMap, String> {
    let mut headers = header_map(&request.headers)?;
    if let Some(range) = request.range {
        let value = HeaderValue::try_from(range.to_string()).expect("digits are letters that a header may hold");
        headers.insert(RANGE, value);
    }
    Ok(headers)
}

fn header_map(pairs: &[(String, String)]) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::with_capacity(pairs.len());
    for (name, value) in pairs {
        let parsed = HeaderName::try_from(name).map_err(|_| format!("'{name}' is not the name of a header."))?;
        let value =
            HeaderValue::from_str(value).map_err(|_| format!("The value of the header '{name}' is not valid."))?;
        headers.append(parsed, value);
    }
    Ok(headers)
}

/// Where an answer sends us; `None` if it is no redirect.
fn redirect(response: &Response) -> Option<String> {
    match response.status().as_u16() {
        301 | 302 | 303 | 307 | 308 => {
            let location = response.headers().get(LOCATION)?;
            Some(String::from_utf8_lossy(location.as_bytes()).into_owned())
        }
        _ => None,
    }
}

/// Whether `url` is the same server as `home`, on the same port or on TLS instead of plain text.
fn may_see_credentials_of(home: &Url, url: &Url) -> bool {
    let place = |url: &Url| (url.scheme() == "https", url.port_or_known_default());
    home.host() == url.host()
        && (place(home) == place(url) || (place(home), place(url)) == ((false, Some(80)), (true, Some(443))))
}

fn is_http(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
}

/// The first byte of a partial answer: `Content-Range: bytes 7-9/10`.
fn first_byte(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    text.strip_prefix("bytes ")?.split_once('-')?.0.trim().parse().ok()
}

#[cfg(test)]
mod tests;
