//! The numbers of tasks.
//!
//! Locks are granted in the order of `core_task.seq`: "nobody before me wants it". A PostgreSQL sequence gives numbers out
//! before the transactions that use them commit, so task 7 may be seen before task 6. That does no harm as long as both
//! want nothing of each other; and whoever wants the same resource takes its number only when it is their turn on that
//! resource (`pulpcore::tasking`). On SQLite, where writers take turns anyway, a counter in a row does the same.
//!
//! Numbers are never used twice, even when the newest rows are deleted.

use sea_orm_migration::prelude::{ConnectionTrait, DbErr, Expr, ExprTrait, Query};
use sea_orm_migration::sea_orm::{DbBackend, Statement};

/// The counter of `core_task.seq`.
pub const TASK: &str = "core_task";

/// The next number of a task.
///
/// # Errors
/// [`DbErr::RecordNotFound`] if no migration made the counter.
pub async fn next(tx: &impl ConnectionTrait) -> Result<i64, DbErr> {
    let backend = tx.get_database_backend();
    let row = if backend == DbBackend::Postgres {
        tx.query_one_raw(Statement::from_string(backend, r#"SELECT nextval('"core_task_seq"') AS "value""#)).await?
    } else {
        let mut update = Query::update();
        update
            .table("core_sequence")
            .value("value", Expr::col("value").add(1_i64))
            .and_where(Expr::col("name").eq(TASK))
            .returning_col("value");
        tx.query_one(&update).await?
    };
    row.ok_or_else(|| DbErr::RecordNotFound(format!("no counter '{TASK}'")))?.try_get("", "value")
}
