//! What describes the API: the OpenAPI document, and a page to browse it.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;

use super::openapi::{Documents, Variant};
use super::query::Query;
use super::router::{CorrelationId, with_slash};
use super::{docs_page, render};
use crate::error::Result;

/// The longest host name that is repeated in an answer, in bytes (RFC 1035: 253, and a port).
const LONGEST_HOST: usize = 260;

/// What is below `docs/`. Nothing here needs credentials.
pub(super) fn router(root: &str, documents: Arc<Documents>) -> Router {
    let shelf = Shelf { root: root.into(), documents };
    Router::new()
        .route(&format!("{root}docs/"), any(page))
        .route(&format!("{root}docs"), any(with_slash))
        .route(&format!("{root}docs/api.json"), any(json))
        .route(&format!("{root}docs/api.yaml"), any(yaml))
        .with_state(shelf)
}

#[derive(Clone)]
struct Shelf {
    root: Arc<str>,
    documents: Arc<Documents>,
}

async fn page(method: Method) -> Response {
    read_only(&method).unwrap_or_else(docs_page::page)
}

async fn json(State(shelf): State<Shelf>, Extension(id): Extension<CorrelationId>, request: Request) -> Response {
    document(&shelf, &id, &request, false)
}

async fn yaml(State(shelf): State<Shelf>, Extension(id): Extension<CorrelationId>, request: Request) -> Response {
    document(&shelf, &id, &request, true)
}

fn document(shelf: &Shelf, id: &CorrelationId, request: &Request, yaml: bool) -> Response {
    if let Some(refused) = read_only(request.method()) {
        return refused;
    }
    let made = || -> Result<_> {
        let query = Query::parse(request.uri().query())?;
        let given = |name: &str| query.get(name).is_some();
        let variant = Variant {
            root: shelf.root.to_string(),
            components: query
                .get("component")
                .into_iter()
                .flat_map(|names| names.split(','))
                .map(str::to_owned)
                .collect(),
            pk_path: given("pk_path"),
            bindings: given("bindings"),
            yaml,
        };
        shelf.documents.text(variant, &origin(request.headers(), request.uri()))
    };
    let media_type = if yaml { "application/yaml" } else { "application/json" };
    match made() {
        Ok(text) => ([(header::CONTENT_TYPE, media_type)], text).into_response(),
        Err(error) => render::respond(&error, &id.0),
    }
}

fn read_only(method: &Method) -> Option<Response> {
    if [Method::GET, Method::HEAD].contains(method) {
        return None;
    }
    Some(render::method_not_allowed(method, HeaderValue::from_static("GET, HEAD, OPTIONS")).into_response())
}

/// The address of this server as the client wrote it, with a slash at the end.
fn origin(headers: &HeaderMap, uri: &Uri) -> String {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let scheme = header("x-forwarded-proto").filter(|scheme| *scheme == "https").unwrap_or("http");
    let plain = |host: &&str| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte);
        !host.is_empty() && host.len() <= LONGEST_HOST && host.bytes().all(is_plain)
    };
    let host = header("host").or(uri.authority().map(|authority| authority.as_str()));
    format!("{scheme}://{}/", host.filter(plain).unwrap_or("localhost"))
}
