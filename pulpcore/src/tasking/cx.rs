//! What a running task can do.

use std::sync::{Arc, Mutex};

use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait, QuerySelect};
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::dispatch::Dispatch;
use super::group::TaskGroup;
use super::progress::Progress;
use crate::api::families::general;
use crate::app::App;
use crate::db::{Db, WriteTx};
use crate::error::{Error, Result};
use crate::models::{created_resource, state, task};
use crate::plugin::{Detail, Master, Task};
use crate::refs::{Ref, Referable};
use crate::registry;
use crate::storage::Storage;

/// A running task's view of the process.
///
/// ```
/// use pulpcore::error::Result;
/// use pulpcore::plugin::TaskCx;
///
/// /// Counts what it does, and says what came of it.
/// async fn dust(cx: &TaskCx, books: i64) -> Result<()> {
///     let progress = cx.progress("Dusting", "dusting");
///     progress.set_total(books);
///     for _ in 0..books {
///         progress.increment(1).await?;
///     }
///     progress.finish().await?;
///     cx.returns(books)
/// }
/// ```
#[derive(Clone, Debug)]
pub struct TaskCx {
    app: App,
    task: Arc<task::Model>,
    result: Arc<Mutex<Option<serde_json::Value>>>,
}

impl TaskCx {
    pub(crate) fn new(app: App, task: task::Model) -> Self {
        Self { app, task: Arc::new(task), result: Arc::default() }
    }

    /// The process: database, storage, settings.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// The database.
    pub fn db(&self) -> &Db {
        &self.app.db
    }

    /// The artifacts' storage.
    pub fn storage(&self) -> &Storage {
        &self.app.storage
    }

    /// The task's key.
    pub fn id(&self) -> Uuid {
        self.task.pulp_id
    }

    /// The task's domain.
    pub fn domain(&self) -> Uuid {
        self.task.pulp_domain_id
    }

    /// What the log lines of the request and of all that came of it have in common.
    pub(crate) fn correlation_id(&self) -> &str {
        &self.task.logging_cid
    }

    /// Begins a progress report: what is counted, for people and for programs.
    pub fn progress(&self, message: &str, code: &str) -> Progress {
        Progress::new(self.app.queue.clone(), self.task.pulp_id, message, code)
    }

    /// Records that the task made a thing.
    pub async fn created<E: Referable>(&self, thing: &Ref<E>) -> Result<()> {
        self.record(thing.model(), thing.id).await
    }

    /// Makes a repository, a remote or a distribution of the kind `E`, from the fields that a client of the REST API would
    /// give, by the same rules: its key. The task records that it made it. Whoever makes distributions holds the lock
    /// `/api/v3/distributions/`, because two at once could each miss the other's path.
    ///
    /// # Errors
    /// [`Error::Invalid`], naming the field, if the REST API would refuse it.
    pub async fn make<E: Detail>(&self, fields: Map<String, Value>) -> Result<Uuid> {
        let noun = registry::get().noun(E::Master::FAMILY, E::TYPE).ok_or_else(|| registry::missing(E::TYPE))?;
        general::make(self, noun, fields).await
    }

    /// The same in the transaction that makes the thing.
    pub async fn created_in<E: Referable>(&self, tx: &WriteTx, thing: &Ref<E>) -> Result<()> {
        self.record_in(tx, thing.model(), thing.id).await
    }

    pub(crate) async fn record(&self, model: &str, id: Uuid) -> Result<()> {
        let tx = self.app.db.write().await?;
        self.record_in(&tx, model, id).await?;
        tx.commit().await
    }

    /// The same in the transaction that makes the thing: a task that is run again has not made it, or says so.
    pub(crate) async fn record_in(&self, tx: &WriteTx, model: &str, id: Uuid) -> Result<()> {
        created_resource::ActiveModel {
            pulp_id: Set(Uuid::now_v7()),
            task_id: Set(self.task.pulp_id),
            model: Set(model.to_owned()),
            object_id: Set(id.to_string()),
        }
        .insert(&**tx)
        .await?;
        Ok(())
    }

    /// Keeps the task running until the transaction ends. A worker that was frozen may find that others have given it up
    /// and freed its locks; what only their holder may do asks this first.
    ///
    /// # Errors
    /// [`Error::Canceled`] if the task has ended.
    pub(crate) async fn ensure_unfinished(&self, tx: &WriteTx) -> Result<()> {
        ensure_unfinished(tx, self.task.pulp_id).await
    }

    /// Sets what the task returns; clients read it as `result`.
    pub fn returns(&self, result: impl Serialize) -> Result<()> {
        let value = serde_json::to_value(result)?;
        *self.result.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(value);
        Ok(())
    }

    /// Queues another task, as a child of this one.
    pub async fn dispatch<T: Task>(&self, child: &T) -> Result<task::Model> {
        self.app.queue.dispatch(self.child(child)?.in_group(self.task.task_group_id)).await
    }

    /// Makes a group of tasks; they are dispatched into it one by one.
    pub async fn group(&self, description: &str) -> Result<TaskGroup> {
        TaskGroup::make(self, description).await
    }

    /// The group that this task belongs to.
    pub fn own_group(&self) -> Option<TaskGroup> {
        self.task.task_group_id.map(|id| TaskGroup::of(self, id))
    }

    /// Another task on behalf of the same user and request, as a child of this one.
    pub(super) fn child<T: Task>(&self, child: &T) -> Result<Dispatch> {
        Ok(Dispatch::new(child)?
            .correlated(&self.task.logging_cid)
            .by(self.task.created_by)
            .child_of(self.task.pulp_id)
            .in_domain(self.task.pulp_domain_id))
    }

    pub(crate) fn take_result(&self) -> Option<serde_json::Value> {
        self.result.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()
    }
}

/// Keeps a task from ending until the transaction ends.
///
/// # Errors
/// [`Error::Canceled`] if it has ended.
pub(super) async fn ensure_unfinished(tx: &WriteTx, task: Uuid) -> Result<()> {
    let row = task::Entity::find_by_id(task).lock_shared().one(&**tx).await?;
    let unfinished = row.is_some_and(|row| state::UNFINISHED.contains(&row.state.as_str()));
    if unfinished { Ok(()) } else { Err(Error::Canceled) }
}
