//! From the log to the tasks: what is written within a task's span is kept for its events.

use serde_json::{Map, Value};
use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;
use uuid::Uuid;

use super::lines::{self, Line};
use crate::db::now;
use crate::telemetry::{Fields, is_task_span};

/// The longest text in a line, in bytes.
const LONGEST: usize = 4096;

/// Keeps the lines of tasks. It sees what the log's filter lets through, and no more than the log does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TaskLines;

/// Which task a span is of.
struct Of(Uuid);

impl<S> Layer<S> for TaskLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if !is_task_span(attributes.metadata()) {
            return;
        }
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let task = fields.0.get("task").and_then(Value::as_str).and_then(|text| Uuid::parse_str(text).ok());
        if let (Some(task), Some(span)) = (task, context.span(id)) {
            span.extensions_mut().insert(Of(task));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if !lines::any() {
            return;
        }
        let mut spans = context.event_scope(event).into_iter().flatten();
        let Some(task) = spans.find_map(|span| span.extensions().get::<Of>().map(|of| of.0)) else { return };
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut fields = fields.0;
        // Lines of the `log` crate arrive under the target "log" and name their own in a field.
        let target = match fields.remove("log.target") {
            Some(Value::String(target)) => target,
            _ => event.metadata().target().to_owned(),
        };
        let message = match fields.remove("message") {
            Some(Value::String(message)) => sound(&message),
            _ => String::new(),
        };
        let fields: Map<String, Value> =
            fields.into_iter().filter(|(name, _)| !name.starts_with("log.")).map(shortened).collect();
        lines::push(task, Line { at: now(), level: event.metadata().level().as_str(), target, message, fields });
    }
}

fn shortened((name, value): (String, Value)) -> (String, Value) {
    match value {
        Value::String(text) => (name, sound(&text).into()),
        other => (name, other),
    }
}

/// A text that every database takes (PostgreSQL has no NUL), not too long.
fn sound(text: &str) -> String {
    let end = text.floor_char_boundary(LONGEST);
    let cut = if end < text.len() { "…" } else { "" };
    format!("{}{cut}", text[..end].replace('\0', "\u{fffd}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::telemetry::{request_span, task_span};

    fn logged(task: Uuid, work: impl FnOnce()) -> Vec<Value> {
        lines::open(task, Arc::default());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(TaskLines), work);
        let taken = lines::take(&[task]);
        lines::close(task);
        taken.into_iter().map(|(task, line)| line.event(task).body).collect()
    }

    #[test]
    fn a_line_within_a_tasks_span_is_kept_with_its_fields() {
        let task = Uuid::now_v7();
        let kept = logged(task, || {
            tracing::info!("Before.");
            request_span("cid", "GET", "/").in_scope(|| tracing::info!("Elsewhere."));
            task_span("cid", task, "file/syncs").in_scope(|| {
                tracing::info!(units = 3, "Counted.");
                tracing::info_span!("inner").in_scope(|| tracing::warn!("Deep."));
            });
            task_span("cid", Uuid::now_v7(), "file/syncs").in_scope(|| tracing::info!("Another task."));
        });
        let line = |level: &str, message: &str, fields: Value| json!({ "level": level, "target": module_path!(), "message": message, "fields": fields });
        assert_eq!(kept, [line("INFO", "Counted.", json!({ "units": 3 })), line("WARN", "Deep.", json!({}))]);
    }

    #[test]
    fn a_text_is_cut_between_letters_and_has_no_nul() {
        let task = Uuid::now_v7();
        let kept = logged(task, || {
            task_span("cid", task, "file/syncs").in_scope(|| {
                tracing::info!(long = "é".repeat(LONGEST), "a\0b");
            });
        });
        assert_eq!(kept[0]["message"], "a\u{fffd}b");
        assert_eq!(kept[0]["fields"]["long"].as_str().map(str::len), Some(LONGEST + "…".len()));
    }
}
