//! Taking tasks from the queue.

use sea_orm::{ConnectionTrait, DbBackend, EntityTrait};
use uuid::Uuid;

use super::events::{Event, STATE};
use crate::db::{Db, WriteTx, among, keys, now, rows};
use crate::error::Result;
use crate::models::{app_status, state, task};

/// Tasks that one statement takes: each number of them is another statement.
pub(super) const AT_ONCE: usize = 16;

/// Whether there is a task to take. It disturbs nobody.
pub(super) async fn any(db: &Db) -> Result<bool> {
    let sql = "SELECT * FROM core_task WHERE state = 'waiting' AND unblocked_at IS NOT NULL \
         ORDER BY immediate DESC, seq LIMIT 1";
    let statement = sea_orm::Statement::from_string(db.backend(), sql);
    Ok(task::Entity::find().from_raw_sql(statement).one(db.read()).await?.is_some())
}

/// Takes the tasks that are first among the ready ones, at most one for each of the first [`AT_ONCE`] workers, in one
/// statement, which on PostgreSQL also writes what there is to tell and may be a transaction by itself.
///
/// Others that take tasks at the same moment get others. A worker that is not listed (it was given up) gets none, and one
/// that gets one cannot be given up before the commit.
pub(super) async fn claim(db: &impl ConnectionTrait, workers: &[Uuid]) -> Result<Vec<task::Model>> {
    if workers.is_empty() {
        return Ok(Vec::new());
    }
    let workers = &workers[..workers.len().min(AT_ONCE)];
    let backend = db.get_database_backend();
    let listed = among(backend, "pulp_id", "$1");
    let sql = match backend {
        DbBackend::Sqlite => sql(&listed, workers.len(), "", "", "*"),
        _ => format!(
            "WITH taken AS ({}), told AS (INSERT INTO core_taskevent (pulp_created, task_id, kind, body) \
               SELECT $2, pulp_id, '{STATE}', jsonb_build_object('state', state) FROM taken) SELECT * FROM taken",
            sql(&listed, workers.len(), "FOR UPDATE SKIP LOCKED", "FOR KEY SHARE", "core_task.*")
        ),
    };
    rows(db, &sql, vec![keys(backend, workers.iter().copied()).into(), now().into()]).await
}

/// What differs: how rows are locked, how the changed row is called. No worker is locked where no task is ready. A limit
/// that were a parameter would be taken for a tenth of the table.
fn sql(listed: &str, limit: usize, skip: &str, keep: &str, changed: &str) -> String {
    format!(
        "WITH ready AS (SELECT pulp_id, row_number() OVER () AS nth FROM (SELECT pulp_id FROM core_task \
           WHERE state = 'waiting' AND unblocked_at IS NOT NULL ORDER BY immediate DESC, seq LIMIT {limit} {skip}) AS first), \
         worker AS (SELECT pulp_id, row_number() OVER () AS nth FROM (SELECT pulp_id FROM core_appstatus \
           WHERE {listed} AND EXISTS (SELECT 1 FROM ready) {keep}) AS listed) \
         UPDATE core_task SET state = 'running', started_at = $2, worker_id = worker.pulp_id \
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
