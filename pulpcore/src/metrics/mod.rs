//! `/metrics`: the queue and this process in numbers, in the text format of Prometheus, for whoever asks.
//!
//! The queue's numbers are those of the whole system, whichever process is asked. They are read when somebody asks, and
//! kept for a moment, so that asking often costs the database no more. What a process did itself (`…_ended_total`, durations)
//! it counts from its start; the sum over all processes is the system's. A process that only serves content may not even
//! read the queue: it tells of its own work alone.

pub(crate) mod content;
#[cfg(feature = "otel")]
pub(crate) mod otel;
mod process;
mod queue;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::prometheus_text;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use self::queue::Source;
use crate::app::App;
use crate::settings::Role;

const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `/metrics`.
pub(crate) fn router(app: &App) -> Router {
    Router::new().route("/metrics", get(scrape)).with_state(Arc::new(Source::new(app.clone())))
}

async fn scrape(State(source): State<Arc<Source>>) -> Response {
    let app = source.app();
    let mut registry = Registry::default();
    let ours = registry.sub_registry_with_prefix("pulp");
    if app.settings.has_role(Role::Content) {
        app.traffic.register(ours);
    }
    if app.settings.reads_queue() {
        app.queue.tally.register(ours);
    }
    // Without its database the process still tells the rest.
    let (is_up, queue) = match app.settings.reads_queue() {
        true => {
            let queue = source.queue().await;
            (queue.is_some(), queue)
        }
        false => (source.is_up().await, None),
    };
    ours.register("database_up", "Whether the database answered just now", ConstGauge::new(i64::from(is_up)));
    if let Some(queue) = queue {
        queue.register(ours);
    }
    process::register(&mut registry, &app.db);
    let mut text = String::new();
    match prometheus_text::encode(&mut text, &registry) {
        Ok(()) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "The metrics could not be written.");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
