//! Small statements that several tasks need.

use pulpcore::error::Result;
use sea_orm::sea_query::{Expr, Query, SelectStatement};
use sea_orm::{ConnectionTrait, FromQueryResult};

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
