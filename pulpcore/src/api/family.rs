//! The operations that all six families share, written once over their core tables.
//!
//! A typed list (`repositories/file/file/`) and the list over all types (`repositories/`) are the same code; the plugin's
//! fields are read by one more query a page and merged in.

use axum::http::{Method, StatusCode};
use sea_orm::sea_query::{Expr, Query, SelectStatement};
use sea_orm::{
    ColumnTrait, ConnectionTrait, FromQueryResult, IdenStatic, Iterable, QueryFilter, QueryResult, QueryTrait, Select,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::bodies::{Identity, LabelMap, SetLabel, SetLabelResponse, Timestamp, UnsetLabel, UnsetLabelResponse};
use super::cx::{Cx, json};
use super::endpoint::{Described, Endpoint, href_name, operation_id, split_capitals, tag};
use super::filters::{Filters, Kind};
use super::labels;
use super::list::{self, Paged};
use super::reader::Reader;
use super::shape;
use super::validate::{BodySchema, Mode};
use super::whole::{self, Whole};
use crate::db::now;
use crate::error::{Error, Result};
use crate::models::Labels;
use crate::plugin::{Master, Noun};
use crate::refs::prn;
use crate::registry;

type Object = Map<String, Value>;

/// How a family's core table looks to clients.
pub(crate) trait View: Master<Model: Row> {
    /// Core's own fields of the family.
    type Body: Serialize + DeserializeOwned + ToSchema + Send + Sync + 'static;

    /// A row, with what else the same statement reads of it.
    type Seen: Row + FromQueryResult + Send + Sync;

    /// Adds what is read beside the row.
    fn widen(_select: &mut SelectStatement) {}

    /// Filters and orderings over the core table.
    fn filters() -> Filters;

    /// Core's fields of many rows, in their order, in a bounded number of queries.
    fn read(reader: &Reader, rows: &[Self::Seen]) -> impl Future<Output = Result<Vec<Self::Body>>> + Send;

    /// What a noun's detail shows that is in no row of its own, as JSON objects in the rows' order.
    fn read_beside(
        _reader: &Reader,
        _noun: &Noun,
        _rows: &[Self::Seen],
    ) -> impl Future<Output = Result<Option<Vec<String>>>> + Send {
        async { Ok(None) }
    }

    /// The same as [`View::read`] for the list over all types, where it shows something else.
    fn read_generic(reader: &Reader, rows: &[Self::Seen]) -> impl Future<Output = Result<Vec<Object>>> + Send {
        async { Self::read(reader, rows).await?.iter().map(shape::object).collect() }
    }
}

/// What all master rows have.
pub(crate) trait Row: Send + Sync {
    fn id(&self) -> Uuid;
    fn pulp_type(&self) -> &str;
    fn times(&self) -> (time::OffsetDateTime, time::OffsetDateTime);
    fn labels(&self) -> Option<&Labels>;
}

macro_rules! rows {
    ($($model:ident: $labels:expr),*) => {
        $(impl Row for crate::models::$model::Model {
            fn id(&self) -> Uuid {
                self.pulp_id
            }
            fn pulp_type(&self) -> &str {
                &self.pulp_type
            }
            fn times(&self) -> (time::OffsetDateTime, time::OffsetDateTime) {
                (self.pulp_created, self.pulp_last_updated)
            }
            fn labels(&self) -> Option<&Labels> {
                let labels: fn(&Self) -> Option<&Labels> = $labels;
                labels(self)
            }
        })*
    };
}
rows!(
    content: |row| Some(&row.pulp_labels),
    repository: |row| Some(&row.pulp_labels),
    remote: |row| Some(&row.pulp_labels),
    publication: |_| None,
    distribution: |row| Some(&row.pulp_labels),
    content_guard: |_| None
);

/// A column of a master table by name; all six have those that this module asks for.
pub(crate) fn column<M: Master>(name: &str) -> M::Column {
    M::Column::iter().find(|column| column.as_str() == name).expect("every master table has this column")
}

/// Rows of one type as clients read them, as JSON: identity, core's fields, the plugin's.
async fn render<M: View>(reader: &Reader, noun: &Noun, rows: Vec<Whole<M>>) -> Result<Vec<Box<RawValue>>> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let (rows, details): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
    let bodies = M::read(reader, &rows).await?;
    let mut beside = M::read_beside(reader, noun, &rows).await?;
    let keys: Vec<Uuid> = rows.iter().map(Row::id).collect();
    let own = (noun.beside)(reader, &keys).await?;
    if !own.is_empty() {
        beside = Some(own.iter().map(serde_json::to_string).collect::<Result<_, _>>()?);
    }
    rows.iter()
        .zip(bodies)
        .zip(details)
        .enumerate()
        .map(|(nth, ((row, body), detail))| {
            let identity = serde_json::to_string(&identity(reader, noun, row))?;
            let beside = beside.as_ref().and_then(|beside| beside.get(nth)).map_or("{}", String::as_str);
            whole::joined(&[&identity, &core_fields(noun, &body)?, &detail, beside])
        })
        .collect()
}

/// Core's fields of a row, as JSON, without those that its noun lacks.
fn core_fields(noun: &Noun, body: &impl Serialize) -> Result<String> {
    if !noun.lacks_any() {
        return Ok(serde_json::to_string(body)?);
    }
    let mut object = shape::object(body)?;
    object.retain(|name, _| !noun.lacks(name));
    Ok(serde_json::to_string(&object)?)
}

async fn render_generic<M: View>(reader: &Reader, rows: &[M::Seen]) -> Result<Vec<Object>> {
    let bodies = M::read_generic(reader, rows).await?;
    let mut objects = Vec::with_capacity(rows.len());
    for (row, mut body) in rows.iter().zip(bodies) {
        // Rows of a plugin that this build lacks have no address here.
        let Some(noun) = registry::get().noun(M::FAMILY, row.pulp_type()) else { continue };
        let mut object = shape::object(&identity(reader, noun, row))?;
        object.append(&mut body);
        objects.push(object);
    }
    Ok(objects)
}

fn identity(reader: &Reader, noun: &Noun, row: &impl Row) -> Identity {
    let (created, updated) = row.times();
    Identity {
        pulp_href: format!("{}{}{}/", reader.root, noun.path(), row.id()),
        prn: prn(noun.prn_model(), row.id()),
        pulp_created: Timestamp(created),
        pulp_last_updated: Timestamp(updated),
    }
}

/// The filters of a typed list, or of the list over all types.
pub(crate) fn filters<M: View>(noun: Option<&'static Noun>) -> Filters {
    let filters = M::filters().identity(column::<M>("pulp_id"));
    match noun {
        Some(noun) => filters.with_detail((noun.filters)(), &(noun.table)(), column::<M>("pulp_id")),
        None => {
            let types: Vec<String> = registry::get().family(M::FAMILY).map(|noun| noun.type_name.to_owned()).collect();
            let of_type = super::filters::col(column::<M>("pulp_type"));
            let (one, many) = (of_type.clone(), of_type);
            filters
                .add("pulp_type", Kind::Choice(types.clone()), move |text, _| {
                    Ok(sea_orm::Condition::all().add(sea_orm::sea_query::ExprTrait::eq(one.clone(), text)))
                })
                .add("pulp_type__in", Kind::List(Box::new(Kind::Choice(types))), move |text, _| {
                    let types = super::query::values::strings("pulp_type__in", text)?;
                    Ok(sea_orm::Condition::all().add(sea_orm::sea_query::ExprTrait::is_in(many.clone(), types)))
                })
        }
    }
}

/// One row by the key in the path.
pub(crate) async fn find<M: View>(cx: &Cx, noun: &Noun, id: Uuid) -> Result<M::Model> {
    let row = by_id::<M>(noun, id).one(cx.app.db.read()).await?;
    row.ok_or_else(|| super::not_found(noun.model))
}

fn by_id<M: View>(noun: &Noun, id: Uuid) -> Select<M> {
    M::find().filter(column::<M>("pulp_id").eq(id)).filter(column::<M>("pulp_type").eq(noun.type_name))
}

/// Refuses a key that nothing of the noun has.
pub(crate) async fn must_exist(cx: &Cx, noun: &Noun, id: Uuid) -> Result<()> {
    let table = (noun.table)();
    let select = Query::select()
        .expr(Expr::val(1))
        .from(sea_orm::sea_query::Alias::new(&table.name))
        .and_where(sea_orm::sea_query::ExprTrait::eq(Expr::col(sea_orm::sea_query::Alias::new(&table.key)), id))
        .take();
    match cx.app.db.read().query_one(&select).await? {
        Some(_) => Ok(()),
        None => Err(super::not_found(noun.model)),
    }
}

/// One object as clients read it.
pub(crate) async fn one<M: View>(cx: &Cx, noun: &Noun, id: Uuid) -> Result<Box<RawValue>> {
    let object = raw::<M>(&cx.reader(), noun, id).await?;
    object.ok_or_else(|| super::not_found(noun.model))
}

/// The same as a map, and of an object that may be gone.
pub(crate) async fn object<M: View>(reader: &Reader, noun: &Noun, id: Uuid) -> Result<Option<Object>> {
    let object = raw::<M>(reader, noun, id).await?;
    Ok(object.map(|object| serde_json::from_str(object.get())).transpose()?)
}

async fn raw<M: View>(reader: &Reader, noun: &Noun, id: Uuid) -> Result<Option<Box<RawValue>>> {
    let select = whole::select(noun, by_id::<M>(noun, id));
    let Some(row) = reader.app.db.read().query_one(&select).await? else { return Ok(None) };
    Ok(render::<M>(reader, noun, vec![whole::read::<M>(noun, &row)?]).await?.pop())
}

/// `GET` on a collection of one type.
pub(crate) fn list_endpoint<M: View>(noun: &'static Noun) -> Endpoint {
    let filters = filters::<M>(Some(noun));
    let listed = std::sync::Arc::new(filters.clone());
    let response = shape::response::<M::Body>(noun);
    Endpoint::new(Method::GET, noun.path(), operation_id(noun, "list"), move |cx| {
        let filters = std::sync::Arc::clone(&listed);
        async move {
            let of_type = column::<M>("pulp_type").eq(noun.type_name);
            let with_detail = |masters| whole::select::<M>(noun, masters);
            let mut paged =
                list::select(&cx, &filters, Some(of_type), with_detail, |row| whole::read::<M>(noun, row)).await?;
            let objects = render::<M>(&cx.reader(), noun, std::mem::take(&mut paged.rows)).await?;
            paged.respond_whole(&cx, objects)
        }
    })
    .tagged(tag(noun))
    .about(format!("List {}", plural(noun)))
    .listed(&filters)
    .answers(200, shape::paginated(response))
}

/// `GET` on the collection over all types.
pub(crate) fn generic_list_endpoint<M: View>(response: Described) -> Endpoint {
    let filters = filters::<M>(None);
    let listed = std::sync::Arc::new(filters.clone());
    let collection = M::FAMILY.collection();
    Endpoint::new(Method::GET, format!("{collection}/"), format!("{collection}_list"), move |cx| {
        let filters = std::sync::Arc::clone(&listed);
        async move {
            let seen = |masters: Select<M>| {
                let mut select = masters.into_query();
                M::widen(&mut select);
                select
            };
            let read = |row: &QueryResult| Ok(M::Seen::from_query_result(row, "")?);
            let paged: Paged<M::Seen> = list::select(&cx, &filters, None, seen, read).await?;
            let objects = render_generic::<M>(&cx.reader(), &paged.rows).await?;
            Ok(paged.respond(&cx, objects))
        }
    })
    .tagged(collection[..1].to_uppercase() + &collection[1..])
    .about(format!("List {collection}"))
    .listed(&filters)
    .answers(200, shape::paginated(response))
}

/// `GET` on one thing.
pub(crate) fn read_endpoint<M: View>(noun: &'static Noun) -> Endpoint {
    Endpoint::new(
        Method::GET,
        format!("{}{{pulp_id}}/", noun.path()),
        operation_id(noun, "read"),
        move |cx| async move {
            let object = one::<M>(&cx, noun, cx.id()?).await?;
            cx.whole(StatusCode::OK, &object)
        },
    )
    .on(noun)
    .about(format!("Inspect {}", singular(noun)))
    .selectable()
    .answers(200, shape::response::<M::Body>(noun))
}

/// `set_label` and `unset_label`.
pub(crate) fn label_endpoints<M: View>(noun: &'static Noun, status: u16) -> [Endpoint; 2] {
    let set = std::sync::Arc::new(BodySchema::of::<SetLabel>());
    let unset = std::sync::Arc::new(BodySchema::of::<UnsetLabel>());
    let code = StatusCode::from_u16(status).unwrap_or(StatusCode::CREATED);
    [
        Endpoint::new(
            Method::POST,
            format!("{}{{pulp_id}}/set_label/", noun.path()),
            operation_id(noun, "set_label"),
            move |mut cx| {
                let schema = std::sync::Arc::clone(&set);
                async move {
                    let id = cx.id()?;
                    let label: SetLabel = BodySchema::parse(cx.body(&schema, Mode::Create).await?)?;
                    labels::check_label(&label.key, label.value.as_deref())?;
                    let (key, value) = (label.key.clone(), label.value.clone());
                    change_labels::<M>(&cx, noun, id, |labels| {
                        labels.insert(key, value);
                        Ok(())
                    })
                    .await?;
                    Ok(json(code, &SetLabelResponse { key: label.key, value: label.value }))
                }
            },
        )
        .on(noun)
        .about("Set a label")
        .takes(Described::of::<SetLabel>())
        .answers(status, Described::of::<SetLabelResponse>()),
        Endpoint::new(
            Method::POST,
            format!("{}{{pulp_id}}/unset_label/", noun.path()),
            operation_id(noun, "unset_label"),
            move |mut cx| {
                let schema = std::sync::Arc::clone(&unset);
                async move {
                    let id = cx.id()?;
                    let label: UnsetLabel = BodySchema::parse(cx.body(&schema, Mode::Create).await?)?;
                    let mut value = None;
                    change_labels::<M>(&cx, noun, id, |labels| {
                        value = labels.remove(&label.key).ok_or_else(|| {
                            Error::invalid("key", format!("Label '{}' is not set on the object.", label.key))
                        })?;
                        Ok(())
                    })
                    .await?;
                    Ok(json(code, &UnsetLabelResponse { key: label.key, value }))
                }
            },
        )
        .on(noun)
        .about("Unset a label")
        .takes(Described::of::<UnsetLabel>())
        .answers(status, Described::of::<UnsetLabelResponse>()),
    ]
}

async fn change_labels<M: View>(
    cx: &Cx,
    noun: &Noun,
    id: Uuid,
    change: impl FnOnce(&mut LabelMap) -> Result<()>,
) -> Result<()> {
    find::<M>(cx, noun, id).await?;
    let tx = cx.app.db.write().await?;
    super::families::writable::say::<M>(&tx, id);
    let row = M::find().filter(column::<M>("pulp_id").eq(id)).one(&*tx).await?;
    let row = row.ok_or_else(|| super::not_found(noun.model))?;
    let mut labels = row.labels().cloned().unwrap_or_default();
    change(&mut labels.0)?;
    M::update_many()
        .col_expr(column::<M>("pulp_labels"), Expr::value(sea_orm::Value::from(labels)))
        .col_expr(column::<M>("pulp_last_updated"), Expr::value(now()))
        .filter(column::<M>("pulp_id").eq(id))
        .exec(&*tx)
        .await?;
    tx.commit().await
}

/// `a file repository`.
pub(crate) fn singular(noun: &Noun) -> String {
    let words = split_capitals(noun.model).replace('_', " ");
    format!("a {words}")
}

fn plural(noun: &Noun) -> String {
    let words = split_capitals(noun.model).replace('_', " ");
    match words.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None if words.ends_with("content") => words,
        None => format!("{words}s"),
    }
}

/// The href parameter of a noun's versions: `file_file_repository_version_href`.
pub(crate) fn version_href_name(noun: &Noun) -> String {
    href_name(noun).replace("_href", "_version_href")
}
