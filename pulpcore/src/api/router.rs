//! From operations to routes: one generic handler that authenticates, runs the operation and draws its errors.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Extension, FromRequestParts, RawPathParams, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;

use super::catalog::{Catalog, rank, roots};
use super::cx::Cx;
use super::endpoint::{Endpoint, Handler};
use super::openapi::Documents;
use super::query::Query;
use super::{docs, render};
use crate::app::App;
use crate::auth::Refused;
use crate::error::{Error, Result};

/// A request's correlation id: who made it, and every line of the log, knows the request by it.
#[derive(Clone, Debug, Default)]
pub struct CorrelationId(pub Arc<str>);

/// The REST API under its roots, with its documents; every path also without its last slash, as a redirect.
pub fn router(app: &App, catalog: Arc<Catalog>) -> Router {
    let documents = Arc::new(Documents::new(Arc::clone(&catalog)));
    let mut router = Router::new();
    for root in roots(&app.settings) {
        let mut paths = BTreeMap::<&str, Vec<Operation>>::new();
        for endpoint in catalog.endpoints() {
            paths.entry(&endpoint.path).or_default().push(endpoint.into());
        }
        for (path, operations) in paths {
            let path = format!("{root}{path}");
            let route = Arc::new(Route::new(app.clone(), root.clone(), operations));
            router =
                router.route(path.trim_end_matches('/'), any(with_slash)).route(&path, any(answer).with_state(route));
        }
        router = router.merge(docs::router(&root, Arc::clone(&documents)));
    }
    router
}

/// All operations on one path.
struct Route {
    app: App,
    root: String,
    operations: Vec<Operation>,
    allow: HeaderValue,
}

/// What an endpoint is to a request, without what describes it.
struct Operation {
    method: Method,
    public: bool,
    streams: bool,
    handler: Handler,
}

impl From<&Endpoint> for Operation {
    fn from(endpoint: &Endpoint) -> Self {
        let Endpoint { method, public, streams, handler, .. } = endpoint;
        Self { method: method.clone(), public: *public, streams: *streams, handler: Arc::clone(handler) }
    }
}

impl Route {
    fn new(app: App, root: String, mut operations: Vec<Operation>) -> Self {
        operations.sort_by_key(|operation| rank(&operation.method));
        let allow = allow(operations.iter().map(|operation| &operation.method));
        Self { app, root, operations, allow }
    }

    /// `HEAD` is `GET` without the body, which the server leaves out.
    fn operation(&self, method: &Method) -> Option<&Operation> {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        self.operations.iter().find(|operation| operation.method == *method)
    }

    async fn run(&self, correlation_id: &str, params: RawPathParams, request: Request) -> Result<Response, Refused> {
        let (mut parts, body) = request.into_parts();
        let operation = self.operation(&parts.method);
        let user = match operation.is_some_and(|operation| operation.public) {
            true => None,
            false => Some(self.app.credentials.user(&self.app.db, &parts.headers).await?),
        };
        let Some(operation) = operation else {
            return match parts.method == Method::OPTIONS {
                true => Err(Error::PermissionDenied.into()),
                false => Ok(render::method_not_allowed(&parts.method, self.allow.clone()).into_response()),
            };
        };
        let streams = operation.streams && wants_events(&parts.headers);
        if !streams && !wants_json(&parts.headers) {
            return Ok(detail(StatusCode::NOT_ACCEPTABLE, "Could not satisfy the request Accept header."));
        }
        let socket = match operation.streams && wants_socket(&parts.headers) {
            true => match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
                Ok(socket) => Some(socket),
                Err(refused) => return Ok(detail(refused.status(), &refused.body_text())),
            },
            false => None,
        };
        let cx = Cx {
            app: self.app.clone(),
            root: self.root.clone(),
            user,
            correlation_id: correlation_id.to_owned(),
            query: Query::parse(parts.uri.query())?,
            uri: parts.uri,
            headers: parts.headers,
            params: params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            input: std::sync::Mutex::new(body),
            socket,
        };
        Ok((operation.handler)(cx).await?)
    }
}

async fn answer(
    State(route): State<Arc<Route>>,
    Extension(CorrelationId(correlation_id)): Extension<CorrelationId>,
    params: RawPathParams,
    request: Request,
) -> Response {
    let mut response = match route.run(&correlation_id, params, request).await {
        Ok(response) => response,
        Err(Refused::Error(error)) => render::respond(&error, &correlation_id),
        Err(Refused::Header(text)) => {
            let mut response = detail(StatusCode::UNAUTHORIZED, text);
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"api\""));
            response
        }
    };
    response.headers_mut().entry(header::ALLOW).or_insert_with(|| route.allow.clone());
    response.headers_mut().entry(header::VARY).or_insert(HeaderValue::from_static("Accept"));
    response
}

fn detail(status: StatusCode, text: &str) -> Response {
    (status, axum::Json(serde_json::json!({ "detail": text }))).into_response()
}

/// Sends the client to the same place with a slash at its end; the query stays.
pub(super) async fn with_slash(uri: Uri) -> Response {
    redirect(&uri)
}

/// A permanent redirect to the address with a slash at the end of its path.
pub(crate) fn redirect(uri: &Uri) -> Response {
    let query = uri.query().map_or_else(String::new, |query| format!("?{query}"));
    // A path that begins with two slashes would name another server.
    let path = uri.path().trim_start_matches('/');
    (StatusCode::MOVED_PERMANENTLY, [(header::LOCATION, format!("/{path}/{query}"))], Body::empty()).into_response()
}

/// `GET, POST, HEAD, OPTIONS`, in Django's order.
pub(super) fn allow<'a>(methods: impl Iterator<Item = &'a Method>) -> HeaderValue {
    let mut names: Vec<&str> = methods.map(Method::as_str).collect();
    if names.contains(&"GET") {
        names.push("HEAD");
    }
    names.push("OPTIONS");
    HeaderValue::from_str(&names.join(", ")).expect("methods are visible ASCII")
}

/// Whether the client takes JSON. A browser that asks for a page gets JSON as well.
fn wants_json(headers: &HeaderMap) -> bool {
    let any = ["", "*/*", "application/*", "application/json", "text/html"];
    !headers.contains_key(header::ACCEPT) || accepted(headers).any(|range| any.contains(&range.as_str()))
}

/// Whether the client takes server-sent events, and says so: whoever takes anything gets JSON.
pub(super) fn wants_events(headers: &HeaderMap) -> bool {
    accepted(headers).any(|range| range == "text/event-stream")
}

/// Whether the client wants to go on over a WebSocket.
fn wants_socket(headers: &HeaderMap) -> bool {
    headers.get(header::UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// The media ranges of `Accept`, without their parameters.
fn accepted(headers: &HeaderMap) -> impl Iterator<Item = String> {
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let ranges = values.flat_map(|value| value.split(','));
    ranges.map(|range| range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_stays_on_this_server_and_keeps_the_query() {
        for (from, to) in [
            ("/pulp/api/v3/tasks", "/pulp/api/v3/tasks/"),
            ("/pulp/api/v3/tasks?state=running", "/pulp/api/v3/tasks/?state=running"),
            ("//evil.test/x", "/evil.test/x/"),
        ] {
            let response = redirect(&from.parse().unwrap());
            assert_eq!((response.status().as_u16(), response.headers()["location"].to_str().unwrap()), (301, to));
        }
    }

    #[test]
    fn methods_stand_in_djangos_order() {
        assert_eq!(allow([Method::GET, Method::POST].iter()), "GET, POST, HEAD, OPTIONS");
        assert_eq!(allow([Method::POST].iter()), "POST, OPTIONS");
    }

    #[test]
    fn only_clients_that_refuse_json_are_refused() {
        let accepts = |value: &'static str| {
            wants_json(&HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(value))]))
        };
        assert!(wants_json(&HeaderMap::new()));
        for value in ["*/*", "application/json", "application/json; indent=4", "text/html, */*;q=0.8", "text/html"] {
            assert!(accepts(value), "{value}");
        }
        assert!(!accepts("text/plain"));
    }

    #[test]
    fn events_are_streamed_to_those_who_ask_for_them() {
        let asks = |value: &'static str| {
            wants_events(&HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(value))]))
        };
        assert!(asks("text/event-stream") && asks("application/json;q=0.5, text/event-stream"));
        assert!(!asks("*/*") && !asks("text/*") && !wants_events(&HeaderMap::new()));
    }
}
