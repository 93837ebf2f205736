//! Groups: tasks that one task dispatches for one purpose, counted and canceled together.

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use time::OffsetDateTime;
use uuid::Uuid;

use super::Queue;
use super::cx::TaskCx;
use crate::db::{Db, WriteTx, exec, now};
use crate::error::{Error, Result};
use crate::models::{group_progress_report, state, task, task_group};
use crate::plugin::Task;

/// A group of tasks, as one task sees it: [`TaskCx::group`] makes one, [`TaskCx::own_group`] is the one that a task is in.
///
/// What a member dispatches on its own account ([`TaskCx::dispatch`]) is in the group as well.
///
/// ```
/// use pulpcore::error::Result;
/// use pulpcore::plugin::{Task, TaskCx};
///
/// /// Dusts one shelf.
/// #[derive(serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
/// #[schema(as = doc::Shelf)]
/// struct Shelf {
///     number: i64,
/// }
///
/// impl Task for Shelf {
///     const TYPE: &'static str = "doc/shelves";
///     const NAME: &'static str = "pulp_doc.app.tasks.shelf";
///     async fn run(self, cx: TaskCx) -> Result<()> {
///         match cx.own_group() {
///             Some(group) => group.count("dusting.shelves", 1).await,
///             None => Ok(()),
///         }
///     }
/// }
///
/// /// Has all shelves dusted, as many at a time as there are workers.
/// async fn dust(cx: &TaskCx, shelves: i64) -> Result<()> {
///     let group = cx.group("Dusting").await?;
///     group.report("Dusting shelves", "dusting.shelves", Some(shelves)).await?;
///     for number in 0..shelves {
///         group.dispatch(&Shelf { number }).await?;
///     }
///     group.finish().await
/// }
/// ```
#[derive(Clone, Debug)]
pub struct TaskGroup {
    cx: TaskCx,
    id: Uuid,
}

impl TaskGroup {
    pub(super) async fn make(cx: &TaskCx, description: &str) -> Result<Self> {
        let id = open(cx.db(), cx.domain(), description).await?;
        Ok(Self::of(cx, id))
    }

    pub(super) fn of(cx: &TaskCx, id: Uuid) -> Self {
        Self { cx: cx.clone(), id }
    }

    /// Its key.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Queues a task as a member of the group, and as a child of the task that runs.
    ///
    /// # Errors
    /// [`Error::Conflict`] if the group takes no more tasks: it is finished, or was canceled.
    pub async fn dispatch<T: Task>(&self, member: &T) -> Result<task::Model> {
        self.cx.app().queue.dispatch(self.cx.child(member)?.joining(self.id)).await
    }

    /// Begins a report on the progress of the whole group. `code` says what is counted, once a group.
    pub async fn report(&self, message: &str, code: &str, total: Option<i64>) -> Result<()> {
        let now = now();
        let tx = self.cx.db().write().await?;
        group_progress_report::ActiveModel {
            pulp_id: Set(Uuid::now_v7()),
            pulp_created: Set(now),
            pulp_last_updated: Set(now),
            task_group_id: Set(self.id),
            message: Set(message.to_owned()),
            code: Set(code.to_owned()),
            total: Set(total),
            done: Set(0),
            suffix: Set(None),
        }
        .insert(&*tx)
        .await?;
        tx.commit().await
    }

    /// Counts some more in a report of the group. Each is a write that all members share: count in steps.
    pub async fn count(&self, code: &str, by: i64) -> Result<()> {
        use group_progress_report::Column as C;
        let tx = self.cx.db().write().await?;
        group_progress_report::Entity::update_many()
            .col_expr(C::Done, Expr::col(C::Done).add(by))
            .col_expr(C::PulpLastUpdated, Expr::value(now()))
            .filter(C::TaskGroupId.eq(self.id))
            .filter(C::Code.eq(code))
            .exec(&*tx)
            .await?;
        tx.commit().await
    }

    /// Says that no more tasks are dispatched into the group.
    pub async fn finish(self) -> Result<()> {
        let tx = self.cx.db().write().await?;
        close(&tx, self.id).await?;
        tx.commit().await
    }
}

/// Makes an empty group: its key.
pub(crate) async fn open(db: &Db, domain: Uuid, description: &str) -> Result<Uuid> {
    let (id, now) = (Uuid::now_v7(), now());
    let tx = db.write().await?;
    task_group::ActiveModel {
        pulp_id: Set(id),
        pulp_created: Set(now),
        pulp_last_updated: Set(now),
        pulp_domain_id: Set(domain),
        description: Set(description.to_owned()),
        all_tasks_dispatched: Set(false),
    }
    .insert(&*tx)
    .await?;
    tx.commit().await?;
    Ok(id)
}

/// Cancels what has not ended in a group, and closes it, so that whoever still dispatches into it stops.
pub(crate) async fn cancel(queue: &Queue, group: Uuid) -> Result<()> {
    let tx = queue.db.write().await?;
    close(&tx, group).await?;
    tx.commit().await?;
    // A member that was told to stop may dispatch one more before it does; each round finds those of the last.
    loop {
        let left: Vec<Uuid> = task::Entity::find()
            .select_only()
            .column(task::Column::PulpId)
            .filter(task::Column::TaskGroupId.eq(group))
            .filter(task::Column::State.is_in([state::WAITING, state::RUNNING]))
            // From the last: one that goes frees nobody behind it who would begin to run only to be stopped.
            .order_by_desc(task::Column::Seq)
            .into_tuple()
            .all(queue.db.read())
            .await?;
        if left.is_empty() {
            return Ok(());
        }
        queue.cancel_all(left).await?;
    }
}

/// Removes the groups that have no tasks any more, nor will have any: they are closed, or whoever made them a day ago has
/// ended without a word.
pub(crate) async fn forget_empty(db: &Db, before: OffsetDateTime) -> Result<()> {
    let yesterday = crate::db::comparable(now() - time::Duration::DAY);
    let sql = "DELETE FROM core_taskgroup WHERE pulp_created < $1 AND (all_tasks_dispatched OR pulp_created < $2) \
         AND NOT EXISTS (SELECT 1 FROM core_task t WHERE t.task_group_id = core_taskgroup.pulp_id)";
    let tx = db.write().await?;
    exec(&*tx, sql, vec![before.into(), yesterday.into()]).await?;
    tx.commit().await
}

/// The row is locked until the commit: whoever closes the group waits, and sees the new member.
pub(super) async fn must_be_open(tx: &WriteTx, group: Uuid) -> Result<()> {
    let row = task_group::Entity::find_by_id(group).lock_shared().one(&**tx).await?;
    match row.is_some_and(|row| !row.all_tasks_dispatched) {
        true => Ok(()),
        false => {
            Err(Error::Conflict("The task group takes no more tasks: it is finished, or was canceled.".to_owned()))
        }
    }
}

async fn close(tx: &WriteTx, group: Uuid) -> Result<()> {
    task_group::Entity::update_many()
        .col_expr(task_group::Column::AllTasksDispatched, Expr::value(true))
        .col_expr(task_group::Column::PulpLastUpdated, Expr::value(now()))
        .filter(task_group::Column::PulpId.eq(group))
        .exec(&**tx)
        .await?;
    Ok(())
}

#[cfg(all(test, feature = "testkit", feature = "sqlite"))]
mod tests;
