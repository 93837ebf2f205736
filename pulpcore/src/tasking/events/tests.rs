//! A task that talks, and what its tests need.

use sea_orm::{EntityTrait, QueryOrder};
use serde::{Deserialize, Serialize};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::layer::SubscriberExt;
use utoipa::ToSchema;
use uuid::Uuid;

use super::capture::TaskLines;
use crate::error::Result;
use crate::models::{task, task_event};
use crate::plugin::{Locks, Task, TaskCx, TaskKind, register};
use crate::sample::Sample;
use crate::tasking::Dispatch;
use crate::tasking::life::Listed;

/// Writes lines to the log, and counts them.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = sample::Talk)]
struct Talk {
    lines: u32,
}

impl Task for Talk {
    const TYPE: &'static str = "sample/talks";
    const NAME: &'static str = "pulp_sample.app.tasks.talk";

    fn locks(&self) -> Locks {
        Locks::default()
    }

    async fn run(self, cx: TaskCx) -> Result<()> {
        let progress = cx.progress("Talking", "talking");
        for line in 0..self.lines {
            tracing::info!(line, "Blah.");
            progress.increment(1).await?;
        }
        progress.finish().await
    }
}

register!(TaskKind::of::<Talk>());

impl Sample {
    /// A task that waits.
    pub(super) async fn talk(&self, lines: u32) -> Uuid {
        let dispatch = Dispatch::new(&Talk { lines }).unwrap().in_domain(self.app.domain);
        self.app.queue.dispatch(dispatch).await.unwrap().pulp_id
    }

    /// The next task, on its way.
    pub(super) async fn take_one(&self) -> task::Model {
        let worker = Listed::announce(&self.app, "worker", 1).await.unwrap();
        self.app.queue.turn(&[], &worker.ids()).await.unwrap().pop().expect("a task is ready")
    }

    /// What the table holds.
    pub(super) async fn told(&self) -> Vec<task_event::Model> {
        let events = task_event::Entity::find().order_by_asc(task_event::Column::Seq);
        events.all(self.app.db.read()).await.unwrap()
    }

    /// The same in short: the state, or else the kind.
    pub(super) async fn told_in_short(&self) -> Vec<String> {
        let short = |event: task_event::Model| {
            event.body["state"]
                .as_str()
                .filter(|_| event.kind == super::STATE)
                .map_or(event.kind.clone(), str::to_owned)
        };
        self.told().await.into_iter().map(short).collect()
    }
}

/// As long as it lives, this thread's log is kept for its tasks.
pub(super) fn log() -> DefaultGuard {
    tracing::subscriber::set_default(tracing_subscriber::registry().with(TaskLines))
}
