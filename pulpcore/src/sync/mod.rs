//! Sync: what a remote offers becomes a repository version, as bounded streams.
//!
//! [`download`] fetches bytes from a remote and knows nothing of content.

pub mod download;
pub(crate) mod repair;
