//! Forgetting tasks that ended long ago.

use axum::http::Method;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::cleanups;
use super::TAG;
use crate::api::bodies::{AsyncOperationResponse, Timestamp};
use crate::api::endpoint::{Described, Endpoint};
use crate::api::query::values::parse_datetime;
use crate::api::validate::{BodySchema, Mode};
use crate::app::App;
use crate::db::{comparable, now};
use crate::error::{Error, Result};
use crate::models::{created_resource, progress_report, state, task};
use crate::plugin::{Schedule, Scheduled, Task, TaskCx, TaskKind, register};
use crate::settings::Settings;
use crate::tasking::group;

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

/// What is purged unless the client says something else.
const AGE: Duration = Duration::days(30);
/// Tasks in one transaction: others write in between.
const BATCH: u64 = 500;

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
        while let Some(batch) = batch(&cx, before, &states).await? {
            purged.add(&batch);
            tasks.increment(batch.tasks).await?;
        }
        tasks.set_total(purged.tasks);
        tasks.finish().await?;
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

/// How many rows went.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    tasks: i64,
    reports: i64,
    resources: i64,
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.tasks += other.tasks;
        self.reports += other.reports;
        self.resources += other.resources;
    }

    const fn total(&self) -> i64 {
        self.tasks + self.reports + self.resources
    }
}

/// Removes one batch; `None` if nothing was left to remove.
async fn batch(cx: &TaskCx, before: OffsetDateTime, states: &[&str]) -> Result<Option<Counts>> {
    let tx = cx.db().write().await?;
    let ids: Vec<Uuid> = task::Entity::find()
        .select_only()
        .column(task::Column::PulpId)
        .filter(task::Column::State.is_in(states.iter().copied()))
        .filter(task::Column::FinishedAt.lt(before))
        .order_by_asc(task::Column::FinishedAt)
        .limit(BATCH)
        .into_tuple()
        .all(&*tx)
        .await?;
    if ids.is_empty() {
        return Ok(None);
    }
    let count = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let reports = progress_report::Entity::find()
        .filter(progress_report::Column::TaskId.is_in(ids.iter().copied()))
        .count(&*tx)
        .await?;
    let resources = created_resource::Entity::find()
        .filter(created_resource::Column::TaskId.is_in(ids.iter().copied()))
        .count(&*tx)
        .await?;
    let tasks = task::Entity::delete_many().filter(task::Column::PulpId.is_in(ids)).exec(&*tx).await?;
    tx.commit().await?;
    let counts = Counts { tasks: count(tasks.rows_affected), reports: count(reports), resources: count(resources) };
    Ok(Some(counts))
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
