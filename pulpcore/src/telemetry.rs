//! Logs: who writes them, how they look, and how the lines of one request or task find each other.
//!
//! Every line of a request carries the request's correlation id as `cid`, and every line of the task that the request
//! started carries the same one: enter [`request_span`] or [`task_span`] (better: `.instrument(…)` a future with it)
//! and log with `tracing`'s macros. In JSON `cid` is a member of the line itself, beside `timestamp`, `level`,
//! `target` and `message`; so are all other fields of the event and of the spans around it.
//!
//! Lines go to standard error. What happens before [`init`] is not logged.

use std::fmt;
use std::io::{IsTerminal, Write};

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Span, Subscriber};
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::settings::LogFormat;
use crate::tasking::diagnostics;
use crate::tasking::events::capture::TaskLines;

/// What is logged unless an operator says otherwise: our own doings, and others' only when something is wrong.
pub const DEFAULT_FILTER: &str = "info,sqlx=warn,sea_orm=warn,sea_orm_migration=warn,hyper=warn,reqwest=warn";

/// The name of the span of a task, and the field in it that says which one.
const TASK_SPAN: &str = "task";
pub(crate) const TASK_FIELD: &str = "task";

/// The longest correlation id that is taken from a client, in bytes.
const LONGEST_CORRELATION_ID: usize = 256;

/// Starts logging for the whole process.
///
/// `filter` is a level or `target=level` pairs with commas between them, as `tracing_subscriber::EnvFilter` reads it.
///
/// # Errors
/// [`Error::Config`] if the filter cannot be read; [`Error::Internal`] if logging was started before.
pub fn init(format: LogFormat, filter: &str) -> Result<()> {
    subscriber(format, filter, std::io::stderr)?.try_init().map_err(Error::internal)
}

/// The span of a request: everything that is logged in it carries `cid`.
///
/// The span itself is never filtered out by a level, or a line at `warn` would lose its id when the filter is `warn`.
pub fn request_span(cid: &str, method: &str, path: &str) -> Span {
    tracing::error_span!("request", cid, method, path)
}

/// The span of a task: everything that is logged in it carries `cid`, the correlation id of the request that started
/// it, and `task`, its id.
pub fn task_span(cid: &str, task_id: Uuid, name: &str) -> Span {
    // Not a child of whatever a worker happens to be doing: the task's id is its request's, not its worker's.
    tracing::error_span!(parent: None, TASK_SPAN, cid, task = %task_id, name)
}

/// Whether this describes what [`task_span`] makes.
pub(crate) fn is_task_span(metadata: &Metadata<'_>) -> bool {
    metadata.name() == TASK_SPAN && metadata.target() == module_path!()
}

/// The correlation id of a request: the client's own (its `Correlation-ID` header) if that is at most 256 printable
/// ASCII characters, otherwise a fresh UUID as 32 hexadecimal digits, as Pulp makes them.
///
/// ```
/// use pulpcore::telemetry::correlation_id;
///
/// assert_eq!(correlation_id(Some("deploy-17")), "deploy-17");
/// assert_eq!(correlation_id(Some("two\nlines")).len(), 32);
/// assert_eq!(correlation_id(None).len(), 32);
/// ```
pub fn correlation_id(header: Option<&str>) -> String {
    let is_sane = |id: &&str| {
        (1..=LONGEST_CORRELATION_ID).contains(&id.len())
            && id.bytes().all(|byte| matches!(byte, b' '..=b'~'))
            && !id.trim().is_empty()
    };
    header.filter(is_sane).map_or_else(|| Uuid::now_v7().simple().to_string(), str::to_owned)
}

/// Reads a log filter.
///
/// # Errors
/// [`Error::Config`] if it cannot be read.
pub(crate) fn filter(text: &str) -> Result<EnvFilter> {
    EnvFilter::builder()
        .parse(text)
        .map_err(|error| Error::Config(format!("the log filter \"{text}\" cannot be read: {error}")))
}

/// What [`init`] installs, with any writer.
fn subscriber<W>(format: LogFormat, filter: &str, writer: W) -> Result<impl Subscriber + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = self::filter(filter)?;
    let lines: Box<dyn Layer<_> + Send + Sync> = match format {
        LogFormat::Json => Box::new(JsonLines(writer)),
        LogFormat::Auto | LogFormat::Text => {
            let text = tracing_subscriber::fmt::layer().with_writer(writer);
            let is_plain = format == LogFormat::Text || !std::io::stderr().is_terminal();
            // Otherwise the library decides; it knows `NO_COLOR`.
            if is_plain { Box::new(text.with_ansi(false)) } else { Box::new(text) }
        }
    };
    Ok(tracing_subscriber::registry().with(filter).with(lines).with(diagnostics::layer()).with(TaskLines))
}

/// One JSON object a line, flat: the members of the event win over those of its span, an inner span's over an outer's.
struct JsonLines<W>(W);

impl<S, W> Layer<S> for JsonLines<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut line = Fields::default();
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(fields) = span.extensions().get::<Fields>() {
                line.0.extend(fields.0.clone());
            }
        }
        event.record(&mut line);
        let mut line = line.0;

        // Lines of the `log` crate arrive under the target "log" and name their own in a field.
        let target = match line.remove("log.target") {
            Some(Value::String(target)) => target,
            _ => event.metadata().target().to_owned(),
        };
        line.retain(|name, _| !name.starts_with("log."));
        line.insert("level".to_owned(), event.metadata().level().as_str().into());
        line.insert("target".to_owned(), target.into());
        let mut now = String::new();
        if SystemTime.format_time(&mut Writer::new(&mut now)).is_ok() {
            line.insert("timestamp".to_owned(), now.into());
        }
        let mut bytes = Value::Object(line).to_string().into_bytes();
        bytes.push(b'\n');
        // One write a line, so that lines of several threads do not mix. Nobody is left to be told if it fails.
        let _ = self.0.make_writer_for(event.metadata()).write_all(&bytes);
    }
}

/// The fields of a span or an event.
#[derive(Default)]
pub(crate) struct Fields(pub(crate) Map<String, Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        let name = match field.name() {
            // The line's own members keep their meaning.
            taken @ ("level" | "target" | "timestamp") => format!("{taken}_"),
            free => free.to_owned(),
        };
        self.0.insert(name, value.into());
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A log that can be read back.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Log {
        /// Everything that `work` logs.
        fn of(format: LogFormat, filter: &str, work: impl FnOnce()) -> String {
            let log = Self::default();
            tracing::subscriber::with_default(subscriber(format, filter, log.clone()).unwrap(), work);
            String::from_utf8(log.0.lock().unwrap().clone()).unwrap()
        }

        fn json(filter: &str, work: impl FnOnce()) -> Vec<Value> {
            let text = Self::of(LogFormat::Json, filter, work);
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
        }
    }

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Log {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    #[test]
    fn every_json_line_of_a_request_carries_its_id() {
        let lines = Log::json("debug", || {
            let _request = request_span("cid-1", "GET", "/pulp/api/v3/status/").entered();
            tracing::info!(count = 3, ok = true, "Counted.");
            let _inner = tracing::info_span!("inner", depth = 2).entered();
            tracing::warn!("Two\nlines.");
        });
        assert_eq!(lines.len(), 2);
        assert!(lines.iter().all(|line| line["cid"] == "cid-1" && line["path"] == "/pulp/api/v3/status/"));
        assert_eq!(lines[0]["message"], "Counted.");
        assert_eq!(lines[0]["count"], 3);
        assert_eq!(lines[0]["ok"], true);
        assert_eq!(lines[0]["level"], "INFO");
        assert_eq!(lines[0]["target"], module_path!());
        assert!(lines[0]["timestamp"].as_str().unwrap().ends_with('Z'));
        assert_eq!(lines[1]["message"], "Two\nlines.");
        assert_eq!(lines[1]["depth"], 2);
    }

    #[test]
    fn a_task_carries_the_id_of_the_request_that_started_it() {
        let task = Uuid::now_v7();
        let lines = Log::json("info", || {
            let _worker = tracing::info_span!("worker", cid = "the worker's own", slot = 1).entered();
            let _task = task_span("cid-1", task, "file/syncs").entered();
            tracing::info!("Started.");
        });
        assert_eq!(lines[0]["cid"], "cid-1");
        assert_eq!(lines[0]["task"], task.to_string());
        assert_eq!(lines[0]["name"], "file/syncs");
        assert!(lines[0].get("slot").is_none());
    }

    #[test]
    fn the_id_survives_a_filter_that_is_stricter_than_info() {
        let lines = Log::json("error", || {
            let _request = request_span("cid-1", "GET", "/").entered();
            tracing::warn!("Not written.");
            tracing::error!("Written.");
        });
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0]["cid"], "cid-1");
    }

    #[test]
    fn a_field_that_is_filled_in_later_shows_and_none_hides_the_lines_own_members() {
        let lines = Log::json("info", || {
            let span = tracing::info_span!("request", status = tracing::field::Empty).entered();
            span.record("status", 404_u64);
            tracing::info!(level = "low", "Answered.");
        });
        assert_eq!(lines[0]["status"], 404);
        assert_eq!(lines[0]["level"], "INFO");
        assert_eq!(lines[0]["level_"], "low");
    }

    #[test]
    fn text_lines_carry_the_ids_too_and_no_colours() {
        let task = Uuid::now_v7();
        let text = Log::of(LogFormat::Text, "info", || {
            request_span("cid-1", "GET", "/").in_scope(|| tracing::info!("First."));
            task_span("cid-2", task, "file/syncs").in_scope(|| tracing::info!("Second."));
        });
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].contains("request{cid=\"cid-1\"") && lines[0].contains("First."), "{text}");
        assert!(lines[1].contains(&format!("task{{cid=\"cid-2\" task={task}")), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn a_filter_that_cannot_be_read_is_refused_with_its_text() {
        let error = filter("pulpcore=loud").unwrap_err();
        assert!(matches!(&error, Error::Config(text) if text.contains("\"pulpcore=loud\"")), "{error}");
        filter(DEFAULT_FILTER).unwrap();
    }

    #[test]
    fn a_clients_correlation_id_is_taken_only_if_it_is_sane() {
        for sane in ["x", "with space", &"x".repeat(256), "{\"a\": 1}"] {
            assert_eq!(correlation_id(Some(sane)), sane);
        }
        for insane in ["", " ", "a\nb", "a\u{1b}[0m", "käse", &"x".repeat(257)] {
            let fresh = correlation_id(Some(insane));
            assert!(fresh.len() == 32 && fresh.bytes().all(|byte| byte.is_ascii_hexdigit()), "{fresh}");
        }
        assert_ne!(correlation_id(None), correlation_id(None));
    }
}
