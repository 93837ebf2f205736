//! Background work: the queue, its locks, the workers that empty it, and what a running task can do.
//!
//! The queue is a table. A task's locks are rows beside it ([`crate::models::task_reservation`]) that live and die with
//! it; a task is ready when no earlier task wants one of its resources in a way that excludes it, and none that runs has
//! it. So locks are granted first come, first served *a resource*, and a busy resource never holds up an unrelated task.

pub mod cx;
mod progress;
mod queue;
pub(crate) mod recovery;
#[cfg(test)]
mod tests;
pub(crate) mod worker;

pub use self::progress::Progress;
pub use self::queue::{Dispatch, Queue};
pub use self::worker::Worker;
