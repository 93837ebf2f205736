//! What distributions offer, for those who answer under other URLs: live APIs.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use axum::response::Response;
use sea_orm::sea_query::SelectStatement;
use uuid::Uuid;

use super::cache::Kept;
use super::lookups::{Found, Origin};
use super::resolve::{self, File, Source};
use super::stored::Stored;
use super::{Ask, Content, guards};
use crate::error::{Error, Result};
use crate::models::artifact;
use crate::plugin::LiveCx;
use crate::versions;

impl Content {
    /// The distribution of a type that a path leads into, if its guard lets the request in.
    pub(crate) async fn offer(&self, cx: &LiveCx, path: &str, pulp_type: &str) -> Result<Option<Offer>> {
        let Some(Found { kept, from }) = self.0.lookups.source(path).await? else { return Ok(None) };
        let source = &kept.found;
        if source.pulp_type != pulp_type {
            return Ok(None);
        }
        if let Some(guard) = source.content_guard_id {
            guards::permit(&self.0.app, guard, &cx.parts).await?;
        }
        let rest = path[source.base_path.len()..].trim_start_matches('/').to_owned();
        Ok(Some(Offer { distribution: source.distribution_id, rest, kept, from, content: self.clone() }))
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Content")
    }
}

/// A distribution, and what it serves right now: a publication, a version, or nothing.
///
/// ```
/// use axum::response::Response;
/// use pulpcore::error::Result;
/// use pulpcore::plugin::{LiveCx, Offer};
///
/// /// Serves a book's index.
/// async fn index(cx: &LiveCx, offer: &Offer) -> Result<Option<Response>> {
///     offer.file(cx, &format!("{}/INDEX", offer.rest)).await
/// }
/// ```
#[derive(Debug)]
pub struct Offer {
    /// The distribution's key.
    pub distribution: Uuid,
    /// What follows the base path in the path that was asked for, without a slash before it.
    pub rest: String,
    kept: Arc<Kept<Source>>,
    from: Origin,
    content: Content,
}

impl Offer {
    /// The distribution's base path.
    pub fn base_path(&self) -> &str {
        &self.source().base_path
    }

    /// The publication that is served, if one is.
    pub fn publication(&self) -> Option<Uuid> {
        self.source().publication_id
    }

    /// The version that is served, or that was published, by repository and number.
    pub fn version(&self) -> Option<(Uuid, i64)> {
        self.source().repository_id.zip(self.source().number)
    }

    /// The keys of the units in the version, as a subquery: what is not among them is not offered.
    pub fn content_ids(&self) -> Option<SelectStatement> {
        self.version().map(|(repository, number)| versions::content_ids(repository, number))
    }

    /// What the plugin makes of the distribution, of its rows and of those of what it serves: remembered for as long as none
    /// of them changes. `make` is asked when it is not known; only one type is remembered for a kind of distribution.
    ///
    /// # Errors
    /// What `make` says.
    pub async fn remembered<T: Any + Send + Sync>(&self, make: impl Future<Output = Result<T>>) -> Result<Arc<T>> {
        if let Some(made) = self.kept.made.get().and_then(|made| Arc::clone(made).downcast().ok()) {
            return Ok(made);
        }
        let made = Arc::new(make.await?);
        // Somebody else may have been faster, with the same.
        let _ = self.kept.made.set(Arc::<T>::clone(&made));
        Ok(made)
    }

    /// Answers with the file at a path below the distribution as the content service does: conditions, ranges and `HEAD`,
    /// redirects to an object storage, content that only a remote has. `None` if there is no such file.
    ///
    /// # Errors
    /// [`Error::Unavailable`] and [`Error::Internal`] only.
    pub async fn file(&self, cx: &LiveCx, path: &str) -> Result<Option<Response>> {
        Ok(self.content.0.find(self.source(), self.from, path, &ask(cx, path)).await?.flatten())
    }

    /// The same of the file of a unit, by the unit's key, if the unit is in the version: for units that are found by
    /// what they are, such as a digest. `Content-Type` is that of the name; headers can be set on the answer.
    ///
    /// # Errors
    /// [`Error::Unavailable`] and [`Error::Internal`] only.
    pub async fn unit(&self, cx: &LiveCx, unit: Uuid) -> Result<Option<Response>> {
        let Some(version) = self.version() else { return Ok(None) };
        match resolve::unit(&self.content.0.app, version, unit).await? {
            Some((file, name)) => self.content.0.file(&file, &name, &ask(cx, &name)).await,
            None => Ok(None),
        }
    }

    /// The same of an artifact, for what the plugin keeps for this distribution beside versions: an upload, say, that no
    /// version holds yet. Whether it is offered is the plugin's to know. `name` decides about `Content-Type`.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the storage does not have it.
    pub async fn artifact(&self, cx: &LiveCx, artifact: &artifact::Model, name: &str) -> Result<Response> {
        let stored = Stored::new(artifact.file.clone(), artifact.size, &artifact.sha256, artifact.pulp_created, name)?;
        let file = File { content_artifact: None, stored: Some(stored) };
        let response = self.content.0.file(&file, name, &ask(cx, name)).await?;
        response.ok_or_else(|| Error::NotFound("Not found.".to_owned()))
    }

    fn source(&self) -> &Source {
        &self.kept.found
    }
}

fn ask<'a>(cx: &'a LiveCx, path: &'a str) -> Ask<'a> {
    // Only where the route has promised to pass files on.
    let direct = cx.parts.extensions.get();
    Ask { path, parts: &cx.parts, direct }
}
