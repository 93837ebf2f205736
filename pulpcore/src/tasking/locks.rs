//! Who is next on a resource.
//!
//! A lock is a row from the moment when its task is queued until the task ends. Two tasks *exclude* each other if both want
//! a resource and at least one of them wants it for itself; then the one with the smaller `seq` goes first. A task is ready
//! once no earlier one excludes it. It is found out once, by whoever makes it true: by the dispatch, or by the end of the
//! last task in its way ([`next_sql`], [`make_ready`]); nobody ever looks at all that wait.
//!
//! On PostgreSQL, where transactions overlap, that needs two rules. Whoever queues or ends a task first [`take_turns`] on
//! its resources, in one order, until the commit: then neither can miss the other, and numbers on a resource grow with time.
//! And whoever frees a task locks its row before looking at what else is in its way: of two that end at once, each of which
//! still sees the other, the second sees that the first is gone. Rows are locked in the order of `seq`, after the resources.

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect};
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::db::{WriteTx, among, exec, keys, now, one_of, rows};
use crate::error::Result;
use crate::models::{state, task};
use crate::plugin::Lock;

/// More resources than this are taken as one: PostgreSQL's table of locks is finite, and shared by all.
const MANY: usize = 256;

/// Waits until nobody else who wants one of these resources in a way that excludes us queues or ends a task.
pub(super) async fn take_turns(tx: &WriteTx, locks: &[Lock]) -> Result<()> {
    if tx.is_sqlite() {
        return Ok(());
    }
    let turns = turns("SELECT * FROM jsonb_to_recordset($1) AS w(resource text, exclusive boolean)");
    let wanted: Value =
        locks.iter().map(|lock| json!({ "resource": lock.resource, "exclusive": lock.exclusive })).collect();
    exec(&**tx, &format!("{turns} SELECT count(*) FROM turns"), vec![wanted.into()]).await?;
    Ok(())
}

/// The beginning of a statement that takes turns on the locks that `mine` selects. It must look at `turns`. The empty name
/// is all resources: whoever takes only some shares it. Names with the same hash are one lock, in the stronger way.
fn turns(mine: &str) -> String {
    format!(
        "WITH mine AS MATERIALIZED ({mine}), many AS (SELECT count(*) > {MANY} AS many FROM mine), \
         wanted AS (SELECT '' AS resource, many AS exclusive FROM many \
           UNION ALL SELECT resource, exclusive FROM mine JOIN many ON NOT many), \
         turns AS MATERIALIZED (SELECT CASE WHEN exclusive \
             THEN pg_advisory_xact_lock(key) ELSE pg_advisory_xact_lock_shared(key) END \
           FROM (SELECT hashtextextended(resource, 0) AS key, bool_or(exclusive) AS exclusive FROM wanted \
             GROUP BY 1 ORDER BY 1) AS keys)"
    )
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

/// Waits for our turn on the resources of tasks, which are the same from the dispatch to the end.
pub(super) async fn turn_of(tx: &WriteTx, tasks: &[Uuid]) -> Result<()> {
    if tx.is_sqlite() {
        return Ok(());
    }
    let backend = tx.get_database_backend();
    let turns = turns(&format!("SELECT * FROM core_taskreservation WHERE {}", among(backend, "task_id", "$1")));
    let tasks = keys(backend, tasks.iter().copied());
    exec(&**tx, &format!("{turns} SELECT count(*) FROM turns"), vec![tasks.into()]).await?;
    Ok(())
}

/// Selects as `id` whom the locks of the tasks in `$1` (see [`keys`]) stand in the way of, as far as the next one who is in
/// the way of the rest; some of these tasks may be among them. It must be our turn.
pub(super) fn next_sql(tx: &WriteTx) -> String {
    let theirs = among(tx.get_database_backend(), "g.task_id", "$1");
    format!(
        "WITH gone AS (SELECT g.resource, g.exclusive, g.seq, (SELECT min(o.seq) FROM core_taskreservation o \
           WHERE o.resource = g.resource AND o.exclusive AND o.seq > g.seq) AS border \
           FROM core_taskreservation g WHERE {theirs}) \
         SELECT o.task_id AS id FROM gone \
           JOIN core_taskreservation o ON o.resource = gone.resource AND o.seq = gone.border \
         UNION SELECT o.task_id FROM gone JOIN core_taskreservation o ON o.resource = gone.resource \
           AND o.seq > gone.seq AND (gone.border IS NULL OR o.seq < gone.border) WHERE gone.exclusive"
    )
}

/// That an earlier lock excludes one of this task's. Those that share are found by an index that holds the others only.
const IN_THE_WAY: &str = "(EXISTS (SELECT 1 FROM core_taskreservation mine JOIN core_taskreservation o \
       ON o.resource = mine.resource AND o.seq < mine.seq AND o.exclusive WHERE mine.task_id = core_task.pulp_id) \
     OR EXISTS (SELECT 1 FROM core_taskreservation mine JOIN core_taskreservation o \
       ON o.resource = mine.resource AND o.seq < mine.seq WHERE mine.task_id = core_task.pulp_id AND mine.exclusive))";

/// Makes those of the tasks ready that nothing is in the way of any more; returns how many, with those that were ready before
/// and that nobody could take while their rows were looked at.
pub(super) async fn make_ready(tx: &WriteTx, tasks: &[Uuid]) -> Result<usize> {
    if tasks.is_empty() {
        return Ok(0);
    }
    let those = || one_of(&**tx, task::Column::PulpId, tasks.iter().copied());
    let mut hidden = 0;
    if !tx.is_sqlite() {
        let rows = task::Entity::find()
            .select_only()
            .columns([task::Column::State, task::Column::UnblockedAt])
            .filter(those())
            .order_by_asc(task::Column::Seq);
        let rows: Vec<(String, Option<OffsetDateTime>)> = rows.lock_exclusive().into_tuple().all(&**tx).await?;
        hidden = rows.iter().filter(|(state, since)| state == state::WAITING && since.is_some()).count();
    }
    let ready = task::Entity::update_many()
        .col_expr(task::Column::UnblockedAt, Expr::value(now()))
        .filter(those())
        .filter(task::Column::State.eq(state::WAITING))
        .filter(task::Column::UnblockedAt.is_null())
        .filter(Expr::cust(IN_THE_WAY).not())
        .exec(&**tx)
        .await?;
    Ok(usize::try_from(ready.rows_affected).unwrap_or(usize::MAX).saturating_add(hidden))
}
