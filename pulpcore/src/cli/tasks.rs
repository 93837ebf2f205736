//! `tasks`: the queue on a terminal.
//!
//! It reads and writes the database itself, so it also answers when no server does. A server that runs meanwhile is told of
//! what changed, or sees it by its own look.

mod cancel;
mod find;
mod list;
mod purge;
mod show;
mod text;
mod why;

use clap::{Args, Subcommand};

use super::{Places, block_on, open, say};
use crate::error::Result;
use crate::server;

/// `tasks …`.
#[derive(Debug, Subcommand)]
pub(super) enum Tasks {
    /// The tasks, the newest first
    List(list::List),
    /// All that is known of one task
    Show(show::Show),
    /// Why a task waits: what is in its way, and what is in the way of that
    Why(why::Why),
    /// Cancel tasks: those that wait at once, those that run by telling them to stop
    Cancel(cancel::Cancel),
    /// Forget tasks that ended long ago
    Purge(purge::Purge),
}

/// Which task.
#[derive(Args, Debug)]
pub(super) struct Id {
    /// Its id, the beginning of it if no other task's begins so, its href or its PRN
    #[arg(value_name = "TASK")]
    id: String,
}

impl Tasks {
    pub(super) fn run(self, places: &Places) -> Result<()> {
        let settings = places.load()?.settings;
        block_on(async {
            let db = open(&settings).await?;
            match self {
                Self::List(list) => say(list.text(&db).await?)?,
                Self::Show(show) => say(show.text(&db).await?)?,
                Self::Why(why) => say(why.text(&db).await?)?,
                Self::Cancel(cancel) => {
                    // With the lock of the database in hand nobody else runs a task. (PostgreSQL has none.)
                    let lock = server::Lock::take(&settings).ok().flatten();
                    cancel.run(&db, lock.is_some(), say).await?;
                }
                Self::Purge(purge) => say(purge.text(&db).await?)?,
            }
            db.close().await
        })
    }
}

#[cfg(test)]
mod tests;
