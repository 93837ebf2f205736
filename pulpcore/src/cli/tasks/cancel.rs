//! `tasks cancel`.

use std::collections::HashSet;

use clap::Args;
use sea_orm::EntityTrait;

use super::find;
use crate::db::Db;
use crate::error::{Error, Result};
use crate::models::{app_status, state, task};
use crate::tasking::Queue;

/// The flags of `tasks cancel`.
#[derive(Args, Debug)]
pub(in crate::cli) struct Cancel {
    /// The tasks: ids, beginnings of ids, hrefs or PRNs
    #[arg(required = true, value_name = "TASKS")]
    pub(super) ids: Vec<String>,
    /// Wait until those that run have ended
    #[arg(long)]
    pub(super) wait: bool,
}

impl Cancel {
    /// Cancels, and says a sentence a task. If a name is wrong, nothing is canceled. `alone` is whether no server can be
    /// running, so that what is told to stop has ended already.
    ///
    /// # Errors
    /// [`Error::Conflict`] at the end, if a task had ended otherwise.
    pub(super) async fn run(&self, db: &Db, alone: bool, say: impl Fn(String) -> Result<()>) -> Result<()> {
        let mut tasks = Vec::new();
        let mut named = HashSet::new();
        for id in &self.ids {
            let row = find::task(db, id).await?;
            if named.insert(row.pulp_id) {
                tasks.push(row);
            }
        }
        let queue = Queue::new(db.clone());
        let (mut stopping, mut failed) = (Vec::new(), 0);
        for task in &tasks {
            let id = task.pulp_id;
            match queue.cancel(id).await {
                Ok(row) if row.state == state::CANCELED => say(format!("Task {id} is canceled."))?,
                Ok(_) if alone => {
                    queue.end_stopped().await?;
                    say(format!("Task {id} is canceled; the server that ran it is gone."))?;
                }
                Ok(row) => match worker(db, &row).await? {
                    Some(name) => {
                        say(format!("Task {id} runs on {name}, which is told to stop it."))?;
                        stopping.push(id);
                    }
                    // Nobody may be there to end it.
                    None => {
                        failed += usize::from(self.wait);
                        say(format!("Task {id} runs on a worker that is gone; a server that notices ends it."))?;
                    }
                },
                Err(Error::Conflict(_)) => {
                    failed += 1;
                    say(format!("Task {id} has ended before."))?;
                }
                Err(error) => return Err(error),
            }
        }
        tell_others(db, &queue).await?;
        for id in stopping.into_iter().filter(|_| self.wait) {
            let row = queue.ended(id).await?;
            say(format!("Task {id} has ended: {}.", row.state))?;
            failed += usize::from(row.state != state::CANCELED);
        }
        match (failed, tasks.len()) {
            (0, _) => Ok(()),
            (_, 1) => Err(Error::Conflict("the task was not canceled".to_owned())),
            (failed, all) => Err(Error::Conflict(format!("{failed} of {all} tasks were not canceled"))),
        }
    }
}

/// The name of the worker that runs a task, if it is alive.
async fn worker(db: &Db, row: &task::Model) -> Result<Option<String>> {
    let Some(id) = row.worker_id else { return Ok(None) };
    let worker = app_status::Entity::find_by_id(id).one(db.read()).await?;
    Ok(worker.filter(app_status::Model::is_heard).map(|worker| worker.name))
}

/// Wakes other processes now: this one ends before it would do so by itself. On SQLite there are none to wake; the server
/// looks within a second or two.
#[cfg(feature = "postgres")]
async fn tell_others(db: &Db, queue: &Queue) -> Result<()> {
    if db.is_sqlite() {
        return Ok(());
    }
    crate::tasking::wake::post(queue).await
}

#[cfg(not(feature = "postgres"))]
async fn tell_others(_db: &Db, _queue: &Queue) -> Result<()> {
    Ok(())
}
