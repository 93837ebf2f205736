//! `tasks why`: the chain of what is in whose way, in sentences or as JSON.
//!
//! It is followed for a few steps, with one look at the database a step, and each task is explained once.

use std::collections::{HashMap, HashSet};

use clap::Args;
use sea_orm::{EntityTrait, QueryFilter};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Id, find, text};
use crate::db::{Db, now, one_of};
use crate::error::Result;
use crate::models::{app_status, state, task};
use crate::tasking::waiting::{Before, Reason, Waiting, why};

/// How many steps the chain is followed.
const STEPS: usize = 5;
/// After so many tasks it is long enough.
const MANY: usize = 100;

/// The flags of `tasks why`.
#[derive(Args, Debug)]
pub(in crate::cli) struct Why {
    #[command(flatten)]
    pub(super) id: Id,
    /// As JSON
    #[arg(long)]
    pub(super) json: bool,
}

impl Why {
    /// Why a task waits, or that it does not.
    pub(super) async fn text(&self, db: &Db) -> Result<String> {
        let row = &find::task(db, &self.id.id).await?;
        let chain = Chain::follow(db, row).await?;
        if self.json {
            return Ok(format!("{:#}", chain.json(row)));
        }
        let mut lines = vec![format!("Task {} ({}) {}.", row.pulp_id, row.name, chain.doing(row))];
        let mut explained = HashSet::from([row.pulp_id]);
        chain.explain(row.pulp_id, 0, &mut explained, &mut lines);
        Ok(lines.join("\n"))
    }
}

/// What is known of a task, and of those in its way.
struct Chain {
    tasks: HashMap<Uuid, task::Model>,
    waiting: HashMap<Uuid, Waiting>,
    workers: HashMap<Uuid, app_status::Model>,
}

impl Chain {
    async fn follow(db: &Db, row: &task::Model) -> Result<Self> {
        let mut chain = Self { tasks: HashMap::new(), waiting: HashMap::new(), workers: HashMap::new() };
        let mut step = vec![row.clone()];
        for _ in 0..STEPS {
            let found = why(db, &step).await?;
            chain.tasks.extend(step.into_iter().map(|row| (row.pulp_id, row)));
            let before: HashSet<Uuid> =
                found.values().flat_map(|waiting| waiting.before.iter().map(|before| before.task_id)).collect();
            chain.waiting.extend(found);
            let new: Vec<Uuid> = before.into_iter().filter(|id| !chain.tasks.contains_key(id)).collect();
            step = task::Entity::find().filter(one_of(db.read(), task::Column::PulpId, new)).all(db.read()).await?;
            if step.is_empty() || chain.tasks.len() > MANY {
                break;
            }
        }
        chain.tasks.extend(step.into_iter().map(|row| (row.pulp_id, row)));
        let workers = chain.tasks.values().filter_map(|row| row.worker_id);
        let workers = app_status::Entity::find().filter(one_of(db.read(), app_status::Column::PulpId, workers));
        chain.workers.extend(workers.all(db.read()).await?.into_iter().map(|row| (row.pulp_id, row)));
        Ok(chain)
    }

    /// What a task does, as the rest of a sentence.
    fn doing(&self, row: &task::Model) -> String {
        let now = now();
        let age = |since: Option<time::OffsetDateTime>| text::age(since.unwrap_or(row.pulp_created), now);
        match row.state.as_str() {
            state::WAITING => format!("waits, for {}", age(None)),
            state::RUNNING => format!("runs, for {}, {}", age(row.started_at), self.where_of(row)),
            state::CANCELING => {
                format!("was told to stop {} ago, {}", age(Some(row.pulp_last_updated)), self.where_of(row))
            }
            ended => format!("has ended: {ended}, {} ago", age(row.finished_at)),
        }
    }

    fn where_of(&self, row: &task::Model) -> String {
        match row.worker_id.and_then(|id| self.workers.get(&id)) {
            None => "on a worker that is gone".to_owned(),
            Some(worker) => {
                let silent = if worker.is_heard() { "" } else { ", which has been silent for too long" };
                format!("on {}{silent}", worker.name)
            }
        }
    }

    /// The tasks of the chain, each once, the one that was asked for first; with the words of `x_waiting_for` where it waits.
    fn json(&self, row: &task::Model) -> Value {
        let (mut chain, mut next) = (vec![row.pulp_id], 0);
        while let Some(id) = chain.get(next) {
            let before = self.waiting.get(id).into_iter().flat_map(|waiting| &waiting.before);
            let new: Vec<Uuid> = before.map(|before| before.task_id).filter(|id| !chain.contains(id)).collect();
            chain.extend(new);
            next += 1;
        }
        let task = |row: &task::Model| {
            let worker = row.worker_id.and_then(|id| self.workers.get(&id));
            json!({
                "id": row.pulp_id,
                "name": row.name,
                "state": row.state,
                "doing": self.doing(row),
                "worker": worker.map(|worker| &worker.name),
                "waiting_for": self.waiting.get(&row.pulp_id).map(waiting_for),
            })
        };
        chain.iter().filter_map(|id| self.tasks.get(id)).map(task).collect()
    }

    fn explain(&self, id: Uuid, depth: usize, explained: &mut HashSet<Uuid>, lines: &mut Vec<String>) {
        let Some(waiting) = self.waiting.get(&id) else { return };
        let indent = "  ".repeat(depth);
        if let Reason::Worker(_) = waiting.reason {
            return lines.push(format!("{indent}{}", waiting.sentence()));
        }
        let new: Vec<&Before> = waiting.before.iter().filter(|before| explained.insert(before.task_id)).collect();
        let named = waiting.before.len() - new.len();
        let others = match waiting.count {
            1 => "a task that came first".to_owned(),
            count => format!("{count} tasks that came first"),
        };
        let end = match (new.is_empty(), named) {
            (true, 1) => ", which is named above.".to_owned(),
            (true, _) => ", which are named above.".to_owned(),
            (false, 0) => ":".to_owned(),
            (false, _) => format!(", {named} of them named above:"),
        };
        lines.push(format!("{indent}It waits for {others}{end}"));
        for before in &new {
            let Some(row) = self.tasks.get(&before.task_id) else { continue };
            let how = if before.exclusive { "wants for itself" } else { "shares" };
            let doing = self.doing(row);
            lines.push(format!("{indent}- {} ({}) {how} '{}'; it {doing}.", row.pulp_id, row.name, before.resource));
            self.explain(row.pulp_id, depth + 1, explained, lines);
        }
        let more = waiting.count - i64::try_from(waiting.before.len()).unwrap_or(i64::MAX);
        if more > 0 {
            lines.push(format!("{indent}- and {more} more, which come later."));
        }
    }
}

/// What a task waits for, for programs.
fn waiting_for(waiting: &Waiting) -> Value {
    let before = |before: &Before| {
        json!({
            "id": before.task_id,
            "name": before.name,
            "state": before.state,
            "resource": before.resource,
            "exclusive": before.exclusive,
        })
    };
    json!({
        "reason": match waiting.reason {
            Reason::Resources => "resources",
            Reason::Worker(_) => "worker",
        },
        "sentence": waiting.sentence(),
        "tasks": waiting.before.iter().map(before).collect::<Vec<_>>(),
        "count": waiting.count,
    })
}
