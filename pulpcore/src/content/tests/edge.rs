//! The content service alone, with a database role that may do what `content-grants` says and nothing else: it does all
//! that it does otherwise, except writing. Whatever the service learns to read has to be in that list.

use axum::http::StatusCode;
use reqwest::{Client, Response};
use tempfile::TempDir;

use super::on_demand::offered_in;
use super::world::World;
use crate::server::{self, Grants, Running};
use crate::settings::{DatabaseUrl, OnDemand, Role, Settings};
use crate::testkit::TestRole;

/// A content service, as its clients meet it.
struct Edge {
    running: Running,
    client: Client,
    folder: TempDir,
    _role: TestRole,
}

impl Edge {
    /// On the database and the media folder of this world.
    async fn of(world: &World, grants: impl Fn(&mut Grants), change: impl FnOnce(&mut Settings)) -> Self {
        crate::migrate::up(&world.app.db, server::apps()).await.unwrap();
        let role = world.database().role(|role| {
            let mut wanted = Grants { role: role.to_owned(), remotes: true, users: false };
            grants(&mut wanted);
            server::grants(&wanted).unwrap()
        });
        let (role, folder) = (role.await, tempfile::tempdir().unwrap());
        let mut settings = Settings {
            roles: [Role::Content].into(),
            database_url: DatabaseUrl::parse(&role.url).unwrap(),
            media_root: world.app.settings.media_root.clone(),
            admin_password: None,
            ..Settings::for_tests(folder.path())
        };
        change(&mut settings);
        let running = server::start(settings, &[]).await.unwrap();
        Self { running, client: Client::builder().no_proxy().build().unwrap(), folder, _role: role }
    }

    async fn ask(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        let request = self.client.get(format!("http://{}{path}", self.running.address));
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).send().await.unwrap()
    }

    async fn get(&self, path: &str) -> (StatusCode, Vec<u8>) {
        let response = self.ask(path, &[]).await;
        (response.status(), response.bytes().await.unwrap().to_vec())
    }

    /// Stops it; it must have left nothing but the folder that temporary files passed through.
    async fn stop(self) {
        self.running.stop().await.unwrap();
        assert_eq!(bytes(self.folder.path()), 0, "no key, no artifact, no temporary file");
    }
}

/// How many bytes lie in a folder.
fn bytes(folder: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let sizes = entries.map(|entry| match entry.file_type().unwrap().is_dir() {
        true => bytes(&entry.path()),
        false => entry.metadata().unwrap().len(),
    });
    sizes.sum()
}

#[tokio::test]
async fn what_is_stored_is_served_listed_and_cut_into_ranges() {
    let world = World::postgres().await;
    super::fill(&world).await;
    let made = world.artifact(b"made while publishing").await;
    let unit = world.unit("published.txt", Some(world.artifact(b"published").await)).await;
    let repository = world.repository().await;
    let version = world.version(repository, 1, &[unit.content]).await;
    let publication = world.publication(version, true, &[("p.txt", unit.file)], &[("m.txt", made)]).await;
    world.distribute("p", |row| row.publication_id = Some(publication)).await;
    let edge = Edge::of(&world, |_| (), |_| ()).await;

    for (path, body) in [
        ("d/a.txt", super::TEXT),
        ("p/p.txt", b"published"),
        ("p/published.txt", b"published"),
        ("p/m.txt", b"made while publishing"),
    ] {
        assert_eq!(edge.get(&format!("/pulp/content/{path}")).await, (StatusCode::OK, body.to_vec()), "{path}");
    }
    let part = edge.ask("/pulp/content/p/p.txt", &[("Range", "bytes=0-2")]).await;
    assert_eq!((part.status(), part.text().await.unwrap().as_str()), (StatusCode::PARTIAL_CONTENT, "pub"));
    for (listing, name) in [("", "d/"), ("d/", "a.txt"), ("p/", "m.txt")] {
        let (status, page) = edge.get(&format!("/pulp/content/{listing}")).await;
        assert!(status == StatusCode::OK && String::from_utf8_lossy(&page).contains(name), "{listing}: {status}");
    }
    for path in ["d/nothing", "nowhere/a"] {
        assert_eq!(edge.get(&format!("/pulp/content/{path}")).await.0, StatusCode::NOT_FOUND, "{path}");
    }
    let (status, ready) = edge.get("/health/ready").await;
    assert_eq!(status, StatusCode::OK, "{}", String::from_utf8_lossy(&ready));
    let (_, metrics) = edge.get("/metrics").await;
    let metrics = String::from_utf8(metrics).unwrap();
    for line in [r#"pulp_content_requests_total{distribution="d",status="2xx"} 2"#, "pulp_database_up 1"] {
        assert!(metrics.contains(&format!("\n{line}\n")), "{line}: {metrics}");
    }
    assert!(!metrics.contains("pulp_tasks_"), "the queue is not its to read");
    edge.stop().await;
}

#[tokio::test]
async fn what_only_a_remote_has_is_streamed_and_not_kept() {
    // One in one piece, and one that would go through the folder for temporary files.
    for size in [100, 300_000] {
        let offered = offered_in(World::postgres().await, size, "on_demand").await;
        let edge = Edge::of(&offered.world, |_| (), |_| ()).await;
        for nth in 1..=2 {
            let (status, body) = edge.get("/pulp/content/d/a.bin").await;
            assert!(status == StatusCode::OK && body == offered.body, "{size}: {status}");
            assert_eq!(offered.files.count("a.bin"), nth, "it is fetched each time");
        }
        assert!(!offered.is_kept().await);
        assert_eq!(edge.get("/pulp/content/d/").await.0, StatusCode::OK);
        edge.stop().await;
    }
}

#[tokio::test]
async fn a_service_that_fetches_nothing_need_not_know_remotes() {
    let offered = offered_in(World::postgres().await, 100, "on_demand").await;
    let without = |grants: &mut Grants| grants.remotes = false;
    let edge = Edge::of(&offered.world, without, |settings| settings.on_demand = OnDemand::Off).await;
    assert_eq!(edge.get("/pulp/content/d/a.bin").await.0, StatusCode::NOT_FOUND);
    let (status, page) = edge.get("/pulp/content/d/").await;
    let page = String::from_utf8(page).unwrap();
    assert!(status == StatusCode::OK && page.contains("a.bin") && page.contains("100 Bytes"), "{page}");
    edge.stop().await;
}
