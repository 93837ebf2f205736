//! The bytes that are missing.

use std::sync::Arc;

use super::Parts;
use super::declared::{Bytes, DeclaredArtifact, Unit};
use crate::error::{Error, Result, Upstream};
use crate::storage::{Expected, ReceiveError, Received};
use crate::sync::download::{self, Request};

/// Downloads the files of a unit that are not here and not deferred.
pub(super) async fn fetch<M>(parts: Arc<Parts>, mut unit: Unit<M>) -> Result<Unit<M>> {
    for file in &mut unit.files {
        if matches!(file.bytes, Bytes::Missing) && !file.declared.deferred {
            file.bytes = Bytes::Received(Box::new(receive(&parts, &file.declared).await?));
        }
    }
    Ok(unit)
}

async fn receive(parts: &Parts, declared: &DeclaredArtifact) -> Result<Received> {
    let (app, url) = (parts.cx.app(), declared.url.as_str());
    let bound = app.settings.max_upload_size;
    let max_size = Some(declared.expected.max_size.map_or(bound, |max| max.min(bound)));
    let expected = &Expected { max_size, ..declared.expected.clone() };
    download::fetch(parts.downloader.as_ref(), Request::get(url), |download| async move {
        app.storage.receive(download.body, expected).await.map_err(|error| match error {
            ReceiveError::Failed(Error::TooLarge(what)) => Error::upstream(url, Upstream::Content(what)),
            other => other.upstream(url),
        })
    })
    .await
}
