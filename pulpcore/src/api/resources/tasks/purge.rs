//! Forgetting tasks that ended long ago.

use axum::http::Method;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::super::cleanups;
use super::TAG;
use crate::api::bodies::{AsyncOperationResponse, Timestamp};
use crate::api::endpoint::{Described, Endpoint};
use crate::api::query::values::parse_datetime;
use crate::api::validate::{BodySchema, Mode};
use crate::app::App;
use crate::db::{comparable, now};
use crate::error::{Error, Result};
use crate::models::state;
use crate::plugin::{Schedule, Scheduled, Task, TaskCx, TaskKind, register};
use crate::settings::Settings;
use crate::tasking::group;
use crate::tasking::purge::{AGE, Counts, batch};

/// Removes tasks that ended before a point in time.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Purge)]
struct Purge {
    /// Purge tasks completed earlier than this timestamp. Format '%Y-%m-%d[T%H:%M:%S]'
    #[serde(default)]
    #[schema(format = DateTime, nullable = false)]
    finished_before: Option<String>,
    /// List of task-states to be purged. Only 'final' states are allowed.
    #[serde(default = "completed")]
    #[schema(required = false, default = json!(["completed"]))]
    states: Vec<Final>,
}

/// A state that a task never leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = StatesEnum)]
enum Final {
    Skipped,
    Completed,
    Failed,
    Canceled,
}

fn completed() -> Vec<Final> {
    vec![Final::Completed]
}

impl Final {
    const fn name(self) -> &'static str {
        match self {
            Self::Skipped => state::SKIPPED,
            Self::Completed => state::COMPLETED,
            Self::Failed => state::FAILED,
            Self::Canceled => state::CANCELED,
        }
    }
}

impl Purge {
    fn before(&self) -> Result<OffsetDateTime> {
        let text = self.finished_before.as_deref().unwrap_or_default();
        parse_datetime(text).ok_or_else(|| Error::invalid("finished_before", "Enter a valid date/time."))
    }
}

impl Task for Purge {
    const TYPE: &'static str = "core/purges";
    const NAME: &'static str = "pulpcore.app.tasks.purge.purge";

    /// The point in time is fixed when the task is asked for, not when it runs.
    async fn prepare(&mut self, _app: &App) -> Result<()> {
        if self.finished_before.is_none() {
            self.finished_before = Some(Timestamp(now() - AGE).to_string());
        }
        self.before().map(drop)
    }

    async fn run(self, cx: TaskCx) -> Result<()> {
        let before = comparable(self.before()?);
        let states: Vec<&str> = self.states.iter().map(|state| state.name()).collect();
        let mut purged = Counts::default();
        let tasks = cx.progress("Purged task-objects of type core.Task", "purge.tasks.key.core.Task");
        while let Some(batch) = batch(cx.db(), before, &states).await? {
            purged.add(&batch);
            tasks.increment(batch.tasks).await?;
        }
        tasks.finish_counted().await?;
        group::forget_empty(cx.db(), before).await?;
        for (model, count) in [("core.ProgressReport", purged.reports), ("core.CreatedResource", purged.resources)] {
            if count > 0 {
                let message = format!("Purged task-objects of type {model}");
                report(&cx, &message, &format!("purge.tasks.key.{model}"), count).await?;
            }
        }
        report(&cx, "Purged task-related-objects total", "purge.tasks.total", purged.total()).await?;
        report(&cx, "Tasks failed to purge", "purge.tasks.error", 0).await
    }
}

/// What the settings say is old goes, however it ended.
impl Scheduled for Purge {
    const SCHEDULE: &'static str = "Clean up stale tasks periodically";

    fn interval(settings: &Settings) -> Option<std::time::Duration> {
        cleanups::interval(settings.task_protection_time)
    }

    fn due(app: &App) -> Self {
        let before = cleanups::minutes_ago(app.settings.task_protection_time);
        let states = vec![Final::Skipped, Final::Completed, Final::Failed, Final::Canceled];
        Self { finished_before: Some(Timestamp(before).to_string()), states }
    }
}

register!(TaskKind::of::<Purge>());
register!(Schedule::of::<Purge>());

/// `purge/`.
pub(super) fn endpoints() -> Vec<Endpoint> {
    let schema = BodySchema::cached::<Purge>();
    vec![
        Endpoint::new(Method::POST, "tasks/purge/", "tasks_purge", move |mut cx| {
            let schema = std::sync::Arc::clone(&schema);
            async move {
                let purge: Purge = BodySchema::parse(cx.body(&schema, Mode::Create).await?)?;
                cx.dispatch(purge).await
            }
        })
        .tagged(TAG)
        .about("Purge Completed Tasks")
        .takes(Described::of::<Purge>())
        .answers(202, Described::of::<AsyncOperationResponse>()),
    ]
}

async fn report(cx: &TaskCx, message: &str, code: &str, count: i64) -> Result<()> {
    let progress = cx.progress(message, code);
    progress.set_total(count);
    progress.done(count).await
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_purge_takes_dates_and_final_states_only() {
        let schema = BodySchema::of::<Purge>();
        let read = |body: serde_json::Value| {
            let serde_json::Value::Object(body) = body else { unreachable!() };
            let body = schema.check(body, Mode::Create, crate::api::validate::Encoding::Json)?;
            BodySchema::parse::<Purge>(body)
        };
        let purge = read(json!({"finished_before": "2020-01-01T00:00:00Z", "states": ["failed", "skipped"]})).unwrap();
        assert_eq!(purge.before().unwrap().year(), 2020);
        assert_eq!(purge.states, [Final::Failed, Final::Skipped]);
        assert_eq!(read(json!({})).unwrap().states, [Final::Completed]);
        for (body, field) in
            [(json!({"states": ["running"]}), "states"), (json!({"finished_before": "soon"}), "finished_before")]
        {
            assert!(read(body).unwrap_err().to_string().starts_with(field));
        }
    }
}
