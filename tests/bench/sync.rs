//! Syncing, beside a bare download of the same files by the same client library with the same concurrency.

use std::time::{Duration, Instant};

use anyhow::Result;
use futures::{StreamExt, TryStreamExt};
use pulpcore::testkit::FixtureServer;
use serde_json::json;

use super::figure::{Figure, Table, Target, Unit};
use super::lab::{Database, Lab, Subject};
use super::support::FILES;

/// How many files a sync downloads at a time unless its remote says otherwise.
const CONCURRENCY: usize = 10;

const MIB: f64 = 1024.0 * 1024.0;

/// The most memory that a sync may take, in bytes.
const MOST_MEMORY: f64 = 150.0 * MIB;

pub(crate) async fn measure(lab: &Lab, database: Database, runs: u32, table: &mut Table) -> Result<()> {
    let fixture = files().await;
    fixture.generate("large/f{n}.bin", 20, 50 << 20);
    fixture.manifest("large/PULP_MANIFEST");

    let mut immediate =
        Figure::seconds("sync 10,000 x 1 KiB, immediate", Target::RatioAtMost(2.5)).beside("bare download");
    let mut on_demand =
        Figure::seconds("sync 10,000 x 1 KiB, on_demand", Target::RatioAtMost(1.0 / 3.0)).beside("immediate");
    let mut again = Figure::seconds("the same again, nothing new (optimize off)", Target::None).beside("immediate");
    let mut large = Figure::new("sync 20 x 50 MiB, immediate", Unit::Throughput, Target::None);
    let mut memory = Figure::new("peak memory, 10,000 x 1 KiB", Unit::Bytes, Target::AtMost(MOST_MEMORY));
    let mut memory_large = Figure::new("peak memory, then 20 x 50 MiB", Unit::Bytes, Target::AtMost(MOST_MEMORY));
    for _ in 0..runs {
        let bare = bare_download(&fixture).await?;
        let subject = lab.server(database).await?;
        let took = sync(&subject, &fixture, "small", "immediate", true).await?;
        immediate.took(took);
        immediate.peer(bare.as_secs_f64());
        again.took(sync(&subject, &fixture, "small", "immediate", false).await?);
        again.peer(took.as_secs_f64());
        memory.add(subject.server.peak_memory()? as f64);
        let bytes = 20.0 * 50.0 * MIB;
        large.add(bytes / sync(&subject, &fixture, "large", "immediate", true).await?.as_secs_f64());
        memory_large.add(subject.server.peak_memory()? as f64);
        subject.stop().await?;

        let subject = lab.server(database).await?;
        on_demand.took(sync(&subject, &fixture, "small", "on_demand", true).await?);
        on_demand.peer(took.as_secs_f64());
        subject.stop().await?;
    }
    for figure in [immediate, on_demand, again, memory, memory_large, large] {
        table.add(database, figure)?;
    }
    Ok(())
}

/// A remote with the small files, in `small/`.
pub(crate) async fn files() -> FixtureServer {
    let fixture = FixtureServer::start().await;
    let (count, size) = FILES;
    fixture.generate("small/f{n}.bin", count, size);
    fixture.manifest("small/PULP_MANIFEST");
    fixture
}

/// Syncs a folder of the fixture into the repository of its name and says how long that took. The first sync makes the
/// repository.
async fn sync(subject: &Subject, fixture: &FixtureServer, folder: &str, policy: &str, first: bool) -> Result<Duration> {
    let api = subject.server.api()?;
    let repository = match first {
        true => api.repository(folder, &fixture.url(&format!("{folder}/PULP_MANIFEST")), policy).await?,
        false => {
            let found = api.get(&format!("repositories/file/file/?name={folder}")).await?;
            super::support::api::text(&found["results"][0], "pulp_href")?.to_owned()
        }
    };
    let start = Instant::now();
    api.done(&format!("{repository}sync/"), &json!({ "optimize": false })).await?;
    Ok(start.elapsed())
}

/// How long it takes to do nothing but read all small files.
async fn bare_download(fixture: &FixtureServer) -> Result<Duration> {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60)).build()?;
    let start = Instant::now();
    futures::stream::iter(0..FILES.0)
        .map(|n| client.get(fixture.url(&format!("small/f{n}.bin"))).send())
        .map(|answer| async move { answer.await?.error_for_status()?.bytes().await })
        .buffer_unordered(CONCURRENCY)
        .try_for_each(|_| async { Ok(()) })
        .await?;
    Ok(start.elapsed())
}
