//! Task groups: tasks that belong together, with how many of them are in which state.

use std::collections::HashMap;
use std::sync::Arc;

use axum::http::{Method, StatusCode};
use axum::response::Response;
use sea_orm::{ColumnTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::tasks;
use crate::api::cx::Cx;
use crate::api::endpoint::{Described, Endpoint, Parameter};
use crate::api::filters::{Filters, Kind};
use crate::api::list;
use crate::api::query::FieldSelection;
use crate::api::reader::Reader;
use crate::api::schema;
use crate::api::schema::markers::AnyObject;
use crate::api::shape;
use crate::api::validate::BodySchema;
use crate::db::one_of;
use crate::error::Result;
use crate::models::{group_progress_report, state, task, task_group};
use crate::refs::prn;
use crate::tasking::group;

const ONE: &str = "task-groups/{pulp_id}/";
const HREF: &str = "task_group_href";
const TAG: &str = "Task-Groups";

/// A task group. Unlike other things, it does not tell when it was made.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TaskGroupResponse)]
struct Body {
    #[schema(read_only, format = "uri", required = false)]
    pulp_href: String,
    /// The Pulp Resource Name (PRN).
    #[schema(read_only, required = false)]
    prn: String,
    /// A description of the task group.
    description: String,
    /// Whether all tasks have been spawned for this task group.
    all_tasks_dispatched: bool,
    #[serde(flatten)]
    counts: Counts,
    #[schema(read_only, required = false)]
    group_progress_reports: Vec<Report>,
    #[schema(read_only, required = false, value_type = Vec<AnyObject>)]
    tasks: Vec<Map<String, Value>>,
}

/// How many of the tasks are in which state.
#[derive(Clone, Copy, Debug, Default, Serialize, ToSchema)]
struct Counts {
    /// Number of tasks in the 'waiting' state
    #[schema(read_only, required = false)]
    waiting: i64,
    /// Number of tasks in the 'skipped' state
    #[schema(read_only, required = false)]
    skipped: i64,
    /// Number of tasks in the 'running' state
    #[schema(read_only, required = false)]
    running: i64,
    /// Number of tasks in the 'completed' state
    #[schema(read_only, required = false)]
    completed: i64,
    /// Number of tasks in the 'canceled' state
    #[schema(read_only, required = false)]
    canceled: i64,
    /// Number of tasks in the 'failed' state
    #[schema(read_only, required = false)]
    failed: i64,
    /// Number of tasks in the 'canceling' state
    #[schema(read_only, required = false)]
    canceling: i64,
}

/// How far one part of a group has come.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = GroupProgressReportResponse)]
struct Report {
    /// The message shown to the user for the group progress report.
    #[schema(read_only, required = false)]
    message: String,
    /// Identifies the type of group progress report'.
    #[schema(read_only, required = false)]
    code: String,
    /// The total count of items.
    #[schema(read_only, required = false, nullable = false)]
    total: Option<i64>,
    /// The count of items already processed. Defaults to 0.
    #[schema(read_only, required = false)]
    done: i64,
    /// The suffix to be shown with the group progress report.
    #[schema(read_only)]
    suffix: Option<String>,
}

/// The operations on task groups.
pub(super) fn endpoints() -> Vec<Endpoint> {
    let cancels = BodySchema::cached::<tasks::Cancel>();
    let one = |endpoint: Endpoint| endpoint.of_object(ONE, HREF).tagged(TAG);
    let mut list = Endpoint::new(Method::GET, "task-groups/", "task_groups_list", |cx| async move {
        let paged = list::page::<task_group::Entity>(&cx, &Filters::new(), None).await?;
        let objects = render(&cx.reader(), &paged.rows, &cx.selection()).await?;
        Ok(paged.respond(&cx, objects))
    });
    for name in ["limit", "offset"] {
        list.parameters.push(Parameter { name: name.to_owned(), kind: Kind::Integer });
    }
    vec![
        list.tagged(TAG).about("List task groups").selectable().answers(200, shape::paginated(response())),
        one(Endpoint::new(Method::GET, ONE, "task_groups_read", |cx| async move {
            let row = find(&cx).await?;
            let objects = render(&cx.reader(), &[row], &cx.selection()).await?;
            Ok(cx.object(StatusCode::OK, objects.into_iter().next().unwrap_or_default()))
        }))
        .about("Inspect a task group")
        .selectable()
        .answers(200, response()),
        one(Endpoint::new(Method::PATCH, ONE, "task_groups_cancel", move |mut cx| {
            let schema = Arc::clone(&cancels);
            async move { cancel(&mut cx, &schema).await }
        }))
        .about("Cancel a task group")
        .takes(tasks::cancellation())
        .answers(200, response())
        .answers(409, response()),
    ]
}

/// What derives from the struct knows neither what its tasks look like nor that a flag is on its way out.
fn response() -> Described {
    let task = tasks::minimal_response();
    let mut own = schema::object::<Body>().unwrap_or_default();
    own["properties"]["tasks"]["items"] = json!({ "$ref": format!("{}{}", schema::REF, task.name) });
    own["properties"]["all_tasks_dispatched"]["deprecated"] = true.into();
    let body = Described::of::<Body>();
    let flattened = [Described::of::<Counts>().name, body.name.clone()];
    let needs = body.schemas.into_iter().filter(|(name, _)| !flattened.contains(name)).chain(task.schemas);
    Described::named(body.name, own, needs.collect())
}

async fn find(cx: &Cx) -> Result<task_group::Model> {
    let row = task_group::Entity::find_by_id(cx.id()?).one(cx.app.db.read()).await?;
    row.ok_or_else(|| crate::api::not_found("TaskGroup"))
}

async fn cancel(cx: &mut Cx, schema: &BodySchema) -> Result<Response> {
    let group = find(cx).await?.pulp_id;
    tasks::wants_to_cancel(cx, schema).await?;
    group::cancel(&cx.app.queue, group).await?;
    let row = find(cx).await?;
    let counts = counts(&cx.reader(), &[group]).await?.remove(&group).unwrap_or_default();
    // Canceling twice is no mistake, as with a single task. A group of which nothing was canceled came to its end before.
    let ended = counts.canceled + counts.canceling == 0;
    let status = if ended { StatusCode::CONFLICT } else { StatusCode::OK };
    let objects = render(&cx.reader(), &[row], &cx.selection()).await?;
    Ok(cx.object(status, objects.into_iter().next().unwrap_or_default()))
}

/// Groups as clients read them: a handful of queries for a page, however long it is.
async fn render(
    reader: &Reader,
    rows: &[task_group::Model],
    selection: &FieldSelection,
) -> Result<Vec<Map<String, Value>>> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<Uuid> = rows.iter().map(|row| row.pulp_id).collect();
    let counts = counts(reader, &ids).await?;
    let mut reports = match selection.shows("group_progress_reports") {
        true => reports(reader, &ids).await?,
        false => HashMap::new(),
    };
    let mut members = match selection.shows("tasks") {
        true => members(reader, &ids).await?,
        false => HashMap::new(),
    };
    let body = |row: &task_group::Model| Body {
        pulp_href: format!("{}task-groups/{}/", reader.root, row.pulp_id),
        prn: prn("core.taskgroup", row.pulp_id),
        description: row.description.clone(),
        all_tasks_dispatched: row.all_tasks_dispatched,
        counts: counts.get(&row.pulp_id).copied().unwrap_or_default(),
        group_progress_reports: reports.remove(&row.pulp_id).unwrap_or_default(),
        tasks: members.remove(&row.pulp_id).unwrap_or_default(),
    };
    rows.iter().map(body).map(|body| shape::object(&body)).collect()
}

async fn counts(reader: &Reader, groups: &[Uuid]) -> Result<HashMap<Uuid, Counts>> {
    #[derive(FromQueryResult)]
    struct Counted {
        task_group_id: Uuid,
        state: String,
        number: i64,
    }
    let mut counts = HashMap::<Uuid, Counts>::new();
    let db = reader.app.db.read();
    let counted = task::Entity::find()
        .select_only()
        .columns([task::Column::TaskGroupId, task::Column::State])
        .column_as(task::Column::PulpId.count(), "number")
        .filter(one_of(db, task::Column::TaskGroupId, groups.iter().copied()))
        .group_by(task::Column::TaskGroupId)
        .group_by(task::Column::State)
        .into_model::<Counted>()
        .all(db)
        .await?;
    for Counted { task_group_id, state, number } in counted {
        let counts = counts.entry(task_group_id).or_default();
        match state.as_str() {
            state::WAITING => counts.waiting = number,
            state::SKIPPED => counts.skipped = number,
            state::RUNNING => counts.running = number,
            state::COMPLETED => counts.completed = number,
            state::CANCELED => counts.canceled = number,
            state::FAILED => counts.failed = number,
            _ => counts.canceling = number,
        }
    }
    Ok(counts)
}

async fn reports(reader: &Reader, groups: &[Uuid]) -> Result<HashMap<Uuid, Vec<Report>>> {
    let mut reports = HashMap::<Uuid, Vec<Report>>::new();
    let db = reader.app.db.read();
    let rows = group_progress_report::Entity::find()
        .filter(one_of(db, group_progress_report::Column::TaskGroupId, groups.iter().copied()))
        .order_by_asc(group_progress_report::Column::PulpId)
        .all(db)
        .await?;
    for row in rows {
        let group_progress_report::Model { task_group_id, message, code, total, done, suffix, .. } = row;
        reports.entry(task_group_id).or_default().push(Report { message, code, total, done, suffix });
    }
    Ok(reports)
}

async fn members(reader: &Reader, groups: &[Uuid]) -> Result<HashMap<Uuid, Vec<Map<String, Value>>>> {
    let mut members = HashMap::<Uuid, Vec<Map<String, Value>>>::new();
    let db = reader.app.db.read();
    let rows = task::Entity::find()
        .filter(one_of(db, task::Column::TaskGroupId, groups.iter().copied()))
        .order_by_asc(task::Column::Seq)
        .all(db)
        .await?;
    let objects = tasks::minimal(reader, &rows).await?;
    for (row, object) in rows.iter().zip(objects) {
        members.entry(row.task_group_id.unwrap_or_default()).or_default().push(object);
    }
    Ok(members)
}
