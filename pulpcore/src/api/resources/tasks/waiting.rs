//! What a task waits for, as clients read it: an addition to Pulp's fields.

use serde::Serialize;
use utoipa::ToSchema;

use crate::tasking::waiting::{Before, Reason, Waiting};

/// The field's name. No field of Pulp's begins like this.
pub(super) const FIELD: &str = "x_waiting_for";

/// What a waiting task waits for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TaskWaitingForResponse)]
pub(super) struct WaitingFor {
    /// Whether earlier tasks want the same resources, or no worker is free.
    #[schema(read_only)]
    reason: Lacks,
    /// The same for a person to read.
    #[schema(read_only)]
    sentence: String,
    /// The nearest of the tasks before it, ten at most: those that run, then the first in the queue. Empty if it waits for
    /// a worker.
    #[schema(read_only)]
    tasks: Vec<InTheWay>,
    /// How many tasks go before it.
    #[schema(read_only)]
    count: i64,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = TaskWaitingReasonEnum)]
enum Lacks {
    Resources,
    Worker,
}

/// A task that goes before another one.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TaskInTheWayResponse)]
struct InTheWay {
    /// Its address.
    #[schema(read_only, format = "uri")]
    task: String,
    /// Its name.
    #[schema(read_only)]
    name: String,
    /// Its state.
    #[schema(read_only)]
    state: String,
    /// A resource that both want.
    #[schema(read_only)]
    resource: String,
    /// Whether the task that goes first wants it for itself; else the one that waits does.
    #[schema(read_only)]
    exclusive: bool,
}

impl WaitingFor {
    /// With hrefs below this API root.
    pub(super) fn of(waiting: Waiting, root: &str) -> Self {
        let sentence = waiting.sentence();
        let reason = match waiting.reason {
            Reason::Resources => Lacks::Resources,
            Reason::Worker(_) => Lacks::Worker,
        };
        let tasks = waiting.before.into_iter().map(|before| {
            let Before { task_id, name, state, resource, exclusive } = before;
            InTheWay { task: format!("{root}tasks/{task_id}/"), name, state, resource, exclusive }
        });
        Self { reason, sentence, tasks: tasks.collect(), count: waiting.count }
    }
}
