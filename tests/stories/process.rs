//! Processes as operators meet them: started, stopped, refused, split by role.

use crate::common::{Outcome, Server, Site, on_both_databases, within};
use anyhow::{Context, Result, ensure};
use pulpcore::testkit::{Backend, Fault, FixtureServer};
use reqwest::StatusCode;
use rustix::process::Signal;
use serde_json::json;

on_both_databases! {
    a_stop_waits_for_a_task_that_ends
    a_stop_hands_back_a_task_that_does_not_end
}

/// A server that syncs three files, and waits for the second of them.
async fn in_a_sync(site: &Site, grace: &str) -> Result<(FixtureServer, Server, String, String)> {
    let files = stalling().await;
    let server = site.serve_with(&[], &[("PULP_TASK_GRACE_INTERVAL", grace)]).await?;
    let repository = server.api.repository("r", &files.url("small/PULP_MANIFEST"), "immediate").await?;
    let task = server.dispatch(&format!("{repository}sync/"), &json!({})).await?;
    files.wait_for("small/f1.bin", 1).await;
    Ok((files, server, repository, task))
}

/// Three files, of which the second one stalls.
async fn stalling() -> FixtureServer {
    let files = FixtureServer::start().await;
    files.generate("small/f{n}.bin", 3, 100);
    files.manifest("small/PULP_MANIFEST");
    files.fault("small/f1.bin", Fault::Stall);
    files
}

async fn a_stop_waits_for_a_task_that_ends(site: &Site) -> Result<()> {
    let (files, server, repository, task) = in_a_sync(site, "600").await?;
    server.signal(Signal::TERM)?;
    server.says("The server stops.").await?;
    files.release();
    let Outcome { code, said } = server.ended().await?;
    ensure!(code == Some(0), "{code:?}: {said}");
    site.check().await?;

    let server = site.serve().await?;
    ensure!(server.ended_task(&task).await?["state"] == "completed", "the task came to its end");
    ensure!(server.count(&format!("{repository}versions/")).await? == 2, "and made its version");
    server.stop().await
}

async fn a_stop_hands_back_a_task_that_does_not_end(site: &Site) -> Result<()> {
    let (files, server, repository, task) = in_a_sync(site, "1").await?;
    let waits = server.dispatch(&format!("{repository}sync/"), &json!({ "mirror": true })).await?;
    server.stop().await?;
    site.check().await?;
    ensure!(site.query("SELECT COUNT(*) AS n FROM core_appstatus").await? == 0, "all of it has signed off");

    files.heal("small/f1.bin");
    let server = site.serve().await?;
    let done = server.ended_task(&task).await?;
    ensure!(done["created_resources"] == json!([format!("{repository}versions/1/")]), "{done}");
    let later = server.ended_task(&waits).await?;
    ensure!(later["state"] == "completed" && later["created_resources"] == json!([]), "it came second: {later}");
    site.check().await?;
    server.stop().await
}

#[tokio::test]
async fn a_second_process_on_sqlite_is_told_which_file_is_taken() -> Result<()> {
    let site = Site::on(Backend::Sqlite).await?;
    let server = site.serve().await?;
    for arguments in [&["serve", "--bind", "127.0.0.1:0"][..], &["migrate"]] {
        let output = site.command(arguments).output().await?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.code() == Some(1), "{arguments:?}: {:?}: {said}", output.status);
        let last = said.lines().last().unwrap_or_default();
        let file = site.database_url().replace("sqlite://", "");
        ensure!(last.contains(&format!("another process uses the database {file}")), "{said}");
    }
    server.api.get("status/").await?;
    server.stop().await?;
    site.serve().await?.stop().await
}

#[tokio::test]
async fn a_password_that_is_made_up_is_told_once_and_not_by_the_log() -> Result<()> {
    let site = Site::on(Backend::Sqlite).await?;
    let start = || Server::start(site.command(&["serve", "--bind", "127.0.0.1:0"]));
    let server = start().await?;
    let line = server.says("The user 'admin' was created with the password").await?;
    let password =
        line.split(" the password ").nth(1).and_then(|rest| rest.split(' ').next()).context("no password")?;
    let list = "/pulp/api/v3/repositories/";
    ensure!(server.get_as(Some(("admin", password)), list).await?.0 == StatusCode::OK, "it opens the door");
    ensure!(server.said().matches(password).count() == 1, "it is told once: {}", server.said());
    server.stop().await?;

    let server = start().await?;
    ensure!(server.get_as(Some(("admin", password)), list).await?.0 == StatusCode::OK, "it still does");
    server.signal(Signal::TERM)?;
    let said = server.ended().await?.said;
    ensure!(!said.contains(password) && !said.contains("was created with the password"), "{said}");
    Ok(())
}

#[tokio::test]
async fn a_password_from_the_environment_is_taken_and_never_told() -> Result<()> {
    let site = Site::on(Backend::Sqlite).await?;
    let settings = [("PULP_ADMIN_PASSWORD", "a password of the operator's")];
    let server = site.serve_with(&[], &settings).await?;
    let (status, _) = server.get_as(Some(("admin", settings[0].1)), "/pulp/api/v3/repositories/").await?;
    ensure!(status == StatusCode::OK, "{status}");
    server.signal(Signal::TERM)?;
    let said = server.ended().await?.said;
    ensure!(!said.contains(settings[0].1) && !said.contains("was created with the password"), "{said}");

    // It is for the first start: later ones leave the user alone.
    let server = site.serve_with(&[], &[("PULP_ADMIN_PASSWORD", "another")]).await?;
    for (password, expected) in [("another", 401), (settings[0].1, 200)] {
        let (status, _) = server.get_as(Some(("admin", password)), "/pulp/api/v3/repositories/").await?;
        ensure!(status == expected, "{password}: {status}");
    }
    Ok(())
}

on_both_databases! { a_new_password_is_effective_within_moments }

async fn a_new_password_is_effective_within_moments(site: &Site) -> Result<()> {
    let server = site.serve().await?;
    let answers = async |password| -> Result<StatusCode> {
        Ok(server.get_as(Some(("admin", password)), "/pulp/api/v3/repositories/").await?.0)
    };
    // The server remembers a password that it has verified.
    ensure!(answers(Server::ADMIN.1).await? == StatusCode::OK, "the first password");
    let output = site.command(&["reset-admin-password", "--password", "the second"]).output().await?;
    ensure!(output.status.success(), "{output:?}");
    ensure!(answers("the second").await? == StatusCode::OK, "the second one is known");
    // Another process made the change: this one looks again when it has not looked for a second.
    let forgotten = async {
        while answers(Server::ADMIN.1).await? != StatusCode::UNAUTHORIZED {}
        Ok::<_, anyhow::Error>(())
    };
    within(forgotten).await??;
    server.stop().await
}

/// One process a role, on one database.
struct Split {
    api: Server,
    content: Server,
    worker: Server,
}

impl Split {
    async fn start(site: &Site) -> Result<Self> {
        let serve = async |role| site.serve_with(&["--roles", role], &[]).await;
        Ok(Self { api: serve("api").await?, content: serve("content").await?, worker: serve("worker").await? })
    }

    async fn stop(self) -> Result<()> {
        for server in [self.api, self.content, self.worker] {
            server.stop().await?;
        }
        Ok(())
    }
}

#[tokio::test]
async fn three_processes_share_the_work_by_role() -> Result<()> {
    let site = Site::on(Backend::Postgres).await?;
    let Split { api, content, worker } = Split::start(&site).await?;
    let files = stalling().await;
    files.heal("small/f1.bin");
    let repository = api.api.repository("r", &files.url("small/PULP_MANIFEST"), "immediate").await?;
    let synced = api.run(&format!("{repository}sync/"), &json!({})).await?;
    let published = api.run("publications/file/file/", &json!({ "repository": repository })).await?;
    let body = json!({ "name": "d", "base_path": "d", "publication": published["created_resources"][0] });
    api.run("distributions/file/file/", &body).await?;

    ensure!(synced["created_resources"] == json!([format!("{repository}versions/1/")]), "{synced}");
    worker.says("The task is completed.").await?;
    let started = |server: &Server| -> Vec<String> {
        server.said().lines().filter(|line| line.contains("The task starts.")).map(str::to_owned).collect()
    };
    // Immediate ones run where they are asked for.
    ensure!(started(&api).iter().all(|line| line.contains("general_create")), "{}", api.said());
    ensure!(started(&content).is_empty(), "{}", content.said());
    let status = api.api.get("status/").await?;
    for (list, count) in [("online_api_apps", 1), ("online_content_apps", 1)] {
        ensure!(status[list].as_array().map(Vec::len) == Some(count), "{list}: {status}");
    }

    let (management, file) = ("/pulp/api/v3/repositories/", "/pulp/content/d/f1.bin");
    let expected = [(&api, 200, 404), (&content, 404, 200), (&worker, 404, 404)];
    for (server, api, content) in expected {
        ensure!(server.get_as(Some(Server::ADMIN), management).await?.0 == api, "{server:?}");
        ensure!(server.get_as(None, file).await?.0 == content, "{server:?}");
        ensure!(server.get_as(None, "/health/ready").await?.0 == 200, "{server:?}");
    }
    site.check().await?;
    Split { api, content, worker }.stop().await
}

#[tokio::test]
async fn a_task_is_canceled_from_another_process() -> Result<()> {
    let site = Site::on(Backend::Postgres).await?;
    let split = Split::start(&site).await?;
    let files = stalling().await;
    let api = &split.api;
    let repository = api.api.repository("r", &files.url("small/PULP_MANIFEST"), "immediate").await?;
    let task = api.dispatch(&format!("{repository}sync/"), &json!({})).await?;
    files.wait_for("small/f1.bin", 1).await;

    api.cancel(&task).await?;
    let ended = api.ended_task(&task).await?;
    ensure!(ended["state"] == "canceled", "{ended}");
    ensure!(api.count(&format!("{repository}versions/")).await? == 1, "there is no new version");
    site.check().await?;
    split.stop().await
}

#[tokio::test]
async fn a_worker_that_was_given_up_stops_its_task_and_goes_on() -> Result<()> {
    let site = Site::on(Backend::Postgres).await?;
    let Split { api, content, worker: frozen } = Split::start(&site).await?;
    let files = stalling().await;
    let repository = api.api.repository("r", &files.url("small/PULP_MANIFEST"), "immediate").await?;
    let task = api.dispatch(&format!("{repository}sync/"), &json!({})).await?;
    files.wait_for("small/f1.bin", 1).await;
    frozen.signal(Signal::STOP)?;

    let other = site.serve_with(&["--roles", "worker"], &[]).await?;
    let missed = api.ended_task(&task).await?;
    ensure!(missed["error"]["description"] == "Worker has gone missing.", "{missed}");
    other.stop().await?;
    ensure!(online(&api).await? == 0, "nobody works");

    frozen.signal(Signal::CONT)?;
    // It may have been frozen within a transaction, which PostgreSQL has ended meanwhile; its task has not, either way.
    let listed = async {
        while online(&api).await? == 0 {}
        Ok::<_, anyhow::Error>(())
    };
    within(listed).await??;
    files.heal("small/f1.bin");
    let again = api.run(&format!("{repository}sync/"), &json!({})).await?;
    ensure!(again["created_resources"] == json!([format!("{repository}versions/1/")]), "{again}");
    site.check().await?;
    Split { api, content, worker: frozen }.stop().await
}

async fn online(api: &Server) -> Result<usize> {
    Ok(api.api.get("status/").await?["online_workers"].as_array().context("a list")?.len())
}
