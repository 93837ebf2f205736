//! Sync: what a remote offers becomes a repository version, as bounded streams.
//!
//! [`download`] fetches bytes from a remote and knows nothing of content. A [`Session`] turns what a plugin declares
//! ([`Declared`]) into saved units and, at its end, into a version.

pub mod download;
mod pipeline;
pub(crate) mod repair;

use std::sync::Arc;

use self::download::Downloader;
pub use self::pipeline::{Declared, DeclaredArtifact, Saved, Session};
use crate::api::families::remote as reach;
use crate::app::App;
use crate::error::{Error, Result};
use crate::models::{remote, repository};
use crate::plugin::{Ref, Remote};

/// What fetches from a remote outside of a sync, as its kind has it ([`Remote::downloader`]): to ask it something before
/// anything is made of it.
///
/// # Errors
/// [`Error::Upstream`] or [`Error::Invalid`] if the remote cannot be used as it is configured.
pub fn downloader(app: &App, remote: &remote::Model) -> Result<Arc<dyn Downloader>> {
    reach::downloader(app, remote)
}

/// Settles which remote a sync of a repository is from: the one that was named, else the repository's own.
///
/// # Errors
/// [`Error::Invalid`] on `remote` if the one that was named is not there, or neither is any.
pub async fn settle_remote<R: Remote>(
    app: &App,
    repository: &repository::Model,
    named: &mut Option<Ref<R>>,
) -> Result<()> {
    if let Some(remote) = named {
        return remote.find(app.db.read(), "remote").await.map(drop);
    }
    let own = repository.remote_id.ok_or_else(|| {
        Error::invalid("remote", "This field is required since a remote is not set on the repository.")
    })?;
    *named = Some(Ref::new(own));
    Ok(())
}
