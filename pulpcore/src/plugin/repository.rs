//! Repositories.

use std::future::Future;

use super::detail::Detail;
use crate::error::Result;
use crate::models::repository;
use crate::tasking::cx::TaskCx;
pub use crate::versions::NewVersion;

/// A kind of repository: which content it holds, where that comes from, and what must be true of a version.
pub trait Repository: Detail<Master = repository::Entity> {
    /// The content types that it holds; units of other types are refused.
    const CONTENT: &'static [&'static str];
    /// The remote types that it syncs from.
    const REMOTES: &'static [&'static str] = &[];

    /// Runs in the transaction that completes a version: the plugin's last chance to complete it or to refuse it.
    ///
    /// # Errors
    /// Whatever refuses the version; nothing of it remains then.
    fn finalize(_version: &mut NewVersion<'_>) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }

    /// Runs in the task that made a version, after it is complete: the place for `autopublish`.
    ///
    /// # Errors
    /// Fails the task; the version stays.
    fn created(
        _cx: &TaskCx,
        _row: &Self::Model,
        _version: &crate::models::repository_version::Model,
    ) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }
}
