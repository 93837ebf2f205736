//! The queue's numbers for a collector of OpenTelemetry, by OTLP over HTTP and under the names that Pulp gives them.
//!
//! The standard's environment variables say where the collector is, and all the rest: how often, with which headers, under
//! which name. Without an endpoint nothing is exported. The SDK collects and sends on a thread of its own, which may
//! wait: so the queue is read when the numbers are about to be sent.

use std::sync::Arc;

use opentelemetry::metrics::{Meter, MeterProvider};
use opentelemetry::{Key, KeyValue};
use opentelemetry_otlp::{MetricExporter, OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_METRICS_ENDPOINT};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use tokio::runtime::Handle;
use uuid::Uuid;

use super::queue::{Numbers, Source};
use crate::CORE_VERSION;
use crate::app::App;
use crate::error::{Error, Result};

/// The standard's switch.
const DISABLED: &str = "OTEL_SDK_DISABLED";

/// What exports, until it is stopped.
#[derive(Debug)]
pub(crate) struct Exporting(SdkMeterProvider);

impl Exporting {
    /// Exports if the environment names a collector.
    ///
    /// # Errors
    /// [`Error::Config`] if the environment makes no sense.
    pub(crate) fn from_environment(app: &App) -> Result<Option<Self>> {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let disabled = std::env::var(DISABLED).is_ok_and(|value| value.eq_ignore_ascii_case("true"));
        if disabled || !(set(OTEL_EXPORTER_OTLP_METRICS_ENDPOINT) || set(OTEL_EXPORTER_OTLP_ENDPOINT)) {
            return Ok(None);
        }
        let exporter = MetricExporter::builder().with_http().build();
        let exporter = exporter.map_err(|error| Error::Config(format!("metrics cannot be exported: {error}")))?;
        Ok(Some(Self::with(app, exporter)))
    }

    fn with(app: &App, exporter: MetricExporter) -> Self {
        let provider = SdkMeterProvider::builder().with_periodic_exporter(exporter).with_resource(resource()).build();
        instruments(&provider.meter("pulpcore"), &Arc::new(Source::new(app.clone())));
        Self(provider)
    }

    /// Exports once more, and no more.
    pub(crate) async fn stop(self) {
        match tokio::task::spawn_blocking(move || self.0.shutdown()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "The last metrics could not be exported."),
            Err(error) => tracing::warn!(%error, "The export of metrics could not be stopped."),
        }
    }
}

fn resource() -> Resource {
    let found = Resource::builder();
    let name = Resource::builder().build().get(&Key::new("service.name"));
    let named = name.is_some_and(|name| !name.as_str().starts_with("unknown_service"));
    let found = if named { found } else { found.with_service_name("pulp") };
    let process = [
        KeyValue::new("service.instance.id", Uuid::now_v7().to_string()),
        KeyValue::new("service.version", CORE_VERSION),
    ];
    found.with_attributes(process).build()
}

fn instruments(meter: &Meter, source: &Arc<Source>) {
    let whole = meter.i64_observable_gauge("tasks_unblocked_queue").with_unit("tasks");
    let whole = whole.with_description("Tasks that wait for nothing but a worker.");
    whole.with_callback(reading(source, |numbers, tell| tell(numbers.unblocked(), &[]))).build();

    let longest = meter.f64_observable_gauge("tasks_longest_unblocked_time").with_unit("seconds");
    let longest = longest.with_description("For how long any task has been waiting for nothing but a worker.");
    longest.with_callback(reading(source, |numbers, tell| tell(numbers.longest_wait(), &[]))).build();

    let waiting = meter.i64_observable_gauge("waiting_tasks").with_unit("tasks");
    let waiting = waiting.with_description("Tasks that have not begun, by their type.");
    let each = |numbers: &Numbers, tell: &dyn Fn(i64, &[KeyValue])| {
        numbers.by_type.iter().for_each(|(kind, one)| tell(one.waiting, &[KeyValue::new("task_type", *kind)]));
    };
    waiting.with_callback(reading(source, each)).build();

    let running = meter.i64_observable_gauge("running_tasks").with_unit("tasks");
    let running = running.with_description("Tasks that run, by their type.");
    let each = |numbers: &Numbers, tell: &dyn Fn(i64, &[KeyValue])| {
        numbers.by_type.iter().for_each(|(kind, one)| tell(one.running, &[KeyValue::new("task_type", *kind)]));
    };
    running.with_callback(reading(source, each)).build();

    let online = meter.i64_observable_gauge("online_workers").with_unit("workers");
    let online = online.with_description("Workers that said lately that they are alive.");
    online.with_callback(reading(source, |numbers, tell| tell(numbers.workers, &[]))).build();
}

/// Reads the queue and tells of it; without its database it tells nothing.
fn reading<T: 'static>(
    source: &Arc<Source>,
    tell: impl Fn(&Numbers, &dyn Fn(T, &[KeyValue])) + Send + Sync + 'static,
) -> impl Fn(&dyn opentelemetry::metrics::AsyncInstrument<T>) + Send + Sync + 'static {
    let (source, runtime) = (Arc::clone(source), Handle::current());
    move |instrument| {
        if let Some(numbers) = runtime.block_on(source.queue()) {
            tell(&numbers, &|value, attributes| instrument.observe(value, attributes));
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::routing::post;
    use bytes::Bytes;
    use opentelemetry_otlp::WithExportConfig;
    use tokio::net::TcpListener;
    use tokio::sync::mpsc;

    use super::super::tests::errand;
    use super::*;
    use crate::sample::on_both;

    on_both!(a_collector_is_told_of_the_queue, |sample| {
        let (told, mut heard) = mpsc::unbounded_channel::<Bytes>();
        let collector = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1/metrics", collector.local_addr().unwrap());
        let take = post(move |body: Bytes| async move { drop(told.send(body)) });
        let collector = axum::serve(collector, Router::new().route("/v1/metrics", take));
        let collector = tokio::spawn(async move { collector.await });
        errand(&sample).await;

        let exporter = MetricExporter::builder().with_http().with_endpoint(url).build().unwrap();
        Exporting::with(&sample.app, exporter).stop().await;

        let export = heard.recv().await.unwrap();
        let export = String::from_utf8_lossy(&export);
        for said in ["tasks_unblocked_queue", "tasks_longest_unblocked_time", "waiting_tasks", "sample/errands"] {
            assert!(export.contains(said), "{said}: {export}");
        }
        collector.abort();
    });
}
