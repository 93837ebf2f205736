//! Why a task waits: who stands before it, on which resource; or that no worker is free.
//!
//! The rule is that of `locks.rs`: of two tasks that exclude each other on a resource, the one with the smaller `seq` goes
//! first. So whoever stands before a task can be read from the locks. Thousands may: only the nearest are looked up, those
//! that run and then the first in the queue, and the others are counted in an index.

use std::collections::HashMap;

use sea_orm::FromQueryResult;
use uuid::Uuid;

use crate::db::{Db, rows, rows_per_statement};
use crate::error::Result;
use crate::models::{state, task};

/// How many of the tasks before another one are looked up.
pub(crate) const NEAREST: i64 = 10;

/// Why a task waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) reason: Reason,
    /// The nearest of those in its way: what runs, then what is first in the queue. Empty if it waits for a worker.
    pub(crate) before: Vec<Before>,
    /// How many tasks go before it, for either reason.
    pub(crate) count: i64,
}

/// What a waiting task lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Resources that earlier tasks have or are to have first.
    Resources,
    /// A worker that is free.
    Worker(Workers),
}

/// The workers that are there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromQueryResult)]
pub(crate) struct Workers {
    pub(crate) online: i64,
    pub(crate) busy: i64,
}

/// A task in the way of another.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub(crate) struct Before {
    pub(crate) task_id: Uuid,
    pub(crate) name: String,
    pub(crate) state: String,
    /// What both want; the first by name, if there is more than one thing.
    pub(crate) resource: String,
    /// Whether the one in the way wants it for itself; else the other does.
    pub(crate) exclusive: bool,
}

/// Why those of the tasks wait that do. Without one that waits it costs nothing.
pub(crate) async fn why(db: &Db, tasks: &[task::Model]) -> Result<HashMap<Uuid, Waiting>> {
    let waiting: Vec<Uuid> = tasks.iter().filter(|row| row.state == state::WAITING).map(|row| row.pulp_id).collect();
    let mut found = HashMap::new();
    for ids in waiting.chunks(rows_per_statement(1)) {
        behind_others(db, ids, &mut found).await?;
    }
    let ready: Vec<Uuid> = waiting.into_iter().filter(|id| !found.contains_key(id)).collect();
    if !ready.is_empty() {
        let reason = Reason::Worker(workers(db).await?);
        for ids in ready.chunks(rows_per_statement(1)) {
            let ahead = ahead(db, ids).await?;
            found.extend(ids.iter().map(|id| {
                let count = ahead.get(id).copied().unwrap_or_default();
                (*id, Waiting { reason, before: Vec::new(), count })
            }));
        }
    }
    Ok(found)
}

impl Waiting {
    /// The same in a sentence.
    pub(crate) fn sentence(&self) -> String {
        match &self.reason {
            Reason::Resources => self.sentence_of_resources(),
            Reason::Worker(workers) => {
                let ahead = match self.count {
                    0 => String::new(),
                    1 => " One ready task is to be taken before it.".to_owned(),
                    count => format!(" {count} ready tasks are to be taken before it."),
                };
                format!("It is ready and waits for a free worker: {}{ahead}", workers.sentence())
            }
        }
    }

    fn sentence_of_resources(&self) -> String {
        let Some(next) = self.before.first() else { return String::new() };
        let doing = match next.state.as_str() {
            state::RUNNING => "runs",
            state::CANCELING => "is being canceled",
            _ => "waits, too,",
        };
        let (name, resource) = (&next.name, &next.resource);
        match self.count {
            1 => format!("It waits for a task that came first: {name} {doing} and wants '{resource}'."),
            count => {
                format!("It waits for {count} tasks that came first; the next, {name}, {doing} and wants '{resource}'.")
            }
        }
    }
}

impl Workers {
    fn sentence(self) -> String {
        let Self { online, busy } = self;
        match (online, busy) {
            (0, _) => "no worker is online.".to_owned(),
            (1, 0) => "one is online, and idle.".to_owned(),
            (1, _) => "one is online, and busy.".to_owned(),
            (_, 0) => format!("{online} are online, all idle."),
            _ if busy >= online => format!("{online} are online, all busy."),
            _ => format!("{online} are online, {busy} of them busy."),
        }
    }
}

/// A place for each key. Where the number of keys is known, PostgreSQL sees that few rows are asked for.
fn places(ids: &[Uuid]) -> String {
    (1..=ids.len()).map(|nth| format!("${nth}")).collect::<Vec<_>>().join(", ")
}

fn values(ids: &[Uuid]) -> Vec<sea_orm::Value> {
    ids.iter().map(|id| (*id).into()).collect()
}

/// Finds those that others stand before.
///
/// Each lock sees as far as the first few that exclude it (`border`), and all tasks that run: there are as many of those as
/// workers at most. Where the lock is shared, the index of the exclusive ones serves.
async fn behind_others(db: &Db, ids: &[Uuid], found: &mut HashMap<Uuid, Waiting>) -> Result<()> {
    #[derive(FromQueryResult)]
    struct Found {
        waiting: Uuid,
        count: i64,
        #[sea_orm(nested)]
        before: Before,
    }
    let places = places(ids);
    let border = "SELECT b.seq FROM core_taskreservation b WHERE b.resource = r.resource AND b.seq < r.seq";
    let row = "mine.task_id AS waiting, o.task_id, o.seq, o.resource, o.exclusive";
    // SQLite keeps the order of a CROSS JOIN; by itself it would begin with the large tables.
    let near = "FROM mine CROSS JOIN core_taskreservation o \
         WHERE o.resource = mine.resource AND o.seq < coalesce(mine.border, mine.seq)";
    let all = "FROM mine CROSS JOIN core_taskreservation o WHERE o.resource = mine.resource AND o.seq < mine.seq";
    let sql = format!(
        "WITH mine AS MATERIALIZED (SELECT r.task_id, r.resource, r.exclusive, r.seq, CASE WHEN r.exclusive \
             THEN ({border} ORDER BY b.seq LIMIT 1 OFFSET {NEAREST}) \
             ELSE ({border} AND b.exclusive ORDER BY b.seq LIMIT 1 OFFSET {NEAREST}) END AS border \
           FROM core_taskreservation r WHERE r.task_id IN ({places})), \
         running AS MATERIALIZED (SELECT o.* FROM core_task t CROSS JOIN core_taskreservation o \
           WHERE t.state IN ('running', 'canceling') AND o.task_id = t.pulp_id), \
         near AS (SELECT {row} {near} AND mine.exclusive UNION SELECT {row} {near} AND o.exclusive AND NOT mine.exclusive \
           UNION SELECT {row} FROM mine JOIN running o ON o.resource = mine.resource AND o.seq < mine.seq \
             AND (mine.exclusive OR o.exclusive)), \
         total AS (SELECT waiting, count(*) AS count FROM (SELECT mine.task_id AS waiting, o.seq {all} AND mine.exclusive \
             UNION SELECT mine.task_id, o.seq {all} AND o.exclusive AND NOT mine.exclusive) AS before GROUP BY waiting) \
         SELECT near.waiting, total.count, near.task_id, near.name, near.state, near.resource, near.exclusive \
         FROM (SELECT first.*, t.name, t.state, row_number() OVER (PARTITION BY first.waiting \
               ORDER BY CASE WHEN t.state = 'waiting' THEN 1 ELSE 0 END, first.seq) AS nth \
             FROM (SELECT near.*, row_number() OVER (PARTITION BY waiting, seq ORDER BY resource) AS same FROM near) \
               AS first CROSS JOIN core_task t WHERE t.pulp_id = first.task_id AND first.same = 1) AS near \
         JOIN total ON total.waiting = near.waiting WHERE near.nth <= {NEAREST} ORDER BY near.waiting, near.nth"
    );
    for row in rows::<Found>(db.read(), &sql, values(ids)).await? {
        let Found { waiting, count, before } = row;
        let new = || Waiting { reason: Reason::Resources, before: Vec::new(), count };
        found.entry(waiting).or_insert_with(new).before.push(before);
    }
    Ok(())
}

async fn workers(db: &Db) -> Result<Workers> {
    let online = match db.is_sqlite() {
        true => "unixepoch(w.last_heartbeat) + w.ttl_seconds >= unixepoch('now')",
        false => "extract(epoch FROM clock_timestamp() - w.last_heartbeat) <= w.ttl_seconds",
    };
    let sql = format!(
        "SELECT count(*) AS online, count(t.pulp_id) AS busy FROM core_appstatus w LEFT JOIN core_task t \
         ON t.worker_id = w.pulp_id AND t.state IN ('running', 'canceling') WHERE w.app_type = 'worker' AND {online}"
    );
    Ok(rows::<Workers>(db.read(), &sql, Vec::new()).await?.pop().unwrap_or_default())
}

/// How many ready tasks are taken before each of these.
async fn ahead(db: &Db, ids: &[Uuid]) -> Result<HashMap<Uuid, i64>> {
    #[derive(FromQueryResult)]
    struct Found {
        pulp_id: Uuid,
        ahead: i64,
    }
    let ready = "SELECT count(*) FROM core_task o WHERE o.state = 'waiting' AND o.unblocked_at IS NOT NULL";
    let sql = format!(
        "SELECT m.pulp_id, ({ready} AND o.immediate = m.immediate AND o.seq < m.seq) \
           + CASE WHEN m.immediate THEN 0 ELSE ({ready} AND o.immediate) END AS ahead \
         FROM core_task m WHERE m.pulp_id IN ({})",
        places(ids)
    );
    let found = rows::<Found>(db.read(), &sql, values(ids)).await?;
    Ok(found.into_iter().map(|row| (row.pulp_id, row.ahead)).collect())
}

#[cfg(test)]
mod tests;
