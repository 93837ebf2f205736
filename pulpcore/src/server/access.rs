//! Around every request, whichever role answers it: the correlation id, one line in the log, and panics.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use futures::FutureExt;
use tracing::Instrument;

use crate::api::render;
use crate::api::router::CorrelationId;
use crate::telemetry;

const CORRELATION_ID: HeaderName = HeaderName::from_static("correlation-id");

/// Gives the request its id, logs its end, and answers 500 if whoever should answer panics.
pub(super) async fn log(mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let given = request.headers().get(CORRELATION_ID).and_then(|value| value.to_str().ok());
    let id = telemetry::correlation_id(given);
    request.extensions_mut().insert(CorrelationId(id.as_str().into()));
    let header = HeaderValue::from_str(&id).ok();
    if let Some(header) = &header {
        // Whoever looks at the header finds the id that was made up.
        request.headers_mut().insert(CORRELATION_ID, header.clone());
    }
    let span = telemetry::request_span(&id, request.method().as_str(), request.uri().path());
    async {
        let mut response = match AssertUnwindSafe(next.run(request)).catch_unwind().await {
            Ok(response) => response,
            Err(panic) => render::respond(&render::panicked(panic.as_ref()), &id),
        };
        mark(&mut response, header);
        say(&response, u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
        response
    }
    .instrument(span)
    .await
}

/// The same around an answer that took no time: one that nobody logs costs no more than the id.
pub(super) fn log_at_once(request: &Parts, response: &mut Response) {
    let given = request.headers.get(CORRELATION_ID).and_then(|value| value.to_str().ok());
    let id = telemetry::correlation_id(given);
    if tracing::enabled!(target: "pulpcore::access", tracing::Level::INFO) {
        telemetry::request_span(&id, request.method.as_str(), request.uri.path()).in_scope(|| say(response, 0));
    }
    mark(response, HeaderValue::try_from(id).ok());
}

fn mark(response: &mut Response, id: Option<HeaderValue>) {
    let headers = response.headers_mut();
    if let Some(id) = id {
        headers.insert(CORRELATION_ID, id);
    }
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Correlation-ID"));
}

fn say(response: &Response, ms: u64) {
    tracing::info!(target: "pulpcore::access", status = response.status().as_u16(), ms, "Answered.");
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::routing::get;
    use tower::ServiceExt;

    use super::*;

    async fn answer(path: &str, id: Option<&str>) -> Response {
        let router = Router::new()
            .route("/fine", get(|| async { "fine" }))
            .route(
                "/panic",
                get(|| async {
                    if true {
                        panic!("the secret of the house")
                    }
                }),
            )
            .layer(axum::middleware::from_fn(log));
        let mut request = Request::get(path);
        if let Some(id) = id {
            request = request.header("Correlation-ID", id);
        }
        router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn a_clients_correlation_id_comes_back() {
        assert_eq!(answer("/fine", Some("deploy-17")).await.headers()["correlation-id"], "deploy-17");
        let fresh = answer("/fine", None).await;
        assert_eq!(fresh.headers()["correlation-id"].len(), 32);
        assert_eq!(fresh.headers()["access-control-expose-headers"], "Correlation-ID");
    }

    #[tokio::test]
    async fn a_panic_is_a_500_that_tells_nothing_but_the_id() {
        let response = answer("/panic", Some("c-1")).await;
        assert_eq!((response.status().as_u16(), &response.headers()["correlation-id"]), (500, &"c-1".parse().unwrap()));
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        assert_eq!(&body[..], br#"{"correlation_id":"c-1","detail":"Internal server error."}"#);
    }
}
