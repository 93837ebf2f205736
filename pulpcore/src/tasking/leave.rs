//! What hangs on tasks that have ended goes with them: unfinished reports, staged content, locks. Whoever waited for
//! nothing else is ready then.
//!
//! It is most of what a turn with the queue costs on PostgreSQL, and there one statement.

use std::collections::HashSet;

use sea_orm::{ColumnTrait, EntityTrait, FromQueryResult, QueryFilter};
use serde_json::{Value, json};
use uuid::Uuid;

use super::events::Event;
use super::{locks, progress};
use crate::db::{WriteTx, now, rows, rows_per_statement};
use crate::error::Result;
use crate::models::{state, task_reservation};
use crate::versions::staging;

/// Forgets what hangs on tasks, which have just ended in these states and had these locks. It must be our turn. Returns how
/// many tasks were made ready, and what there is to tell before the tasks' last states.
pub(super) async fn leave(
    tx: &WriteTx,
    gone: &[(Uuid, &'static str)],
    locks: &[task_reservation::Model],
) -> Result<(usize, Vec<Event>)> {
    if gone.is_empty() {
        return Ok((0, Vec::new()));
    }
    let (told, mut next) = match tx.is_sqlite() {
        true => step_by_step(tx, gone, locks).await?,
        false => at_once(tx, gone, locks).await?,
    };
    let gone: HashSet<Uuid> = gone.iter().map(|(id, _)| *id).collect();
    next.retain(|id| !gone.contains(id));
    Ok((locks::make_ready(tx, &next).await?, told))
}

async fn step_by_step(
    tx: &WriteTx,
    gone: &[(Uuid, &'static str)],
    locks: &[task_reservation::Model],
) -> Result<(Vec<Event>, Vec<Uuid>)> {
    let mut told = Vec::new();
    for state in state::FINAL {
        let ids: Vec<Uuid> = gone.iter().filter(|(_, ended)| *ended == state).map(|(id, _)| *id).collect();
        for ids in ids.chunks(rows_per_statement(1)) {
            told.extend(progress::settle(tx, ids, state).await?);
            staging::forget(&**tx, ids).await?;
            let released = task_reservation::Column::TaskId.is_in(ids.iter().copied());
            task_reservation::Entity::delete_many().filter(released).exec(&**tx).await?;
        }
    }
    #[derive(FromQueryResult)]
    struct Next {
        id: Uuid,
    }
    let next: Vec<Next> = rows(&**tx, &locks::next_sql(tx), vec![locks::document(locks).into()]).await?;
    Ok((told, next.into_iter().map(|next| next.id).collect()))
}

/// All parts see what was there before: also the locks that go. What follows on those is not missed, as each lock that
/// goes says what comes after itself.
async fn at_once(
    tx: &WriteTx,
    gone: &[(Uuid, &'static str)],
    locks: &[task_reservation::Model],
) -> Result<(Vec<Event>, Vec<Uuid>)> {
    #[derive(FromQueryResult)]
    struct Row {
        id: Uuid,
        is_report: bool,
    }
    let next = locks::next_sql(tx);
    let sql = format!(
        "WITH ended AS (SELECT * FROM jsonb_to_recordset($2) AS ended(task uuid, state text)), \
         settled AS (UPDATE core_progressreport SET state = ended.state, pulp_last_updated = $3 FROM ended \
           WHERE task_id = ended.task AND core_progressreport.state = 'running' RETURNING pulp_id), \
         unstaged AS (DELETE FROM core_stagedcontent USING ended WHERE draft_id = ended.task), \
         released AS (DELETE FROM core_taskreservation USING ended WHERE task_id = ended.task) \
         SELECT pulp_id AS id, TRUE AS is_report FROM settled UNION ALL SELECT id, FALSE FROM ({next}) AS next"
    );
    let ended: Value = gone.iter().map(|(id, state)| json!({ "task": id, "state": state })).collect();
    let found: Vec<Row> = rows(&**tx, &sql, vec![locks::document(locks).into(), ended.into(), now().into()]).await?;
    let (reports, next): (Vec<_>, Vec<_>) = found.into_iter().partition(|row| row.is_report);
    let ids = |rows: Vec<Row>| rows.into_iter().map(|row| row.id).collect::<Vec<_>>();
    Ok((progress::settled(tx, &ids(reports)).await?, ids(next)))
}
