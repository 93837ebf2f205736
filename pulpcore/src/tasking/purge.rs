//! Forgetting tasks that ended long ago, with all that hangs on them.

use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::db::{Db, is_deadlock, one_of, tried_again};
use crate::error::Result;
use crate::models::{created_resource, progress_report, task};

/// How long tasks are kept unless somebody says something else.
pub(crate) const AGE: Duration = Duration::days(30);
/// Tasks in one transaction: others write in between.
const BATCH: u64 = 500;

/// How many rows went.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) tasks: i64,
    pub(crate) reports: i64,
    pub(crate) resources: i64,
}

impl Counts {
    /// Adds another batch.
    pub(crate) fn add(&mut self, other: &Self) {
        self.tasks += other.tasks;
        self.reports += other.reports;
        self.resources += other.resources;
    }

    /// All rows.
    pub(crate) const fn total(&self) -> i64 {
        self.tasks + self.reports + self.resources
    }
}

/// Removes one batch of the tasks that ended in one of these states and before that time, which must be
/// [comparable](crate::db::comparable); `None` if nothing was left to remove.
pub(crate) async fn batch(db: &Db, before: OffsetDateTime, states: &[&str]) -> Result<Option<Counts>> {
    // What a task has dispatched forgets it as its row goes, in no order: PostgreSQL may undo one of two that meet.
    tried_again(is_deadlock, || once(db, before, states)).await
}

async fn once(db: &Db, before: OffsetDateTime, states: &[&str]) -> Result<Option<Counts>> {
    let tx = db.write().await?;
    let ids: Vec<Uuid> = task::Entity::find()
        .select_only()
        .column(task::Column::PulpId)
        .filter(task::Column::State.is_in(states.iter().copied()))
        .filter(task::Column::FinishedAt.lt(before))
        .order_by_asc(task::Column::FinishedAt)
        .limit(BATCH)
        .into_tuple()
        .all(&*tx)
        .await?;
    if ids.is_empty() {
        return Ok(None);
    }
    let count = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let reports = progress_report::Entity::find()
        .filter(one_of(&*tx, progress_report::Column::TaskId, ids.iter().copied()))
        .count(&*tx)
        .await?;
    let resources = created_resource::Entity::find()
        .filter(one_of(&*tx, created_resource::Column::TaskId, ids.iter().copied()))
        .count(&*tx)
        .await?;
    let tasks = task::Entity::delete_many().filter(one_of(&*tx, task::Column::PulpId, ids)).exec(&*tx).await?;
    tx.commit().await?;
    let counts = Counts { tasks: count(tasks.rows_affected), reports: count(reports), resources: count(resources) };
    Ok(Some(counts))
}
