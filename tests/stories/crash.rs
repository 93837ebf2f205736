//! A server that is killed leaves nothing half done, and the next one goes on from there.

use crate::common::api::text;
use crate::common::{Server, Site, on_both_databases};
use anyhow::{Context, Result, ensure};
use pulpcore::testkit::{Fault, FixtureServer};
use reqwest::multipart::{Form, Part};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;

on_both_databases! {
    a_sync
    a_commit_of_an_upload
    a_burst_of_artifacts
    a_publication
    an_orphan_cleanup
}

/// What the next server says about a task whose process is gone.
fn ensure_missed(task: &Value) -> Result<()> {
    ensure!(task["state"] == "failed" && task["error"]["description"] == "Worker has gone missing.", "{task}");
    ensure!(task["finished_at"].is_string(), "{task}");
    Ok(())
}

/// The process dies as soon as the task runs; gives the next one, when it has dealt with what it found.
async fn killed_in(site: &Site, server: Server, task: &str) -> Result<Server> {
    server.task(task, |task| task["state"] != "waiting").await?;
    server.kill().await?;
    let server = site.serve().await?;
    let ended = server.ended_task(task).await?;
    // On a fast machine it may have come to its end.
    if ended["state"] != "completed" {
        ensure_missed(&ended)?;
    }
    site.check().await?;
    Ok(server)
}

async fn a_sync(site: &Site) -> Result<()> {
    const COUNT: usize = 10_000;
    let files = FixtureServer::start().await;
    files.generate("large/f{n}.bin", COUNT, 600);
    files.manifest("large/PULP_MANIFEST");
    // The manifest's last line. The stages before it are all busy when it stalls.
    files.fault("large/f9999.bin", Fault::Stall);
    let server = site.serve().await?;
    let repository = server.api.repository("r", &files.url("large/PULP_MANIFEST"), "immediate").await?;
    let task = server.dispatch(&format!("{repository}sync/"), &json!({})).await?;
    for milestone in [1, 2, 3, 4, 5, 6, 7, 8, 9, 9999] {
        files.wait_for(&format!("large/f{milestone}.bin"), 1).await;
    }
    server.kill().await?;
    ensure!(site.query("SELECT COUNT(*) AS n FROM core_stagedcontent").await? > 0, "something was under way");
    ensure!(site.query("SELECT COUNT(*) AS n FROM core_taskreservation").await? > 0, "something was locked");

    files.heal("large/f9999.bin");
    let server = site.serve().await?;
    // It waits for the locks of the dead task, if they are not free yet.
    let again = server.dispatch(&format!("{repository}sync/"), &json!({})).await?;
    let missed = server.ended_task(&task).await?;
    ensure_missed(&missed)?;
    ensure!(missed["created_resources"] == json!([]), "{missed}");
    let reports = missed["progress_reports"].as_array().context("a task has reports")?;
    ensure!(reports.iter().all(|report| report["state"] != "running"), "{missed}");

    let done = server.ended_task(&again).await?;
    ensure!(done["created_resources"] == json!([format!("{repository}versions/1/")]), "{done}");
    let version = server.api.get(&format!("{repository}versions/1/")).await?;
    ensure!(version["content_summary"]["present"]["file.file"]["count"] == COUNT, "{version}");
    let twice = (0..COUNT).filter(|n| files.count(&format!("large/f{n}.bin")) > 1).count();
    ensure!(twice < COUNT / 2, "{twice} files were downloaded again: what was saved is not used");
    site.check().await?;
    ensure!(site.artifact_files().len() == COUNT, "each file is stored once");
    server.stop().await
}

async fn a_commit_of_an_upload(site: &Site) -> Result<()> {
    const CHUNK: usize = 8 << 20;
    for round in 0..3_u8 {
        let server = site.serve().await?;
        let (first, second) = (vec![round; CHUNK], vec![round + 100; CHUNK]);
        let upload = server.api.post("uploads/", &json!({ "size": 2 * CHUNK })).await?;
        let upload = text(&upload, "pulp_href")?.to_owned();
        let mut chunks = [(0, &first), (CHUNK, &second)];
        if round > 0 {
            // Then the commit has to read what it commits.
            chunks.reverse();
        }
        for (at, chunk) in chunks {
            let form = Form::new().part("file", Part::bytes(chunk.clone()).file_name("chunk"));
            let range = format!("bytes {at}-{}/{}", at + CHUNK - 1, 2 * CHUNK);
            let request = server.api.request(Method::PUT, &upload).header("Content-Range", range).multipart(form);
            crate::common::api::answer(request).await?;
        }
        let sha256 = sha256(&[first, second].concat());
        let commit = json!({ "sha256": sha256 });
        let task = server.dispatch(&format!("{upload}commit/"), &commit).await?;
        let server = killed_in(site, server, &task).await?;
        // Either all of it happened, or none.
        let made = server.count(&format!("artifacts/?sha256={sha256}")).await?;
        let (status, _) = server.get_as(Some(Server::ADMIN), &upload).await?;
        ensure!((made == 0) == (status == StatusCode::OK), "{made} artifacts, and {status} for the upload");
        if made == 0 {
            server.run(&format!("{upload}commit/"), &commit).await?;
        }
        ensure!(server.count(&format!("artifacts/?sha256={sha256}")).await? == 1, "the artifact is there");
        site.check().await?;
        server.stop().await?;
    }
    Ok(())
}

async fn a_burst_of_artifacts(site: &Site) -> Result<()> {
    const COUNT: u32 = 100;
    // Half of them are small enough to stay in memory.
    let body = |n: u32| n.to_le_bytes().repeat(if n.is_multiple_of(2) { 100 } else { 50_000 });
    let send = |server: &Server, n| {
        let form = Form::new().part("file", Part::bytes(body(n)).file_name("file"));
        server.api.request(Method::POST, "artifacts/").multipart(form).send()
    };
    let server = site.serve().await?;
    let mut burst: JoinSet<_> = (0..COUNT).map(|n| send(&server, n)).collect();
    let mut stored = 0;
    while stored < COUNT / 4 {
        let response = burst.join_next().await.context("the burst is longer")???;
        ensure!(response.status() == StatusCode::CREATED, "{response:?}");
        stored += 1;
    }
    server.kill().await?;

    let server = site.serve().await?;
    site.check().await?;
    let kept = server.count("artifacts/").await?;
    ensure!(kept >= i64::from(stored), "{stored} were acknowledged, {kept} are here");
    let mut new = 0;
    for n in 0..COUNT {
        match send(&server, n).await?.status() {
            StatusCode::CREATED => new += 1,
            status => ensure!(status == StatusCode::BAD_REQUEST, "{status}: it is there already, or it is not"),
        }
    }
    ensure!(kept + new == i64::from(COUNT), "{kept} and {new}");
    site.check().await?;
    server.stop().await
}

async fn a_publication(site: &Site) -> Result<()> {
    const COUNT: usize = 10_000;
    let files = FixtureServer::start().await;
    files.generate("large/f{n}.bin", COUNT, 1);
    files.manifest("large/PULP_MANIFEST");
    let server = site.serve().await?;
    let repository = server.api.repository("r", &files.url("large/PULP_MANIFEST"), "on_demand").await?;
    server.run(&format!("{repository}sync/"), &json!({})).await?;
    let publish = json!({ "repository": repository });
    let task = server.dispatch("publications/file/file/", &publish).await?;
    let server = killed_in(site, server, &task).await?;
    ensure!(server.count("publications/file/file/").await? <= 1, "there is one, or none");
    let task = server.run("publications/file/file/", &publish).await?;
    let body = json!({ "name": "d", "base_path": "d", "publication": task["created_resources"][0] });
    server.run("distributions/file/file/", &body).await?;
    let (status, manifest) = server.get_as(None, "/pulp/content/d/PULP_MANIFEST").await?;
    ensure!(status == StatusCode::OK && manifest.lines().count() == COUNT, "{status}: {manifest:.300}");
    site.check().await?;
    server.stop().await
}

async fn an_orphan_cleanup(site: &Site) -> Result<()> {
    const COUNT: usize = 3000;
    let files = FixtureServer::start().await;
    files.generate("large/f{n}.bin", COUNT, 100);
    files.generate("small/f{n}.bin", 10, 100);
    files.manifest("large/PULP_MANIFEST");
    files.manifest("small/PULP_MANIFEST");
    let server = site.serve().await?;
    let gone = server.api.repository("gone", &files.url("large/PULP_MANIFEST"), "immediate").await?;
    let kept = server.api.repository("kept", &files.url("small/PULP_MANIFEST"), "immediate").await?;
    for repository in [&gone, &kept] {
        server.run(&format!("{repository}sync/"), &json!({})).await?;
    }
    let deletion = crate::common::api::answer(server.api.request(Method::DELETE, &gone)).await?;
    server.api.follow(&deletion, |_| {}).await?;
    let everything = json!({ "orphan_protection_time": 0 });
    let task = server.dispatch("orphans/cleanup/", &everything).await?;
    let server = killed_in(site, server, &task).await?;
    server.run("orphans/cleanup/", &everything).await?;
    ensure!(server.count("artifacts/").await? == 10, "the other repository keeps its files");
    site.check().await?;
    server.run(&format!("{kept}sync/"), &json!({ "optimize": false })).await?;
    ensure!((0..10).all(|n| files.count(&format!("small/f{n}.bin")) == 1), "nothing had to be downloaded again");
    server.stop().await
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes))
}
