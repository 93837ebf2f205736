//! Distributions.

use std::future::Future;

use axum::response::Response;

use super::detail::Detail;
use crate::app::App;
use crate::error::Result;
use crate::models::distribution;

/// A kind of distribution: what is served under a path.
pub trait Distribution: Detail<Master = distribution::Entity> {
    /// The publication types that it serves.
    const PUBLICATIONS: &'static [&'static str] = &[];
    /// Whether it serves a repository version directly, without a publication.
    const SERVES_VERSIONS: bool = true;

    /// Answers a path that neither the publication nor the version holds; `None` is a 404.
    ///
    /// # Errors
    /// Rendered as plain text by the content service.
    fn serve(
        _cx: &ContentCx,
        _row: &Self::Model,
        _path: &str,
    ) -> impl Future<Output = Result<Option<Response>>> + Send {
        async { Ok(None) }
    }
}

/// What a distribution may use to answer a request.
#[derive(Clone, Debug)]
pub struct ContentCx {
    /// The process: database (for reading) and storage.
    pub app: App,
    /// The distribution that the path led to.
    pub distribution: distribution::Model,
}
