//! Many worker processes on one database, and what happens when they are killed.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use pulpcore::testkit::{Backend, Fault, FixtureServer};
use serde_json::json;

use crate::common::{Server, Site};

/// How many processes work at a time.
const PROCESSES: usize = 8;
/// How many repositories they work on.
const REPOSITORIES: usize = 12;
/// How many files each of them has.
const FILES: usize = 150;
const WORKER: [&str; 4] = ["--roles", "worker", "--workers", "2"];

/// `PULP_KILL_SECONDS` makes it longer than it is in the suite.
#[tokio::test(flavor = "multi_thread")]
async fn workers_that_are_killed_leave_nothing_unfinished_locked_or_lying_about() -> Result<()> {
    let seconds = std::env::var("PULP_KILL_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(20);
    let site = Site::on(Backend::Postgres).await?;
    let files = FixtureServer::start().await;
    let api = site.serve_with(&["--roles", "api"], &[]).await?;
    let mut repositories = Vec::new();
    for n in 0..REPOSITORIES {
        files.generate(&format!("r{n}/f{{n}}.bin"), FILES, 3000);
        files.manifest(&format!("r{n}/PULP_MANIFEST"));
        let manifest = files.url(&format!("r{n}/PULP_MANIFEST"));
        repositories.push(api.api.repository(&format!("r{n}"), &manifest, "immediate").await?);
    }
    let mut workers = Vec::new();
    for _ in 0..PROCESSES {
        workers.push(site.serve_with(&WORKER, &[]).await?);
    }

    let began = Instant::now();
    let (mut round, mut held) = (0, Vec::new());
    while began.elapsed() < Duration::from_secs(seconds) {
        let repository = &repositories[round % REPOSITORIES];
        // Every other sync is killed at any moment, which may be after its end; the rest certainly at work, because
        // each of those meets a file that nobody has yet and that does not come.
        let withheld = (round % 2 == 0).then(|| format!("r{}/withheld-{round}.bin", round % REPOSITORIES));
        if let Some(path) = &withheld {
            files.put(path, format!("withheld in round {round}"));
            files.manifest(&format!("r{}/PULP_MANIFEST", round % REPOSITORIES));
            files.fault(path, Fault::Stall);
        }
        let sync = api.dispatch(&format!("{repository}sync/"), &json!({ "optimize": false, "mirror": true })).await?;
        // Emptied, so that the next sync makes a version again; and what has no owner goes, so that it downloads again.
        api.dispatch(&format!("{repository}modify/"), &json!({ "remove_content_units": ["*"] })).await?;
        api.dispatch("publications/file/file/", &json!({ "repository": repository })).await?;
        if round % 3 == 0 {
            api.dispatch("orphans/cleanup/", &json!({ "orphan_protection_time": 0 })).await?;
        }
        api.task(&sync, |task| task["state"] != "waiting").await?;
        if let Some(path) = &withheld {
            files.wait_for(path, 1).await;
        }
        let busy = at_work(&api, &workers, &sync).await?;
        ensure!(withheld.is_none() || busy.is_some(), "nobody works on {sync}");
        workers.remove(busy.unwrap_or(round * 5 % PROCESSES)).kill().await?;
        if let Some(path) = &withheld {
            files.heal(path);
            held.push(sync);
        }
        workers.push(site.serve_with(&WORKER, &[]).await?);
        round += 1;
    }

    while let Some(task) = unfinished(&api).await? {
        api.ended_task(&task).await?;
    }
    let failed = api.api.get("tasks/?state=failed&limit=1000").await?;
    let failed = failed["results"].as_array().context("a list")?;
    for task in failed {
        ensure!(task["error"]["description"] == "Worker has gone missing.", "{task}");
    }
    for sync in held {
        ensure!(failed.iter().any(|task| task["pulp_href"] == *sync), "{sync} was killed at work and has not failed");
    }
    ensure!(site.query("SELECT COUNT(*) AS n FROM core_taskreservation").await? == 0, "a lock is held");
    for worker in workers {
        worker.stop().await?;
    }
    api.stop().await?;

    let server = site.serve_with(&[], &[("PULP_STRAY_FILE_PROTECTION_TIME", "0")]).await?;
    server.run("orphans/cleanup/", &json!({ "orphan_protection_time": 0 })).await?;
    site.check().await?;
    let (known, there) = (server.count("artifacts/").await?, site.artifact_files().len());
    ensure!(i64::try_from(there) == Ok(known), "{there} files for {known} artifacts");
    server.stop().await
}

/// The first task that waits or runs, if there is one.
async fn unfinished(api: &Server) -> Result<Option<String>> {
    let list = "tasks/?state__in=waiting,running,canceling&ordering=pulp_created&limit=1&fields=pulp_href";
    let page = api.api.get(list).await?;
    Ok(page["results"][0]["pulp_href"].as_str().map(str::to_owned))
}

/// Which of the processes works on a task, if it still runs. The task itself does not say: Pulp deprecated that.
async fn at_work(api: &Server, processes: &[Server], task: &str) -> Result<Option<usize>> {
    let workers = api.api.get("workers/?limit=1000&fields=name,current_task").await?;
    let mut listed = workers["results"].as_array().context("a list")?.iter();
    let busy = listed.find(|worker| worker["current_task"] == task);
    let name = busy.and_then(|worker| worker["name"].as_str());
    Ok(name.and_then(|name| processes.iter().position(|process| process.is_listed_as(name))))
}
