//! The queue's numbers, and those of the content service, for a collector of OpenTelemetry, by OTLP over HTTP and under the names that Pulp gives them.
//!
//! The standard's environment variables say where the collector is, and all the rest: how often, with which headers, under
//! which name. Without an endpoint nothing is exported. The SDK collects and sends on a thread of its own, which may
//! wait: so the queue is read when the numbers are about to be sent.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::metrics::{AsyncInstrument, Histogram, Meter, MeterProvider};
use opentelemetry::{Key, KeyValue};
use opentelemetry_otlp::{MetricExporter, OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_METRICS_ENDPOINT};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use tokio::runtime::Handle;
use uuid::Uuid;

use super::content::Traffic;
use super::queue::{Numbers, Source};
use crate::CORE_VERSION;
use crate::app::App;
use crate::error::{Error, Result};
use crate::settings::Role;

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
        if app.settings.reads_queue() {
            instruments(&provider.meter("pulpcore"), &Arc::new(Source::new(app.clone())));
        }
        if app.settings.has_role(Role::Content) {
            traffic(&provider.meter("pulp-content"), &app.traffic);
        }
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

/// In milliseconds, as Pulp's histogram has them.
const BOUNDS: [f64; 14] = [0.1, 0.25, 1.0, 2.5, 10.0, 25.0, 100.0, 250.0, 1e3, 2.5e3, 10e3, 30e3, 120e3, 600e3];

/// How long the content service took, for the collector: Pulp's `content.request_duration`, and what remotes took.
#[derive(Debug)]
pub(super) struct Durations {
    requests: Histogram<f64>,
    upstream: Histogram<f64>,
}

impl Durations {
    fn of(meter: &Meter) -> Self {
        let histogram = |name, description| {
            let histogram = meter.f64_histogram(name).with_unit("ms").with_description(description);
            histogram.with_boundaries(BOUNDS.to_vec()).build()
        };
        Self {
            requests: histogram("content.request_duration", "Tracks the duration of HTTP requests"),
            upstream: histogram("content.upstream_duration", "How long remotes took to begin their answers"),
        }
    }

    pub(super) fn request(&self, took: Duration, method: &'static str, class: &'static str) {
        let attributes = [KeyValue::new("http.method", method), KeyValue::new("http.status_code", class)];
        self.requests.record(took.as_secs_f64() * 1000.0, &attributes);
    }

    pub(super) fn upstream(&self, took: Duration) {
        self.upstream.record(took.as_secs_f64() * 1000.0, &[]);
    }
}

fn traffic(meter: &Meter, traffic: &Traffic) {
    traffic.export(Durations::of(meter));
    let requests = meter.u64_observable_counter("content.requests").with_unit("requests");
    let requests = requests.with_description("Requests that the content service answered.");
    let counted = traffic.clone();
    let each = move |instrument: &dyn AsyncInstrument<u64>| {
        for (distribution, series) in counted.series() {
            let distribution = KeyValue::new("distribution", distribution);
            for (class, count) in series.classes() {
                instrument.observe(count, &[distribution.clone(), KeyValue::new("http.status_code", class)]);
            }
        }
    };
    requests.with_callback(each).build();

    let bytes = meter.u64_observable_counter("content.sent_bytes").with_unit("bytes");
    let bytes = bytes.with_description("Bytes of the bodies of answers.");
    let counted = traffic.clone();
    let each = move |instrument: &dyn AsyncInstrument<u64>| {
        for (distribution, series) in counted.series() {
            instrument.observe(series.bytes(), &[KeyValue::new("distribution", distribution)]);
        }
    };
    bytes.with_callback(each).build();

    let looks = meter.u64_observable_counter("content.cache_looks").with_unit("looks");
    let looks = looks.with_description("Looks into the cache of paths, by what they gave.");
    let counted = traffic.clone();
    let each = move |instrument: &dyn AsyncInstrument<u64>| {
        counted.looks().for_each(|(result, count)| instrument.observe(count, &[KeyValue::new("result", result)]));
    };
    looks.with_callback(each).build();
}

/// Reads the queue and tells of it; without its database it tells nothing.
fn reading<T: 'static>(
    source: &Arc<Source>,
    tell: impl Fn(&Numbers, &dyn Fn(T, &[KeyValue])) + Send + Sync + 'static,
) -> impl Fn(&dyn AsyncInstrument<T>) + Send + Sync + 'static {
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
    use axum::response::IntoResponse;
    use axum::routing::post;
    use bytes::Bytes;
    use opentelemetry_otlp::WithExportConfig;
    use tokio::net::TcpListener;
    use tokio::sync::mpsc;

    use super::super::tests::errand;
    use super::*;
    use crate::sample::on_both;

    on_both!(a_collector_is_told_of_the_queue_and_of_the_content_service, |sample| {
        let (told, mut heard) = mpsc::unbounded_channel::<Bytes>();
        let collector = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1/metrics", collector.local_addr().unwrap());
        let take = post(move |body: Bytes| async move { drop(told.send(body)) });
        let collector = axum::serve(collector, Router::new().route("/v1/metrics", take));
        let collector = tokio::spawn(async move { collector.await });
        errand(&sample).await;

        let exporter = MetricExporter::builder().with_http().with_endpoint(url).build().unwrap();
        let exporting = Exporting::with(&sample.app, exporter);
        let asked = sample.app.traffic.begins();
        asked.leads_to("a/base/path");
        asked.answered("x".into_response(), false);
        exporting.stop().await;

        let export = heard.recv().await.unwrap();
        let export = String::from_utf8_lossy(&export);
        let queue = ["tasks_unblocked_queue", "tasks_longest_unblocked_time", "waiting_tasks", "sample/errands"];
        let content = ["content.request_duration", "content.requests", "a/base/path", "2xx"];
        for said in queue.into_iter().chain(content) {
            assert!(export.contains(said), "{said}: {export}");
        }
        collector.abort();
    });
}
