//! The whole server as a process of its own: killed, stopped, refused, started again, split by role.

mod cold;
mod common;
mod crash;
mod edge;
mod events;
#[cfg(feature = "container")]
mod layer;
mod process;
mod workers;
