//! Families that clients create, change and delete as they like: repositories, remotes, distributions and content guards.
//!
//! A change is the present state with the given fields laid over it, checked as a whole. So one struct describes what a
//! noun takes, and `PUT` and `PATCH` differ only in what must be given.

use std::sync::Arc;

use axum::http::{Method, StatusCode};
use axum::response::Response;
use sea_orm::{ColumnTrait, PaginatorTrait, QueryFilter};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::general::{GeneralDelete, GeneralUpdate};
use crate::api::bodies::{AsyncOperationResponse, LabelMap};
use crate::api::cx::Cx;
use crate::api::endpoint::{Described, Endpoint, operation_id};
use crate::api::family::{Row, View, column, find, object, one, singular};
use crate::api::reader::Reader;
use crate::api::validate::{BodySchema, Mode};
use crate::api::{labels, shape};
use crate::app::App;
use crate::db::{Change, WriteTx};
use crate::error::{Error, Result};
use crate::plugin::{Family, Noun};

type Object = Map<String, Value>;

/// A family that clients write.
pub(crate) trait Writable: View {
    /// Checks what a schema cannot: names, references, rules between fields. `id` is the row that is being changed.
    fn check(app: &App, noun: &Noun, id: Option<Uuid>, body: &Self::Body) -> impl Future<Output = Result<()>> + Send;

    /// Inserts the master row.
    fn insert(
        tx: &WriteTx,
        app: &App,
        noun: &Noun,
        id: Uuid,
        body: Self::Body,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Updates the master row. `given` are the fields that the client named: secrets are never read back, so what was not
    /// given stays.
    fn update(
        tx: &WriteTx,
        app: &App,
        row: Self::Model,
        body: Self::Body,
        given: &Object,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Checks what a detail holds beside its row. It is no part of the master's check, as nouns differ in it.
    fn check_beside(
        _app: &App,
        _noun: &Noun,
        _id: Option<Uuid>,
        _detail: &Object,
    ) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }

    /// Writes what a detail holds beside its row. The user is who creates the thing, when it is created.
    fn write_beside(
        _tx: &WriteTx,
        _noun: &Noun,
        _id: Uuid,
        _detail: &Object,
        _creator: Option<i64>,
    ) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }

    /// Whether a secret that the client named differs from what is stored.
    fn changes_secret(_app: &App, _row: &Self::Model, _given: &Object) -> bool {
        false
    }

    /// What the client gave, with secrets encrypted: no task row holds one in the clear.
    fn sealed(_app: &App, given: Object) -> Result<Object> {
        Ok(given)
    }

    /// The reverse of [`Writable::sealed`].
    fn opened(_app: &App, given: Object) -> Result<Object> {
        Ok(given)
    }
}

/// Core's fields and the plugin's, from one body.
fn split<M: Writable>(noun: &Noun, body: Object) -> Result<(M::Body, Object)> {
    let mut own = shape::field_names::<M::Body>();
    own.retain(|name| !noun.lacks(name));
    let (core, detail): (Object, Object) = body.into_iter().partition(|(name, _)| own.contains(name));
    let detail = detail.into_iter().filter(|(name, _)| (noun.fields)().contains(name)).collect();
    Ok((BodySchema::parse(core)?, detail))
}

/// Checks a whole body: what both halves refuse.
pub(crate) async fn check<M: Writable>(app: &App, noun: &Noun, id: Option<Uuid>, body: &Object) -> Result<()> {
    if let Some(Value::Object(given)) = body.get("pulp_labels") {
        let given: LabelMap = serde_json::from_value(Value::Object(given.clone()))?;
        labels::check(&given)?;
    }
    let (core, detail) = split::<M>(noun, body.clone())?;
    (noun.check)(detail.clone())?;
    M::check(app, noun, id, &core).await?;
    (noun.check_whole)(app, body).await?;
    M::check_beside(app, noun, id, &detail).await
}

/// Inserts a new thing: master and detail, in the caller's transaction.
pub(crate) async fn insert<M: Writable>(tx: &WriteTx, app: &App, noun: &Noun, body: Object) -> Result<Uuid> {
    let id = Uuid::now_v7();
    let (core, detail) = split::<M>(noun, body)?;
    say::<M>(tx, id);
    <M as Writable>::insert(tx, app, noun, id, core).await?;
    (noun.insert)(tx, id, detail).await?;
    (noun.written)(tx, id).await?;
    Ok(id)
}

/// The present state of a thing with what was given laid over it; `None` if that changes nothing.
async fn overlaid<M: Writable>(app: &App, noun: &Noun, row: &M::Model, given: &Object) -> Result<Option<Object>> {
    let mut state = object::<M>(&Reader::of_task(app), noun, row.id()).await?.unwrap_or_default();
    let same =
        |state: &Object| given.iter().all(|(name, value)| state.get(name).is_none_or(|now| same_value(now, value)));
    // What such a field changes, another one shows.
    let elsewhere = noun.written_elsewhere().iter().any(|name| given.contains_key(*name));
    if same(&state) && !elsewhere && !M::changes_secret(app, row, given) {
        return Ok(None);
    }
    state.extend(given.clone());
    Ok(Some(state))
}

/// Equal, or two spellings of one reference.
fn same_value(now: &Value, given: &Value) -> bool {
    use crate::refs::Target;
    now == given
        || match (now.as_str(), given.as_str()) {
            (Some(now), Some(given)) => Target::parse(now).is_some_and(|target| Some(target) == Target::parse(given)),
            _ => false,
        }
}

/// Changes a thing, in a transaction of its own.
pub(crate) async fn update<M: Writable>(app: &App, noun: &Noun, id: Uuid, given: Object) -> Result<()> {
    let given = &M::opened(app, given)?;
    let row = M::find().filter(column::<M>("pulp_id").eq(id)).one(app.db.read()).await?;
    let row = row.ok_or_else(|| crate::api::not_found(noun.model))?;
    let Some(state) = overlaid::<M>(app, noun, &row, given).await? else { return Ok(()) };
    check::<M>(app, noun, Some(id), &state).await?;
    let (core, detail) = split::<M>(noun, state)?;
    let tx = app.db.write().await?;
    say::<M>(&tx, id);
    <M as Writable>::update(&tx, app, row, core, given).await?;
    (noun.update)(&tx, id, detail.clone()).await?;
    M::write_beside(&tx, noun, id, &detail, None).await?;
    (noun.written)(&tx, id).await?;
    tx.commit().await
}

/// Says that a thing changes, if it matters to what is served.
pub(crate) fn say<M: View>(tx: &WriteTx, id: Uuid) {
    match M::FAMILY {
        Family::Distribution => tx.changes(Change::Distribution(id)),
        Family::Repository => tx.changes(Change::Repository(id)),
        Family::Publication => tx.changes(Change::Publication(id)),
        Family::ContentGuard => tx.changes(Change::Guard(id)),
        Family::Content | Family::Remote => {}
    }
}

/// Deletes a thing; what belongs to it goes with it.
pub(crate) async fn delete<M: Writable>(app: &App, id: Uuid) -> Result<()> {
    let tx = app.db.write().await?;
    say::<M>(&tx, id);
    M::delete_many().filter(column::<M>("pulp_id").eq(id)).exec(&*tx).await?;
    tx.commit().await
}

/// `POST` on a collection, answered with the new object.
pub(crate) fn create_endpoint<M: Writable>(noun: &'static Noun) -> Endpoint {
    let schema = Arc::new(shape::checker::<M::Body>(noun));
    Endpoint::new(Method::POST, noun.path(), operation_id(noun, "create"), move |mut cx| {
        let schema = Arc::clone(&schema);
        async move {
            let body = cx.body(&schema, Mode::Create).await?;
            check::<M>(&cx.app, noun, None, &body).await?;
            let tx = cx.app.db.write().await?;
            let id = insert::<M>(&tx, &cx.app, noun, body.clone()).await?;
            M::write_beside(&tx, noun, id, &body, cx.user.as_ref().map(|user| user.id)).await?;
            tx.commit().await?;
            let object = one::<M>(&cx, noun, id).await?;
            Ok(cx.created(serde_json::from_str(object.get())?))
        }
    })
    .tagged(crate::api::endpoint::tag(noun))
    .about(format!("Create {}", singular(noun)))
    .takes(shape::request::<M::Body>(noun))
    .answers(201, shape::response::<M::Body>(noun))
}

/// `POST` on a collection, answered with a task that makes the object.
pub(crate) fn create_task_endpoint<M: Writable>(noun: &'static Noun) -> Endpoint {
    let schema = Arc::new(shape::checker::<M::Body>(noun));
    Endpoint::new(Method::POST, noun.path(), operation_id(noun, "create"), move |mut cx| {
        let schema = Arc::clone(&schema);
        async move {
            let body = cx.body(&schema, Mode::Create).await?;
            check::<M>(&cx.app, noun, None, &body).await?;
            cx.dispatch(super::general::GeneralCreate::new(noun, body)).await
        }
    })
    .tagged(crate::api::endpoint::tag(noun))
    .about(format!("Create {}", singular(noun)))
    .takes(shape::request::<M::Body>(noun))
    .answers(202, Described::of::<AsyncOperationResponse>())
}

/// `PUT` and `PATCH`: 200 with the object if nothing changes, else a task.
pub(crate) fn update_endpoints<M: Writable>(noun: &'static Noun) -> [Endpoint; 2] {
    let endpoints = updating::<M, _, _>(noun, move |mut cx, schema, mode| async move {
        let id = cx.id()?;
        let row = find::<M>(&cx, noun, id).await?;
        let given = cx.body(&schema, mode).await?;
        let Some(state) = overlaid::<M>(&cx.app, noun, &row, &given).await? else {
            return cx.whole(StatusCode::OK, &one::<M>(&cx, noun, id).await?);
        };
        check::<M>(&cx.app, noun, Some(id), &state).await?;
        cx.dispatch(GeneralUpdate::new::<M>(noun, id, M::sealed(&cx.app, given)?)).await
    });
    endpoints.map(|endpoint| endpoint.answers(202, Described::of::<AsyncOperationResponse>()))
}

/// `PUT` and `PATCH`, which answer with the object. `run` reads the body by the schema that it is given.
pub(crate) fn updating<M: Writable, F, Fut>(noun: &'static Noun, run: F) -> [Endpoint; 2]
where
    F: Fn(Cx, Arc<BodySchema>, Mode) -> Fut + Copy + Send + Sync + 'static,
    Fut: Future<Output = Result<Response>> + Send + 'static,
{
    [(Method::PUT, "update", Mode::Replace), (Method::PATCH, "partial_update", Mode::Patch)].map(
        |(method, action, mode)| {
            let schema = Arc::new(shape::checker::<M::Body>(noun));
            let request = match mode {
                Mode::Patch => shape::patched::<M::Body>(noun),
                _ => shape::request::<M::Body>(noun),
            };
            Endpoint::new(method, format!("{}{{pulp_id}}/", noun.path()), operation_id(noun, action), move |cx| {
                run(cx, Arc::clone(&schema), mode)
            })
            .on(noun)
            .about(format!("Update {}", singular(noun)))
            .takes(request)
            .answers(200, shape::response::<M::Body>(noun))
        },
    )
}

/// `DELETE`: a task.
pub(crate) fn delete_endpoint<M: Writable>(noun: &'static Noun) -> Endpoint {
    Endpoint::new(
        Method::DELETE,
        format!("{}{{pulp_id}}/", noun.path()),
        operation_id(noun, "delete"),
        move |cx: Cx| async move {
            let row = find::<M>(&cx, noun, cx.id()?).await?;
            cx.dispatch(GeneralDelete::new(noun, row.id())).await
        },
    )
    .on(noun)
    .about(format!("Delete {}", singular(noun)))
    .answers(202, Described::of::<AsyncOperationResponse>())
}

/// Refuses a name that another row of the family has in the same domain.
pub(crate) async fn check_name<M: Writable>(app: &App, id: Option<Uuid>, name: &str) -> Result<()> {
    unique::<M>(app, id, "name", name).await
}

/// Refuses a value that another row of the family has in a column that is unique in a domain.
pub(crate) async fn unique<M: Writable>(app: &App, id: Option<Uuid>, field: &str, value: &str) -> Result<()> {
    let mut taken = M::find().filter(column::<M>("pulp_domain_id").eq(app.domain)).filter(column::<M>(field).eq(value));
    if let Some(id) = id {
        taken = taken.filter(column::<M>("pulp_id").ne(id));
    }
    match taken.count(app.db.read()).await? {
        0 => Ok(()),
        _ => Err(Error::invalid(field, "This field must be unique.")),
    }
}

/// Refuses a reference to a row that is not there; returns its `pulp_type`.
pub(crate) async fn referenced<M: View>(app: &App, field: &str, id: Uuid) -> Result<String> {
    let row = M::find().filter(column::<M>("pulp_id").eq(id)).one(app.db.read()).await?;
    row.map(|row| row.pulp_type().to_owned()).ok_or_else(|| Error::missing(field))
}
