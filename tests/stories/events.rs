//! Whoever follows a task through cut connections and restarts sees what the table holds, no more and no less.

use anyhow::{Context, Result, ensure};
use pulpcore::testkit::{Backend, Events, Fault, FixtureServer};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde_json::{Value, json};

use crate::common::{Server, Site, within};

const COUNT: usize = 2000;

/// A client that remembers the last number that it has seen.
struct Listener {
    path: String,
    events: Events,
    seen: Vec<Value>,
}

impl Listener {
    async fn at(server: &Server, path: String) -> Result<Self> {
        Ok(Self { events: server.events(&path, None).await?, path, seen: Vec::new() })
    }

    /// Reads until an event is as wanted.
    async fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Result<()> {
        loop {
            let event = within(self.events.next()).await?.context("the stream goes on")?;
            self.seen.push(event);
            if self.seen.last().is_some_and(&wanted) {
                return Ok(());
            }
        }
    }

    /// The connection is gone; goes on behind what was seen.
    async fn again(&mut self, server: &Server) -> Result<()> {
        let last = self.seen.last().and_then(|event| event["seq"].as_i64());
        self.events = server.events(&self.path, last).await?;
        Ok(())
    }
}

/// Whether a report counts at least so many.
fn counts(event: &Value, code: &str, done: i64) -> bool {
    event["kind"] == "progress" && event["body"]["code"] == code && event["body"]["done"].as_i64() >= Some(done)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_cut_off_twice_during_a_sync_misses_and_repeats_nothing() -> Result<()> {
    let site = Site::on(Backend::Postgres).await?;
    let files = FixtureServer::start().await;
    files.generate("large/f{n}.bin", COUNT, 500);
    files.manifest("large/PULP_MANIFEST");
    // The sync does not end before the client has come back for the second time.
    files.fault("large/f1999.bin", Fault::Stall);
    let api = site.serve_with(&["--roles", "api"], &[]).await?;
    let worker = site.serve_with(&["--roles", "worker"], &[]).await?;
    let repository = api.api.repository("r", &files.url("large/PULP_MANIFEST"), "immediate").await?;
    let task = api.dispatch(&format!("{repository}sync/"), &json!({})).await?;

    let mut listener = Listener::at(&api, format!("{task}events/")).await?;
    listener.until(|event| event["body"]["state"] == "running").await?;
    listener.again(&api).await?;
    listener.until(|event| counts(event, "sync.downloading.artifacts", 1)).await?;
    api.kill().await?;
    files.wait_for("large/f1999.bin", 1).await;
    let api = site.serve_with(&["--roles", "api"], &[]).await?;
    listener.again(&api).await?;
    files.release();
    listener.until(|event| event["kind"] == "state" && event["body"]["state"] != "running").await?;
    ensure!(within(listener.events.next()).await?.is_none(), "the stream ends with the task");

    let last = listener.seen.last().context("there are events")?;
    ensure!(last["body"]["state"] == "completed", "{last}");
    let seen: Vec<(i64, String)> = listener
        .seen
        .iter()
        .map(|event| (event["seq"].as_i64().unwrap_or_default(), event["kind"].as_str().unwrap_or_default().to_owned()))
        .collect();
    ensure!(seen == table(&site, &task).await?, "the client saw {seen:?}");
    ensure!(seen.iter().any(|(_, kind)| kind == "log"), "lines of the log are told");
    worker.stop().await?;
    api.stop().await
}

/// What the table holds about a task.
async fn table(site: &Site, task: &str) -> Result<Vec<(i64, String)>> {
    use pulpcore::models::task_event::{Column, Entity};
    let id = task.trim_end_matches('/').rsplit('/').next().context("an href ends with a key")?;
    let db = site.database().await?;
    let rows =
        Entity::find().filter(Column::TaskId.eq(id.parse::<sea_orm::prelude::Uuid>()?)).order_by_asc(Column::Seq);
    let rows = rows.all(db.read()).await?;
    db.close().await?;
    Ok(rows.into_iter().map(|row| (row.seq, row.kind)).collect())
}
