//! Taking tasks from the queue.

use sea_orm::{ConnectionTrait, DbBackend, EntityTrait};
use serde_json::Value;
use uuid::Uuid;

use super::events::{Event, STATE};
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

/// Takes the tasks that are first among the ready ones, at most one for each of the workers, in one statement, which on
/// PostgreSQL also writes what there is to tell and may be a transaction by itself.
///
/// Others that take tasks at the same moment get others. A worker that is not listed (it was given up) gets none, and one
/// that gets one cannot be given up before the commit.
pub(super) async fn claim(db: &impl ConnectionTrait, workers: &[Uuid]) -> Result<Vec<task::Model>> {
    if workers.is_empty() {
        return Ok(Vec::new());
    }
    let sql = match db.get_database_backend() {
        DbBackend::Sqlite => sql("SELECT unhex(value) FROM json_each($1)", "", "", "*"),
        _ => {
            let keys = "SELECT value::uuid FROM jsonb_array_elements_text($1)";
            format!(
                "WITH taken AS ({}), told AS (INSERT INTO core_taskevent (pulp_created, task_id, kind, body) \
                   SELECT $3, pulp_id, '{STATE}', jsonb_build_object('state', state) FROM taken) SELECT * FROM taken",
                sql(keys, "FOR UPDATE SKIP LOCKED", "FOR KEY SHARE", "core_task.*")
            )
        }
    };
    let ids: Value = workers.iter().map(|id| Value::from(id.simple().to_string())).collect();
    let limit = i64::try_from(workers.len()).unwrap_or(i64::MAX);
    rows(db, &sql, vec![ids.into(), limit.into(), now().into()]).await
}

/// What differs: how a key is read from text, how rows are locked, how the changed row is called. No worker is locked where
/// no task is ready.
fn sql(keys: &str, skip: &str, keep: &str, changed: &str) -> String {
    format!(
        "WITH ready AS (SELECT pulp_id, row_number() OVER () AS nth FROM (SELECT pulp_id FROM core_task \
           WHERE state = 'waiting' AND unblocked_at IS NOT NULL ORDER BY immediate DESC, seq LIMIT $2 {skip}) AS first), \
         worker AS (SELECT pulp_id, row_number() OVER () AS nth FROM (SELECT pulp_id FROM core_appstatus \
           WHERE pulp_id IN ({keys}) AND EXISTS (SELECT 1 FROM ready) {keep}) AS listed) \
         UPDATE core_task SET state = 'running', started_at = $3, worker_id = worker.pulp_id \
         FROM ready JOIN worker ON worker.nth = ready.nth WHERE core_task.pulp_id = ready.pulp_id RETURNING {changed}"
    )
}

/// What the statement that took tasks has not told itself.
pub(super) fn untold(db: &impl ConnectionTrait, taken: &[task::Model]) -> Vec<Event> {
    match db.get_database_backend() {
        DbBackend::Sqlite => taken.iter().map(|row| Event::state(row.pulp_id, state::RUNNING)).collect(),
        _ => Vec::new(),
    }
}

/// Whether a process is listed; if so it cannot be given up before the commit.
pub(super) async fn listed(tx: &WriteTx, process: Uuid) -> Result<bool> {
    let keep = if tx.is_sqlite() { "" } else { "FOR KEY SHARE" };
    let sql = format!("SELECT * FROM core_appstatus WHERE pulp_id = $1 {keep}");
    Ok(!rows::<app_status::Model>(&**tx, &sql, vec![process.into()]).await?.is_empty())
}
