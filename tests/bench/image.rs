//! An image to pull, pushed as clients push: the same bytes to every registry.

use anyhow::{Context, Result, ensure};
use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, LOCATION};
use reqwest::{Client, Method, RequestBuilder, Url};
use serde_json::json;

use super::support::Server;

/// The repository's name, and its tag.
const NAME: &str = "bench/image";
const TAG: &str = "latest";

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// How large the manifest is, in bytes.
const MANIFEST_SIZE: usize = 1024;

/// An image that was not pushed yet.
pub(crate) struct Image {
    config: Bytes,
    layer: Bytes,
    manifest: String,
}

impl Image {
    /// An image of one layer of so many bytes, with a manifest of 1 KiB.
    pub(crate) fn new(layer: usize) -> Result<Self> {
        let config =
            Bytes::from_static(br#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}"#);
        // Nothing compresses it, and no two blocks are the same.
        let layer: Bytes = (0..layer.div_ceil(8) as u64)
            .flat_map(|n| (n.wrapping_mul(0x9E37_79B9_7F4A_7C15)).to_le_bytes())
            .take(layer)
            .collect();
        let blob = |media_type: &str, bytes: &Bytes| json!({ "mediaType": media_type, "digest": sha256(bytes), "size": bytes.len() });
        let manifest = |filling: usize| {
            json!({
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": blob("application/vnd.oci.image.config.v1+json", &config),
                "layers": [blob("application/vnd.oci.image.layer.v1.tar", &layer)],
                "annotations": { "filling": "x".repeat(filling) },
            })
            .to_string()
        };
        let filling = MANIFEST_SIZE.checked_sub(manifest(0).len()).context("the manifest is too large by itself")?;
        let manifest = manifest(filling);
        Ok(Self { config, layer, manifest })
    }

    /// Pushes it to the registry at an address.
    ///
    /// # Errors
    /// When the registry refuses something.
    pub(crate) async fn push(&self, address: &str) -> Result<()> {
        let registry = Registry {
            client: Client::builder().no_proxy().build()?,
            root: Url::parse(&format!("http://{address}/v2/{NAME}/"))?,
        };
        for blob in [&self.config, &self.layer] {
            registry.push_blob(blob).await?;
        }
        let manifest = registry.request(Method::PUT, registry.root.join(&format!("manifests/{TAG}"))?);
        manifest.header(CONTENT_TYPE, MANIFEST).body(self.manifest.clone()).send().await?.error_for_status()?;
        Ok(())
    }

    /// The request for its manifest, by its tag.
    pub(crate) fn manifest_request() -> Vec<u8> {
        format!("GET /v2/{NAME}/manifests/{TAG} HTTP/1.1\r\nHost: x\r\nAccept: {MANIFEST}\r\n\r\n").into_bytes()
    }

    /// The request for its layer.
    pub(crate) fn layer_request(&self) -> Vec<u8> {
        format!("GET /v2/{NAME}/blobs/{} HTTP/1.1\r\nHost: x\r\n\r\n", sha256(&self.layer)).into_bytes()
    }
}

/// A registry as somebody who pushes sees it. One that asks for nobody's name gets it all the same.
struct Registry {
    client: Client,
    root: Url,
}

impl Registry {
    fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.client.request(method, url).basic_auth(Server::ADMIN.0, Some(Server::ADMIN.1))
    }

    async fn push_blob(&self, bytes: &Bytes) -> Result<()> {
        let begun = self.request(Method::POST, self.root.join("blobs/uploads/")?).send().await?.error_for_status()?;
        let session = begun.headers().get(LOCATION).context("an upload has an address")?.to_str()?;
        let mut session = self.root.join(session)?;
        session.query_pairs_mut().append_pair("digest", &sha256(bytes));
        let sent = self.request(Method::PUT, session).body(bytes.clone()).send().await?.error_for_status()?;
        ensure!(sent.status() == 201, "a blob was not taken: {}", sent.status());
        Ok(())
    }
}

fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(digest(&SHA256, bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_has_a_kibibyte_whatever_the_layer() {
        for layer in [1, 8, 1_000_000] {
            let image = Image::new(layer).expect("it is small enough");
            assert_eq!((image.manifest.len(), image.layer.len()), (MANIFEST_SIZE, layer));
        }
    }
}
