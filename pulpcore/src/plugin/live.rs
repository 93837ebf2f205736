//! Live APIs: protocols that clients speak outside the REST API and outside the content prefix.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::http::{Method, StatusCode};
use axum::response::Response;

use crate::error::Result;
pub use crate::live::LiveCx;
use crate::settings::Role;

/// A protocol of its own, such as a registry, with the URL space that it claims.
///
/// Nobody else answers within its claims: not another live API, not the REST API, not the content service. Claims that
/// overlap stop the start of the server, by name, and so do routes outside the claims or two routes for one request. A
/// distribution whose URL would fall into a claim is refused. The setting `live.<label>` switches the API off.
///
/// Whatever goes wrong within the claims is drawn by `refuse`, in the protocol's own shape: the errors of the routes,
/// paths that no route knows, methods that a path does not have, a panic.
///
/// ```
/// use axum::response::{IntoResponse, Response};
/// use pulpcore::error::Result;
/// use pulpcore::plugin::{LiveApi, LiveCx, LiveRoute, Refusal, register};
///
/// register!(LiveApi {
///     label: "doc",
///     name: "reading room",
///     claims: &["/read/"],
///     routes: || vec![LiveRoute::read("GET", "/read/", greet)],
///     refuse,
/// });
///
/// async fn greet(_: LiveCx) -> Result<Response> {
///     Ok("Silence, please.".into_response())
/// }
///
/// fn refuse(refusal: &Refusal) -> Response {
///     (refusal.status, format!("Sorry: {}", refusal.message)).into_response()
/// }
/// # fn main() {}
/// ```
#[derive(Debug)]
pub struct LiveApi {
    /// The plugin's label.
    pub label: &'static str,
    /// What it is, for `plugins show` and the list of claims.
    pub name: &'static str,
    /// URL prefixes, each with a slash at both ends: `/v2/`. Everything below is its own, see [`LiveRoute`].
    pub claims: &'static [&'static str],
    /// What it answers. Asked once, at the start.
    pub routes: fn() -> Vec<LiveRoute>,
    /// Draws what it does not do. Headers that HTTP asks for (`Allow`, `WWW-Authenticate`, `Retry-After`) are added
    /// unless they are there.
    pub refuse: fn(&Refusal) -> Response,
}

pub(crate) type LiveHandler =
    Arc<dyn Fn(LiveCx) -> Pin<Box<dyn Future<Output = Result<Response>> + Send>> + Send + Sync>;

/// One method on one kind of path of a live API, and the role that answers it.
///
/// What only reads is answered by the content role, what writes (or must be where is written) by the api role; a process
/// with both answers both on the same paths. A process that lacks the role says so.
///
/// The pattern is a path. `{name}` stands for one segment, `{*name}` for one or more, once in a pattern and wherever it
/// is needed, as base paths have slashes; a slash at the end counts. Of several patterns that fit, the one with more
/// segments of its own is meant. Segments are decoded; a path with empty ones, `.`, `..` or NUL fits no pattern.
/// `HEAD` is `GET` without the body unless it has a route of its own.
///
/// ```
/// use axum::response::{IntoResponse, Response};
/// use pulpcore::error::Result;
/// use pulpcore::plugin::{LiveCx, LiveRoute};
///
/// async fn page(cx: LiveCx) -> Result<Response> {
///     Ok(format!("page {} of {}", cx.param("number"), cx.param("book")).into_response())
/// }
///
/// async fn note(mut cx: LiveCx) -> Result<Response> {
///     let reader = cx.user().await?;
///     let note = cx.bytes(1000).await?;
///     Ok(format!("{} bytes by {}", note.len(), reader.username).into_response())
/// }
///
/// let routes = vec![
///     LiveRoute::read("GET", "/read/{*book}/pages/{number}", page),
///     LiveRoute::write("PUT", "/read/{*book}/pages/{number}", note),
/// ];
/// assert_eq!(format!("{:?}", routes[1]), "PUT /read/{*book}/pages/{number} (api)");
/// ```
#[derive(Clone)]
pub struct LiveRoute {
    pub(crate) role: Role,
    pub(crate) method: &'static str,
    pub(crate) pattern: &'static str,
    pub(crate) passes_files_on: bool,
    pub(crate) handler: LiveHandler,
}

impl LiveRoute {
    /// Answered by the content role. It may have a database that it can only read, and media that it cannot write.
    pub fn read<F, Fut>(method: &'static str, pattern: &'static str, handler: F) -> Self
    where
        F: Fn(LiveCx) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Response>> + Send + 'static,
    {
        Self::of(Role::Content, method, pattern, handler)
    }

    /// Answered by the api role.
    pub fn write<F, Fut>(method: &'static str, pattern: &'static str, handler: F) -> Self
    where
        F: Fn(LiveCx) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Response>> + Send + 'static,
    {
        Self::of(Role::Api, method, pattern, handler)
    }

    /// Promises that the handler returns the bodies of an [`Offer`](crate::plugin::Offer)'s answers as it got them: it
    /// neither reads nor wraps them, and returns none in part. (Headers may be changed.) Then large files go from the
    /// system's page cache to the client and never pass through this process, where connection and storage allow it; a
    /// handler that breaks the promise sees bytes that mean nothing.
    #[must_use]
    pub fn passing_files_on(self) -> Self {
        Self { passes_files_on: true, ..self }
    }

    fn of<F, Fut>(role: Role, method: &'static str, pattern: &'static str, handler: F) -> Self
    where
        F: Fn(LiveCx) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Response>> + Send + 'static,
    {
        let handler: LiveHandler = Arc::new(move |cx| Box::pin(handler(cx)));
        Self { role, method, pattern, passes_files_on: false, handler }
    }
}

impl fmt::Debug for LiveRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({})", self.method, self.pattern, self.role)
    }
}

/// What a live API does not do, to be drawn in its own shape.
///
/// ```
/// use axum::Json;
/// use axum::response::{IntoResponse, Response};
/// use pulpcore::plugin::Refusal;
///
/// fn refuse(refusal: &Refusal) -> Response {
///     let code = match refusal.status.as_u16() {
///         401 => "UNAUTHORIZED",
///         403 => "DENIED",
///         413 => "SIZE_INVALID",
///         500.. => "UNKNOWN",
///         _ => "UNSUPPORTED",
///     };
///     let error = serde_json::json!({ "code": code, "message": refusal.message });
///     (refusal.status, Json(serde_json::json!({ "errors": [error] }))).into_response()
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Refusal {
    /// The status that fits.
    pub status: StatusCode,
    /// A sentence for the client; of a fault of ours, that it happened and nothing else.
    pub message: String,
    /// The id by which the log knows the request.
    pub correlation_id: String,
    /// The request's method.
    pub method: Method,
    /// The request's path, as it was sent.
    pub path: String,
}

/// URL space at which clients look for a plugin that a build may lack.
///
/// The assembly of a binary registers it, not the plugin. As long as no plugin of the label is part of the build, and
/// nobody else claims the space, requests there are answered with a 404 that says what is missing; with the plugin in the
/// build, it says nothing.
///
/// ```
/// use pulpcore::plugin::{WellKnown, register};
///
/// register!(WellKnown { label: "doc", name: "reading room", claims: &["/read/"] });
/// # fn main() {}
/// ```
#[derive(Debug)]
pub struct WellKnown {
    /// The plugin's label.
    pub label: &'static str,
    /// What clients look for.
    pub name: &'static str,
    /// URL prefixes, each with a slash at both ends.
    pub claims: &'static [&'static str],
}
