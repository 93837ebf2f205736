//! `tasks show`.

use clap::Args;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{Id, find, text};
use crate::api::bodies::Timestamp;
use crate::db::{Db, now};
use crate::error::Result;
use crate::models::{app_status, created_resource, progress_report, task, user};
use crate::refs::prn;
use crate::secrets::masked;
use crate::tasking::waiting::why;

/// The flags of `tasks show`.
#[derive(Args, Debug)]
pub(in crate::cli) struct Show {
    #[command(flatten)]
    pub(super) id: Id,
    /// As JSON
    #[arg(long)]
    pub(super) json: bool,
}

impl Show {
    /// The answer.
    pub(super) async fn text(&self, db: &Db) -> Result<String> {
        let row = find::task(db, &self.id.id).await?;
        let beside = Beside::load(db, &row).await?;
        if self.json {
            let mut all = json(row);
            all["worker"] = beside.worker.into();
            all["user"] = beside.user.into();
            all["waiting_for"] = beside.waiting.into();
            all["progress"] = beside.progress.iter().map(report).collect();
            all["created_resources"] = beside.created.into();
            return Ok(format!("{all:#}"));
        }
        Ok(lines(row, beside))
    }
}

/// What stands in other tables about a task.
struct Beside {
    worker: Option<String>,
    user: Option<String>,
    waiting: Option<String>,
    progress: Vec<progress_report::Model>,
    /// PRNs.
    created: Vec<String>,
}

impl Beside {
    async fn load(db: &Db, row: &task::Model) -> Result<Self> {
        let worker = match row.worker_id {
            Some(id) => app_status::Entity::find_by_id(id).one(db.read()).await?,
            None => None,
        };
        let user = match row.created_by {
            Some(id) => user::Entity::find_by_id(id).one(db.read()).await?,
            None => None,
        };
        let progress = progress_report::Entity::find()
            .filter(progress_report::Column::TaskId.eq(row.pulp_id))
            .order_by_asc(progress_report::Column::PulpId)
            .all(db.read())
            .await?;
        let created = created_resource::Entity::find()
            .filter(created_resource::Column::TaskId.eq(row.pulp_id))
            .order_by_asc(created_resource::Column::PulpId)
            .all(db.read())
            .await?;
        Ok(Self {
            worker: worker.map(|worker| worker.name),
            user: user.map(|user| user.username),
            waiting: why(db, std::slice::from_ref(row)).await?.remove(&row.pulp_id).map(|waiting| waiting.sentence()),
            progress,
            created: created.iter().map(|resource| prn(&resource.model, &resource.object_id)).collect(),
        })
    }
}

/// A task for programs: what its own row holds.
pub(super) fn json(row: task::Model) -> Value {
    let time = |time: Option<OffsetDateTime>| time.map(|time| Timestamp(time).to_string());
    json!({
        "id": row.pulp_id,
        "prn": prn("core.task", row.pulp_id),
        "type": row.task_type,
        "name": row.name,
        "state": row.state,
        "created": time(Some(row.pulp_created)),
        "unblocked": time(row.unblocked_at),
        "started": time(row.started_at),
        "finished": time(row.finished_at),
        "resources": row.reserved_resources_record.0,
        "parameters": masked(row.args),
        "correlation_id": row.logging_cid,
        "parent": row.parent_task_id,
        "group": row.task_group_id,
        "error": row.error,
        "result": row.result,
    })
}

fn report(row: &progress_report::Model) -> Value {
    json!({ "message": row.message, "code": row.code, "state": row.state, "done": row.done, "total": row.total })
}

/// A name and a value a line; what is not there is left out.
fn lines(row: task::Model, beside: Beside) -> String {
    let now = now();
    let time = |time: OffsetDateTime| format!("{} ({} ago)", Timestamp(time), text::age(time, now));
    let error = row.error.as_ref().map(|error| match error["description"].as_str() {
        Some(description) => description.to_owned(),
        None => error.to_string(),
    });
    let progress = beside.progress.iter().map(|report| {
        let total = report.total.map(|total| format!("/{total}")).unwrap_or_default();
        format!("{} {}{total} ({})", report.message, report.done, report.state)
    });
    let some = |name: &'static str, value: Option<String>| (name, Vec::from_iter(value));
    let all = [
        some("id", Some(row.pulp_id.to_string())),
        some("type", Some(row.task_type)),
        some("name", Some(row.name)),
        some("state", Some(row.state)),
        some("waiting for", beside.waiting),
        some("error", error),
        some("result", row.result.map(|result| result.to_string())),
        some("created", Some(time(row.pulp_created))),
        some("unblocked", row.unblocked_at.map(time)),
        some("started", row.started_at.map(time)),
        some("finished", row.finished_at.map(time)),
        some("worker", beside.worker),
        some("user", beside.user),
        some("correlation id", Some(row.logging_cid)),
        some("parent", row.parent_task_id.map(|id| id.to_string())),
        some("group", row.task_group_id.map(|id| id.to_string())),
        some("parameters", Some(masked(row.args).to_string())),
        ("resources", row.reserved_resources_record.0),
        ("progress", progress.collect()),
        ("has created", beside.created),
    ];
    let mut lines = Vec::new();
    for (name, values) in all {
        for (nth, value) in values.into_iter().enumerate() {
            let name = if nth == 0 { format!("{name}:") } else { String::new() };
            lines.push(format!("{name:<16}{value}"));
        }
    }
    lines.join("\n")
}
