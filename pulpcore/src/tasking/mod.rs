//! Background work: the queue, its locks, the workers that empty it, and what a running task can do.
//!
//! The queue is a table. A task's locks are rows beside it ([`crate::models::task_reservation`]) that live and die with
//! it; a task is ready once no earlier one stands in its way (`locks.rs`), and workers take the first of those that are
//! ready (`claim.rs`). So locks are granted first come, first served *a resource*, and a busy resource never holds up an
//! unrelated task.

mod claim;
pub mod cx;
pub(crate) mod diagnostics;
mod dispatch;
mod end;
mod ends;
pub(crate) mod events;
pub(crate) mod group;
pub(crate) mod inline;
mod leave;
pub(crate) mod life;
mod locks;
#[cfg(test)]
mod model;
mod progress;
pub(crate) mod pulse;
pub(crate) mod purge;
mod queue;
pub(crate) mod schedule;
pub(crate) mod tally;
#[cfg(test)]
mod tests;
pub(crate) mod waiting;
pub(crate) mod wake;
pub(crate) mod worker;

pub use self::dispatch::Dispatch;
pub use self::group::TaskGroup;
pub use self::progress::Progress;
pub use self::queue::Queue;
pub use self::worker::Worker;
