//! Putting a task into the queue.

use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait, QuerySelect};
use uuid::Uuid;

use super::events::{self, Event};
use super::{claim, group, locks};
use crate::db::{WriteTx, now};
use crate::error::{Error, Result};
use crate::migrate;
use crate::models::{Strings, state, task, task_reservation};
use crate::plugin::{Lock, Locks, Prepared, Task, TaskKind};

/// A task to be queued.
#[derive(Debug)]
pub struct Dispatch {
    type_name: &'static str,
    name: &'static str,
    pub(super) immediate: bool,
    args: serde_json::Value,
    locks: Locks,
    correlation_id: String,
    user: Option<i64>,
    parent: Option<Uuid>,
    group: Option<Uuid>,
    /// Whether the group must still take tasks.
    joins: bool,
    domain: Option<Uuid>,
    diagnostics: Vec<String>,
}

impl Dispatch {
    /// The given task, with its own locks.
    pub fn new<T: Task>(task: &T) -> Result<Self> {
        Ok(Self::of(&TaskKind::of::<T>(), Prepared::new(task)?))
    }

    pub(crate) fn of(kind: &TaskKind, prepared: Prepared) -> Self {
        Self {
            type_name: kind.type_name,
            name: kind.name,
            immediate: kind.immediate,
            args: prepared.args,
            locks: prepared.locks,
            correlation_id: String::new(),
            user: None,
            parent: None,
            group: None,
            joins: false,
            domain: None,
            diagnostics: Vec::new(),
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

    /// As a member of a group.
    #[must_use]
    pub fn in_group(mut self, group: Option<Uuid>) -> Self {
        self.group = group;
        self
    }

    /// As a new member of a group, which must not be closed.
    pub(super) fn joining(mut self, group: Uuid) -> Self {
        self.joins = true;
        self.in_group(Some(group))
    }

    /// In a domain.
    #[must_use]
    pub fn in_domain(mut self, domain: Uuid) -> Self {
        self.domain = Some(domain);
        self
    }

    /// Observed while it runs: `logs`, `memory`.
    #[must_use]
    pub fn observed(mut self, diagnostics: Vec<String>) -> Self {
        self.diagnostics = diagnostics;
        self
    }

    /// Inserts the task with its locks. If it is ready and `runner` is given, it is running from the start.
    pub(super) async fn insert(self, tx: &WriteTx, runner: Option<Uuid>) -> Result<task::Model> {
        let domain = self.domain.ok_or_else(|| Error::internal("a task is queued in a domain"))?;
        if let Some(group) = self.group.filter(|_| self.joins) {
            group::must_be_open(tx, group).await?;
        }
        // Every task keeps its domain from disappearing under it.
        let wanted = self.locks.shared(crate::refs::prn("core.domain", domain));
        let locks: Vec<Lock> = wanted.iter().cloned().collect();
        locks::take_turns(tx, &locks).await?;
        if let Some(parent) = self.parent {
            must_go_on(tx, parent).await?;
        }
        let free = locks::free(tx, &locks).await?;
        let (now, seq) = (now(), migrate::next_task_seq(&**tx).await?);
        let runner = match runner {
            Some(runner) if free && claim::listed(tx, runner).await? => Some(runner),
            _ => None,
        };
        let row = task::ActiveModel {
            pulp_id: Set(Uuid::now_v7()),
            seq: Set(seq),
            pulp_created: Set(now),
            pulp_last_updated: Set(now),
            pulp_domain_id: Set(domain),
            state: Set(if runner.is_some() { state::RUNNING } else { state::WAITING }.to_owned()),
            name: Set(self.name.to_owned()),
            task_type: Set(self.type_name.to_owned()),
            args: Set(self.args),
            logging_cid: Set(self.correlation_id),
            created_by: Set(self.user),
            immediate: Set(self.immediate),
            unblocked_at: Set(free.then_some(now)),
            started_at: Set(runner.map(|_| now)),
            finished_at: Set(None),
            error: Set(None),
            result: Set(None),
            worker_id: Set(runner),
            parent_task_id: Set(self.parent),
            task_group_id: Set(self.group),
            reserved_resources_record: Set(Strings(wanted.record())),
            diagnostics: Set(Strings(self.diagnostics)),
        }
        .insert(&**tx)
        .await?;
        let reservations = locks.into_iter().map(|lock| task_reservation::ActiveModel {
            task_id: Set(row.pulp_id),
            resource: Set(lock.resource),
            exclusive: Set(lock.exclusive),
            seq: Set(seq),
        });
        task_reservation::Entity::insert_many(reservations).exec_without_returning(&**tx).await?;
        let mut told = vec![Event::state(row.pulp_id, state::WAITING)];
        told.extend(runner.map(|_| Event::state(row.pulp_id, state::RUNNING)));
        events::record(tx, told).await?;
        Ok(row)
    }
}

/// A task that was told to stop dispatches nothing more. The row is locked until the commit: a cancel waits, and then finds
/// the child.
async fn must_go_on(tx: &WriteTx, parent: Uuid) -> Result<()> {
    let parent = task::Entity::find_by_id(parent).lock_shared().one(&**tx).await?;
    let goes_on = |row: &task::Model| [state::WAITING, state::RUNNING].contains(&row.state.as_str());
    if parent.as_ref().is_some_and(goes_on) { Ok(()) } else { Err(Error::Canceled) }
}
