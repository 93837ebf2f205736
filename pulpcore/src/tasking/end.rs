//! How tasks end: their state, their locks, their unfinished reports and their staged content, in one transaction.

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use serde_json::json;
use uuid::Uuid;

use super::events::{self, Event, STATE};
use super::leave::{complete, leave};
use super::locks;
use crate::db::{WriteTx, now, storable};
use crate::error::Result;
use crate::models::{created_resource, progress_report, state, task};
use crate::versions::staging;

/// How a task ended.
#[derive(Clone, Debug)]
pub(super) enum Ended {
    Completed(Option<serde_json::Value>),
    Failed(serde_json::Value),
    Canceled,
    /// Its worker had to stop before it could end. It runs again, unless it has made something that would be made twice.
    HandedBack,
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Freed {
    /// How many tasks may be taken now that could not before.
    pub(super) ready: usize,
    /// The tasks that ended here, and in which states; another process may have ended others before.
    pub(super) states: Vec<(Uuid, &'static str)>,
}

impl Freed {
    /// How many tasks ended here.
    pub(super) fn ended(&self) -> usize {
        self.states.len()
    }
}

/// How a failure stands in a task's row.
pub(super) fn failure(description: &str) -> serde_json::Value {
    json!({ "description": description, "traceback": null })
}

/// Ends tasks that are in one of the states `from`; others are left alone.
pub(super) async fn end(tx: &WriteTx, tasks: &[(Uuid, Ended)], from: &[&str]) -> Result<Freed> {
    let (freed, told) = end_untold(tx, tasks, from).await?;
    events::record(tx, told).await?;
    Ok(freed)
}

/// The same; what there is to tell is left to the caller, who has more to tell.
pub(super) async fn end_untold(tx: &WriteTx, tasks: &[(Uuid, Ended)], from: &[&str]) -> Result<(Freed, Vec<Event>)> {
    let (mut freed, mut told) = (Freed::default(), Vec::new());
    if tasks.is_empty() {
        return Ok((freed, told));
    }
    let ids: Vec<Uuid> = tasks.iter().map(|(id, _)| *id).collect();
    locks::turn_of(tx, &ids).await?;

    let well = |ended: &Ended| matches!(ended, Ended::Completed(None));
    let (well, others): (Vec<_>, Vec<_>) = tasks.iter().partition(|(_, ended)| well(ended));
    let mut all = Vec::new();
    if !well.is_empty() {
        let left = complete(tx, &well.into_iter().map(|(id, _)| *id).collect::<Vec<_>>(), from).await?;
        for id in left.ended {
            freed.states.push((id, state::COMPLETED));
            told.extend(events::seal(id));
            told.push(Event::state(id, state::COMPLETED));
        }
        freed.ready += left.ready;
        all.extend(left.told);
    }
    let completed = freed.states.len();
    for (id, ended) in others {
        let (state, error, result) = match ended {
            Ended::Completed(result) => (state::COMPLETED, None, result.clone()),
            Ended::Failed(error) => (state::FAILED, Some(error.clone()), None),
            Ended::Canceled => (state::CANCELED, None, None),
            Ended::HandedBack if !made_anything(tx, *id).await? => match hand_back(tx, *id).await? {
                Some(event) => {
                    freed.ready += 1;
                    told.extend(events::seal(*id));
                    told.push(event);
                    continue;
                }
                None => (state::CANCELED, None, None),
            },
            Ended::HandedBack => (state::FAILED, Some(failure(SHUT_DOWN)), None),
        };
        let mut last = Last { state, error, result };
        let mut written = last.write(tx, *id, from.iter().copied().filter(|from| last.may_follow(from))).await?;
        if !written && state == state::CANCELED && from.contains(&state::RUNNING) {
            last = Last { state: state::FAILED, error: Some(failure(GIVEN_UP)), result: None };
            written = last.write(tx, *id, [state::RUNNING].into_iter()).await?;
        }
        if written {
            freed.states.push((*id, last.state));
            told.extend(events::seal(*id));
            told.push(last.event(*id));
        }
    }
    let left = leave(tx, &freed.states[completed..]).await?;
    freed.ready += left.ready;
    all.extend(left.told);
    all.extend(told);
    Ok((freed, all))
}

/// The last state of a task.
struct Last {
    state: &'static str,
    error: Option<serde_json::Value>,
    result: Option<serde_json::Value>,
}

impl Last {
    /// A running task was not told to stop by whoever wants it canceled: its worker stopped it.
    fn may_follow(&self, before: &str) -> bool {
        self.state != state::CANCELED || before != state::RUNNING
    }

    /// Whether the task was in one of the states `from`.
    async fn write(&self, tx: &WriteTx, id: Uuid, from: impl Iterator<Item = &str>) -> Result<bool> {
        let now = now();
        let changed = task::Entity::update_many()
            .col_expr(task::Column::State, Expr::value(self.state))
            .col_expr(task::Column::Error, Expr::value(self.error.clone().map(storable)))
            .col_expr(task::Column::Result, Expr::value(self.result.clone().map(storable)))
            .col_expr(task::Column::FinishedAt, Expr::value(now))
            .col_expr(task::Column::PulpLastUpdated, Expr::value(now))
            .filter(task::Column::PulpId.eq(id))
            .filter(task::Column::State.is_in(from))
            .exec(&**tx)
            .await?;
        Ok(changed.rows_affected == 1)
    }

    fn event(self, id: Uuid) -> Event {
        match self.error {
            Some(error) => Event::new(id, STATE, json!({ "state": self.state, "error": error })),
            None => Event::state(id, self.state),
        }
    }
}

const GIVEN_UP: &str = "The worker was given up before the task ended.";
const SHUT_DOWN: &str = "The worker was shut down before the task ended.";

/// Whether running the task again would do something twice.
async fn made_anything(tx: &WriteTx, id: Uuid) -> Result<bool> {
    let things = created_resource::Entity::find().filter(created_resource::Column::TaskId.eq(id));
    let children = task::Entity::find().filter(task::Column::ParentTaskId.eq(id));
    Ok(things.count(&**tx).await? > 0 || children.count(&**tx).await? > 0)
}

/// Puts a running task back to where it stood in the queue. Its locks stay, so nobody has passed it.
/// `None` if it does not run: it was told to stop.
async fn hand_back(tx: &WriteTx, id: Uuid) -> Result<Option<Event>> {
    let back = task::Entity::update_many()
        .col_expr(task::Column::State, Expr::value(state::WAITING))
        .col_expr(task::Column::StartedAt, Expr::value(None::<time::OffsetDateTime>))
        .col_expr(task::Column::WorkerId, Expr::value(None::<Uuid>))
        .filter(task::Column::PulpId.eq(id))
        .filter(task::Column::State.eq(state::RUNNING))
        .exec(&**tx)
        .await?;
    if back.rows_affected == 0 {
        return Ok(None);
    }
    progress_report::Entity::delete_many().filter(progress_report::Column::TaskId.eq(id)).exec(&**tx).await?;
    staging::forget(&**tx, &[id]).await?;
    Ok(Some(Event::state(id, state::WAITING)))
}
