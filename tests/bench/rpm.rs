//! Repositories of packages: a sync of a hundred thousand and its publication, beside `createrepo_c --update` over the same.
//!
//! Both make the three files of metadata from what they know of the packages: the server from its database, `createrepo_c`
//! from the metadata that it made before (and from a look at each file's size and time).

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use pulpcore::testkit::FixtureServer;
use serde_json::json;

use super::figure::{Figure, Table, Target, Unit};
use super::lab::{Database, Lab, Subject};
use super::rpms;
use super::support::api::{Api, text};

/// How many packages there are, and how many in the repository that tells how time grows.
const PACKAGES: (u64, u64) = (100_000, 10_000);

/// The most memory that a sync may take, and again a publication, in bytes.
const MOST_MEMORY: f64 = 300.0 * 1024.0 * 1024.0;

pub(crate) async fn measure(lab: &Lab, database: Database, runs: u32, table: &mut Table) -> Result<()> {
    let (many, few) = PACKAGES;
    let fixture = FixtureServer::start().await;
    rpms::offer(&fixture, "few", few)?;
    let (updated, updated_small) = (updated(lab, many).await?, updated(lab, few).await?);

    let of_memory = |name| Figure::new(name, Unit::Bytes, Target::AtMost(MOST_MEMORY));
    let mut sync = Figure::seconds("sync 100,000 packages, on_demand", Target::None).beside("10 x 10,000");
    let mut sync_memory = of_memory("peak memory of that");
    let mut publish =
        Figure::seconds("publish 100,000 packages", Target::RatioAtMost(1.0)).beside("createrepo_c --update");
    let mut publish_memory = of_memory("peak memory of that");
    let mut small = Figure::seconds("publish 10,000 packages", Target::None).beside("createrepo_c --update");
    // Twice as long a package is less than the square of anything.
    let mut growth = Figure::seconds("publish 100,000 packages", Target::RatioAtMost(2.0)).beside("10 x 10,000");
    let mut more = Figure::seconds("sync one package more", Target::None).beside("the first sync");
    let mut again = Figure::seconds("publish one package more", Target::RatioAtMost(1.5)).beside("the first time");
    for _ in 0..runs {
        rpms::offer(&fixture, "many", many)?;
        let subject = lab.server(database).await?;
        let repository = repository_of(&subject.server.api()?, &fixture, "few").await?;
        let took_small = synced(&subject, &repository, few).await?;
        let published_small = published(&subject.server.api()?, &repository).await?;
        small.took(published_small);
        small.peer(updated_small.as_secs_f64());
        subject.stop().await?;

        let subject = lab.server(database).await?;
        let repository = repository_of(&subject.server.api()?, &fixture, "many").await?;
        let took = synced(&subject, &repository, many).await?;
        sync.took(took);
        sync.peer(10.0 * took_small.as_secs_f64());
        sync_memory.add(subject.server.peak_memory()? as f64);
        // What the sync took does not count as the publication's.
        let subject = subject.again(lab, &[]).await?;
        let whole = published(&subject.server.api()?, &repository).await?;
        publish.took(whole);
        publish.peer(updated.as_secs_f64());
        publish_memory.add(subject.server.peak_memory()? as f64);
        growth.took(whole);
        growth.peer(10.0 * published_small.as_secs_f64());

        rpms::offer(&fixture, "many", many + 1)?;
        more.took(synced(&subject, &repository, many + 1).await?);
        more.peer(took.as_secs_f64());
        again.took(published(&subject.server.api()?, &repository).await?);
        again.peer(whole.as_secs_f64());
        subject.stop().await?;
    }
    for figure in [sync, sync_memory, publish, publish_memory, small, growth, more, again] {
        table.add(database, figure)?;
    }
    Ok(())
}

/// How long `createrepo_c --update` takes over so many packages that it knows. It is asked once, because its time grows faster
/// than their number.
async fn updated(lab: &Lab, count: u64) -> Result<Duration> {
    let folder = tempfile::Builder::new().prefix("rpms-").tempdir_in(lab.room())?;
    rpms::write(folder.path(), count)?;
    rpms::update(folder.path()).await
}

/// A repository with a remote for a folder of the fixture, whose packages are left where they are.
async fn repository_of(api: &Api, fixture: &FixtureServer, folder: &str) -> Result<String> {
    let remote = json!({ "name": folder, "url": fixture.url(folder), "policy": "on_demand" });
    let remote = api.post("remotes/rpm/rpm/", &remote).await?;
    let repository = json!({ "name": folder, "remote": text(&remote, "pulp_href")? });
    Ok(text(&api.post("repositories/rpm/rpm/", &repository).await?, "pulp_href")?.to_owned())
}

/// Syncs a repository, which holds so many packages then, and says how long that took.
async fn synced(subject: &Subject, repository: &str, count: u64) -> Result<Duration> {
    let api = subject.server.api()?;
    let took = timed(&api, &format!("{repository}sync/"), json!({})).await?;
    let latest = api.get(repository).await?;
    let latest = api.get(text(&latest, "latest_version_href")?).await?;
    let held = &latest["content_summary"]["present"]["rpm.package"]["count"];
    ensure!(held.as_u64() == Some(count), "the repository holds {held} packages in place of {count}");
    Ok(took)
}

/// Publishes the latest version of a repository.
async fn published(api: &Api, repository: &str) -> Result<Duration> {
    timed(api, "publications/rpm/rpm/", json!({ "repository": repository })).await
}

async fn timed(api: &Api, path: &str, body: serde_json::Value) -> Result<Duration> {
    let start = Instant::now();
    api.done(path, &body).await?;
    Ok(start.elapsed())
}
