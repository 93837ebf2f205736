//! Who answers what: the URL space is divided by its claims first, then each claim's owner finds its way.
//!
//! One router over all routes would let a path that its owner does not know fall through to somebody whose routes are
//! wider, such as the content service below `/`. So a request goes to the owner of the deepest claim around its path and
//! to nobody else.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use tower::ServiceExt;

use super::front::Front;
use super::{access, health};
use crate::api::catalog::{Catalog, long_root, roots};
use crate::app::App;
use crate::claims::Holder;
use crate::content::Content;
use crate::live::Live;
use crate::plugin::{LiveApi, WellKnown};
use crate::settings::Role;
use crate::{api, metrics};

const NOT_FOUND: &str = "<!doctype html>\n<html lang=\"en\">\n<head><title>Not Found</title></head>\n<body>\n\
     <h1>Not Found</h1><p>The requested resource was not found on this server.</p>\n</body>\n</html>\n";

/// Everything that this process answers.
struct Spaces {
    app: App,
    /// In the order of the claims.
    owners: Vec<Owner>,
    /// What nobody claims.
    rest: Router,
}

/// Who answers within one claim.
#[derive(Clone)]
enum Owner {
    Routes(Router),
    Live(Arc<Live>),
    /// The plugin is not part of this build: where clients look for it.
    Missing(&'static WellKnown, String),
}

/// The routes of the roles that the settings name, with what is around every request.
pub(super) fn all(app: &App, catalog: Arc<Catalog>) -> Router {
    let is = |role| app.settings.has_role(role);
    let roots: Arc<[String]> = roots(&app.settings).into();
    // Nothing but a 404, for what is another role's.
    let docs: Arc<str> = format!("{}docs/", long_root(&app.settings)).into();
    let list = Arc::clone(&docs);
    let nothing =
        Router::new().fallback(move |request: Request| not_found(Arc::clone(&roots), Arc::clone(&list), request));
    let routes = |router: Router| Owner::Routes(nothing.clone().merge(router));
    let or_nothing = |role, router: &dyn Fn() -> Router| match is(role) {
        true => routes(router()),
        false => Owner::Routes(nothing.clone()),
    };
    let service = Content::new(app.clone());
    let api = or_nothing(Role::Api, &|| api::router::router(app, Arc::clone(&catalog)));
    let content = or_nothing(Role::Content, &|| service.router());
    let (health, metrics) = (routes(health::router(app)), routes(metrics::router(app)));
    let mut mounted: Vec<(&'static LiveApi, Arc<Live>)> = Vec::new();
    let mut live = |api: &'static LiveApi| {
        if let Some((_, live)) = mounted.iter().find(|(known, _)| std::ptr::eq(*known, api)) {
            return Arc::clone(live);
        }
        let live = Arc::new(Live::new(app.clone(), service.clone(), api));
        mounted.push((api, Arc::clone(&live)));
        live
    };
    let owners = app.claims.all().iter().map(|claim| match claim.holder {
        Holder::Api | Holder::Documents => api.clone(),
        Holder::Content => content.clone(),
        Holder::Health => health.clone(),
        Holder::Metrics => metrics.clone(),
        Holder::Live { api, .. } => Owner::Live(live(api)),
        Holder::Missing(plugin) => Owner::Missing(plugin, claim.path.clone()),
    });
    let owners = owners.collect();

    let mut rest = nothing;
    if is(Role::Api) {
        rest = rest.route("/", get(move || async move { Redirect::temporary(&docs) }));
    }
    let spaces = Arc::new(Spaces { app: app.clone(), owners, rest });
    let router = Router::new()
        .fallback(answer)
        .with_state(spaces)
        // Bodies are bounded where they are read, by the settings.
        .layer(DefaultBodyLimit::disable())
        .layer(axum::middleware::from_fn(access::log));
    match is(Role::Content) {
        true => Front::of(service, router),
        false => router,
    }
}

async fn answer(State(spaces): State<Arc<Spaces>>, request: Request) -> Response {
    let path = request.uri().path();
    let router = match spaces.app.claims.at(path).and_then(|nth| spaces.owners.get(nth)) {
        Some(Owner::Live(live)) => return live.answer(request).await,
        Some(Owner::Missing(plugin, claim)) => return missing(plugin, claim),
        Some(Owner::Routes(router)) => router,
        None => &spaces.rest,
    };
    match router.clone().oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// A client looks for a plugin that is not there.
fn missing(plugin: &WellKnown, claim: &str) -> Response {
    let WellKnown { label, name, .. } = plugin;
    let text = format!("This server was built without the plugin that serves {claim} ('{label}', {name}).\n");
    (StatusCode::NOT_FOUND, text).into_response()
}

/// Nothing is there: JSON for clients of the API, a page for everybody else.
async fn not_found(roots: Arc<[String]>, docs: Arc<str>, request: Request) -> Response {
    let path = request.uri().path();
    if roots.iter().any(|root| path.starts_with(root.as_str())) && !wants_a_page(request.headers()) {
        // Clients of Pulp may ask for what is not offered here: a missing object says something else.
        let said = format!("Not found: this server has no such operation. Those that it has are listed at {docs}");
        let body = serde_json::json!({ "detail": said });
        return (StatusCode::NOT_FOUND, axum::Json(body)).into_response();
    }
    (StatusCode::NOT_FOUND, Html(NOT_FOUND)).into_response()
}

fn wants_a_page(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).is_some_and(|value| value.contains("text/html"))
}
