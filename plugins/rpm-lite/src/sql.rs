//! Small statements that several tasks need.

use pulpcore::error::Result;
use sea_orm::sea_query::{Expr, Query, SelectStatement};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect, Select,
};
use uuid::Uuid;

#[derive(Debug, FromQueryResult)]
struct Count {
    n: i64,
}

/// How many rows a statement selects.
///
/// # Errors
/// If the database fails.
pub(crate) async fn count(db: &impl ConnectionTrait, rows: SelectStatement) -> Result<i64> {
    let all = Query::select().expr_as(Expr::cust("COUNT(*)"), "n").from_subquery(rows, "rows").take();
    let found = Count::find_by_statement(db.get_database_backend().build(&all)).one(db).await?;
    Ok(found.map_or(0, |count| count.n))
}

/// How many units a walk looks at together.
const PAGE: u64 = 500;

/// Selects the next page of a walk over some units: those behind the key `after`, by the order of their keys. Each row begins
/// with the key; the caller adds what else it looks at.
pub(crate) fn page<E: EntityTrait>(key: E::Column, units: &SelectStatement, after: Uuid) -> Select<E> {
    let select = E::find().select_only().column(key);
    select.filter(key.gt(after)).filter(key.in_subquery(units.clone())).order_by_asc(key).limit(PAGE)
}
