//! The endpoints that each kind of task has of its own: start one, list them, start one of them again.
//!
//! A kind whose parameters are checked elsewhere (an upload, a change of a repository) can only be listed here.

use std::sync::Arc;

use axum::http::Method;
use axum::response::Response;
use sea_orm::ColumnTrait;
use serde_json::{Map, Value, json};

use super::body::{self, Body, Wanted};
use super::{HREF, ONE, TAG, accepted, filters, find};
use crate::api::cx::Cx;
use crate::api::endpoint::{Described, Endpoint};
use crate::api::list;
use crate::api::schema;
use crate::api::shape;
use crate::api::validate::{Encoding, Mode};
use crate::error::{Error, Result};
use crate::models::task;
use crate::plugin::TaskKind;
use crate::registry;
use crate::secrets::masked;

/// The field that shows what a task was started with.
pub(super) const PARAMETERS: &str = "parameters";

/// The typed endpoints of every kind, and `clones/`.
pub(super) fn endpoints() -> Vec<Endpoint> {
    let mut endpoints: Vec<_> = registry::get().tasks().map(list_of).collect();
    endpoints.extend(registry::get().tasks().filter(|kind| kind.endpoint).map(start_of));
    endpoints.push(
        Endpoint::new(Method::POST, format!("{ONE}clones/"), "tasks_clones_create", |mut cx| async move {
            clone(&mut cx).await
        })
        .of_object(ONE, HREF)
        .tagged(TAG)
        .about("Start a task again, with other parameters where the body names some")
        .takes(overrides())
        .answers(202, super::response()),
    );
    endpoints
}

fn path(kind: &TaskKind) -> String {
    format!("tasks/{}/", kind.type_name)
}

fn operation(kind: &TaskKind, action: &str) -> String {
    format!("tasks_{}_{action}", kind.type_name.replace(['/', '-'], "_"))
}

fn start_of(kind: &'static TaskKind) -> Endpoint {
    let schema = Arc::new((kind.schema)());
    Endpoint::new(Method::POST, path(kind), operation(kind, "create"), move |mut cx| {
        let schema = Arc::clone(&schema);
        async move {
            let body = cx.body(&schema, Mode::Create).await?;
            start(&cx, kind, body).await
        }
    })
    .tagged(TAG)
    .about(format!("Start a task of the kind {}", kind.type_name))
    .takes((kind.described)())
    .answers(202, response(kind))
}

fn list_of(kind: &'static TaskKind) -> Endpoint {
    let filters = filters::filters();
    let listed = Arc::new(filters.clone());
    Endpoint::new(Method::GET, path(kind), operation(kind, "list"), move |cx| {
        let filters = Arc::clone(&listed);
        async move {
            let of_kind = task::Column::TaskType.eq(kind.type_name);
            let mut paged = list::page::<task::Entity>(&cx, &filters, Some(of_kind)).await?;
            let mut objects = body::render(&cx.reader(), &paged.rows, &Wanted::Page(cx.selection())).await?;
            for (row, object) in paged.rows.iter_mut().zip(&mut objects) {
                object.insert(PARAMETERS.to_owned(), masked(row.args.take()));
            }
            Ok(paged.respond(&cx, objects))
        }
    })
    .tagged(TAG)
    .about(format!("List tasks of the kind {}", kind.type_name))
    .listed(&filters)
    .answers(200, shape::paginated(response(kind)))
}

/// A task with its typed parameters.
fn response(kind: &TaskKind) -> Described {
    let parameters = (kind.described)();
    let task = shape::core_response::<Body>("TaskResponse");
    let own = task.schemas.iter().rev().find(|(name, _)| *name == task.name).map(|(_, schema)| schema.clone());
    let mut own = own.unwrap_or_default();
    own[PROPERTIES][PARAMETERS] = json!({ "$ref": format!("{}{}", schema::REF, parameters.name) });
    let needs = task.schemas.into_iter().filter(|(name, _)| *name != task.name).chain(parameters.schemas);
    Described::named(format!("{}TaskResponse", parameters.name), own, needs.collect())
}

const PROPERTIES: &str = "properties";

/// The body of `clones/`: which parameters there are depends on the task.
fn overrides() -> Described {
    let schema = json!({
        "type": "object",
        "description": "The parameters that differ from the task's.",
        "additionalProperties": true,
    });
    Described::named("TaskClone", schema, Vec::new())
}

async fn start(cx: &Cx, kind: &'static TaskKind, body: Map<String, Value>) -> Result<Response> {
    let prepared = (kind.prepare)(cx.app.clone(), body).await?;
    let row = cx.dispatch_prepared(kind.type_name, prepared).await?;
    accepted(cx, row).await
}

async fn clone(cx: &mut Cx) -> Result<Response> {
    let row = find(cx).await?;
    let kind = registry::get().task(&row.task_type).ok_or_else(|| registry::missing(&row.task_type))?;
    if !kind.endpoint {
        let message = format!("A task of the kind '{}' cannot be started on its own.", kind.type_name);
        return Err(Error::invalid_together(message));
    }
    let given = cx.input().await?;
    let schema = (kind.schema)();
    // What was stored is JSON; what comes in a form is checked as a form.
    let given = schema.check(given.fields, Mode::Patch, given.encoding)?;
    let body = schema.check(overlaid(row.args, given)?, Mode::Create, Encoding::Json)?;
    start(cx, kind, body).await
}

/// The parameters of a task with others laid over them. What was absent was written as null; so null is absent again.
fn overlaid(args: Value, given: Map<String, Value>) -> Result<Map<String, Value>> {
    let Value::Object(mut all) = args else {
        return Err(Error::internal("a task's parameters are an object"));
    };
    all.retain(|_, value| !value.is_null());
    all.extend(given);
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overrides_replace_and_the_rest_stays() {
        let Value::Object(given) = json!({"mirror": true}) else { unreachable!() };
        let all = overlaid(json!({"mirror": false, "optimize": true, "remote": null}), given).unwrap();
        assert_eq!(Value::Object(all), json!({"mirror": true, "optimize": true}));
        overlaid(json!([]), Map::new()).unwrap_err();
    }

    #[test]
    fn every_kind_is_listed_and_those_that_clients_may_start_are_started() {
        let endpoints = endpoints();
        let ids: Vec<_> = endpoints.iter().map(|endpoint| endpoint.id.as_str()).collect();
        let all = ["tasks_core_purges_create", "tasks_core_upload_commits_list", "tasks_clones_create"];
        for id in all.into_iter().chain(["tasks_core_creates_list", "tasks_core_version_deletions_list"]) {
            assert!(ids.contains(&id), "{id}: {ids:?}");
        }
        assert!(!ids.contains(&"tasks_core_creates_create"));
    }
}
