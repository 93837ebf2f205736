//! What units need: the packages that those which are copied require, and what these require, and so on.
//!
//! The rules, in the manner of an installation into the destination:
//!
//! - `requires` count, with their versions, paths and rich dependencies ([`rich`]). What rpm itself provides (`rpmlib(…)`), weak
//!   dependencies, conflicts and obsoletes do not, because a repository may hold alternatives; so two versions of one package
//!   may be chosen.
//! - A package of a module needs its module, and a module needs the streams that it names ([`modules`]).
//! - What a destination has already will do, unless an upgrade is wanted, and so will what is copied anyway. All destinations
//!   of a copy count as one.
//! - Otherwise the best package that provides it is taken ([`order`]): rather of the same source and architecture, the newest.
//!   One whose own needs can all be met is better than one whose needs cannot, however many steps away that shows.
//! - What nobody provides is left open, as it is where it comes from, and named in the log and in a progress report. Where
//!   nothing can be met completely, see [`state::solve`].
//!
//! | step | file |
//! | --- | --- |
//! | reading what is needed | [`needs`], [`rich`] |
//! | finding who provides it, all of them, in bounds | [`gather`], [`walk`], [`modules`], [`graph`] |
//! | choosing | [`state`], [`provider`], which asks the crate `resolvo`, and [`order`] |

mod gather;
mod graph;
mod modules;
mod needs;
mod order;
mod provider;
mod rich;
mod state;
#[cfg(test)]
mod tests;
mod walk;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pulpcore::error::Result;
use pulpcore::plugin::TaskCx;

use crate::sync::reading::apart;
use crate::tasks::copy::Copied;

/// How many needs that are left open are named.
const MOST_NAMED: usize = 10;

/// How much of each, in characters.
const MOST_OF_A_NAME: usize = 200;

/// Adds what the units of a plan need.
///
/// # Errors
/// [`pulpcore::error::Error::TooLarge`] if too much is needed; if the database fails.
pub(crate) async fn complete(cx: &TaskCx, plan: &mut [Copied], upgrade: bool) -> Result<()> {
    let graph = gather::gather(cx, plan, upgrade).await?;
    let stop = Stop::default();
    let stopped = Arc::clone(&stop.0);
    let solution = apart(move || state::solve(&graph, &stopped)).await?;
    for (entry, id) in solution.chosen {
        plan[entry].units.insert(id);
    }
    tell(cx, &solution.open).await
}

/// Says what is left open.
async fn tell(cx: &TaskCx, open: &BTreeSet<String>) -> Result<()> {
    if open.is_empty() {
        return Ok(());
    }
    let short = |need: &String| need.chars().take(MOST_OF_A_NAME).collect::<String>();
    let mut names = open.iter().take(MOST_NAMED).map(short).collect::<Vec<_>>().join(", ");
    if open.len() > MOST_NAMED {
        names = format!("{names}, …");
    }
    tracing::warn!(count = open.len(), names, "Dependencies are left open, because nothing provides them.");
    let count = i64::try_from(open.len()).unwrap_or(i64::MAX);
    let progress = cx.progress(&format!("Leaving dependencies open: {names}"), "copying.open_dependencies");
    progress.set_total(count);
    progress.done(count).await
}

/// Stops the search when nobody waits for it any more.
#[derive(Default)]
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
