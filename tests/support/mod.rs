//! What the programs that measure and show the server have in common: a server as a process of its own, and a client.

pub(crate) mod api;
mod server;

pub(crate) use self::server::Server;

/// How many files the demo and the measurements sync, and how large each of them is.
pub(crate) const FILES: (usize, u64) = (10_000, 1024);
