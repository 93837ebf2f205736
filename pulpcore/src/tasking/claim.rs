//! Taking tasks from the queue.

use sea_orm::EntityTrait;
use serde_json::Value;
use uuid::Uuid;

use super::events::Event;
use crate::db::{Db, WriteTx, now, rows};
use crate::error::Result;
use crate::models::{app_status, state, task};

/// Whether there is a task to take. It disturbs nobody.
pub(super) async fn any(db: &Db) -> Result<bool> {
    let sql = "SELECT * FROM core_task WHERE state = 'waiting' AND unblocked_at IS NOT NULL \
         ORDER BY immediate DESC, seq LIMIT 1";
    let statement = sea_orm::Statement::from_string(db.backend(), sql);
    Ok(task::Entity::find().from_raw_sql(statement).one(db.read()).await?.is_some())
}

/// Takes the tasks that are first among the ready ones, at most one for each of the workers, in one statement.
///
/// Others that take tasks at the same moment get others. A worker that is not listed (it was given up) gets none, and one
/// that gets one cannot be given up before the commit.
pub(super) async fn claim(tx: &WriteTx, workers: &[Uuid]) -> Result<Vec<task::Model>> {
    if workers.is_empty() {
        return Ok(Vec::new());
    }
    // What differs: how a key is read from text, how rows are locked, how the changed row is called.
    let (keys, skip, keep, changed) = match tx.is_sqlite() {
        true => ("SELECT unhex(value) FROM json_each($1)", "", "", "*"),
        false => (
            "SELECT value::uuid FROM jsonb_array_elements_text($1)",
            "FOR UPDATE SKIP LOCKED",
            "FOR KEY SHARE",
            "core_task.*",
        ),
    };
    let sql = format!(
        "WITH ready AS (SELECT pulp_id, row_number() OVER () AS nth FROM (SELECT pulp_id FROM core_task \
           WHERE state = 'waiting' AND unblocked_at IS NOT NULL ORDER BY immediate DESC, seq LIMIT $2 {skip}) AS first), \
         worker AS (SELECT pulp_id, row_number() OVER () AS nth FROM (SELECT pulp_id FROM core_appstatus \
           WHERE pulp_id IN ({keys}) {keep}) AS listed) \
         UPDATE core_task SET state = 'running', started_at = $3, worker_id = worker.pulp_id \
         FROM ready JOIN worker ON worker.nth = ready.nth WHERE core_task.pulp_id = ready.pulp_id RETURNING {changed}"
    );
    let ids: Value = workers.iter().map(|id| Value::from(id.simple().to_string())).collect();
    let limit = i64::try_from(workers.len()).unwrap_or(i64::MAX);
    rows(&**tx, &sql, vec![ids.into(), limit.into(), now().into()]).await
}

/// What there is to tell of a task that was taken.
pub(super) fn taken(row: &task::Model) -> Event {
    Event::state(row.pulp_id, state::RUNNING)
}

/// Whether a process is listed; if so it cannot be given up before the commit.
pub(super) async fn listed(tx: &WriteTx, process: Uuid) -> Result<bool> {
    let keep = if tx.is_sqlite() { "" } else { "FOR KEY SHARE" };
    let sql = format!("SELECT * FROM core_appstatus WHERE pulp_id = $1 {keep}");
    Ok(!rows::<app_status::Model>(&**tx, &sql, vec![process.into()]).await?.is_empty())
}
