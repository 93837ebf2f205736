//! Lists: filters, `q`, ordering and pages over one table.

use axum::http::StatusCode;
use axum::response::Response;
use sea_orm::sea_query::{self, ExprTrait, Func, IntoCondition, SelectStatement, SimpleExpr};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbBackend, EntityTrait, FromQueryResult, Order, QueryFilter, QueryOrder,
    QueryResult, QuerySelect, QueryTrait, Select,
};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::cx::{Cx, json};
use super::filters::{Filters, col};
use super::query::{Expr, Links, Page};
use super::reader::key_of;
use crate::error::{Error, Result};

/// Parameters of every list that are not filters.
const RESERVED: &[&str] = &["limit", "offset", "ordering", "fields", "exclude_fields", "q", "minimal", "format"];

/// A page of rows.
#[derive(Debug)]
pub(crate) struct Paged<R> {
    pub(crate) rows: Vec<R>,
    count: u64,
    links: Links,
}

impl<R> Paged<R> {
    /// The page, with its rows as objects cut to the fields that were asked for.
    pub(crate) fn respond(self, cx: &Cx, mut objects: Vec<Map<String, Value>>) -> Response {
        let selection = cx.selection();
        for object in &mut objects {
            selection.apply(object);
        }
        self.send(&objects)
    }

    /// The same of objects that are JSON already.
    pub(crate) fn respond_whole(self, cx: &Cx, objects: Vec<Box<RawValue>>) -> Result<Response> {
        if cx.selection().is_everything() {
            return Ok(self.send(&objects));
        }
        let objects = objects.iter().map(|object| serde_json::from_str(object.get())).collect::<Result<_, _>>()?;
        Ok(self.respond(cx, objects))
    }

    fn send(self, results: &[impl Serialize]) -> Response {
        #[derive(Serialize)]
        struct Body<'a, O> {
            count: u64,
            next: Option<String>,
            previous: Option<String>,
            results: &'a [O],
        }
        let Links { next, previous } = self.links;
        json(StatusCode::OK, &Body { count: self.count, next, previous, results })
    }
}

impl<R> Paged<R> {
    /// A page of what is not in the database, and few.
    pub(crate) fn of(cx: &Cx, all: Vec<R>) -> Self {
        let page = Page::parse(&cx.query);
        let count = all.len() as u64;
        let bounded = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let rows = all.into_iter().skip(bounded(page.offset)).take(bounded(page.limit)).collect();
        Self { rows, count, links: page.links(&cx.url(), &cx.query, count) }
    }
}

/// One page of a table: what the query asks for, among the rows of `scope`.
///
/// # Errors
/// [`Error::UnknownFilter`] and [`Error::Invalid`] for queries that do not fit.
pub(crate) async fn page<E>(cx: &Cx, filters: &Filters, scope: Option<SimpleExpr>) -> Result<Paged<E::Model>>
where
    E: EntityTrait<Model: Send + Sync>,
{
    let plain = |select: Select<E>| select.into_query();
    self::select(cx, filters, scope, plain, |row| Ok(E::Model::from_query_result(row, "")?)).await
}

/// The same of whatever `widen` makes of the selection, read by `read`.
pub(crate) async fn select<E, R>(
    cx: &Cx,
    filters: &Filters,
    scope: Option<SimpleExpr>,
    widen: impl FnOnce(Select<E>) -> SelectStatement,
    read: impl Fn(&QueryResult) -> Result<R>,
) -> Result<Paged<R>>
where
    E: EntityTrait<Model: Send + Sync>,
{
    let db = cx.app.db.read();
    let scope = condition(cx, filters, cx.app.db.backend())?.add_option(scope);
    let page = Page::parse(&cx.query);
    // Also of a page that is empty: an ordering that does not exist is an error whatever the list holds.
    let orderings = order::<E>(cx, filters)?;
    // Columns are not named, so that an index can answer.
    let count = sea_query::Query::select()
        .expr_as(sea_query::Expr::cust("COUNT(*)"), COUNT)
        .from(E::default())
        .cond_where(scope.clone())
        .take();
    let mut select = E::find().filter(scope);
    for (expr, order) in orderings {
        select = select.order_by(expr, order);
    }
    let mut select = widen(select.limit(page.limit).offset(page.offset));
    select.expr_as(SimpleExpr::SubQuery(None, Box::new(count.clone().into())), COUNT);
    let rows = db.query_all(&select).await?;
    // A page behind the end says nothing of how many there are before it.
    let counted = match rows.first() {
        None if page.offset > 0 => db.query_one(&count).await?,
        _ => None,
    };
    let counted = counted.as_ref().or(rows.first()).map(|row| row.try_get::<i64>("", COUNT)).transpose()?;
    let count = u64::try_from(counted.unwrap_or_default()).unwrap_or_default();
    let links = page.links(&cx.url(), &cx.query, count);
    Ok(Paged { rows: rows.iter().map(read).collect::<Result<_>>()?, count, links })
}

/// The column that says how many rows there are on all pages.
const COUNT: &str = "count_of_all";

/// What the query's filters mean together.
fn condition(cx: &Cx, filters: &Filters, backend: DbBackend) -> Result<Condition> {
    let mut all = Condition::all();
    let mut seen = Vec::new();
    // A repeated name counts once, with its last value, as in Django.
    for (name, text) in cx.query.pairs().iter().rev() {
        if RESERVED.contains(&name.as_str()) || seen.contains(&name) {
            continue;
        }
        seen.push(name);
        if text.is_empty() && filters.names().any(|known| known == name) {
            continue;
        }
        all = all.add(filters.condition(name, text, backend)?);
    }
    match cx.query.get("q").map(Expr::parse).transpose()?.flatten() {
        Some(expr) => Ok(all.add(meaning(&expr, filters, backend)?)),
        None => Ok(all),
    }
}

fn meaning(expr: &Expr, filters: &Filters, backend: DbBackend) -> Result<Condition> {
    match expr {
        Expr::Leaf { name, value } => filters.condition(name, value, backend).map_err(|error| match error {
            Error::UnknownFilter(name) => super::query::expr::unknown_leaf(&name),
            Error::Invalid(invalid) => Error::invalid("q", invalid.to_string()),
            other => other,
        }),
        Expr::Not(inner) => {
            // What compares with NULL is neither true nor false to SQL, and to whoever reads the expression false.
            let inner = SimpleExpr::from(meaning(inner, filters, backend)?);
            Ok(SimpleExpr::from(Func::coalesce([inner, false.into()])).not().into_condition())
        }
        Expr::And(parts) => {
            parts.iter().try_fold(Condition::all(), |all, part| Ok(all.add(meaning(part, filters, backend)?)))
        }
        Expr::Or(parts) => {
            parts.iter().try_fold(Condition::any(), |any, part| Ok(any.add(meaning(part, filters, backend)?)))
        }
    }
}

/// The orderings that were asked for, newest first by default, the key last so that pages never overlap.
fn order<E: EntityTrait>(cx: &Cx, filters: &Filters) -> Result<Vec<(SimpleExpr, Order)>> {
    let mut order = Vec::new();
    let asked = cx.query.get("ordering").unwrap_or_default();
    for name in asked.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let (direction, plain) = match name.strip_prefix('-') {
            Some(plain) => (Order::Desc, plain),
            None => (Order::Asc, name),
        };
        let found = filters.orderings().iter().find(|(known, _)| known == plain).ok_or_else(|| {
            Error::invalid("ordering", format!("Select a valid choice. {name} is not one of the available choices."))
        })?;
        order.push((found.1.clone(), direction));
    }
    // Keys are UUIDv7, so their order is the order of creation.
    let direction = if order.is_empty() { Order::Desc } else { Order::Asc };
    order.push((col(key_of::<E>()), direction));
    Ok(order)
}

/// A condition on labels, for `pulp_label_select`.
pub(crate) fn label_select<C: ColumnTrait>(filters: Filters, column: C) -> Filters {
    filters.custom("pulp_label_select", move |text, backend| {
        let mut all = Condition::all();
        for term in super::labels::LabelTerm::parse(text)? {
            all = all.add(label_condition(col(column), &term, backend));
        }
        Ok(all)
    })
}

fn label_condition(labels: SimpleExpr, term: &super::labels::LabelTerm, backend: DbBackend) -> SimpleExpr {
    use super::labels::LabelTerm;
    use sea_orm::sea_query::{Alias, Func};
    let sqlite = backend == DbBackend::Sqlite;
    // Keys hold letters, digits, `_`, space, `.` and `-` only, so quoting them is enough for a JSON path.
    let value = |key: &str| -> SimpleExpr {
        match sqlite {
            true => Func::cust(Alias::new("json_extract")).arg(labels.clone()).arg(format!("$.\"{key}\"")).into(),
            false => Func::cust(Alias::new("jsonb_extract_path_text")).arg(labels.clone()).arg(key).into(),
        }
    };
    let has = |key: &str| -> SimpleExpr {
        match sqlite {
            true => {
                SimpleExpr::from(Func::cust(Alias::new("json_type")).arg(labels.clone()).arg(format!("$.\"{key}\"")))
                    .is_not_null()
            }
            false => Func::cust(Alias::new("jsonb_exists")).arg(labels.clone()).arg(key).into(),
        }
    };
    match term {
        LabelTerm::Has(key) => has(key),
        LabelTerm::Lacks(key) => has(key).not(),
        LabelTerm::Is(key, text) => value(key).eq(text.as_str()),
        LabelTerm::IsNot(key, text) => has(key).and(value(key).is_null().or(value(key).ne(text.as_str()))),
        LabelTerm::Contains(key, text) => {
            let function = if sqlite { "instr" } else { "strpos" };
            let lower = SimpleExpr::from(Func::lower(value(key)));
            SimpleExpr::from(Func::cust(Alias::new(function)).arg(lower).arg(text.to_lowercase())).gt(0)
        }
    }
}
