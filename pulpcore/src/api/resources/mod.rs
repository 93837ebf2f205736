//! Core's own resources: what is there without any plugin.

pub(crate) mod artifacts;
mod claims;
mod cleanups;
pub(crate) mod collections;
pub(crate) mod domains;
pub(crate) mod orphans;
pub(crate) mod root;
mod signing_services;
pub(crate) mod status;
pub(crate) mod task_groups;
pub(crate) mod task_schedules;
pub(crate) mod tasks;
#[cfg(test)]
mod tests;
pub(crate) mod uploads;
pub(crate) mod users;
pub(crate) mod workers;

use std::sync::Arc;

use axum::http::{Method, StatusCode};
use sea_orm::{EntityTrait, PrimaryKeyTrait};
use serde::Serialize;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use uuid::Uuid;

use super::bodies::{Identity, Timestamp};
use super::cx::Cx;
use super::endpoint::Endpoint;
use super::filters::Filters;
use super::list;
use super::reader::Reader;
use super::shape;
use crate::error::Result;
use crate::refs::prn;

/// The operations on core's own resources.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    [
        artifacts::endpoints(),
        claims::endpoints(),
        collections::endpoints(),
        domains::endpoints(),
        orphans::endpoints(),
        root::endpoints(),
        signing_services::endpoints(),
        status::endpoints(),
        task_groups::endpoints(),
        task_schedules::endpoints(),
        tasks::endpoints(),
        uploads::endpoints(),
        users::endpoints(),
        workers::endpoints(),
    ]
    .concat()
}

/// How a row looks in an answer.
type Read<Row> = fn(&Cx, &Row) -> Result<Map<String, Value>>;

/// `GET` on a collection: a page of a table, each row as `read` has it.
fn list_of<E>(path: &str, id: &str, filters: Filters, read: Read<E::Model>) -> Endpoint
where
    E: EntityTrait<Model: Send + Sync>,
{
    let listed = Arc::new(filters.clone());
    let endpoint = Endpoint::new(Method::GET, path, id, move |cx| {
        let filters = Arc::clone(&listed);
        async move {
            let paged = list::page::<E>(&cx, &filters, None).await?;
            let objects = paged.rows.iter().map(|row| read(&cx, row)).collect::<Result<_>>()?;
            Ok(paged.respond(&cx, objects))
        }
    });
    endpoint.listed(&filters)
}

/// `GET` of one row of a table, as `read` has it: at `path`, whose object a call names by the parameter `href`. `model` is what
/// a row that is not there is called.
fn one_of<E>(path: &str, id: &str, (href, model): (&str, &'static str), read: Read<E::Model>) -> Endpoint
where
    E: EntityTrait<Model: Send + Sync, PrimaryKey: PrimaryKeyTrait<ValueType = Uuid>>,
{
    let endpoint = Endpoint::new(Method::GET, path, id, move |cx| async move {
        let row = E::find_by_id(cx.id()?).one(cx.app.db.read()).await?;
        let row = row.ok_or_else(|| super::not_found(model))?;
        Ok(cx.object(StatusCode::OK, read(&cx, &row)?))
    });
    endpoint.of_object(path, href).selectable()
}

/// An object as clients read it: its identity, then its body.
fn object(
    reader: &Reader,
    (collection, model): (&str, &str),
    id: Uuid,
    (created, updated): (OffsetDateTime, OffsetDateTime),
    body: &impl Serialize,
) -> Result<Map<String, Value>> {
    let mut object = shape::object(&Identity {
        pulp_href: format!("{}{collection}/{id}/", reader.root),
        prn: prn(model, id),
        pulp_created: Timestamp(created),
        pulp_last_updated: Timestamp(updated),
    })?;
    object.append(&mut shape::object(body)?);
    Ok(object)
}
