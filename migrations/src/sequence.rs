//! Counters whose order is the order of commits.
//!
//! A PostgreSQL sequence gives numbers out before the transactions that use them commit, so a task with number 7 can
//! become visible before the one with number 6. A lock that is granted by "nobody before me wants it" would then be
//! granted twice. A counter in a row cannot do that: whoever takes a number keeps the row locked until the end of the
//! transaction, so that the next number exists only after this one is visible (or was given back). Numbers are never
//! used twice, even when the newest rows are deleted. The same statement works on SQLite, where writers take turns
//! anyway.

use sea_orm_migration::prelude::{ConnectionTrait, DbErr, Expr, ExprTrait, Query};

/// The counter of `core_task.seq`.
pub const TASK: &str = "core_task";

/// The next number of a counter, counted from 1.
///
/// Take it as late in a transaction as possible and commit soon: everyone else who wants a number waits meanwhile.
///
/// # Errors
/// [`DbErr::RecordNotFound`] for a counter that no migration made.
pub async fn next(tx: &impl ConnectionTrait, counter: &str) -> Result<i64, DbErr> {
    let mut update = Query::update();
    update
        .table("core_sequence")
        .value("value", Expr::col("value").add(1_i64))
        .and_where(Expr::col("name").eq(counter))
        .returning_col("value");
    let row = tx.query_one(&update).await?;
    row.ok_or_else(|| DbErr::RecordNotFound(format!("no counter '{counter}'")))?.try_get("", "value")
}
