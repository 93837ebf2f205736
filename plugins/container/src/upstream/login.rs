//! Tokens: what a registry gives to whoever shows a name and a password at its token server, or to anybody.
//!
//! A request goes out with the token that is known for its repository, or without. If the registry refuses it and says
//! where tokens are to be had, one is fetched there, and the request repeated. Many requests that are refused at once
//! fetch one token.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pulpcore::error::{Error, Upstream};
use pulpcore::sync::download::{Download, Downloader, Failure, RemoteConfig, Request, Retry};
use serde::Deserialize;
use url::Url;

use super::challenge::Challenge;

/// The longest answer of a token server, in bytes.
const LONGEST_ANSWER: usize = 1 << 20;
/// How long a token is good for if nobody says.
const DEFAULT_LIFE: u64 = 60;
/// What is taken off, so that a token does not end while a request is under way.
const MARGIN: Duration = Duration::from_secs(10);
/// How many repositories' tokens are kept.
const MOST_TOKENS: usize = 1000;

/// A downloader that logs in where it is asked to.
pub(crate) struct Login {
    plain: Arc<dyn Downloader>,
    home: Option<Url>,
    basic: Option<String>,
    tokens: Mutex<HashMap<String, Token>>,
    /// Whoever fetches a token has this.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct Token {
    text: String,
    until: Instant,
}

#[derive(Deserialize)]
struct Granted {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

impl Login {
    /// Around the downloader of a remote.
    pub(crate) fn new(plain: Arc<dyn Downloader>, config: &RemoteConfig) -> Self {
        let basic = config.username.as_ref().map(|user| {
            let password = config.password.as_deref().unwrap_or_default();
            format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
        });
        Self {
            plain,
            home: Url::parse(&config.url).ok(),
            basic,
            tokens: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// The repository of a URL of the remote's own registry. Elsewhere no token is shown.
    fn repository(&self, url: &str) -> Option<String> {
        let url = Url::parse(url).ok()?;
        if url.origin() != self.home.as_ref()?.origin() {
            return None;
        }
        let path = url.path();
        let path = path.strip_prefix("/extensions").unwrap_or(path).strip_prefix("/v2/")?;
        let parts = ["/manifests/", "/blobs/", "/tags/list", "/referrers/", "/signatures/"];
        let end = parts.iter().find_map(|part| path.find(part))?;
        Some(path[..end].to_owned())
    }

    fn known(&self, repository: &str) -> Option<String> {
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.get(repository).filter(|token| token.until > Instant::now()).map(|token| token.text.clone())
    }

    fn keep(&self, repository: &str, token: Token) {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if tokens.len() >= MOST_TOKENS {
            tokens.clear();
        }
        tokens.insert(repository.to_owned(), token);
    }

    /// Fetches a token, unless somebody else has since the refused one was sent.
    async fn log_in(&self, repository: &str, challenge: &Challenge, refused: Option<&str>) -> Result<String, Failure> {
        let _turn = self.turn.lock().await;
        if let Some(known) = self.known(repository).filter(|known| Some(known.as_str()) != refused) {
            return Ok(known);
        }
        let url = challenge.url();
        let mut request = Request::get(url.as_str());
        if let Some(basic) = self.basic.as_ref().filter(|_| self.trusts(&challenge.realm)) {
            request = request.header("Authorization", basic);
        }
        let bad =
            |what: &str| Failure::from(Error::upstream(challenge.realm.as_str(), Upstream::Content(what.to_owned())));
        let answer = self.plain.get(request).await?.bytes(LONGEST_ANSWER).await?;
        let granted: Granted = serde_json::from_slice(&answer).map_err(|_| bad("not the answer of a token server"))?;
        let text = granted.token.or(granted.access_token).filter(|token| !token.is_empty());
        let text = text.ok_or_else(|| bad("the token server gave no token"))?;
        let life = Duration::from_secs(granted.expires_in.unwrap_or(DEFAULT_LIFE).min(24 * 60 * 60));
        self.keep(repository, Token { text: text.clone(), until: Instant::now() + life.saturating_sub(MARGIN) });
        Ok(text)
    }

    /// Whether the password may be sent to a token server: over TLS, or to the registry's own address.
    fn trusts(&self, realm: &Url) -> bool {
        realm.scheme() == "https" || self.home.as_ref().is_some_and(|home| home.origin() == realm.origin())
    }
}

#[async_trait]
impl Downloader for Login {
    async fn get(&self, request: Request) -> Result<Download, Failure> {
        let Some(repository) = self.repository(&request.url) else { return self.plain.get(request).await };
        let known = self.known(&repository);
        let failure = match self.plain.get(bearing(request.clone(), known.as_deref())).await {
            Err(failure) if is_refusal(&failure.error) => failure,
            other => return other,
        };
        let challenge = failure.headers.as_deref().and_then(Challenge::of);
        let Some(challenge) = challenge else { return Err(failure) };
        let token = self.log_in(&repository, &challenge, known.as_deref()).await?;
        self.plain.get(bearing(request, Some(&token))).await
    }

    fn concurrency(&self) -> usize {
        self.plain.concurrency()
    }

    fn retry(&self) -> Retry {
        self.plain.retry()
    }
}

/// Tokens and passwords are most of it.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").finish_non_exhaustive()
    }
}

fn bearing(request: Request, token: Option<&str>) -> Request {
    match token {
        Some(token) => request.header("Authorization", format!("Bearer {token}")),
        None => request,
    }
}

fn is_refusal(error: &Error) -> bool {
    matches!(error, Error::Upstream { problem: Upstream::Status(401), .. })
}
