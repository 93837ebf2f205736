//! Tasks: what was asked for, how far it is, what came of it.

mod body;
mod events;
mod filters;
mod profile;
mod purge;
mod resources;
mod typed;
mod waiting;

use std::sync::Arc;

use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use self::body::{Body, Wanted};
use crate::api::cx::{Cx, no_content};
use crate::api::endpoint::{Described, Endpoint};
use crate::api::list;
use crate::api::query::{FieldSelection, values};
use crate::api::reader::Reader;
use crate::api::schema;
use crate::api::shape;
use crate::api::validate::{BodySchema, Mode};
use crate::error::{Error, Result};
use crate::models::{state, task};
use crate::secrets::masked;

const NAMES: (&str, &str) = ("tasks", "core.task");
const ONE: &str = "tasks/{pulp_id}/";
const HREF: &str = "task_href";
const TAG: &str = "Tasks";

/// What a client sends to cancel a task.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = TaskCancel)]
pub(super) struct Cancel {
    /// The desired state of the task. Only 'canceled' is accepted.
    #[schema(min_length = 1)]
    state: String,
}

/// The operations on tasks, with those of every kind that clients may start.
pub(super) fn endpoints() -> Vec<Endpoint> {
    let filters = filters::filters();
    let listed = Arc::new(filters.clone());
    let cancels = BodySchema::cached::<Cancel>();
    let one = |endpoint: Endpoint| endpoint.of_object(ONE, HREF).tagged(TAG);
    let mut endpoints = vec![
        Endpoint::new(Method::GET, "tasks/", "tasks_list", move |cx| {
            let filters = Arc::clone(&listed);
            async move {
                let paged = list::page::<task::Entity>(&cx, &filters, None).await?;
                let objects = body::render(&cx.reader(), &paged.rows, &wanted(&cx, Wanted::Page)?).await?;
                Ok(paged.respond(&cx, objects))
            }
        })
        .tagged(TAG)
        .about("List tasks")
        .listed(&filters)
        .answers(200, shape::paginated(response())),
        one(Endpoint::new(Method::GET, ONE, "tasks_read", |cx| async move {
            let row = find(&cx).await?;
            let object = whole(&cx, row, &wanted(&cx, Wanted::Fields)?).await?;
            Ok(cx.object(StatusCode::OK, object))
        }))
        .about("Inspect a task")
        .selectable()
        .answers(200, response()),
        one(Endpoint::new(Method::PATCH, ONE, "tasks_cancel", move |mut cx| {
            let schema = Arc::clone(&cancels);
            async move { cancel(&mut cx, &schema).await }
        }))
        .about("Cancel a task")
        .takes(cancellation())
        .answers(200, response())
        .answers(409, response()),
        one(Endpoint::new(Method::DELETE, ONE, "tasks_delete", |cx| async move { delete(&cx).await }))
            .about("Delete a task")
            .answers_nothing(204),
    ];
    endpoints.extend(events::endpoints());
    endpoints.extend(profile::endpoints());
    endpoints.extend(purge::endpoints());
    endpoints.extend(typed::endpoints());
    endpoints
}

/// A task as a part of something else.
pub(super) fn minimal_response() -> Described {
    shape::core_response::<body::Minimal>("MinimalTaskResponse")
}

/// Tasks as parts of something else.
pub(super) async fn minimal(reader: &Reader, rows: &[task::Model]) -> Result<Vec<Map<String, Value>>> {
    body::render(reader, rows, &Wanted::Minimal).await
}

fn response() -> Described {
    shape::core_response::<Body>("TaskResponse")
}

/// What cancels a task, or a group of them.
pub(super) fn cancellation() -> Described {
    let body = Described::of::<Cancel>();
    let own = body.schemas.iter().find(|(name, _)| *name == body.name).map(|(_, schema)| schema::patched(schema));
    Described::named("PatchedTaskCancel", own.unwrap_or_default(), Vec::new())
}

/// Which parts of a task an answer shows.
fn wanted(cx: &Cx, selected: fn(FieldSelection) -> Wanted) -> Result<Wanted> {
    let minimal = cx.query.get("minimal").filter(|text| !text.is_empty());
    match minimal.map(|text| values::boolean("minimal", text)).transpose()? {
        Some(true) => Ok(Wanted::Minimal),
        _ => Ok(selected(cx.selection())),
    }
}

/// The task that the path names.
async fn find(cx: &Cx) -> Result<task::Model> {
    let row = task::Entity::find_by_id(cx.id()?).one(cx.app.db.read()).await?;
    row.ok_or_else(|| crate::api::not_found("Task"))
}

/// One task as clients read it.
async fn whole(cx: &Cx, row: task::Model, wanted: &Wanted) -> Result<Map<String, Value>> {
    let mut objects = body::render(&cx.reader(), &[row], wanted).await?;
    objects.pop().ok_or_else(|| crate::api::not_found("Task"))
}

async fn cancel(cx: &mut Cx, schema: &BodySchema) -> Result<Response> {
    let row = find(cx).await?;
    wants_to_cancel(cx, schema).await?;
    let row = match cx.app.queue.cancel(row.pulp_id).await {
        Err(Error::Conflict(_)) => find(cx).await?,
        canceled => canceled?,
    };
    // One that is canceled already is what the client asked for.
    let ended = [state::COMPLETED, state::FAILED, state::SKIPPED].contains(&row.state.as_str());
    let status = if ended { StatusCode::CONFLICT } else { StatusCode::OK };
    let object = whole(cx, row, &wanted(cx, Wanted::Fields)?).await?;
    Ok(cx.object(status, object))
}

/// Reads a body that can only say one thing.
pub(super) async fn wants_to_cancel(cx: &mut Cx, schema: &BodySchema) -> Result<()> {
    let Cancel { state } = BodySchema::parse(cx.body(schema, Mode::Create).await?)?;
    if state == state::CANCELED {
        return Ok(());
    }
    Err(Error::invalid("state", "The only acceptable value for 'state' is 'canceled'."))
}

async fn delete(cx: &Cx) -> Result<Response> {
    let row = find(cx).await?;
    let tx = cx.app.db.write().await?;
    let deleted = task::Entity::delete_many()
        .filter(task::Column::PulpId.eq(row.pulp_id))
        .filter(task::Column::State.is_in(state::FINAL))
        .exec(&*tx)
        .await?;
    tx.commit().await?;
    Ok(if deleted.rows_affected == 0 { StatusCode::CONFLICT.into_response() } else { no_content() })
}

/// 202 with the whole task, and its address.
async fn accepted(cx: &Cx, row: task::Model) -> Result<Response> {
    let location = cx.href(format_args!("tasks/{}/", row.pulp_id)).parse().map_err(Error::internal)?;
    let parameters = masked(row.args.clone());
    let mut object = whole(cx, row, &Wanted::Page(cx.selection())).await?;
    object.insert(typed::PARAMETERS.to_owned(), parameters);
    let mut response = cx.object(StatusCode::ACCEPTED, object);
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}
