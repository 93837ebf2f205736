//! A task as clients read it. A page of tasks costs a handful of queries, however long it is.

use std::collections::HashMap;

use sea_orm::{EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::object;
use super::NAMES;
use super::resources::{self, Links};
use super::waiting::{self, WaitingFor};
use crate::api::bodies::Timestamp;
use crate::api::query::FieldSelection;
use crate::api::reader::Reader;
use crate::api::schema::markers::{AnyObject, Anything, Uri};
use crate::db::one_of;
use crate::error::Result;
use crate::models::{created_resource, progress_report, task};
use crate::tasking::waiting::why;

/// A task, beside its identity.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Body {
    #[serde(flatten)]
    minimal: Minimal,
    /// The logging correlation id associated with this task
    logging_cid: String,
    /// User who dispatched this task.
    #[schema(read_only, format = "uri")]
    created_by: Option<String>,
    /// A JSON Object of a fatal error encountered during the execution of this task.
    #[schema(read_only, required = false, value_type = AnyObject)]
    error: Option<Value>,
    /// The parent task that spawned this task.
    #[schema(read_only, required = false, nullable = false, format = "uri")]
    parent_task: Option<String>,
    /// Any tasks spawned by this task.
    #[schema(read_only, required = false, value_type = Vec<Uri>)]
    child_tasks: Vec<String>,
    /// The task group that this task is a member of.
    #[schema(read_only, required = false, nullable = false, format = "uri")]
    task_group: Option<String>,
    #[schema(read_only, required = false)]
    progress_reports: Vec<Report>,
    /// Resources created by this task.
    #[schema(read_only, required = false, value_type = Vec<Uri>)]
    created_resources: Vec<Option<String>>,
    /// Resources created by this task as PRNs.
    #[schema(read_only, required = false, value_type = Vec<Uri>)]
    created_resource_prns: Vec<Option<String>>,
    /// A list of resources required by that task.
    #[schema(read_only, required = false)]
    reserved_resources_record: Vec<String>,
    /// The result of this task.
    #[schema(read_only, required = false, value_type = Anything)]
    result: Option<Value>,
    /// What the task waits for; absent unless its state is 'waiting'. Lists show it where `fields` asks for it.
    #[schema(read_only, required = false, nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    x_waiting_for: Option<WaitingFor>,
}

/// What `minimal=true` shows.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Minimal {
    /// The current state of the task. The possible values include: 'waiting', 'skipped', 'running', 'completed',
    /// 'failed', 'canceled' and 'canceling'.
    #[schema(read_only, required = false)]
    state: String,
    /// The name of task.
    name: String,
    /// Timestamp of when this task was identified ready for pickup.
    #[schema(read_only, required = false, value_type = String, format = DateTime)]
    unblocked_at: Option<Timestamp>,
    /// Timestamp of when this task started execution.
    #[schema(read_only, required = false, value_type = String, format = DateTime)]
    started_at: Option<Timestamp>,
    /// Timestamp of when this task stopped execution.
    #[schema(read_only, required = false, value_type = String, format = DateTime)]
    finished_at: Option<Timestamp>,
    /// DEPRECATED - Always null
    #[schema(read_only, format = "uri")]
    worker: Option<String>,
    /// The API-version that was invoked when creating the task.
    #[schema(required = false, default = "v3")]
    pulp_api_version: &'static str,
}

/// How far one part of a task has come.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ProgressReportResponse)]
struct Report {
    /// The message shown to the user for the progress report.
    #[schema(read_only, required = false)]
    message: String,
    /// Identifies the type of progress report'.
    #[schema(read_only, required = false)]
    code: String,
    /// The current state of the progress report.
    #[schema(read_only, required = false)]
    state: String,
    /// The total count of items.
    #[schema(read_only, required = false, nullable = false)]
    total: Option<i64>,
    /// The count of items already processed. Defaults to 0.
    #[schema(read_only, required = false)]
    done: i64,
    /// The suffix to be shown with the progress report.
    #[schema(read_only)]
    suffix: Option<String>,
}

/// Which parts of a task are needed.
pub(super) enum Wanted {
    /// What `minimal=true` shows.
    Minimal,
    /// What the client selected; nothing is looked up that is not shown.
    Fields(FieldSelection),
    /// The same, without what a task waits for unless the client names that: it costs more than the rest of a page.
    Page(FieldSelection),
}

/// What stands in other tables about some tasks, by task.
#[derive(Default)]
struct Beside {
    reports: HashMap<Uuid, Vec<Report>>,
    children: HashMap<Uuid, Vec<Uuid>>,
    created: HashMap<Uuid, Vec<created_resource::Model>>,
    links: Links,
    waiting: HashMap<Uuid, WaitingFor>,
}

/// Tasks as clients read them, in their order.
pub(super) async fn render(reader: &Reader, rows: &[task::Model], wanted: &Wanted) -> Result<Vec<Map<String, Value>>> {
    let (selection, waiting) = match wanted {
        Wanted::Minimal => return rows.iter().map(|row| identified(reader, row, &minimal(row))).collect(),
        Wanted::Fields(selection) => (selection, selection.shows(waiting::FIELD)),
        Wanted::Page(selection) => (selection, selection.names(waiting::FIELD)),
    };
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let mut beside = Beside::load(reader, rows, selection).await?;
    if waiting {
        let found = why(&reader.app.db, rows).await?.into_iter();
        beside.waiting = found.map(|(id, waiting)| (id, WaitingFor::of(waiting, &reader.root))).collect();
    }
    rows.iter().map(|row| identified(reader, row, &full(reader, row, &mut beside))).collect()
}

fn identified(reader: &Reader, row: &task::Model, body: &impl Serialize) -> Result<Map<String, Value>> {
    object(reader, NAMES, row.pulp_id, (row.pulp_created, row.pulp_last_updated), body)
}

fn minimal(row: &task::Model) -> Minimal {
    Minimal {
        state: row.state.clone(),
        name: row.name.clone(),
        unblocked_at: row.unblocked_at.map(Timestamp),
        started_at: row.started_at.map(Timestamp),
        finished_at: row.finished_at.map(Timestamp),
        worker: None,
        pulp_api_version: "v3",
    }
}

fn full(reader: &Reader, row: &task::Model, beside: &mut Beside) -> Body {
    let href = |id| format!("{}tasks/{id}/", reader.root);
    let created = beside.created.remove(&row.pulp_id).unwrap_or_default();
    let links: Vec<_> = created.iter().map(|resource| beside.links.of(resource)).collect();
    Body {
        minimal: minimal(row),
        logging_cid: row.logging_cid.clone(),
        created_by: row.created_by.map(|user| format!("{}users/{user}/", reader.root)),
        error: row.error.clone(),
        parent_task: row.parent_task_id.map(href),
        child_tasks: beside.children.remove(&row.pulp_id).unwrap_or_default().into_iter().map(href).collect(),
        task_group: row.task_group_id.map(|id| format!("{}task-groups/{id}/", reader.root)),
        progress_reports: beside.reports.remove(&row.pulp_id).unwrap_or_default(),
        created_resource_prns: links.iter().map(|link| link.as_ref().map(|(_, prn)| prn.clone())).collect(),
        created_resources: links.into_iter().map(|link| link.map(|(href, _)| href)).collect(),
        reserved_resources_record: row.reserved_resources_record.0.clone(),
        result: row.result.clone(),
        x_waiting_for: beside.waiting.remove(&row.pulp_id),
    }
}

impl Beside {
    async fn load(reader: &Reader, rows: &[task::Model], selection: &FieldSelection) -> Result<Self> {
        let mut beside = Self::default();
        let ids: Vec<Uuid> = rows.iter().map(|row| row.pulp_id).collect();
        let created = selection.shows("created_resources") || selection.shows("created_resource_prns");
        if selection.shows("progress_reports") {
            beside.load_reports(reader, &ids).await?;
        }
        if selection.shows("child_tasks") {
            beside.load_children(reader, &ids).await?;
        }
        if created {
            beside.load_created(reader, &ids).await?;
        }
        beside.links = resources::links(reader, beside.created.values().flatten()).await?;
        Ok(beside)
    }

    async fn load_reports(&mut self, reader: &Reader, tasks: &[Uuid]) -> Result<()> {
        let db = reader.app.db.read();
        let reports = progress_report::Entity::find()
            .filter(one_of(db, progress_report::Column::TaskId, tasks.iter().copied()))
            .order_by_asc(progress_report::Column::PulpId)
            .all(db)
            .await?;
        for row in reports {
            let progress_report::Model { message, code, state, total, done, suffix, .. } = row;
            let report = Report { message, code, state, total, done, suffix };
            self.reports.entry(row.task_id).or_default().push(report);
        }
        Ok(())
    }

    async fn load_children(&mut self, reader: &Reader, tasks: &[Uuid]) -> Result<()> {
        #[derive(FromQueryResult)]
        struct Child {
            pulp_id: Uuid,
            parent_task_id: Uuid,
        }
        let db = reader.app.db.read();
        let children = task::Entity::find()
            .select_only()
            .columns([task::Column::PulpId, task::Column::ParentTaskId])
            .filter(one_of(db, task::Column::ParentTaskId, tasks.iter().copied()))
            .order_by_asc(task::Column::Seq)
            .into_model::<Child>()
            .all(db)
            .await?;
        for child in children {
            self.children.entry(child.parent_task_id).or_default().push(child.pulp_id);
        }
        Ok(())
    }

    async fn load_created(&mut self, reader: &Reader, tasks: &[Uuid]) -> Result<()> {
        let db = reader.app.db.read();
        let created = created_resource::Entity::find()
            .filter(one_of(db, created_resource::Column::TaskId, tasks.iter().copied()))
            .order_by_asc(created_resource::Column::PulpId)
            .all(db)
            .await?;
        for row in created {
            self.created.entry(row.task_id).or_default().push(row);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::shape;

    #[test]
    fn parameters_clash_with_no_field_of_a_task() {
        let names = shape::field_names::<Body>();
        assert!(!names.contains(super::super::typed::PARAMETERS));
        assert!(names.contains("state") && names.contains("created_resource_prns"));
    }
}
