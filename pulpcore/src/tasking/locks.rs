//! Who is next on a resource.
//!
//! A lock is a row from the moment when its task is queued until the task ends. Two tasks *exclude* each other if both want
//! a resource and at least one of them wants it for itself; then the one with the smaller `seq` goes first. A task is ready
//! once no earlier one excludes it. It is found out once, by whoever makes it true: by the dispatch, or by the end of the
//! last task in its way ([`release`]); nobody ever looks at all that wait.
//!
//! On PostgreSQL, where transactions overlap, that needs two rules. Whoever queues or ends a task first [`take_turns`] on
//! its resources, in one order, until the commit: then neither can miss the other, and numbers on a resource grow with time.
//! And whoever frees a task locks its row before looking at what else is in its way: of two that end at once, each of which
//! still sees the other, the second sees that the first is gone. Rows are locked in the order of `seq`, after the resources.

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::db::{WriteTx, exec, now, rows, rows_per_statement};
use crate::error::Result;
use crate::models::{state, task, task_reservation};
use crate::plugin::Lock;

/// More resources than this are taken as one: PostgreSQL's table of locks is finite, and shared by all.
const MANY: usize = 256;

/// Waits until nobody else who wants one of these resources in a way that excludes us queues or ends a task.
pub(super) async fn take_turns(tx: &WriteTx, locks: &[Lock]) -> Result<()> {
    if tx.is_sqlite() {
        return Ok(());
    }
    let many = locks.len() > MANY;
    // The empty name is all resources: whoever takes only some shares it.
    let mut wanted = vec![json!({ "resource": "", "exclusive": many })];
    if !many {
        wanted.extend(locks.iter().map(|lock| json!({ "resource": lock.resource, "exclusive": lock.exclusive })));
    }
    // Names with the same hash are one lock, in the stronger way.
    let sql = "SELECT CASE WHEN exclusive THEN pg_advisory_xact_lock(key) ELSE pg_advisory_xact_lock_shared(key) END \
         FROM (SELECT hashtextextended(resource, 0) AS key, bool_or(exclusive) AS exclusive \
         FROM jsonb_to_recordset($1) AS wanted(resource text, exclusive boolean) GROUP BY 1 ORDER BY 1) AS turns";
    exec(&**tx, sql, vec![Value::Array(wanted).into()]).await?;
    Ok(())
}

/// Whether no task that is there excludes one that is about to be queued. It must be our turn.
pub(super) async fn free(tx: &WriteTx, locks: &[Lock]) -> Result<bool> {
    #[derive(FromQueryResult)]
    struct Free {
        free: bool,
    }
    let names = match tx.is_sqlite() {
        true => "SELECT value FROM json_each",
        false => "SELECT value FROM jsonb_array_elements_text",
    };
    let sql = format!(
        "SELECT NOT EXISTS (SELECT 1 FROM core_taskreservation o WHERE o.resource IN ({names}($1))) \
         AND NOT EXISTS (SELECT 1 FROM core_taskreservation o WHERE o.exclusive AND o.resource IN ({names}($2))) AS free"
    );
    let those = |exclusive| -> Value {
        locks.iter().filter(|lock| lock.exclusive == exclusive).map(|lock| Value::from(&*lock.resource)).collect()
    };
    let found = rows::<Free>(&**tx, &sql, vec![those(true).into(), those(false).into()]).await?;
    Ok(found.first().is_some_and(|row| row.free))
}

/// Deletes the locks of tasks that have ended and makes ready whoever waited for nothing else. It must be our turn.
/// Returns how many were made ready.
pub(super) async fn release(tx: &WriteTx, reservations: &[task_reservation::Model]) -> Result<usize> {
    let mut tasks: Vec<Uuid> = reservations.iter().map(|row| row.task_id).collect();
    tasks.dedup();
    for tasks in tasks.chunks(rows_per_statement(1)) {
        let gone = task_reservation::Entity::delete_many();
        gone.filter(task_reservation::Column::TaskId.is_in(tasks.iter().copied())).exec(&**tx).await?;
    }
    let mut ready = 0;
    let next = next(tx, reservations).await?;
    for next in next.chunks(rows_per_statement(1)) {
        ready += make_ready(tx, next).await?;
    }
    Ok(ready)
}

#[derive(FromQueryResult)]
struct Next {
    task_id: Uuid,
}

/// Whom the locks stood in the way of, as far as the next one who is in the way of the rest.
async fn next(tx: &WriteTx, gone: &[task_reservation::Model]) -> Result<Vec<Uuid>> {
    let gone: Value = gone
        .iter()
        .map(|row| json!({ "resource": row.resource, "exclusive": row.exclusive, "seq": row.seq }))
        .collect();
    let rows_of = match tx.is_sqlite() {
        true => {
            "SELECT value->>'resource' AS resource, value->>'exclusive' AS exclusive, value->>'seq' AS seq \
             FROM json_each($1)"
        }
        false => "SELECT * FROM jsonb_to_recordset($1) AS gone(resource text, exclusive boolean, seq bigint)",
    };
    let sql = format!(
        "WITH gone AS (SELECT g.resource, g.exclusive, g.seq, (SELECT min(o.seq) FROM core_taskreservation o \
           WHERE o.resource = g.resource AND o.exclusive AND o.seq > g.seq) AS border FROM ({rows_of}) AS g) \
         SELECT o.task_id, o.seq FROM gone JOIN core_taskreservation o ON o.resource = gone.resource AND o.seq = gone.border \
         UNION SELECT o.task_id, o.seq FROM gone JOIN core_taskreservation o ON o.resource = gone.resource \
           AND o.seq > gone.seq AND (gone.border IS NULL OR o.seq < gone.border) WHERE gone.exclusive ORDER BY 2"
    );
    Ok(rows::<Next>(&**tx, &sql, vec![gone.into()]).await?.into_iter().map(|row| row.task_id).collect())
}

/// That an earlier lock excludes one of this task's. Those that share are found by an index that holds the others only.
const IN_THE_WAY: &str = "(EXISTS (SELECT 1 FROM core_taskreservation mine JOIN core_taskreservation o \
       ON o.resource = mine.resource AND o.seq < mine.seq AND o.exclusive WHERE mine.task_id = core_task.pulp_id) \
     OR EXISTS (SELECT 1 FROM core_taskreservation mine JOIN core_taskreservation o \
       ON o.resource = mine.resource AND o.seq < mine.seq WHERE mine.task_id = core_task.pulp_id AND mine.exclusive))";

async fn make_ready(tx: &WriteTx, tasks: &[Uuid]) -> Result<usize> {
    if !tx.is_sqlite() {
        let rows = task::Entity::find().select_only().column(task::Column::PulpId);
        let rows = rows.filter(task::Column::PulpId.is_in(tasks.iter().copied())).order_by_asc(task::Column::Seq);
        rows.lock_exclusive().into_tuple::<Uuid>().all(&**tx).await?;
    }
    let ready = task::Entity::update_many()
        .col_expr(task::Column::UnblockedAt, Expr::value(now()))
        .filter(task::Column::PulpId.is_in(tasks.iter().copied()))
        .filter(task::Column::State.eq(state::WAITING))
        .filter(task::Column::UnblockedAt.is_null())
        .filter(Expr::cust(IN_THE_WAY).not())
        .exec(&**tx)
        .await?;
    Ok(usize::try_from(ready.rows_affected).unwrap_or(usize::MAX))
}
