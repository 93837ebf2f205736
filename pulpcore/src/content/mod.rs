//! The content service: a path becomes a distribution, then a publication or a repository version, then bytes.
//!
//! What was resolved before is remembered (`cache`) and costs no query; whoever changes what is served says so, and every
//! process hears it (`heard`). What is new costs two indexed queries (`resolve`), one if its distribution is known. Then
//! comes a read from the storage (`stored`), unless it is small and in memory (`memory`); answering for what is stored never
//! writes. What was served before is served while the database is away, for as long as the settings say (`lookups`). What
//! is only known to a remote is fetched while it is served (`on_demand`); directories are listed (`listing`). Errors are
//! short texts, as Pulp's content service sends them.
//!
//! Two distributions never share a path, nor does one lie below another, so the order of look-ups within one
//! distribution is all there is to resolving: the publication's files, the files that publishing made, the version's
//! files where the publication passes through (or where there is none), `index.html` or a listing for a directory, and
//! at last the plugin's own [`Distribution::serve`](crate::plugin::Distribution::serve).

mod cache;
mod conditions;
#[cfg(feature = "postgres")]
pub(crate) mod heard;
mod listing;
mod lookups;
mod memory;
mod on_demand;
mod resolve;
mod stored;
#[cfg(all(test, feature = "sqlite"))]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use percent_encoding::percent_decode_str;

use self::cache::Age;
use self::lookups::{Lookups, Origin};
use self::memory::Memory;
use self::on_demand::OnDemand;
use self::resolve::{File, Source};
use crate::app::App;
use crate::db::is_away;
use crate::error::{Error, Result};
use crate::models::distribution;
use crate::plugin::{ContentCx, Family, Hooks};
use crate::registry;
use crate::telemetry::correlation_id;

/// How many bytes the whole file has, in every answer about one, as in Pulp.
const ARTIFACT_SIZE: HeaderName = HeaderName::from_static("x-pulp-artifact-size");

/// Whether an answer was remembered, as in Pulp: `HIT` or `MISS`.
const CACHE: HeaderName = HeaderName::from_static("x-pulp-cache");

/// What a request says that changes the answer about a stored file.
const CONDITIONS: [HeaderName; 6] = [
    header::RANGE,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_MATCH,
    header::IF_UNMODIFIED_SINCE,
    header::IF_RANGE,
];

/// The routes of the content service, under the whole path: merge it, do not nest it.
///
/// They claim the content path prefix and everything below; the prefix without its last slash redirects to the one with.
pub fn router(app: App) -> Router {
    Content::new(app).router()
}

/// The content service. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Content(Arc<Service>);

impl Content {
    pub(crate) fn new(app: App) -> Self {
        Self(Arc::new(Service {
            on_demand: OnDemand::new(app.clone()),
            lookups: Lookups::new(app.clone()),
            memory: Memory::new(app.settings.content_memory_mb.saturating_mul(1024 * 1024)),
            app,
        }))
    }

    /// See [`router`].
    pub(crate) fn router(&self) -> Router {
        let prefix = &self.0.app.settings.content_path_prefix;
        let mut router = Router::new().route(prefix, any(answer)).route(&format!("{prefix}{{*path}}"), any(answer));
        let bare = prefix.trim_end_matches('/');
        if !bare.is_empty() {
            router = router.route(bare, any(answer));
        }
        router.with_state(Arc::clone(&self.0))
    }

    /// The answer to a request for a file that is remembered and in memory: no waiting, no routes, nothing asked.
    pub(crate) fn answer_at_once(&self, request: &Request) -> Option<Response> {
        let head = *request.method() == Method::HEAD;
        if !head && *request.method() != Method::GET {
            return None;
        }
        let raw = request.uri().path();
        let path = raw.strip_prefix(self.0.app.settings.content_path_prefix.as_str())?;
        // What is encoded can wait until it is decoded.
        if path.contains('%') {
            return None;
        }
        self.0.serve_at_once(&Ask { raw, path, head, headers: request.headers() })
    }
}

/// What the requests share.
struct Service {
    app: App,
    on_demand: OnDemand,
    lookups: Lookups,
    memory: Memory,
}

/// What is asked for.
struct Ask<'a> {
    /// The path of the URL as it was sent: what redirects are made of.
    raw: &'a str,
    /// The path below the prefix, decoded.
    path: &'a str,
    head: bool,
    headers: &'a HeaderMap,
}

impl Ask<'_> {
    /// Whether the whole file is wanted, whatever the client has.
    fn is_plain(&self) -> bool {
        CONDITIONS.iter().all(|name| !self.headers.contains_key(name))
    }
}

async fn answer(State(service): State<Arc<Service>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    if parts.method != Method::GET && parts.method != Method::HEAD {
        return ([(header::ALLOW, "GET,HEAD")], text(StatusCode::METHOD_NOT_ALLOWED)).into_response();
    }
    let raw = parts.uri.path();
    let Some(below) = raw.strip_prefix(service.app.settings.content_path_prefix.as_str()) else {
        return with_slash(raw);
    };
    // No name is made of other characters, and one of the databases refuses to look for a NUL.
    let path = percent_decode_str(below).decode_utf8().ok().filter(|path| !path.contains('\0'));
    let Some(path) = path else { return text(StatusCode::NOT_FOUND) };
    let ask = Ask { raw, path: &path, head: parts.method == Method::HEAD, headers: &parts.headers };
    match service.serve(&ask).await {
        Ok(Some(response)) => response,
        Ok(None) => text(StatusCode::NOT_FOUND),
        Err(error) => failed(&error, &parts.headers),
    }
}

impl Service {
    /// What is remembered and needs no waiting: nothing else of the server's is asked.
    fn serve_at_once(&self, ask: &Ask<'_>) -> Option<Response> {
        let (source, Age::Fresh) = self.lookups.cache.source(ask.path)? else { return None };
        let source = &source.found;
        if source.content_guard_id.is_some() {
            return None;
        }
        let path = ask.path[source.base_path.len()..].trim_start_matches('/');
        if path.is_empty() || path.ends_with('/') {
            return None;
        }
        let (file, Age::Fresh) = self.lookups.cache.file(source.snapshot()?, path)? else { return None };
        let mut response = stored::respond_at_once(&self.memory, file.found.stored.as_ref()?, ask)?;
        response.headers_mut().insert(CACHE, HeaderValue::from_static("HIT"));
        Some(response)
    }

    /// `None` is a 404.
    async fn serve(&self, ask: &Ask<'_>) -> Result<Option<Response>> {
        let Some(found) = self.lookups.source(ask.path).await? else {
            return listing::distributions(&self.app, ask).await;
        };
        let (source, from) = (&found.kept.found, found.from);
        admit(source, from)?;
        let rest = &ask.path[source.base_path.len()..];
        let path = rest.trim_start_matches('/');
        if rest.is_empty() {
            return Ok(Some(with_slash(ask.raw)));
        }
        let is_folder = path.is_empty() || path.ends_with('/');
        let name = if is_folder { format!("{path}index.html") } else { path.to_owned() };
        let response = match self.find(source, from, &name, ask).await? {
            Some(answered) => return Ok(answered),
            None if is_folder => listing::folder(&self.app, source, path, ask).await?,
            None if resolve::is_folder(&self.app, source, path).await? => Some(with_slash(ask.raw)),
            None => None,
        };
        match response {
            Some(response) => Ok(Some(response)),
            None => self.ask_plugin(source, path).await,
        }
    }

    /// The file of that name in what a distribution serves. `None` if there is none; then what is inside says whether it
    /// could be had.
    async fn find(&self, source: &Source, from: Origin, name: &str, ask: &Ask<'_>) -> Result<Option<Option<Response>>> {
        loop {
            let Some(file) = self.lookups.file(source, name).await? else { return Ok(None) };
            let is_hit = from != Origin::Database && file.from != Origin::Database;
            let answer = self.file(&file.kept.found, name, ask).await?;
            // What was remembered may have lost its bytes without a word: it is looked up again, once.
            if answer.is_none() && file.from != Origin::Database && file.kept.found.stored.is_some() {
                if let Some(snapshot) = source.snapshot() {
                    self.lookups.cache.forget_file(snapshot, name);
                }
                continue;
            }
            return Ok(Some(answer.map(|response| self.marked(response, is_hit))));
        }
    }

    async fn file(&self, file: &File, name: &str, ask: &Ask<'_>) -> Result<Option<Response>> {
        if let Some(stored) = &file.stored {
            match stored::respond(&self.app, &self.memory, stored, ask).await {
                Err(Error::NotFound(_)) => {
                    tracing::error!(path = &*stored.file, "an artifact is missing in the storage");
                }
                outcome => return outcome.map(Some),
            }
        }
        match file.content_artifact {
            Some(unit) => self.on_demand.respond(unit, name, ask).await,
            None => Ok(None),
        }
    }

    /// Says whether an answer was remembered, as Pulp does while its cache is on.
    fn marked(&self, mut response: Response, is_hit: bool) -> Response {
        if self.lookups.cache.is_on() {
            response.headers_mut().insert(CACHE, HeaderValue::from_static(if is_hit { "HIT" } else { "MISS" }));
        }
        response
    }

    async fn ask_plugin(&self, source: &Source, path: &str) -> Result<Option<Response>> {
        use sea_orm::EntityTrait;
        let noun = registry::get().noun(Family::Distribution, &source.pulp_type);
        let Some(Hooks::Distribution(hooks)) = noun.map(|noun| &noun.hooks) else { return Ok(None) };
        let row = distribution::Entity::find_by_id(source.distribution_id).one(self.app.db.read()).await?;
        let Some(distribution) = row else { return Ok(None) };
        (hooks.serve)(&ContentCx { app: self.app.clone(), distribution }, path).await
    }
}

/// Lets a request in, or not: asked each time, whatever is remembered.
///
/// # Errors
/// [`Error::PermissionDenied`]; [`Error::Unavailable`] if the guard cannot be asked now.
fn admit(source: &Source, from: Origin) -> Result<()> {
    match source.content_guard_id {
        None => Ok(()),
        Some(_) if from == Origin::BeforeItWentAway => {
            Err(Error::Unavailable("The content guard cannot be asked.".to_owned()))
        }
        // No guard can be asked in this version: what is guarded stays shut.
        Some(_) => Err(Error::PermissionDenied),
    }
}

/// A status as Pulp's content service words it: `404: Not Found`.
fn text(status: StatusCode) -> Response {
    let reason = status.canonical_reason().unwrap_or("Unknown");
    (status, format!("{}: {reason}", status.as_u16())).into_response()
}

/// Sends the client to the same path with a slash at its end. The query is dropped, as in Pulp.
fn with_slash(raw: &str) -> Response {
    match HeaderValue::try_from(format!("{raw}/")) {
        Ok(location) => ([(header::LOCATION, location)], text(StatusCode::MOVED_PERMANENTLY)).into_response(),
        Err(_) => text(StatusCode::NOT_FOUND),
    }
}

/// An error as this service shows it: what a client did wrong by its status alone; of ours, the correlation id.
fn failed(error: &Error, headers: &HeaderMap) -> Response {
    let status = match error {
        Error::NotFound(_) => StatusCode::NOT_FOUND,
        Error::PermissionDenied => StatusCode::FORBIDDEN,
        Error::Unauthenticated | Error::BadCredentials => StatusCode::UNAUTHORIZED,
        Error::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
        Error::Invalid(_) | Error::UnknownFilter(_) | Error::Malformed(_) => StatusCode::BAD_REQUEST,
        Error::Conflict(_) | Error::Canceled => StatusCode::CONFLICT,
        Error::Upstream { .. } => StatusCode::BAD_GATEWAY,
        Error::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        error if is_away(error) => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    if !status.is_server_error() {
        return text(status);
    }
    let cid = correlation_id(headers.get("correlation-id").and_then(|id| id.to_str().ok()));
    tracing::error!(correlation_id = cid, status = status.as_u16(), "{}", error.log());
    let reason = status.canonical_reason().unwrap_or("Unknown");
    (status, format!("{}: {reason} ({cid})", status.as_u16())).into_response()
}

/// The media type of a file, by its name alone: contents are never guessed at.
fn media_type(name: &str) -> HeaderValue {
    let last = name.rsplit('/').next().unwrap_or(name);
    let guess = mime_guess::from_path(last).first_raw();
    HeaderValue::from_static(guess.unwrap_or("application/octet-stream"))
}

/// An answer without a body.
fn empty(status: StatusCode, headers: HeaderMap) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
