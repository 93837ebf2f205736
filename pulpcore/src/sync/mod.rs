//! Sync: what a remote offers becomes a repository version, as bounded streams.
//!
//! [`download`] fetches bytes from a remote and knows nothing of content. A [`Session`] turns what a plugin declares
//! ([`Declared`]) into saved units and, at its end, into a version.

pub mod download;
mod pipeline;
pub(crate) mod repair;

pub use self::pipeline::{Declared, DeclaredArtifact, Saved, Session};
