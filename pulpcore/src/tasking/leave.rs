//! What hangs on tasks that have ended goes with them: unfinished reports, staged content, locks. Whoever waited for
//! nothing else is ready then.
//!
//! It is most of what a turn with the queue costs on PostgreSQL, and there one statement.

use std::collections::HashSet;

use sea_orm::{ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, Value};
use uuid::Uuid;

use super::events::Event;
use super::{locks, progress};
use crate::db::{WriteTx, among, array, keys, now, one_of, rows, texts};
use crate::error::Result;
use crate::models::{state, task_reservation};
use crate::versions::staging;

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Left {
    /// The tasks that had their ends written.
    pub(super) ended: Vec<Uuid>,
    /// How many tasks were made ready.
    pub(super) ready: usize,
    /// What there is to tell before the tasks' last states.
    pub(super) told: Vec<Event>,
}

/// Completes those of the tasks that are in one of the states `from`, and forgets what hangs on them. It must be our turn.
/// Most tasks complete and return nothing.
pub(super) async fn complete(tx: &WriteTx, tasks: &[Uuid], from: &[&str]) -> Result<Left> {
    let backend = tx.get_database_backend();
    let ended = format!(
        "UPDATE core_task SET state = '{}', finished_at = $2, pulp_last_updated = $2 \
         WHERE {} AND state IN ('{}') RETURNING pulp_id AS id, state",
        state::COMPLETED,
        among(backend, "pulp_id", "$1"),
        from.join("', '")
    );
    let values = vec![keys(backend, tasks.iter().copied()).into(), now().into()];
    if !tx.is_sqlite() {
        return at_once(tx, &ended, values).await;
    }
    let ended: Vec<Row> = rows(&**tx, &ended, values).await?;
    let ended: Vec<_> = ended.into_iter().map(|row| (row.id, state::COMPLETED)).collect();
    leave(tx, &ended).await
}

/// Forgets what hangs on tasks, which have just ended in these states. It must be our turn.
pub(super) async fn leave(tx: &WriteTx, gone: &[(Uuid, &'static str)]) -> Result<Left> {
    if gone.is_empty() {
        return Ok(Left::default());
    }
    if tx.is_sqlite() {
        return step_by_step(tx, gone).await;
    }
    let ended = format!("SELECT * FROM unnest({}, {}) AS ended(id, state)", array("$1", "uuid"), array("$3", "text"));
    let ids = keys(tx.get_database_backend(), gone.iter().map(|(id, _)| *id));
    let states = texts(gone.iter().map(|(_, state)| (*state).to_owned()));
    at_once(tx, &ended, vec![ids.into(), now().into(), states.into()]).await
}

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
}

/// Those whom the locks of tasks that have ended stood in the way of may be ready.
async fn left(tx: &WriteTx, ended: Vec<Uuid>, mut next: Vec<Uuid>, told: Vec<Event>) -> Result<Left> {
    let gone: HashSet<Uuid> = ended.iter().copied().collect();
    next.retain(|id| !gone.contains(id));
    let ready = locks::make_ready(tx, &next).await?;
    Ok(Left { ended, ready, told })
}

async fn step_by_step(tx: &WriteTx, gone: &[(Uuid, &'static str)]) -> Result<Left> {
    let all: Vec<Uuid> = gone.iter().map(|(id, _)| *id).collect();
    let of_all = keys(tx.get_database_backend(), all.iter().copied());
    let next: Vec<Row> = rows(&**tx, &locks::next_sql(tx), vec![of_all.into()]).await?;
    let mut told = Vec::new();
    for state in state::FINAL {
        let ids: Vec<Uuid> = gone.iter().filter(|(_, ended)| *ended == state).map(|(id, _)| *id).collect();
        if ids.is_empty() {
            continue;
        }
        told.extend(progress::settle(tx, &ids, state).await?);
        staging::forget(&**tx, &ids).await?;
        let released = one_of(&**tx, task_reservation::Column::TaskId, ids);
        task_reservation::Entity::delete_many().filter(released).exec(&**tx).await?;
    }
    left(tx, all, next.into_iter().map(|next| next.id).collect(), told).await
}

/// The tasks (`$1`) whose `id` and `state` the statement `ended` gives. All parts see what was there before: also the locks
/// that go. What follows on those is not missed, as each lock that goes says what comes after itself.
async fn at_once(tx: &WriteTx, ended: &str, values: Vec<Value>) -> Result<Left> {
    #[derive(FromQueryResult)]
    struct Found {
        id: Uuid,
        kind: String,
    }
    let next = locks::next_sql(tx);
    let sql = format!(
        "WITH ended AS ({ended}), \
         settled AS (UPDATE core_progressreport SET state = ended.state, pulp_last_updated = $2 FROM ended \
           WHERE task_id = ended.id AND core_progressreport.state = 'running' RETURNING pulp_id), \
         unstaged AS (DELETE FROM core_stagedcontent USING ended WHERE draft_id = ended.id), \
         released AS (DELETE FROM core_taskreservation USING ended WHERE task_id = ended.id) \
         SELECT id, 'ended' AS kind FROM ended UNION ALL SELECT pulp_id, 'report' FROM settled \
         UNION ALL SELECT id, 'next' FROM ({next}) AS next"
    );
    let found: Vec<Found> = rows(&**tx, &sql, values).await?;
    let of = |kind: &str| found.iter().filter(|row| row.kind == kind).map(|row| row.id).collect::<Vec<_>>();
    let told = progress::settled(tx, &of("report")).await?;
    left(tx, of("ended"), of("next"), told).await
}
