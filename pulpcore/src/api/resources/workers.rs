//! Workers: who runs tasks, and which one right now.

use std::collections::HashMap;
use std::sync::Arc;

use axum::http::{Method, StatusCode};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Func, SimpleExpr};
use sea_orm::{ColumnTrait, DbBackend, EntityTrait, QueryFilter};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::object;
use crate::api::bodies::Timestamp;
use crate::api::endpoint::Endpoint;
use crate::api::filters::{Filters, IntoCondition, Kind, col};
use crate::api::list;
use crate::api::query::values;
use crate::api::reader::Reader;
use crate::api::shape;
use crate::db::{now, one_of};
use crate::error::Result;
use crate::models::{Versions, app_status, state, task};

const NAMES: (&str, &str) = ("workers", "core.appstatus");
const APP_TYPE: &str = "worker";

/// A worker, beside its identity.
#[derive(Debug, Serialize, ToSchema)]
struct Body {
    /// The name of the worker.
    #[schema(read_only, required = false)]
    name: String,
    /// Timestamp of the last time the worker talked to the service.
    #[schema(read_only, required = false)]
    last_heartbeat: Timestamp,
    /// Versions of the components installed.
    #[schema(read_only, required = false, value_type = HashMap<String, Option<String>>)]
    versions: Versions,
    /// The task this worker is currently executing, or empty if the worker is not currently assigned to a task.
    #[schema(read_only, required = false, nullable = false, format = "uri")]
    current_task: Option<String>,
}

/// The operations on workers.
pub(super) fn endpoints() -> Vec<Endpoint> {
    let filters = filters();
    let listed = Arc::new(filters.clone());
    let response = || shape::core_response::<Body>("WorkerResponse");
    vec![
        Endpoint::new(Method::GET, "workers/", "workers_list", move |cx| {
            let filters = Arc::clone(&listed);
            async move {
                let workers = app_status::Column::AppType.eq(APP_TYPE);
                let paged = list::page::<app_status::Entity>(&cx, &filters, Some(workers)).await?;
                let objects = render(&cx.reader(), &paged.rows).await?;
                Ok(paged.respond(&cx, objects))
            }
        })
        .tagged("Workers")
        .about("List workers")
        .listed(&filters)
        .answers(200, shape::paginated(response())),
        Endpoint::new(Method::GET, "workers/{pulp_id}/", "workers_read", |cx| async move {
            let row = app_status::Entity::find_by_id(cx.id()?)
                .filter(app_status::Column::AppType.eq(APP_TYPE))
                .one(cx.app.db.read())
                .await?
                .ok_or_else(|| crate::api::not_found("AppStatus"))?;
            let object = render(&cx.reader(), &[row]).await?.pop().unwrap_or_default();
            Ok(cx.object(StatusCode::OK, object))
        })
        .of_object("workers/{pulp_id}/", "worker_href")
        .tagged("Workers")
        .about("Inspect a worker")
        .selectable()
        .answers(200, response()),
    ]
}

fn filters() -> Filters {
    use app_status::Column as C;
    let alive = |name: &'static str, wanted: bool| {
        move |text: &str, backend| {
            let is = values::boolean(name, text)? == wanted;
            let online = online(backend);
            Ok(if is { online } else { online.not() }.into_condition())
        }
    };
    Filters::new()
        .text(C::Name)
        .datetime(C::LastHeartbeat)
        .add("online", Kind::Boolean, alive("online", true))
        .add("missing", Kind::Boolean, alive("missing", false))
        .identity(C::PulpId)
        .ordered(&[C::PulpId, C::PulpCreated, C::PulpLastUpdated, C::Name, C::AppType, C::LastHeartbeat, C::Versions])
        .ordered_as("ttl", C::TtlSeconds)
        .ordered_as("pk", C::PulpId)
}

/// Its last heartbeat is not older than its own time to live.
fn online(backend: DbBackend) -> SimpleExpr {
    let beat = col(app_status::Column::LastHeartbeat);
    let now = Expr::value(now());
    let seconds = |time: SimpleExpr| -> SimpleExpr {
        match backend {
            DbBackend::Sqlite => Func::cust(Alias::new("unixepoch")).arg(time).into(),
            _ => Expr::cust_with_exprs("EXTRACT(EPOCH FROM $1)", [time]),
        }
    };
    seconds(beat).add(col(app_status::Column::TtlSeconds)).gte(seconds(now))
}

async fn render(reader: &Reader, rows: &[app_status::Model]) -> Result<Vec<Map<String, Value>>> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let db = reader.app.db.read();
    let running = task::Entity::find()
        .filter(one_of(db, task::Column::WorkerId, rows.iter().map(|row| row.pulp_id)))
        .filter(task::Column::State.is_in([state::RUNNING, state::CANCELING]))
        .all(db)
        .await?;
    let current: HashMap<Uuid, Uuid> =
        running.into_iter().filter_map(|row| Some((row.worker_id?, row.pulp_id))).collect();
    rows.iter()
        .map(|row| {
            let task = current.get(&row.pulp_id);
            let body = Body {
                name: row.name.clone(),
                last_heartbeat: Timestamp(row.last_heartbeat),
                versions: row.versions.clone(),
                current_task: task.map(|id| format!("{}tasks/{id}/", reader.root)),
            };
            object(reader, NAMES, row.pulp_id, (row.pulp_created, row.pulp_last_updated), &body)
        })
        .collect()
}
