//! Serving: small files to many connections and large ones to few, beside nginx with the same files in the same runs.
//!
//! nginx writes no access log, so neither does the server. One client generates the load of both.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use pulpcore::testkit::FixtureServer;
use serde_json::json;

use super::figure::{Figure, Table, Target, Unit};
use super::lab::{Database, Lab, Subject};
use super::load::{self, Measured, Requests};
use super::nginx;
use super::peer::Peer;

/// How many small files there are, and over how many connections they are asked for.
const SMALL: (usize, u32) = (1000, 32);

/// The same of large files, which have 50 MiB.
const LARGE: (usize, u32) = (2, 4);

/// For how long each is asked for.
const TIME: Duration = Duration::from_secs(3);

const MIB: f64 = 1024.0 * 1024.0;

/// The most memory that serving may take, in bytes.
const MOST_MEMORY: f64 = 100.0 * MIB;

/// All that a server logs, except for one line a request.
pub(crate) const QUIET: &str = "log_filter = \"info,pulpcore::access=warn\"\n";

pub(crate) async fn measure(lab: &Lab, database: Database, runs: u32, table: &mut Table) -> Result<()> {
    let settings = lab.room().join("quiet.toml");
    std::fs::write(&settings, QUIET)?;
    let subject = lab.server(database).await?;
    fill(&subject).await?;
    // What filling took does not count as memory.
    let subject = subject.again(lab, &["--settings", settings.to_str().context("the room's path is text")?]).await?;
    let files: Vec<String> = paths("small", SMALL.0).into_iter().chain(paths("large", LARGE.0)).collect();
    let nginx = nginx::start(lab.room(), subject.server.address(), &files).await?;
    let measured = in_turns(&subject, &nginx, database, runs, table).await;
    nginx.stop().await?;
    measured?;
    subject.stop().await
}

/// Asks one and the other.
async fn in_turns(subject: &Subject, nginx: &Peer, database: Database, runs: u32, table: &mut Table) -> Result<()> {
    let beside = |figure: Figure| figure.beside("nginx");
    let mut rate = beside(Figure::new("1 KiB files, 32 connections", Unit::PerSecond, Target::RatioAtLeast(0.8)));
    let mut half = beside(Figure::seconds("half of them within", Target::None));
    let mut most = beside(Figure::seconds("99 of 100 within", Target::None));
    let mut large = beside(Figure::new("50 MiB files, 4 connections", Unit::Throughput, Target::RatioAtLeast(0.7)));
    let mut memory = beside(Figure::new("peak memory", Unit::Bytes, Target::AtMost(MOST_MEMORY)));
    for _ in 0..runs {
        let own = ask(subject.server.address(), "small", SMALL).await?;
        let peer = ask(nginx.address(), "small", SMALL).await?;
        rate.add(own.rate);
        rate.peer(peer.rate);
        half.took(own.percentile(50));
        half.peer(peer.percentile(50).as_secs_f64());
        most.took(own.percentile(99));
        most.peer(peer.percentile(99).as_secs_f64());
        large.add(ask(subject.server.address(), "large", LARGE).await?.throughput);
        large.peer(ask(nginx.address(), "large", LARGE).await?.throughput);
        memory.add(subject.server.peak_memory()? as f64);
        memory.peer(nginx.peak_memory()? as f64);
    }
    for figure in [rate, half, most, large, memory] {
        table.add(database, figure)?;
    }
    Ok(())
}

/// Syncs the files and distributes them, each folder at its name.
async fn fill(subject: &Subject) -> Result<()> {
    let fixture = FixtureServer::start().await;
    for (folder, count, size) in [("small", SMALL.0, 1024), ("large", LARGE.0, 50 << 20)] {
        fixture.generate(&format!("{folder}/f{{n}}.bin"), count, size);
        fixture.manifest(&format!("{folder}/PULP_MANIFEST"));
        let api = subject.server.api()?;
        let manifest = fixture.url(&format!("{folder}/PULP_MANIFEST"));
        let repository = api.repository(folder, &manifest, "immediate").await?;
        api.done(&format!("{repository}sync/"), &json!({})).await?;
        // Files are served as they are published.
        api.done("publications/file/file/", &json!({ "repository": repository })).await?;
        let distribution = json!({ "name": folder, "base_path": folder, "repository": repository });
        api.done("distributions/file/file/", &distribution).await?;
    }
    Ok(())
}

fn paths(folder: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("/pulp/content/{folder}/f{n}.bin")).collect()
}

/// Asks for the files of a folder in turns.
async fn ask(address: &str, folder: &str, (count, connections): (usize, u32)) -> Result<Measured> {
    let heads =
        paths(folder, count).into_iter().map(|path| format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").into_bytes());
    let heads: Vec<Vec<u8>> = heads.collect();
    let requests: Requests = Arc::new(move |n| heads[n as usize % heads.len()].clone());
    // Once round, so that no first time is measured.
    load::measured(address, connections, Duration::from_millis(300), &requests).await?;
    load::measured(address, connections, TIME, &requests).await
}
