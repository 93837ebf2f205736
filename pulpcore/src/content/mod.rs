//! The content service: a path becomes a distribution, then a publication or a repository version, then bytes.
//!
//! A request costs two indexed queries (`resolve`) and a read from the storage (`stored`); answering for what is
//! stored never writes. What is only known to a remote is fetched while it is served (`on_demand`); directories are
//! listed (`listing`). Errors are short texts, as Pulp's content service sends them.
//!
//! Two distributions never share a path, nor does one lie below another, so the order of look-ups within one
//! distribution is all there is to resolving: the publication's files, the files that publishing made, the version's
//! files where the publication passes through (or where there is none), `index.html` or a listing for a directory, and
//! the plugin's own [`Distribution::serve`](crate::plugin::Distribution::serve), and at last the distribution's remote
//! (`pull_through`).

mod conditions;
mod listing;
mod on_demand;
mod pull_through;
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

use self::on_demand::OnDemand;
use self::resolve::{File, Source};
use crate::app::App;
use crate::error::{Error, Result};
use crate::models::distribution;
use crate::plugin::{ContentCx, Family, Hooks};
use crate::registry;
use crate::telemetry::correlation_id;

/// How many bytes the whole file has, in every answer about one, as in Pulp.
const ARTIFACT_SIZE: HeaderName = HeaderName::from_static("x-pulp-artifact-size");

/// The routes of the content service, under the whole path: merge it, do not nest it.
///
/// They claim the content path prefix and everything below; the prefix without its last slash redirects to the one with.
pub fn router(app: App) -> Router {
    let prefix = app.settings.content_path_prefix.clone();
    let service = Arc::new(Service { on_demand: OnDemand::new(app.clone()), app });
    let mut router = Router::new().route(&prefix, any(answer)).route(&format!("{prefix}{{*path}}"), any(answer));
    let bare = prefix.trim_end_matches('/');
    if !bare.is_empty() {
        router = router.route(bare, any(answer));
    }
    router.with_state(service)
}

/// What the requests share.
struct Service {
    app: App,
    on_demand: OnDemand,
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
    /// `None` is a 404.
    async fn serve(&self, ask: &Ask<'_>) -> Result<Option<Response>> {
        let Some(source) = resolve::source(&self.app, ask.path).await? else {
            return listing::distributions(&self.app, ask).await;
        };
        if source.content_guard_id.is_some() {
            // No guard can be asked in this version: what is guarded stays shut.
            return Err(Error::PermissionDenied);
        }
        let rest = &ask.path[source.base_path.len()..];
        let path = rest.trim_start_matches('/');
        if rest.is_empty() {
            return Ok(Some(with_slash(ask.raw)));
        }
        let is_folder = path.is_empty() || path.ends_with('/');
        let name = if is_folder { format!("{path}index.html") } else { path.to_owned() };
        if let Some(file) = resolve::file(&self.app, &source, &name).await? {
            return self.file(file, &name, ask).await;
        }
        if is_folder {
            if let Some(response) = listing::folder(&self.app, &source, path, ask).await? {
                return Ok(Some(response));
            }
        } else if resolve::is_folder(&self.app, &source, path).await? {
            return Ok(Some(with_slash(ask.raw)));
        }
        match self.ask_plugin(&source, path).await? {
            Some(response) => Ok(Some(response)),
            None => pull_through::respond(self, &source, path, ask).await,
        }
    }

    async fn file(&self, file: File, name: &str, ask: &Ask<'_>) -> Result<Option<Response>> {
        if let Some(stored) = &file.stored {
            match stored::respond(&self.app, stored, name, ask).await {
                Err(Error::NotFound(_)) => {
                    tracing::error!(path = stored.file, "an artifact is missing in the storage");
                }
                outcome => return outcome.map(Some),
            }
        }
        match file.content_artifact {
            Some(unit) => self.on_demand.respond(unit, name, ask).await,
            None => Ok(None),
        }
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
