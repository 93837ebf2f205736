//! Which role answers what: one router for everything that this process serves.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;

use super::front::Front;
use super::{access, health};
use crate::api::catalog::{Catalog, long_root, roots};
use crate::app::App;
use crate::content::Content;
use crate::settings::Role;
use crate::{api, metrics, registry};

const NOT_FOUND: &str = "<!doctype html>\n<html lang=\"en\">\n<head><title>Not Found</title></head>\n<body>\n\
     <h1>Not Found</h1><p>The requested resource was not found on this server.</p>\n</body>\n</html>\n";

/// The routes of the roles that the settings name, with what is around every request.
pub(super) fn all(app: &App, catalog: Arc<Catalog>) -> Router {
    let is = |role| app.settings.has_role(role);
    let mut router = health::router(app);
    if app.settings.metrics {
        router = router.merge(metrics::router(app));
    }
    if is(Role::Api) {
        router = router.merge(api::router::router(app, catalog));
    }
    // A content prefix or a claim of `/` leaves no front page.
    if is(Role::Api) && app.settings.content_path_prefix != "/" {
        let docs = format!("{}docs/", long_root(&app.settings));
        router = router.route("/", get(move || async move { Redirect::temporary(&docs) }));
    }
    let content = is(Role::Content).then(|| Content::new(app.clone()));
    if let Some(content) = &content {
        router = router.merge(content.router());
    }
    for live in registry::get().live() {
        if is(Role::Content) {
            router = router.merge((live.read)(app.clone()));
        }
        if let (true, Some(write)) = (is(Role::Api), live.write) {
            router = router.merge(write(app.clone()));
        }
    }
    let roots: Arc<[String]> = roots(&app.settings).into();
    let router = router
        .fallback(move |request: Request| not_found(Arc::clone(&roots), request))
        // Bodies are bounded where they are read, by the settings.
        .layer(DefaultBodyLimit::disable())
        .layer(axum::middleware::from_fn(access::log));
    match content {
        Some(content) => Front::of(content, router),
        None => router,
    }
}

/// Nothing is there: JSON for clients of the API, a page for everybody else.
async fn not_found(roots: Arc<[String]>, request: Request) -> Response {
    let path = request.uri().path();
    if roots.iter().any(|root| path.starts_with(root.as_str())) && !wants_a_page(request.headers()) {
        let body = serde_json::json!({ "detail": "Not found." });
        return (StatusCode::NOT_FOUND, axum::Json(body)).into_response();
    }
    (StatusCode::NOT_FOUND, Html(NOT_FOUND)).into_response()
}

fn wants_a_page(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).is_some_and(|value| value.contains("text/html"))
}
