//! The queue: dispatch, claim, cancel, finish.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use sea_orm::sea_query::Expr;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, FromQueryResult, QueryFilter};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::progress;
use crate::db::{Db, WriteTx, exec, now, rows};
use crate::error::{Error, Result};
use crate::migrate;
use crate::models::{Strings, app_status, state, task, task_reservation};
use crate::plugin::{Locks, Task};
use crate::versions::Draft;

/// The queue of one process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Queue {
    db: Db,
    /// Counts changes: whoever waits for work, or for the end of a task, watches it. A change is never missed.
    changes: watch::Sender<u64>,
    /// What runs here, and how to stop it.
    running: Arc<Mutex<HashMap<Uuid, CancellationToken>>>,
}

/// A task to be queued.
#[derive(Debug)]
pub struct Dispatch {
    type_name: &'static str,
    name: &'static str,
    immediate: bool,
    args: serde_json::Value,
    locks: Locks,
    correlation_id: String,
    user: Option<i64>,
    parent: Option<Uuid>,
    domain: Option<Uuid>,
}

impl Dispatch {
    /// The given task, with its own locks.
    pub fn new<T: Task>(task: &T) -> Result<Self> {
        let kind = crate::plugin::TaskKind::of::<T>();
        Ok(Self::of(&kind, crate::plugin::Prepared::new(task)?))
    }

    pub(crate) fn of(kind: &crate::plugin::TaskKind, prepared: crate::plugin::Prepared) -> Self {
        Self {
            type_name: kind.type_name,
            name: kind.name,
            immediate: kind.immediate,
            args: prepared.args,
            locks: prepared.locks,
            correlation_id: String::new(),
            user: None,
            parent: None,
            domain: None,
        }
    }

    /// On behalf of the request with this correlation id.
    #[must_use]
    pub fn correlated(mut self, id: &str) -> Self {
        id.clone_into(&mut self.correlation_id);
        self
    }

    /// On behalf of a user.
    #[must_use]
    pub fn by(mut self, user: Option<i64>) -> Self {
        self.user = user;
        self
    }

    /// As a child of another task.
    #[must_use]
    pub fn child_of(mut self, parent: Uuid) -> Self {
        self.parent = Some(parent);
        self
    }

    /// In a domain.
    #[must_use]
    pub fn in_domain(mut self, domain: Uuid) -> Self {
        self.domain = Some(domain);
        self
    }
}

impl Queue {
    /// A queue over a database.
    pub fn new(db: Db) -> Self {
        Self { db, changes: watch::Sender::new(0), running: Arc::default() }
    }

    /// Queues a task and wakes a worker.
    ///
    /// # Errors
    /// Only if the database fails.
    pub async fn dispatch(&self, dispatch: Dispatch) -> Result<task::Model> {
        let tx = self.db.write().await?;
        let row = self.insert(&tx, dispatch).await?;
        tx.commit().await?;
        self.changed();
        Ok(row)
    }

    async fn insert(&self, tx: &WriteTx, dispatch: Dispatch) -> Result<task::Model> {
        let domain = dispatch.domain.ok_or_else(|| Error::internal("a task is queued in a domain"))?;
        // Every task keeps its domain from disappearing under it.
        let locks = dispatch.locks.shared(crate::refs::prn("core.domain", domain));
        let (now, seq) = (now(), migrate::next_task_seq(&**tx).await?);
        let row = task::ActiveModel {
            pulp_id: Set(Uuid::now_v7()),
            seq: Set(seq),
            pulp_created: Set(now),
            pulp_last_updated: Set(now),
            pulp_domain_id: Set(domain),
            state: Set(state::WAITING.to_owned()),
            name: Set(dispatch.name.to_owned()),
            task_type: Set(dispatch.type_name.to_owned()),
            args: Set(dispatch.args),
            logging_cid: Set(dispatch.correlation_id),
            created_by: Set(dispatch.user),
            immediate: Set(dispatch.immediate),
            unblocked_at: Set(None),
            started_at: Set(None),
            finished_at: Set(None),
            error: Set(None),
            result: Set(None),
            worker_id: Set(None),
            parent_task_id: Set(dispatch.parent),
            task_group_id: Set(None),
            reserved_resources_record: Set(Strings(locks.record())),
        }
        .insert(&**tx)
        .await?;
        let reservations = locks.iter().map(|lock| task_reservation::ActiveModel {
            task_id: Set(row.pulp_id),
            resource: Set(lock.resource.clone()),
            exclusive: Set(lock.exclusive),
            seq: Set(seq),
        });
        task_reservation::Entity::insert_many(reservations).exec_without_returning(&**tx).await?;
        Ok(row)
    }

    /// Takes the first task that is ready, for a worker.
    pub(super) async fn claim(&self, worker: Uuid) -> Result<Option<task::Model>> {
        // A look without the write turn first: an idle worker disturbs nobody.
        if self.first_ready(self.db.read()).await?.is_none() {
            return Ok(None);
        }
        let tx = self.db.write().await?;
        if !self.db.is_sqlite() {
            // Two claims at once could each miss the other's locks.
            exec(&*tx, "SELECT pg_advisory_xact_lock($1)", vec![CLAIM_LOCK.into()]).await?;
        }
        let Some(id) = self.first_ready(&*tx).await? else { return Ok(None) };
        let now = now();
        // A worker that others gave up takes nothing before it is listed again, and cannot be given up meanwhile.
        let listed = app_status::Entity::update_many()
            .col_expr(app_status::Column::LastHeartbeat, Expr::value(now))
            .filter(app_status::Column::PulpId.eq(worker))
            .exec(&*tx)
            .await?;
        if listed.rows_affected == 0 {
            return Ok(None);
        }
        let claimed = task::Entity::update_many()
            .col_expr(task::Column::State, Expr::value(state::RUNNING))
            .col_expr(task::Column::UnblockedAt, Expr::value(now))
            .col_expr(task::Column::StartedAt, Expr::value(now))
            .col_expr(task::Column::WorkerId, Expr::value(worker))
            .filter(task::Column::PulpId.eq(id))
            .filter(task::Column::State.eq(state::WAITING))
            .exec(&*tx)
            .await?;
        let row = task::Entity::find_by_id(id).one(&*tx).await?;
        tx.commit().await?;
        Ok(row.filter(|_| claimed.rows_affected == 1))
    }

    async fn first_ready(&self, db: &impl sea_orm::ConnectionTrait) -> Result<Option<Uuid>> {
        #[derive(FromQueryResult)]
        struct Id {
            id: Uuid,
        }
        let sql = "SELECT t.pulp_id AS id FROM core_task t WHERE t.state = 'waiting' AND NOT EXISTS ( \
             SELECT 1 FROM core_taskreservation mine \
             JOIN core_taskreservation other ON other.resource = mine.resource AND other.task_id <> mine.task_id \
               AND (mine.exclusive OR other.exclusive) \
             JOIN core_task holder ON holder.pulp_id = other.task_id \
             WHERE mine.task_id = t.pulp_id AND (other.seq < mine.seq OR holder.state <> 'waiting')) \
             ORDER BY t.immediate DESC, t.seq LIMIT 1";
        Ok(rows::<Id>(db, sql, Vec::new()).await?.first().map(|row| row.id))
    }

    /// Ends a running task: its state, its locks, its unfinished reports and its staged content, in one transaction.
    pub(super) async fn finish(&self, id: Uuid, ended: Ended) -> Result<()> {
        let tx = self.db.write().await?;
        end(&tx, id, ended).await?;
        tx.commit().await?;
        self.changed();
        Ok(())
    }

    /// Cancels a task: at once while it waits, else by telling it to stop.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] if it has ended.
    pub async fn cancel(&self, id: Uuid) -> Result<task::Model> {
        let tx = self.db.write().await?;
        let row = task::Entity::find_by_id(id).one(&*tx).await?;
        let row = row.ok_or_else(|| crate::api::not_found("Task"))?;
        match row.state.as_str() {
            state::WAITING => end(&tx, id, Ended::Canceled).await?,
            state::RUNNING => {
                task::Entity::update_many()
                    .col_expr(task::Column::State, Expr::value(state::CANCELING))
                    .filter(task::Column::PulpId.eq(id))
                    .exec(&*tx)
                    .await?;
            }
            // Canceling twice is no mistake.
            state::CANCELING | state::CANCELED => {}
            _ => return Err(Error::Conflict("The task has ended.".to_owned())),
        }
        let row = task::Entity::find_by_id(id).one(&*tx).await?;
        tx.commit().await?;
        if let Some(token) = self.lock_running().get(&id) {
            token.cancel();
        }
        self.changed();
        row.ok_or_else(|| crate::api::not_found("Task"))
    }

    /// Changes from now on: the value differs after each.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Waits until a task has ended.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such task.
    pub async fn ended(&self, id: Uuid) -> Result<task::Model> {
        let mut changes = self.watch();
        loop {
            changes.borrow_and_update();
            let row = task::Entity::find_by_id(id).one(self.db.read()).await?;
            let row = row.ok_or_else(|| crate::api::not_found("Task"))?;
            if state::FINAL.contains(&row.state.as_str()) {
                return Ok(row);
            }
            // Another process may end it: look again now and then.
            let _ = tokio::time::timeout(std::time::Duration::from_secs(1), changes.changed()).await;
        }
    }

    pub(super) fn changed(&self) {
        self.changes.send_modify(|n| *n = n.wrapping_add(1));
    }

    pub(super) fn started(&self, id: Uuid) -> CancellationToken {
        let token = CancellationToken::new();
        self.lock_running().insert(id, token.clone());
        token
    }

    pub(super) fn stopped(&self, id: Uuid) {
        self.lock_running().remove(&id);
    }

    fn lock_running(&self) -> std::sync::MutexGuard<'_, HashMap<Uuid, CancellationToken>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serialises claims on PostgreSQL; any number will do.
const CLAIM_LOCK: i64 = 0x7075_6c70_7461_736b;

/// How a task ended.
#[derive(Debug)]
pub(super) enum Ended {
    Completed(Option<serde_json::Value>),
    Failed(serde_json::Value),
    Canceled,
}

pub(super) async fn end(tx: &WriteTx, id: Uuid, ended: Ended) -> Result<()> {
    let (state, error, result) = match ended {
        Ended::Completed(result) => (state::COMPLETED, None, result),
        Ended::Failed(error) => (state::FAILED, Some(error), None),
        Ended::Canceled => (state::CANCELED, None, None),
    };
    let now = now();
    task::Entity::update_many()
        .col_expr(task::Column::State, Expr::value(state))
        .col_expr(task::Column::Error, Expr::value(error))
        .col_expr(task::Column::Result, Expr::value(result))
        .col_expr(task::Column::FinishedAt, Expr::value(now))
        .col_expr(task::Column::PulpLastUpdated, Expr::value(now))
        .filter(task::Column::PulpId.eq(id))
        .filter(task::Column::State.is_in(state::UNFINISHED))
        .exec(&**tx)
        .await?;
    task_reservation::Entity::delete_many().filter(task_reservation::Column::TaskId.eq(id)).exec(&**tx).await?;
    progress::settle(&**tx, id, state).await?;
    Draft::new(id).clear(&**tx).await
}
