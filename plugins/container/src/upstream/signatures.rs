//! Detached signatures of another registry's manifests. They lie in a *sigstore*, a folder on the web (as `lookaside` in the
//! documentation of `containers/image`), or the registry itself hands them out (`X-Registry-Supports-Signatures`, an
//! extension of OpenShift's registry, which this one speaks as well).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pulpcore::error::{Error, Result, Upstream as Problem};
use pulpcore::sync::download::{Failure, HeaderMap, Request, fetch};
use serde::Deserialize;

use super::{Upstream, bad};
use crate::models::manifest_signature as signature;
use crate::registry::errors::{SUPPORTS_SIGNATURES, YES};
use crate::signature::{ATOMIC, LARGEST, is_name, read};

/// No manifest has more signatures.
const MOST: usize = 100;
/// The longest list of signatures, in bytes: they are in base64.
const LONGEST_LIST: usize = 2 * MOST * LARGEST;

/// Where signatures come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A folder on the web, by its URL without a slash at its end.
    Sigstore(String),
    /// The registry.
    Registry,
}

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    signatures: Vec<Listed>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    schema_version: Option<i64>,
    #[serde(rename = "type")]
    kind: Option<String>,
    name: Option<String>,
    content: Option<String>,
}

impl Upstream<'_> {
    /// Where signatures come from: the sigstore, if there is one, or the registry, if it says so.
    ///
    /// # Errors
    /// [`Error::Upstream`] if the registry cannot be asked.
    pub(crate) async fn source_of_signatures(&self, sigstore: Option<&str>) -> Result<Option<Source>> {
        if let Some(url) = sigstore {
            return Ok(Some(Source::Sigstore(url.trim_end_matches('/').to_owned())));
        }
        let mut ping = self.root.clone();
        ping.set_path("/v2/");
        let ping = Request::get(ping);
        let says = |headers: &HeaderMap| headers.get(SUPPORTS_SIGNATURES).is_some_and(|value| value == YES);
        let supports = match self.downloader.get(ping.clone()).await {
            Ok(download) => says(&download.headers),
            // Who is not let in is told as well.
            Err(Failure { error: Error::Upstream { problem: Problem::Status(401 | 403 | 404), .. }, headers }) => {
                headers.is_some_and(|headers| says(&headers))
            }
            Err(_) => fetch(self.downloader, ping, |download| async move { Ok(says(&download.headers)) }).await?,
        };
        Ok(supports.then_some(Source::Registry))
    }

    /// The signatures of a manifest. What is none is left out, and the log says so.
    ///
    /// # Errors
    /// [`Error::Upstream`] if they cannot be had.
    pub(crate) async fn signatures(&self, source: &Source, manifest: &str) -> Result<Vec<signature::Model>> {
        match source {
            Source::Sigstore(url) => self.in_sigstore(url, manifest).await,
            Source::Registry => self.in_registry(manifest).await,
        }
    }

    /// `signature-1`, `signature-2`, … up to the first that is not there.
    async fn in_sigstore(&self, sigstore: &str, manifest: &str) -> Result<Vec<signature::Model>> {
        let folder = format!("{sigstore}/{}@{}", self.own_name, manifest.replacen(':', "=", 1));
        let mut found = Vec::new();
        for number in 1..=MOST {
            let request = Request::get(format!("{folder}/signature-{number}"));
            match fetch(self.downloader, request, |download| download.bytes(LARGEST)).await {
                Ok(bytes) => found.extend(sound(&bytes, manifest)),
                // Object stores that list nothing say 403.
                Err(Error::Upstream { problem: Problem::Status(403 | 404), .. }) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    async fn in_registry(&self, manifest: &str) -> Result<Vec<signature::Model>> {
        let mut url = self.root.clone();
        url.set_path(&format!("/extensions/v2/{}/signatures/{manifest}", self.name));
        let list = fetch(self.downloader, Request::get(url.as_str()), |download| download.bytes(LONGEST_LIST)).await;
        let list = match list {
            Err(Error::Upstream { problem: Problem::Status(404), .. }) => return Ok(Vec::new()),
            list => list?,
        };
        let list: List = serde_json::from_slice(&list).map_err(|error| bad(url.as_str(), error.to_string()))?;
        let known = list
            .signatures
            .into_iter()
            .filter(|listed| listed.schema_version == Some(2) && listed.kind.as_deref() == Some(ATOMIC));
        let rows = known.take(MOST).filter_map(|Listed { name, content, .. }| {
            let mut row = sound(&STANDARD.decode(content?).ok()?, manifest)?;
            if let Some(name) = name.filter(|name| is_name(name, manifest)) {
                row.name = name;
            }
            Some(row)
        });
        Ok(rows.collect())
    }
}

fn sound(bytes: &[u8], manifest: &str) -> Option<signature::Model> {
    match read(bytes, manifest) {
        Ok(row) => Some(row),
        Err(error) => {
            tracing::warn!(manifest, %error, "A signature is left out.");
            None
        }
    }
}
