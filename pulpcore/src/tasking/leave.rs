//! What hangs on tasks that have ended goes with them: unfinished reports, staged content, locks. Whoever waited for
//! nothing else is ready then.
//!
//! It is most of what a turn with the queue costs on PostgreSQL, and there one statement.

use std::collections::HashSet;

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter};
use uuid::Uuid;

use super::events::Event;
use super::{locks, progress};
use crate::db::{WriteTx, among, array, keys, now, rows, rows_per_statement};
use crate::error::Result;
use crate::models::{state, task_reservation};
use crate::versions::staging;

/// Forgets what hangs on tasks, which have just ended in these states. It must be our turn. Returns how many tasks were made
/// ready, and what there is to tell before the tasks' last states.
pub(super) async fn leave(tx: &WriteTx, gone: &[(Uuid, &'static str)]) -> Result<(usize, Vec<Event>)> {
    if gone.is_empty() {
        return Ok((0, Vec::new()));
    }
    let (told, mut next) = match tx.is_sqlite() {
        true => step_by_step(tx, gone).await?,
        false => at_once(tx, gone).await?,
    };
    let gone: HashSet<Uuid> = gone.iter().map(|(id, _)| *id).collect();
    next.retain(|id| !gone.contains(id));
    Ok((locks::make_ready(tx, &next).await?, told))
}

async fn step_by_step(tx: &WriteTx, gone: &[(Uuid, &'static str)]) -> Result<(Vec<Event>, Vec<Uuid>)> {
    #[derive(FromQueryResult)]
    struct Next {
        id: Uuid,
    }
    let all = keys(tx.get_database_backend(), gone.iter().map(|(id, _)| *id));
    let next: Vec<Next> = rows(&**tx, &locks::next_sql(tx), vec![all.into()]).await?;
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
    Ok((told, next.into_iter().map(|next| next.id).collect()))
}

/// All parts see what was there before: also the locks that go. What follows on those is not missed, as each lock that
/// goes says what comes after itself.
async fn at_once(tx: &WriteTx, gone: &[(Uuid, &'static str)]) -> Result<(Vec<Event>, Vec<Uuid>)> {
    #[derive(FromQueryResult)]
    struct Row {
        id: Uuid,
        is_report: bool,
    }
    let backend = tx.get_database_backend();
    let (next, gone_task, gone_draft) =
        (locks::next_sql(tx), among(backend, "task_id", "$1"), among(backend, "draft_id", "$1"));
    let (tasks, states) = (array("$1", "uuid"), array("$2", "text"));
    let sql = format!(
        "WITH ended AS (SELECT * FROM unnest({tasks}, {states}) AS ended(task, state)), \
         settled AS (UPDATE core_progressreport SET state = ended.state, pulp_last_updated = $3 FROM ended \
           WHERE task_id = ended.task AND core_progressreport.state = 'running' RETURNING pulp_id), \
         unstaged AS (DELETE FROM core_stagedcontent WHERE {gone_draft}), \
         released AS (DELETE FROM core_taskreservation WHERE {gone_task}) \
         SELECT pulp_id AS id, TRUE AS is_report FROM settled UNION ALL SELECT id, FALSE FROM ({next}) AS next"
    );
    let all = keys(backend, gone.iter().map(|(id, _)| *id));
    let states: Vec<_> = gone.iter().map(|(_, state)| *state).collect();
    let states = format!("{{{}}}", states.join(","));
    let found: Vec<Row> = rows(&**tx, &sql, vec![all.into(), states.into(), now().into()]).await?;
    let (reports, next): (Vec<_>, Vec<_>) = found.into_iter().partition(|row| row.is_report);
    let ids = |rows: Vec<Row>| rows.into_iter().map(|row| row.id).collect::<Vec<_>>();
    Ok((progress::settled(tx, &ids(reports)).await?, ids(next)))
}
