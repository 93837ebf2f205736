//! Collects the log lines of tasks that are observed.
//!
//! A layer of the log sees every line; it remembers of the span of a task which task it is, and puts aside the lines of
//! those that somebody collects. While nobody does, it costs one look at a number.

use std::collections::HashMap;
use std::fmt::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;
use uuid::Uuid;

use crate::api::bodies::Timestamp;
use crate::db::now;
use crate::telemetry::{TASK_FIELD, is_task_span};

/// Bytes of one task's lines at most; they are in memory until the task ends.
const MOST: usize = 8 * 1024 * 1024;

/// What is collected, by task. The log belongs to the process, and so does this.
static COLLECTED: LazyLock<Mutex<HashMap<Uuid, Text>>> = LazyLock::new(Mutex::default);
/// How many tasks are collected for: asked for every line, without the lock.
static COLLECTING: AtomicUsize = AtomicUsize::new(0);

#[derive(Debug, Default)]
struct Text {
    text: String,
    /// Lines that found no room.
    left_out: usize,
}

/// The lines of one task; dropping it ends the collection.
#[derive(Debug)]
pub(super) struct Lines(Uuid);

/// Begins to collect the lines of a task.
pub(super) fn collect(task: Uuid) -> Lines {
    if collected().insert(task, Text::default()).is_none() {
        COLLECTING.fetch_add(1, Ordering::Relaxed);
    }
    Lines(task)
}

impl Lines {
    /// What was collected.
    pub(super) fn take(self) -> String {
        let Text { mut text, left_out } = end(self.0).unwrap_or_default();
        if left_out > 0 {
            // A `String` takes everything.
            let _ = writeln!(text, "({left_out} more lines are left out)");
        }
        text
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        end(self.0);
    }
}

fn end(task: Uuid) -> Option<Text> {
    let ended = collected().remove(&task);
    if ended.is_some() {
        COLLECTING.fetch_sub(1, Ordering::Relaxed);
    }
    ended
}

fn collected() -> MutexGuard<'static, HashMap<Uuid, Text>> {
    COLLECTED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The layer that the log needs for this.
pub(crate) fn layer<S: Subscriber + for<'a> LookupSpan<'a>>() -> impl Layer<S> + Send + Sync {
    Collector
}

struct Collector;

/// In the span of a task: which one.
struct TaskId(Uuid);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Collector {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if !is_task_span(attributes.metadata()) {
            return;
        }
        let mut found = TaskField(None);
        attributes.record(&mut found);
        if let (Some(task), Some(span)) = (found.0, context.span(id)) {
            span.extensions_mut().insert(TaskId(task));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if COLLECTING.load(Ordering::Relaxed) == 0 {
            return;
        }
        let scope = context.event_scope(event);
        let task = scope.into_iter().flatten().find_map(|span| span.extensions().get::<TaskId>().map(|task| task.0));
        let Some(task) = task.filter(|task| collected().contains_key(task)) else { return };
        // Without the lock: what is written may write lines itself.
        let line = line(event);
        if let Some(Text { text, left_out }) = collected().get_mut(&task) {
            match text.len() < MOST {
                true => text.push_str(&line),
                false => *left_out += 1,
            }
        }
    }
}

/// `2026-01-02T03:04:05.678901Z INFO target: message name=value`.
fn line(event: &Event<'_>) -> String {
    let metadata = event.metadata();
    let mut said = Said::default();
    event.record(&mut said);
    let Said { message, fields } = said;
    format!("{} {:5} {}: {message}{fields}\n", Timestamp(now()), metadata.level().as_str(), metadata.target())
}

#[derive(Default)]
struct Said {
    message: String,
    fields: String,
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // A `String` takes everything.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

struct TaskField(Option<Uuid>);

impl Visit for TaskField {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == TASK_FIELD {
            self.0 = Uuid::parse_str(&format!("{value:?}")).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::telemetry::task_span;

    #[test]
    fn lines_of_a_task_are_collected_and_no_others() {
        let (one, two) = (Uuid::now_v7(), Uuid::now_v7());
        let log = tracing_subscriber::registry().with(layer());
        let text = tracing::subscriber::with_default(log, || {
            let lines = collect(one);
            task_span("cid", two, "other").in_scope(|| tracing::info!("Another task."));
            tracing::info!("No task.");
            let span = task_span("cid", one, "observed");
            span.in_scope(|| tracing::info!(count = 3, what = "book", "Counted."));
            let inner = span.in_scope(|| tracing::info_span!("inner"));
            inner.in_scope(|| tracing::warn!("Inside."));
            let text = lines.take();
            span.in_scope(|| tracing::info!("Too late."));
            text
        });
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert!(lines[0].ends_with(": Counted. count=3 what=\"book\""), "{text}");
        assert!(lines[1].contains(" WARN ") && lines[1].ends_with(": Inside."), "{text}");
        assert!(!collected().contains_key(&one));
    }

    #[test]
    fn a_collection_is_bounded() {
        let task = Uuid::now_v7();
        let lines = collect(task);
        collected().insert(task, Text { text: "full\n".to_owned(), left_out: 2 });
        assert_eq!(lines.take(), "full\n(2 more lines are left out)\n");
    }
}
