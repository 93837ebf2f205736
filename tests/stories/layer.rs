//! A layer that is far larger than the memory that the registry may take: pushed as a stream, and pulled back.
//!
//! How large it is, in MiB, says the variable `PULP_TEST_LAYER_MIB`: with 2048, the story is that of two gibibytes.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use aws_lc_rs::digest;
use bytes::Bytes;
use futures::stream;
use reqwest::header::{CONTENT_TYPE, LOCATION};
use reqwest::{Body, Client, RequestBuilder, Response};
use serde_json::json;

use crate::common::{Server, Site, on_both_databases, within};

on_both_databases! {
    a_large_layer_goes_in_and_out_through_little_memory
}

/// How large the layer is unless somebody says, in MiB: more than the memory that it goes through.
const SIZE: usize = 256;

/// The most memory that it may take, in bytes, beside what the server had taken before. (A debug build takes most of 150 MiB
/// for its own code; a release build stays below that with a layer of two gibibytes.)
const MEMORY: u64 = 96 << 20;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

async fn a_large_layer_goes_in_and_out_through_little_memory(site: &Site) -> Result<()> {
    let size = std::env::var("PULP_TEST_LAYER_MIB").map_or(Ok(SIZE), |size| size.parse())?;
    let server = site.serve().await?;
    let before = server.peak_memory()?;
    let client = Client::builder().no_proxy().build()?;
    let login = |request: RequestBuilder| request.basic_auth(Server::ADMIN.0, Some(Server::ADMIN.1));

    let hash = Arc::new(Mutex::new(digest::Context::new(&digest::SHA256)));
    let answer = sent(login(client.post(server.url("/v2/large/blobs/uploads/")))).await?;
    let layer = login(client.patch(server.url(location(&answer)?))).body(layer(size, Arc::clone(&hash)));
    let answer = sent(layer).await?;
    let layer = digest_of(hash.lock().unwrap_or_else(PoisonError::into_inner).clone());
    sent(login(client.put(server.url(location(&answer)?))).query(&[("digest", &layer)])).await?;
    let pushed = server.peak_memory()?;

    let config = "{}";
    let config_digest = digest_of(hashed(config.as_bytes()));
    let path = format!("/v2/large/blobs/uploads/?digest={config_digest}");
    sent(login(client.post(server.url(&path))).body(config)).await?;
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": { "mediaType": "application/vnd.oci.empty.v1+json", "size": config.len(), "digest": config_digest },
        "layers": [{ "mediaType": "application/octet-stream", "size": size << 20, "digest": layer }],
    });
    let put = client.put(server.url("/v2/large/manifests/latest")).header(CONTENT_TYPE, MANIFEST);
    sent(login(put).body(manifest.to_string())).await?;

    let mut pulled = sent(client.get(server.url(&format!("/v2/large/blobs/{layer}")))).await?;
    let (mut hash, mut length) = (digest::Context::new(&digest::SHA256), 0);
    while let Some(piece) = within(pulled.chunk()).await?? {
        hash.update(&piece);
        length += piece.len();
    }
    ensure!((length, digest_of(hash)) == (size << 20, layer), "it comes out as it went in");

    let peak = server.peak_memory()?;
    let told = [before, pushed, peak].map(|bytes| bytes >> 20);
    eprintln!(
        "{size} MiB: at most {} MiB of memory before, {} MiB after the push, {} MiB at the end",
        told[0], told[1], told[2]
    );
    ensure!(peak - before < MEMORY, "{} MiB at its peak, of {} MiB before", told[2], told[0]);
    ensure!(site.temporary_files().is_empty(), "nothing is left of the upload");
    ensure!(site.artifact_files().len() == 2, "the layer lies there once, beside the configuration");
    site.check().await?;
    server.stop().await
}

/// Sends a request, which must succeed. A large body takes its time, but no piece of it may.
async fn sent(request: RequestBuilder) -> Result<Response> {
    Ok(request.send().await?.error_for_status()?)
}

fn location(answer: &Response) -> Result<&str> {
    Ok(answer.headers().get(LOCATION).context("an upload has a location")?.to_str()?)
}

/// A body of some MiB, of which no two are the same; hashed on its way.
fn layer(size: usize, hash: Arc<Mutex<digest::Context>>) -> Body {
    let pieces = (0..size).map(move |nth| {
        let line = format!("{nth:015}\n");
        let piece = Bytes::from(line.repeat((1 << 20) / line.len()));
        hash.lock().unwrap_or_else(PoisonError::into_inner).update(&piece);
        Ok::<_, std::io::Error>(piece)
    });
    Body::wrap_stream(stream::iter(pieces))
}

fn hashed(bytes: &[u8]) -> digest::Context {
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(bytes);
    hash
}

fn digest_of(hash: digest::Context) -> String {
    format!("sha256:{}", hex::encode(hash.finish()))
}
