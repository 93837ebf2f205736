//! The content service: a path becomes a distribution, then a publication or a repository version, then bytes.
//!
//! A distribution's guard is asked on every request, before anything is looked up in it (`guards`).
//!
//! What was resolved before is remembered (`cache`) and costs no query; whoever changes what is served says so, and every
//! process hears it (`heard`). What is new costs two indexed queries (`resolve`), one if its distribution is known. Then
//! comes a read from the storage (`stored`), unless it is small and in memory (`memory`); answering for what is stored never
//! writes. What was served before is served while the database is away, for as long as the settings say (`lookups`). What
//! is only known to a remote is fetched while it is served (`on_demand`); directories are listed (`listing`). Errors are
//! short texts, as Pulp's content service sends them.
//!
//! Two distributions never share a path, nor does one lie below another, except where a kind of them holds others
//! ([`Distribution::HOLDS`](crate::plugin::Distribution::HOLDS)): then the deepest is meant. So the order of look-ups within
//! one distribution is all there is to resolving: the guard, the plugin where it wants to be asked first
//! ([`Distribution::asked`](crate::plugin::Distribution::asked)), the publication's files, the files that publishing made,
//! the version's files where the publication passes through (or where there is none), `index.html` or a listing for a
//! directory, what was served until recently (`grace`), then the plugin, and at last
//! the distribution's remote (`pull_through`). Where checkpoints are served, the path
//! chooses the publication (`checkpoints`).

mod cache;
pub(crate) mod checkpoints;
mod client_certificate;
mod conditions;
pub(crate) mod grace;
mod guards;
#[cfg(feature = "postgres")]
pub(crate) mod heard;
mod listing;
mod live;
mod lookups;
mod media;
mod memory;
mod on_demand;
mod path;
mod pull_through;
mod ranges;
mod resolve;
mod stored;
#[cfg(all(test, feature = "sqlite"))]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use bytes::Bytes;
use futures::stream;

use self::cache::{Age, Kept};
use self::checkpoints::Choice;
pub use self::client_certificate::ClientCertificate;
pub(crate) use self::guards::Guards;
pub use self::live::Offer;
use self::lookups::{Lookups, Origin};
use self::media::{media_type, say_cache_control};
use self::memory::Memory;
use self::on_demand::OnDemand;
use self::resolve::{File, Source};
use crate::app::App;
use crate::db::is_away;
use crate::error::{Error, Result};
use crate::metrics::content::{Counted, Look};
use crate::models::distribution;
use crate::plugin::{Asked, ContentCx, DistributionHooks, Family, Hooks};
use crate::registry;
use crate::storage::Direct;
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
        let memory = Arc::new(Memory::new(app.settings.content_memory_mb.saturating_mul(1024 * 1024)));
        Self(Arc::new(Service {
            on_demand: OnDemand::new(app.clone(), Arc::clone(&memory)),
            lookups: Lookups::new(app.clone()),
            memory,
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
    pub(crate) fn answer_at_once(&self, parts: &Parts) -> Option<Response> {
        let app = &self.0.app;
        let is_head = parts.method == Method::HEAD;
        // Others may claim what lies below the prefix. What is encoded can wait until it is decoded, and a range of what
        // has no body until it is taken away.
        if !(is_head || parts.method == Method::GET)
            || app.claims.are_within_content()
            || stored::redirects(app)
            || parts.uri.path().contains('%')
            || is_head && parts.headers.contains_key(header::RANGE)
        {
            return None;
        }
        let counted = app.traffic.begins();
        let (response, kept) = self.0.serve_at_once(parts)?;
        counted.leads_to(&kept.found.base_path);
        app.traffic.looked(Look::Hit);
        Some(counted.answered(finished(response), is_head))
    }
}

/// What the requests share.
struct Service {
    app: App,
    on_demand: OnDemand,
    lookups: Lookups,
    memory: Arc<Memory>,
}

/// What is asked for.
struct Ask<'a> {
    /// The path below the prefix, decoded.
    path: &'a str,
    /// The whole head of the request.
    parts: &'a Parts,
    /// The connection, if it can send files and nobody looks into the body before it gets there.
    direct: Option<&'a Direct>,
}

impl<'a> Ask<'a> {
    /// The path of the URL as it was sent: what redirects are made of.
    fn raw(&self) -> &'a str {
        self.parts.uri.path()
    }

    fn headers(&self) -> &'a HeaderMap {
        &self.parts.headers
    }

    fn is_head(&self) -> bool {
        self.parts.method == Method::HEAD
    }

    /// Whether the whole file is wanted, whatever the client has.
    fn is_plain(&self) -> bool {
        CONDITIONS.iter().all(|name| !self.headers().contains_key(name))
    }
}

async fn answer(State(service): State<Arc<Service>>, request: Request) -> Response {
    let counted = service.app.traffic.begins();
    let is_head = request.method() == Method::HEAD;
    let response = service.answer(request.into_parts().0, &counted).await;
    counted.answered(finished(response), is_head)
}

/// What every answer says: a file is what its name says, whatever a browser makes of its bytes.
fn finished(mut response: Response) -> Response {
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

impl Service {
    async fn answer(&self, mut parts: Parts, counted: &Counted) -> Response {
        if parts.method != Method::GET && parts.method != Method::HEAD {
            return ([(header::ALLOW, "GET,HEAD")], text(StatusCode::METHOD_NOT_ALLOWED)).into_response();
        }
        if parts.method == Method::HEAD {
            // A range is defined for GET alone (RFC 9110, section 14.2).
            parts.headers.remove(header::RANGE);
        }
        let raw = parts.uri.path();
        let Some(below) = raw.strip_prefix(self.app.settings.content_path_prefix.as_str()) else {
            return with_slash(raw);
        };
        let path = match path::decoded(below) {
            Ok(path) => path,
            Err(status) => return text(status),
        };
        let direct = parts.extensions.get();
        let ask = Ask { path: &path, parts: &parts, direct };
        match self.serve(&ask, counted).await {
            Ok(Some(response)) => response,
            Ok(None) => text(StatusCode::NOT_FOUND),
            Err(error) => failed(&error, &parts.headers),
        }
    }

    /// What is remembered and needs no waiting: nothing else of the server's is asked.
    fn serve_at_once(&self, parts: &Parts) -> Option<(Response, Arc<Kept<Source>>)> {
        let below = parts.uri.path().strip_prefix(self.app.settings.content_path_prefix.as_str())?;
        let ask = Ask { path: below, parts, direct: None };
        let (kept, Age::Fresh) = self.lookups.cache.source(ask.path)? else { return None };
        let source = &kept.found;
        let path = ask.path[source.base_path.len()..].trim_start_matches('/');
        let is_file = !path.is_empty() && !path.ends_with('/');
        let waits = source.content_guard_id.is_some() || source.checkpoint || !source.has_paths();
        if waits || !is_file || asked(source, path) == Asked::First {
            return None;
        }
        let (file, Age::Fresh) = self.lookups.cache.file(source.snapshot()?, path)? else { return None };
        let mut response = stored::respond_at_once(&self.memory, file.found.stored.as_ref()?, &ask)?;
        response.headers_mut().insert(CACHE, HeaderValue::from_static("HIT"));
        Some((say_cache_control(response, source, path), kept))
    }

    /// `None` is a 404.
    async fn serve(&self, ask: &Ask<'_>, counted: &Counted) -> Result<Option<Response>> {
        let Some(found) = self.lookups.source(ask.path).await? else {
            return listing::distributions(&self.app, ask).await;
        };
        let (source, from) = (&found.kept.found, found.from);
        counted.leads_to(&source.base_path);
        self.app.traffic.looked(match from {
            Origin::Cache => Look::Hit,
            Origin::Database => Look::Miss,
            Origin::BeforeItWentAway => Look::Stale,
        });
        if let Some(guard) = source.content_guard_id {
            guards::permit(&self.app, guard, ask.parts).await?;
        }
        let rest = &ask.path[source.base_path.len()..];
        let path = rest.trim_start_matches('/');
        let is_bare_checkpoint = source.checkpoint && !path.is_empty() && !path.contains('/');
        if rest.is_empty() || is_bare_checkpoint {
            return Ok(Some(with_slash(ask.raw())));
        }
        let asked = asked(source, path);
        if asked == Asked::First
            && let Some(response) = self.ask_plugin(source, path).await?
        {
            return Ok(Some(response));
        }
        let found = match source.checkpoint {
            true => match checkpoints::choose(&self.app, source.clone(), path, ask).await? {
                Choice::Within(checkpoint, path) => self.below(&checkpoint, Origin::Database, path, ask).await?,
                Choice::Answer(response) => Some(response),
                Choice::Nothing => None,
            },
            false if !source.has_paths() => None,
            false => self.below(source, from, path, ask).await?,
        };
        let found = match found {
            None if asked == Asked::Last => self.ask_plugin(source, path).await?,
            found => found,
        };
        let found = match found {
            None if !source.checkpoint => pull_through::respond(self, source, path, ask).await?,
            found => found,
        };
        match found {
            None if source.points_nowhere => Ok(Some(said(StatusCode::NOT_FOUND, POINTS_NOWHERE))),
            found => Ok(found),
        }
    }

    /// What a publication or a version has at a path, which begins with no slash.
    async fn below(&self, source: &Source, from: Origin, path: &str, ask: &Ask<'_>) -> Result<Option<Response>> {
        let is_folder = path.is_empty() || path.ends_with('/');
        let name = if is_folder { format!("{path}index.html") } else { path.to_owned() };
        let said = |response| say_cache_control(response, source, &name);
        if let Some(answered) = self.find(source, from, &name, ask).await? {
            return Ok(answered.map(said));
        }
        if is_folder {
            return Ok(listing::folder(&self.app, source, path, ask).await?.map(said));
        }
        if resolve::is_folder(&self.app, source, path).await? {
            return Ok(Some(with_slash(ask.raw())));
        }
        let Some(file) = grace::file(&self.app, source, path).await? else { return Ok(None) };
        Ok(self.file(&file, path, ask).await?.map(said))
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
        let Some(hooks) = hooks(source) else { return Ok(None) };
        let row = distribution::Entity::find_by_id(source.distribution_id).one(self.app.db.read()).await?;
        let Some(distribution) = row else { return Ok(None) };
        let response = (hooks.serve)(&ContentCx { app: self.app.clone(), distribution }, path).await?;
        Ok(response.map(|response| say_cache_control(response, source, path)))
    }
}

/// What the plugin of a distribution registered; nothing if this build lacks it.
fn hooks(source: &Source) -> Option<&'static DistributionHooks> {
    match registry::get().noun(Family::Distribution, &source.pulp_type).map(|noun| &noun.hooks) {
        Some(Hooks::Distribution(hooks)) => Some(hooks),
        _ => None,
    }
}

/// When the plugin is asked about a path.
fn asked(source: &Source, path: &str) -> Asked {
    hooks(source).map_or(Asked::Never, |hooks| (hooks.asked)(path))
}

/// Why nothing is found in a distribution without anything to serve, in Pulp's words.
const POINTS_NOWHERE: &str =
    "Distribution is not pointing to a publication, repository, repository version, or remote.";

/// A status as Pulp's content service words it: `404: Not Found`.
fn text(status: StatusCode) -> Response {
    said(status, status.canonical_reason().unwrap_or("Unknown"))
}

/// A status with another reason.
fn said(status: StatusCode, reason: &str) -> Response {
    (status, format!("{}: {reason}", status.as_u16())).into_response()
}

/// Sends the client to the same path with a slash at its end. The query is dropped, as in Pulp.
fn with_slash(raw: &str) -> Response {
    match path::with_slash(raw) {
        Some(location) => ([(header::LOCATION, location)], text(StatusCode::MOVED_PERMANENTLY)).into_response(),
        None => text(StatusCode::NOT_FOUND),
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
    if status == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static("Basic realm=\"api\"");
        return ([(header::WWW_AUTHENTICATE, challenge)], text(status)).into_response();
    }
    if !status.is_server_error() {
        return text(status);
    }
    let cid = correlation_id(headers.get("correlation-id").and_then(|id| id.to_str().ok()));
    tracing::error!(correlation_id = cid, status = status.as_u16(), "{}", error.log());
    let reason = status.canonical_reason().unwrap_or("Unknown");
    (status, format!("{}: {reason} ({cid})", status.as_u16())).into_response()
}

/// An answer without a body, or before it has one.
fn empty(status: StatusCode, headers: HeaderMap) -> Response {
    // A 304 has the length of the file or none (RFC 9110, section 8.6), and so has an answer to HEAD. Of a body that is
    // known to be empty the router would say that it has 0 bytes.
    let body = match status {
        StatusCode::OK | StatusCode::NOT_MODIFIED => Body::from_stream(stream::empty::<Result<Bytes>>()),
        _ => Body::empty(),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
