//! The content service alone, at the edge: no secret, no right but to read, and the others away.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use pulpcore::testkit::{Backend, FixtureServer, TestRole};
use reqwest::StatusCode;
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::common::{Outcome, Server, Site, within};

/// Two files that are stored, and two that only a remote has.
struct Stocked {
    site: Site,
    files: FixtureServer,
}

impl Stocked {
    async fn new() -> Result<Self> {
        let site = Site::on(Backend::Postgres).await?;
        let files = FixtureServer::start().await;
        let server = site.serve().await?;
        for (name, policy) in [("stored", "immediate"), ("remote", "on_demand")] {
            // Of different sizes, or they would be the same units.
            let size = if policy == "immediate" { 3000 } else { 300_000 };
            files.generate(&format!("{name}/f{{n}}.bin"), 2, size);
            files.manifest(&format!("{name}/PULP_MANIFEST"));
            let repository = server.api.repository(name, &files.url(&format!("{name}/PULP_MANIFEST")), policy).await?;
            server.run(&format!("{repository}sync/"), &json!({})).await?;
            let publication = server.run("publications/file/file/", &json!({ "repository": repository })).await?;
            let publication = &publication["created_resources"][0];
            let distribution = json!({ "name": name, "base_path": name, "publication": publication });
            server.run("distributions/file/file/", &distribution).await?;
        }
        server.stop().await?;
        files.reset_counts();
        Ok(Self { site, files })
    }

    /// A database role with what the program says that the content service needs.
    async fn role(&self) -> Result<TestRole> {
        let printed = self.site.command(&["content-grants", "--role", "THE ROLE"]).output().await?;
        ensure!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
        let sql = String::from_utf8(printed.stdout)?;
        let database = self.site.database_of().context("the site is on PostgreSQL")?;
        Ok(database.role(|role| sql.replace("THE ROLE", role)).await)
    }

    /// A content service with this database, the site's artifacts, and a folder with nothing in it.
    async fn edge(&self, database: &str, folder: &Path, settings: &[(&str, &str)]) -> Result<Server> {
        let arguments = ["serve", "--roles", "content", "--bind", "127.0.0.1:0"];
        let mut command = self.site.command(&arguments);
        command
            .env("PULP_DB_ENCRYPTION_KEY", folder.join("keys/database.key"))
            .env("PULP_MEDIA_ROOT", self.site.media());
        command.env("PULP_WORKING_DIRECTORY", folder.join("spool")).env("PULP_DATABASE_URL", database);
        command.envs(settings.iter().copied());
        Server::start(command).await
    }

    /// What lies where artifacts lie.
    fn artifacts(&self) -> BTreeSet<std::path::PathBuf> {
        self.site.artifact_files().into_iter().collect()
    }
}

/// Whether no byte lies in a folder. What is streamed passes through temporary files, which leave their folder behind.
fn is_empty(folder: &Path) -> Result<bool> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if !kind.is_dir() && entry.metadata()?.len() > 0 || kind.is_dir() && !is_empty(&entry.path())? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Asks until the process is ready, or is not; gives what it says then.
async fn until_ready(server: &Server, wanted: StatusCode) -> Result<Value> {
    let asked = async {
        loop {
            // The connection of who asks while it waits ends with the waiting.
            match server.get_as(None, "/health/ready").await {
                Ok((status, body)) if status == wanted => return Ok(serde_json::from_str(&body)?),
                _ => tokio::task::yield_now().await,
            }
        }
    };
    within(asked).await.context("it did not become so")?
}

#[tokio::test(flavor = "multi_thread")]
async fn a_content_service_that_may_only_read_serves_alone() -> Result<()> {
    let stocked = Stocked::new().await?;
    let (role, folder, before) = (stocked.role().await?, TempDir::new()?, stocked.artifacts());
    let edge = stocked.edge(&role.url, folder.path(), &[]).await?;
    until_ready(&edge, StatusCode::OK).await?;
    for path in ["stored/f0.bin", "stored/PULP_MANIFEST", "stored/", ""] {
        let (status, body) = edge.get_as(None, &format!("/pulp/content/{path}")).await?;
        ensure!(status == StatusCode::OK && !body.is_empty(), "{path}: {status}: {body}");
    }
    // It may not keep what it fetches.
    edge.says("it streams").await?;
    for nth in 1..=2 {
        let (status, _) = edge.get_as(None, "/pulp/content/remote/f1.bin").await?;
        ensure!(status == StatusCode::OK && stocked.files.count("remote/f1.bin") == nth, "{status}, the {nth}. time");
    }
    let (status, _) = edge.get_as(None, "/pulp/content/stored/none").await?;
    ensure!(status == StatusCode::NOT_FOUND, "{status}");
    let (status, _) = edge.get_as(None, "/pulp/api/v3/status/").await?;
    ensure!(status == StatusCode::NOT_FOUND, "the API is not its affair: {status}");
    edge.signal(Signal::TERM)?;
    let Outcome { code, said } = edge.ended().await?;
    ensure!(code == Some(0) && !said.contains("ERROR"), "{code:?}: {said}");
    ensure!(stocked.artifacts() == before && is_empty(folder.path())?, "nothing is written");
    stocked.site.check().await
}

/// The way to the database, which a test opens and cuts.
struct Wire {
    address: SocketAddr,
    target: String,
    open: Option<JoinHandle<()>>,
}

impl Wire {
    /// To the database of this URL; nobody listens yet. Also the URL of the database behind it.
    async fn to(url: &str) -> Result<(Self, String)> {
        let (begin, rest) = url.rsplit_once('@').context("a URL has a user")?;
        let (target, name) = rest.split_once('/').context("a URL has a database")?;
        let address = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
        let url = format!("{begin}@{address}/{name}");
        Ok((Self { address, target: target.to_owned(), open: None }, url))
    }

    async fn open(&mut self) -> Result<()> {
        let listener = TcpListener::bind(self.address).await?;
        let target = self.target.clone();
        self.open = Some(tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut near, _)) = listener.accept().await {
                let target = target.clone();
                connections.spawn(async move {
                    let mut far = TcpStream::connect(target).await?;
                    copy_bidirectional(&mut near, &mut far).await
                });
            }
        }));
        Ok(())
    }

    /// Cuts all connections, too.
    async fn cut(&mut self) {
        if let Some(open) = self.open.take() {
            open.abort();
            let _ = open.await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_content_service_waits_for_its_database() -> Result<()> {
    let stocked = Stocked::new().await?;
    let (role, folder) = (stocked.role().await?, TempDir::new()?);
    let (mut wire, url) = Wire::to(&role.url).await?;
    let edge = stocked.edge(&url, folder.path(), &[]).await?;
    let said = until_ready(&edge, StatusCode::SERVICE_UNAVAILABLE).await?;
    ensure!(said["roles"]["content"]["checks"]["database"]["status"] == "fail", "{said}");
    ensure!(edge.get_as(None, "/health/live").await?.0 == StatusCode::OK, "it is alive");
    ensure!(edge.get_as(None, "/pulp/content/stored/f0.bin").await?.0 == StatusCode::SERVICE_UNAVAILABLE, "come again");

    wire.open().await?;
    until_ready(&edge, StatusCode::OK).await?;
    ensure!(edge.get_as(None, "/pulp/content/stored/f0.bin").await?.0 == StatusCode::OK, "there it is");
    edge.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_database_a_content_service_serves_again_what_it_has_served() -> Result<()> {
    let stocked = Stocked::new().await?;
    let (role, folder) = (stocked.role().await?, TempDir::new()?);
    let (mut wire, url) = Wire::to(&role.url).await?;
    wire.open().await?;
    let edge = stocked.edge(&url, folder.path(), &[]).await?;
    until_ready(&edge, StatusCode::OK).await?;
    let path = "/pulp/content/stored/f0.bin";
    let (_, before) = edge.get_as(None, path).await?;

    wire.cut().await;
    let (status, again) = edge.get_as(None, path).await?;
    ensure!(status == StatusCode::OK && again == before, "{status}: {again}");
    let ready = until_ready(&edge, StatusCode::OK).await?;
    ensure!(ready["roles"]["content"]["checks"]["database"]["status"] == "warn", "{ready}");

    wire.open().await?;
    // Each connection that was cut is noticed when it is used.
    let not_before = async {
        while edge.get_as(None, "/pulp/content/stored/f1.bin").await?.0 != StatusCode::OK {
            tokio::task::yield_now().await;
        }
        anyhow::Ok(())
    };
    within(not_before).await.context("what was never served is not served")??;
    edge.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_told_to_stop_says_so_before_it_refuses() -> Result<()> {
    let stocked = Stocked::new().await?;
    let (role, folder) = (stocked.role().await?, TempDir::new()?);
    let edge = stocked.edge(&role.url, folder.path(), &[("PULP_DRAIN_DELAY", "3")]).await?;
    until_ready(&edge, StatusCode::OK).await?;
    edge.signal(Signal::TERM)?;
    let said = until_ready(&edge, StatusCode::SERVICE_UNAVAILABLE).await?;
    ensure!(said["roles"]["content"]["checks"]["stopping"]["status"] == "fail", "{said}");
    ensure!(edge.get_as(None, "/pulp/content/stored/f0.bin").await?.0 == StatusCode::OK, "it still serves");
    let Outcome { code, said } = edge.ended().await?;
    ensure!(code == Some(0), "{code:?}: {said}");
    Ok(())
}
