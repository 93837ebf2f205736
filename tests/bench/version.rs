//! Repositories in change: one unit more, a publication, and cleaning up after a repository is gone.

use std::time::{Duration, Instant};

use anyhow::Result;
use bytes::Bytes;
use pulpcore::testkit::FixtureServer;
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::json;

use super::figure::{Figure, Table, Target};
use super::lab::{Database, Lab, Subject};
use super::support::api::{Api, text};
use super::{rows, sync};

/// How many units are added one by one in each run, as one of them says little.
const ADDED: u32 = 10;

/// How many units the large repository holds.
const MANY: u32 = 1_000_000;

pub(crate) async fn measure(lab: &Lab, database: Database, runs: u32, table: &mut Table) -> Result<()> {
    let fixture = sync::files().await;
    let subject = lab.server(database).await?;
    let api = subject.server.api()?;

    let mut publish = Figure::seconds("publish 10,000 units", Target::AtMost(0.5));
    let mut add = Figure::seconds("add 1 unit to 10,000", Target::AtMost(0.030));
    let mut cleanup = Figure::seconds("orphan cleanup of 10,000 units", Target::AtMost(2.0));
    for run in 0..runs {
        let repository = synced(&api, &fixture, run).await?;
        publish.took(timed(&api, "publications/file/file/", &json!({ "repository": repository })).await?);
        for n in 0..ADDED {
            add.took(add_one(&api, &repository, &format!("more/{run}-{n}")).await?);
        }
        api.delete(&repository).await?;
        cleanup.took(timed(&api, "orphans/cleanup/", &json!({ "orphan_protection_time": 0 })).await?);
    }
    for figure in [publish, add, cleanup] {
        table.add(database, figure)?;
    }
    subject.stop().await?;

    let mut figure = Figure::seconds("add 1 unit to 1,000,000", Target::AtMost(0.060)).beside("add to an empty one");
    let subject = lab.server(database).await?;
    many(&subject, runs * ADDED, &mut figure).await?;
    table.add(database, figure)?;
    subject.stop().await
}

/// A repository with all small files.
async fn synced(api: &Api, fixture: &FixtureServer, run: u32) -> Result<String> {
    let repository = api.repository(&format!("small-{run}"), &fixture.url("small/PULP_MANIFEST"), "immediate").await?;
    api.done(&format!("{repository}sync/"), &json!({})).await?;
    Ok(repository)
}

async fn many(subject: &Subject, runs: u32, figure: &mut Figure) -> Result<()> {
    let api = subject.server.api()?;
    let create = async |name: &str| -> Result<String> {
        let repository = api.post("repositories/file/file/", &json!({ "name": name })).await?;
        Ok(text(&repository, "pulp_href")?.to_owned())
    };
    let (large, empty) = (create("large").await?, create("empty").await?);
    subject.execute(&rows::fill("large", MANY, subject.database)).await?;
    let latest = api.get(&large).await?;
    let latest = api.get(text(&latest, "latest_version_href")?).await?;
    let present = &latest["content_summary"]["present"]["file.file"]["count"];
    anyhow::ensure!(present.as_u64() == Some(MANY.into()), "the large repository holds {present}");
    for n in 0..runs {
        figure.took(add_one(&api, &large, &format!("large/{n}")).await?);
        figure.peer(add_one(&api, &empty, &format!("empty/{n}")).await?.as_secs_f64());
    }
    Ok(())
}

/// Uploads a unit, and says how long it takes from asking for it to be added until it is.
async fn add_one(api: &Api, repository: &str, path: &str) -> Result<Duration> {
    let file = Part::stream(Bytes::from(path.to_owned())).file_name("file");
    let form = Form::new().part("file", file).text("relative_path", path.to_owned());
    let unit = api.form(Method::POST, "content/file/files/upload/", form, &[]).await?;
    let body = json!({ "add_content_units": [text(&unit, "pulp_href")?] });
    timed(api, &format!("{repository}modify/"), &body).await
}

async fn timed(api: &Api, path: &str, body: &serde_json::Value) -> Result<Duration> {
    let start = Instant::now();
    api.done(path, body).await?;
    Ok(start.elapsed())
}
