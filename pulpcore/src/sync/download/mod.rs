//! Bytes from a remote: HTTP, HTTPS and local files, behind one trait.
//!
//! A remote's row becomes a [`RemoteConfig`]; [`downloader`] turns that into the [`Downloader`] for its scheme, and
//! [`fetch`] asks it for one URL, as often as the remote's retries allow:
//!
//! ```no_run
//! # use pulpcore::sync::download::{DownloadSettings, RemoteConfig, Request, downloader, fetch};
//! # async fn example() -> pulpcore::error::Result<()> {
//! let remote = RemoteConfig { url: "https://example.test/repo/".into(), ..RemoteConfig::default() };
//! let downloader = downloader(&remote, &DownloadSettings::default())?;
//! let request = Request::get("https://example.test/repo/PULP_MANIFEST");
//! let manifest = fetch(downloader.as_ref(), request, |download| download.bytes(1 << 20)).await?;
//! # Ok(())
//! # }
//! ```
//!
//! A plugin whose remotes need more (a registry's tokens, say) wraps a downloader in its own `Downloader`.
//!
//! Every failure is an [`Error::Upstream`] that names the URL that was asked for, never the one that a redirect led to:
//! such addresses are often signed and as good as a password.

mod body;
mod config;
mod http;
mod local;
mod message;
mod reason;
mod retry;
#[cfg(test)]
mod testing;
mod throttle;
mod tls;

use std::sync::Arc;

use async_trait::async_trait;

use crate::error::{Error, Result, Upstream};

pub use axum::http::HeaderMap;
pub use config::{DownloadSettings, RemoteConfig, check_url};
pub use http::HttpDownloader;
pub use local::LocalDownloader;
pub use message::{ByteRange, Download, Request};
pub use retry::{Retry, fetch};
pub use tls::check_certificate;

/// Opens downloads from one remote. One per remote and sync: connections are kept in it and used again.
#[async_trait]
pub trait Downloader: Send + Sync {
    /// One attempt: sends `request` and returns as soon as the answer has begun.
    ///
    /// Dropping the future, or the [`Download`], ends the transfer. [`fetch`] is this with retries.
    async fn get(&self, request: Request) -> Result<Download, Failure>;

    /// How many downloads may run at once. The caller keeps to it: the downloader itself does not queue.
    fn concurrency(&self) -> usize;

    /// How often and at what pace [`fetch`] tries again.
    fn retry(&self) -> Retry {
        Retry::default()
    }
}

/// Why [`Downloader::get`] has nothing to give.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Failure {
    /// What went wrong.
    pub error: Error,
    /// The headers of the answer, if it was one that refused ([`Upstream::Status`]): `WWW-Authenticate` says how to ask
    /// again, `Retry-After` when.
    pub headers: Option<Box<HeaderMap>>,
}

impl Failure {
    pub(crate) fn upstream(url: &str, problem: Upstream) -> Self {
        Error::upstream(url, problem).into()
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, headers: None }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

/// The downloader for a remote, by the scheme of its URL.
///
/// # Errors
/// [`Error::Upstream`] for a scheme that is neither `http`, `https` nor `file`; [`Error::Invalid`], by field, for
/// certificates, headers and a proxy that cannot be used.
pub fn downloader(config: &RemoteConfig, settings: &DownloadSettings) -> Result<Arc<dyn Downloader>> {
    match config::scheme(&config.url).as_deref() {
        Some("http" | "https") => Ok(Arc::new(HttpDownloader::new(config, settings)?)),
        Some("file") => Ok(Arc::new(LocalDownloader::new(config, settings))),
        _ => Err(Error::upstream(&config.url, Upstream::Content(config::UNSUPPORTED_SCHEME.to_owned()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(url: &str) -> Result<Arc<dyn Downloader>> {
        downloader(&RemoteConfig { url: url.into(), ..RemoteConfig::default() }, &DownloadSettings::default())
    }

    #[tokio::test]
    async fn the_scheme_chooses_the_downloader() {
        for url in ["http://example.test/", "HTTPS://example.test/", "file:///srv/"] {
            assert_eq!(of(url).map(|downloader| downloader.concurrency()).ok(), Some(10), "{url}");
        }
        for url in ["ftp://example.test/", "example.test", ""] {
            let error = of(url).err().expect("not a scheme that can be downloaded from");
            assert!(matches!(error, Error::Upstream { problem: Upstream::Content(_), .. }), "{url}: {error}");
        }
    }
}
