//! Collections of plugins' own, beside their nouns.

use std::sync::Arc;

use axum::http::{Method, StatusCode};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, IdenStatic, IntoActiveModel, Iterable, ModelTrait, QueryFilter, Value as DbValue,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{list_of, object};
use crate::api::bodies::AsyncOperationResponse;
use crate::api::collection::{NewRow, Resource};
use crate::api::cx::Cx;
use crate::api::endpoint::{Described, Endpoint, split_capitals};
use crate::api::shape;
use crate::api::validate::{BodySchema, Mode};
use crate::app::App;
use crate::db::now;
use crate::error::{Error, Result};
use crate::plugin::{Locks, Task, TaskCx, TaskKind, register};
use crate::refs::prn;
use crate::registry;

/// The operations on all of them.
pub(super) fn endpoints() -> Vec<Endpoint> {
    registry::get().collections().flat_map(|collection| (collection.endpoints)()).collect()
}

/// The operations on one.
pub(crate) fn endpoints_of<E: Resource>() -> Vec<Endpoint> {
    let id = |action: &str| format!("{}_{action}", E::PATH.trim_end_matches('/').replace('/', "_"));
    let words = split_capitals(E::MODEL).replace('_', " ");
    let schema = format!("{}.{}", E::LABEL, E::MODEL);
    let (of_one, href) =
        (format!("{}{{pulp_id}}/", E::PATH), format!("{}_{}_href", E::LABEL, split_capitals(E::MODEL)));
    let tag = E::PATH.trim_end_matches('/').split('/').map(capital).collect::<Vec<_>>().join(": ");
    let response = || shape::core_response::<E::Body>(&format!("{schema}Response"));
    let request = shape::core_request::<E::Body>(&schema);
    let checker = Arc::new(shape::check_of(&request));
    let filters = E::filters()
        .identity(column::<E>("pulp_id"))
        .ordered(&["pulp_id", "pulp_created", "pulp_last_updated"].map(column::<E>))
        .ordered_as("pk", column::<E>("pulp_id"));
    vec![
        list_of::<E>(E::PATH, &id("list"), filters, shown::<E>)
            .tagged(&tag)
            .about(format!("List {words}s"))
            .answers(200, shape::paginated(response())),
        Endpoint::new(Method::POST, E::PATH, id("create"), move |mut cx| {
            let checker = Arc::clone(&checker);
            async move {
                let body: E::Body = BodySchema::parse(cx.body(&checker, Mode::Create).await?)?;
                E::check(&cx.app, &body).await?;
                let row = E::make(NewRow { id: Uuid::now_v7(), now: now(), domain: cx.app.domain }, body);
                let object = shown::<E>(&cx, &row)?;
                let tx = cx.app.db.write().await?;
                E::insert(row.into_active_model().reset_all()).exec_without_returning(&*tx).await?;
                tx.commit().await?;
                Ok(cx.created(object))
            }
        })
        .tagged(&tag)
        .about(format!("Create a {words}"))
        .takes(request)
        .answers(201, response()),
        Endpoint::new(Method::GET, of_one.clone(), id("read"), |cx| async move {
            let row = find::<E>(&cx).await?;
            Ok(cx.object(StatusCode::OK, shown::<E>(&cx, &row)?))
        })
        .of_object(of_one.clone(), href.clone())
        .tagged(&tag)
        .about(format!("Inspect a {words}"))
        .selectable()
        .answers(200, response()),
        Endpoint::new(Method::DELETE, of_one.clone(), id("delete"), |cx| async move {
            find::<E>(&cx).await?;
            cx.dispatch(CollectionDelete { model: model::<E>(), id: cx.id()? }).await
        })
        .of_object(of_one, href)
        .tagged(&tag)
        .about(format!("Delete a {words}"))
        .answers(202, Described::of::<AsyncOperationResponse>()),
    ]
}

/// Deletes a thing of a plugin's collection, with what belongs to it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = core::CollectionDelete)]
pub(crate) struct CollectionDelete {
    /// The model's PRN name.
    model: String,
    /// Which thing.
    id: Uuid,
}

impl Task for CollectionDelete {
    const TYPE: &'static str = "core/collection-deletes";
    const NAME: &'static str = "pulpcore.app.tasks.base.general_delete";
    const ENDPOINT: bool = false;
    const IMMEDIATE: bool = true;

    fn locks(&self) -> Locks {
        Locks::default().exclusive(prn(&self.model, self.id))
    }

    async fn run(self, cx: TaskCx) -> Result<()> {
        let collection = registry::get().collection_of_model(&self.model);
        let (_, collection) = collection.ok_or_else(|| registry::missing(&self.model))?;
        (collection.delete)(cx.app(), self.id).await
    }
}

register!(TaskKind::of::<CollectionDelete>());

/// Deletes a row.
pub(crate) async fn delete<E: Resource>(app: &App, id: Uuid) -> Result<()> {
    let tx = app.db.write().await?;
    E::delete_many().filter(column::<E>("pulp_id").eq(id)).exec(&*tx).await?;
    tx.commit().await
}

async fn find<E: Resource>(cx: &Cx) -> Result<E::Model> {
    let row = E::find().filter(column::<E>("pulp_id").eq(cx.id()?)).one(cx.app.db.read()).await?;
    row.ok_or_else(|| crate::api::not_found(E::MODEL))
}

fn shown<E: Resource>(cx: &Cx, row: &E::Model) -> Result<Map<String, Value>> {
    let DbValue::Uuid(Some(id)) = row.get(column::<E>("pulp_id")) else {
        return Err(Error::internal("a collection's key is a UUID"));
    };
    let times = (time::<E>(row, "pulp_created")?, time::<E>(row, "pulp_last_updated")?);
    let path = E::PATH.trim_end_matches('/');
    object(&cx.reader(), (path, &model::<E>()), id, times, &E::read(row))
}

fn time<E: Resource>(row: &E::Model, name: &str) -> Result<OffsetDateTime> {
    match row.get(column::<E>(name)) {
        DbValue::TimeDateTimeWithTimeZone(Some(time)) => Ok(time),
        _ => Err(Error::internal("a collection's times are times")),
    }
}

fn column<E: Resource>(name: &str) -> E::Column {
    E::Column::iter().find(|column| column.as_str() == name).expect("a collection's table has this column")
}

fn model<E: Resource>() -> String {
    format!("{}.{}", E::LABEL, E::MODEL.to_lowercase())
}

/// `pulp_container` becomes `Pulp Container`.
fn capital(segment: &str) -> String {
    let word = |word: &str| word.get(..1).unwrap_or_default().to_uppercase() + word.get(1..).unwrap_or_default();
    segment.split('_').map(word).collect::<Vec<_>>().join(" ")
}
