//! Content live APIs: from a request within a claim to a route, and whatever goes wrong drawn in the API's own shape.
//!
//! A live API is a table of routes ([`LiveRoute`]), not a router: a table can be checked before anything is served,
//! shown, and asked which role answers what this process does not.

mod cx;
mod pattern;

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use futures::FutureExt;

pub use self::cx::LiveCx;
use self::pattern::{Params, Path, Pattern};
use crate::api::render;
use crate::api::router::CorrelationId;
use crate::app::App;
use crate::claims::Space;
use crate::content::Content;
use crate::error::{Error, Result};
use crate::plugin::{LiveApi, LiveRoute, Refusal};
use crate::settings::Role;
use crate::storage::Direct;

/// A live API that is mounted.
pub(crate) struct Live {
    api: &'static LiveApi,
    app: App,
    content: Content,
    /// The one that is meant most first.
    routes: Vec<(Pattern, LiveRoute)>,
}

/// Why a request gets no answer of a route.
enum Refused {
    /// No route fits the path.
    Nothing,
    /// None of those that fit has the method; these methods are there.
    Method(HeaderValue),
    /// The route is another role's; these methods are there.
    Role(Role, HeaderValue),
    /// A setting says so.
    Off,
    Error(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl Live {
    /// Mounts an API whose routes have been [`check`]ed.
    pub(crate) fn new(app: App, content: Content, api: &'static LiveApi) -> Self {
        Self { api, app, content, routes: table(api) }
    }

    /// Answers a request within the API's claims.
    pub(crate) async fn answer(&self, request: Request) -> Response {
        let id = request.extensions().get::<CorrelationId>().cloned().unwrap_or_default();
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let refused = match AssertUnwindSafe(self.run(&id.0, request)).catch_unwind().await {
            Ok(Ok(response)) => return response,
            Ok(Err(refused)) => refused,
            Err(panic) => Refused::Error(render::panicked(panic.as_ref())),
        };
        self.refuse(&refused, &id.0, method, path)
    }

    async fn run(&self, correlation_id: &str, mut request: Request) -> Result<Response, Refused> {
        if !self.app.settings.is_live(self.api.label) {
            return Err(Refused::Off);
        }
        let path = Path::parse(request.uri().path()).ok_or(Refused::Nothing)?;
        let fitting: Vec<(Params, &LiveRoute)> =
            self.routes.iter().filter_map(|(pattern, route)| Some((pattern.fit(&path)?, route))).collect();
        let found = chosen(&fitting, request.method());
        let Some((params, route)) = found else {
            return Err(if fitting.is_empty() { Refused::Nothing } else { Refused::Method(self.allow(&fitting)) });
        };
        if !self.app.settings.has_role(route.role) {
            return Err(Refused::Role(route.role, self.allow(&fitting)));
        }
        if !route.passes_files_on {
            // The handler may look into the body.
            request.extensions_mut().remove::<Direct>();
        }
        let cx = LiveCx::new(self.app.clone(), self.content.clone(), correlation_id, params.clone(), request);
        Ok((route.handler)(cx).await?)
    }

    /// The methods that this process answers on the path.
    fn allow(&self, fitting: &[(Params, &LiveRoute)]) -> HeaderValue {
        let here = fitting.iter().filter(|(_, route)| self.app.settings.has_role(route.role));
        let mut methods: BTreeSet<&str> = here.map(|(_, route)| route.method).collect();
        if methods.contains("GET") {
            methods.insert("HEAD");
        }
        let methods = methods.into_iter().collect::<Vec<_>>().join(", ");
        // Methods were checked to be names.
        HeaderValue::try_from(methods).unwrap_or(HeaderValue::from_static(""))
    }

    fn refuse(&self, refused: &Refused, correlation_id: &str, method: Method, path: String) -> Response {
        let (status, message, headers) = explain(self.api, refused, correlation_id, &method);
        let refusal = Refusal { status, message, correlation_id: correlation_id.to_owned(), method, path };
        let drawn = std::panic::catch_unwind(AssertUnwindSafe(|| (self.api.refuse)(&refusal)));
        let mut response = drawn.unwrap_or_else(|panic| {
            tracing::error!(correlation_id, api = self.api.name, "{}", render::panicked(panic.as_ref()).log());
            let mut response = Response::new(Body::empty());
            *response.status_mut() = refusal.status;
            response
        });
        for (name, value) in headers {
            response.headers_mut().entry(name).or_insert(value);
        }
        response
    }
}

/// The route that is meant: the first that fits and has the method.
fn chosen<'a>(fitting: &'a [(Params, &'a LiveRoute)], method: &Method) -> Option<&'a (Params, &'a LiveRoute)> {
    let with = |name: &str| fitting.iter().find(|(_, route)| route.method == name);
    with(method.as_str()).or_else(|| (*method == Method::HEAD).then(|| with("GET")).flatten())
}

/// The status, a sentence for the client, and the headers that HTTP asks for.
fn explain(
    api: &LiveApi,
    refused: &Refused,
    correlation_id: &str,
    method: &Method,
) -> (StatusCode, String, Vec<(HeaderName, HeaderValue)>) {
    match refused {
        Refused::Nothing => (StatusCode::NOT_FOUND, "There is nothing at this address.".to_owned(), Vec::new()),
        Refused::Method(allow) => {
            let message = format!("Method \"{method}\" not allowed.");
            (StatusCode::METHOD_NOT_ALLOWED, message, vec![(header::ALLOW, allow.clone())])
        }
        Refused::Role(role, allow) => {
            let message = format!("{method} is answered here by the role '{role}', which this process does not have.");
            match allow.is_empty() {
                true => (StatusCode::NOT_FOUND, message, Vec::new()),
                false => (StatusCode::METHOD_NOT_ALLOWED, message, vec![(header::ALLOW, allow.clone())]),
            }
        }
        Refused::Off => {
            let (name, label) = (api.name, api.label);
            let message = format!("The {name} is switched off on this server (setting live.{label}).");
            (StatusCode::NOT_FOUND, message, Vec::new())
        }
        Refused::Error(error) => {
            let rendered = render::render(error, correlation_id);
            if !rendered.status.is_server_error() {
                return (rendered.status, error.to_string(), rendered.headers);
            }
            tracing::error!(correlation_id, status = rendered.status.as_u16(), "{}", error.log());
            let message = rendered.body["detail"].as_str().unwrap_or_default().to_owned();
            (rendered.status, message, rendered.headers)
        }
    }
}

/// The routes of an API with their patterns, the one that is meant most first. Those that cannot be read are left out:
/// [`check`] has named them.
fn table(api: &LiveApi) -> Vec<(Pattern, LiveRoute)> {
    let routes = (api.routes)().into_iter();
    let mut table: Vec<_> = routes.filter_map(|route| Some((Pattern::parse(route.pattern).ok()?, route))).collect();
    table.sort_by_key(|(pattern, _)| std::cmp::Reverse(pattern.rank()));
    table
}

/// The roles that answer something of an API.
pub(crate) fn roles(api: &LiveApi) -> Vec<Role> {
    (api.routes)().iter().map(|route| route.role).collect::<BTreeSet<_>>().into_iter().collect()
}

/// What is wrong with the routes of an API: patterns that are none, that leave its claims, or that fit the same requests.
pub(crate) fn check(api: &LiveApi, problems: &mut Vec<String>) {
    let claims: Vec<Space> = api.claims.iter().map(|claim| Space::of(claim)).collect();
    let mut taken = BTreeSet::new();
    for route in (api.routes)() {
        let mut wrong = |what: &str| {
            problems.push(format!("the route '{route:?}' of '{}' of '{}' {what}", api.name, api.label));
        };
        if !route.method.bytes().all(|byte| byte.is_ascii_uppercase()) || route.method.is_empty() {
            wrong("must have a method in capitals");
        }
        match Pattern::parse(route.pattern) {
            Err(what) => wrong(what),
            Ok(pattern) => {
                let fixed = Space::of(&pattern.fixed());
                if !claims.iter().any(|claim| claim.holds(&fixed)) {
                    wrong("lies outside its claims");
                }
                if !taken.insert((route.method, pattern.shape())) {
                    wrong("answers what another one answers");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
