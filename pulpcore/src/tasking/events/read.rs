//! Events from the table, in their order.

use sea_orm::FromQueryResult;
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::db::{Db, rows};
use crate::error::Result;

/// An event with the name of its task.
#[derive(Clone, Debug, FromQueryResult)]
pub(crate) struct Row {
    pub(crate) seq: i64,
    pub(crate) pulp_created: OffsetDateTime,
    pub(crate) task_id: Uuid,
    pub(crate) kind: String,
    pub(crate) body: Value,
    pub(crate) name: String,
}

/// Whose events, and which.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    /// Of one task, or of all.
    pub(crate) task: Option<Uuid>,
    /// Of these kinds only.
    pub(crate) kinds: Vec<&'static str>,
}

/// The first events behind `after`, up to `upto`.
pub(crate) async fn read(db: &Db, scope: &Scope, after: i64, upto: i64, limit: usize) -> Result<Vec<Row>> {
    let mut values = vec![after.into(), upto.into()];
    let mut sql = "SELECT e.seq, e.pulp_created, e.task_id, e.kind, e.body, t.name FROM core_taskevent e \
         JOIN core_task t ON t.pulp_id = e.task_id WHERE e.seq > $1 AND e.seq <= $2"
        .to_owned();
    if let Some(task) = scope.task {
        values.push(task.into());
        sql.push_str(" AND e.task_id = $3");
    }
    if scope.kinds.len() < super::KINDS.len() {
        let kinds: Vec<String> = scope.kinds.iter().map(|kind| format!("'{kind}'")).collect();
        sql.push_str(&format!(" AND e.kind IN ({})", kinds.join(", ")));
    }
    sql.push_str(&format!(" ORDER BY e.seq LIMIT {limit}"));
    rows(db.read(), &sql, values).await
}
