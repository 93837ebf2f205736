//! Two hundred clients of a file that nobody has yet: one download, and hardly more memory than for none.

use std::sync::Arc;

use crate::common::{Server, Site, on_both_databases, within};
use anyhow::{Context, Result, ensure};
use aws_lc_rs::digest;
use pulpcore::testkit::{Fault, FixtureServer};
use serde_json::json;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

on_both_databases! {
    a_file_for_two_hundred_clients
}

const CLIENTS: usize = 200;

/// How large the file is, in bytes. A server that was not optimised would take minutes to send it all.
const SIZE: u64 = if cfg!(debug_assertions) { 24 << 20 } else { 100 << 20 };

/// How much more memory the server may take at its peak, in bytes: for each client its connection and two blocks.
const MEMORY: u64 = 100 << 20;

async fn a_file_for_two_hundred_clients(site: &Site) -> Result<()> {
    let files = FixtureServer::start().await;
    files.generate("large/f{n}.bin", 1, SIZE);
    files.manifest("large/PULP_MANIFEST");
    let sha256 = files.sha256("large/f0.bin").context("the file is offered")?;
    let server = site.serve().await?;
    distribute(&server, &files).await?;

    let before = server.peak_memory()?;
    // Until everybody has some of it.
    files.fault("large/f0.bin", Fault::StallAfter(SIZE / 4));
    let begun = Arc::new(Barrier::new(CLIENTS + 1));
    let client = reqwest::Client::builder().no_proxy().build()?;
    let url = server.url("/pulp/content/d/f0.bin");
    let mut clients: JoinSet<_> =
        (0..CLIENTS).map(|_| follow(client.clone(), url.clone(), Arc::clone(&begun))).collect();
    within(begun.wait()).await?;
    files.release();
    while let Some(seen) = within(clients.join_next()).await? {
        ensure!(seen?? == sha256, "each client gets the file as it is");
    }

    ensure!(files.count("large/f0.bin") == 1, "{} downloads", files.count("large/f0.bin"));
    let more = server.peak_memory()?.saturating_sub(before);
    ensure!(more < MEMORY, "{} MiB more than without clients", more >> 20);
    ensure!(site.temporary_files().is_empty(), "it has its name");
    ensure!(server.count("artifacts/").await? == 2, "the file, and the manifest of its publication");
    site.check().await?;
    server.stop().await
}

/// Publishes what the remote's manifest names, below `d`; the bytes stay where they are.
async fn distribute(server: &Server, files: &FixtureServer) -> Result<()> {
    let repository = server.api.repository("r", &files.url("large/PULP_MANIFEST"), "on_demand").await?;
    server.run(&format!("{repository}sync/"), &json!({})).await?;
    let task = server.run("publications/file/file/", &json!({ "repository": repository })).await?;
    let body = json!({ "name": "d", "base_path": "d", "publication": task["created_resources"][0] });
    server.run("distributions/file/file/", &body).await?;
    Ok(())
}

/// The digest of everything that one client gets. It goes on when all have begun.
async fn follow(client: reqwest::Client, url: String, begun: Arc<Barrier>) -> Result<String> {
    let mut response = client.get(url).send().await?.error_for_status()?;
    let mut digest = digest::Context::new(&digest::SHA256);
    digest.update(&response.chunk().await?.context("it has a beginning")?);
    begun.wait().await;
    while let Some(chunk) = response.chunk().await? {
        digest.update(&chunk);
    }
    Ok(hex::encode(digest.finish()))
}
