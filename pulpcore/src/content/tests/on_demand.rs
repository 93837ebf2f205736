//! What only a remote has.

use std::time::Duration;

use axum::http::StatusCode;
use sea_orm::{ActiveModelTrait, EntityTrait, IntoActiveModel, PaginatorTrait};
use uuid::Uuid;

use super::world::{Unit, World};
use crate::db::now;
use crate::models::{Labels, artifact, content_artifact, remote, remote_artifact};
use crate::settings::OnDemand;
use crate::testkit::{Fault, FixtureServer};

pub(super) const A: &str = "/pulp/content/d/a.bin";

/// A unit `a.bin` of some size that the remote offers and nobody has, distributed at `d`.
pub(super) struct Offered {
    pub(super) world: World,
    pub(super) files: FixtureServer,
    pub(super) unit: Unit,
    pub(super) body: Vec<u8>,
}

pub(super) async fn offered(size: u64, policy: &str, mode: OnDemand) -> Offered {
    offered_in(World::with(|settings| settings.on_demand = mode).await, size, policy).await
}

pub(super) async fn offered_in(world: World, size: u64, policy: &str) -> Offered {
    let files = FixtureServer::start().await;
    let body: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
    files.put("a.bin", body.clone());
    let unit = world.unit("a.bin", None).await;
    let repository = world.repository().await;
    world.version(repository, 1, &[unit.content]).await;
    world.distribute("d", |row| row.repository_id = Some(repository)).await;
    let offered = Offered { world, files, unit, body };
    offered.promise("a.bin", policy).await;
    offered
}

impl Offered {
    /// One more remote that offers the unit; it promises what `a.bin` is.
    pub(super) async fn promise(&self, path: &str, policy: &str) {
        let (app, id) = (&self.world.app, Uuid::now_v7());
        let row = remote::Model {
            pulp_id: id,
            pulp_created: now(),
            pulp_last_updated: now(),
            pulp_domain_id: app.domain,
            pulp_type: "test.test".to_owned(),
            name: id.to_string(),
            pulp_labels: Labels::default(),
            url: self.files.url(""),
            policy: policy.to_owned(),
            ca_cert: None,
            client_cert: None,
            client_key: None,
            tls_validation: true,
            proxy_url: None,
            proxy_username: None,
            proxy_password: None,
            username: None,
            password: None,
            max_retries: Some(0),
            total_timeout: None,
            connect_timeout: None,
            sock_connect_timeout: None,
            sock_read_timeout: None,
            headers: None,
            download_concurrency: None,
            rate_limit: None,
        };
        let tx = app.db.write().await.unwrap();
        row.into_active_model().insert(&*tx).await.unwrap();
        let row = remote_artifact::Model {
            pulp_id: Uuid::now_v7(),
            pulp_domain_id: app.domain,
            content_artifact_id: self.unit.file,
            remote_id: id,
            url: self.files.url(path),
            size: Some(self.body.len() as i64),
            md5: None,
            sha1: None,
            sha224: None,
            sha256: self.files.sha256("a.bin"),
            sha384: None,
            sha512: None,
            failed_at: None,
        };
        row.into_active_model().insert(&*tx).await.unwrap();
        tx.commit().await.unwrap();
    }

    pub(super) async fn is_kept(&self) -> bool {
        let row = content_artifact::Entity::find_by_id(self.unit.file).one(self.world.app.db.read()).await.unwrap();
        row.unwrap().artifact_id.is_some()
    }

    pub(super) async fn artifacts(&self) -> u64 {
        artifact::Entity::find().count(self.world.app.db.read()).await.unwrap()
    }

    pub(super) async fn failed(&self) -> usize {
        let rows = remote_artifact::Entity::find().all(self.world.app.db.read()).await.unwrap();
        rows.iter().filter(|row| row.failed_at.is_some()).count()
    }
}

/// What is said when no remote delivers.
const NOT_NOW: &str = "404: Not Found (no remote delivers this file at the moment)";

/// Sizes that go in one piece, in a few, and through the spool.
const SIZES: [u64; 3] = [100, 300_000, 5_000_000];

#[tokio::test]
async fn the_first_request_fetches_and_keeps_it() {
    for size in SIZES {
        let offered = offered(size, "on_demand", OnDemand::Save).await;
        let first = offered.world.get(A).await;
        assert!(first.status == StatusCode::OK && first.body == offered.body, "{size}");
        let length = size.to_string();
        assert_eq!(first.header("content-length"), Some(&*length));
        assert_eq!(first.header("x-pulp-artifact-size"), Some(&*length));
        assert!(offered.is_kept().await);
        let second = offered.world.get(A).await;
        assert!(second.body == offered.body, "{size}");
        assert_eq!(second.header("etag"), first.header("etag"));
        assert_eq!(offered.files.count("a.bin"), 1);
    }
}

#[tokio::test]
async fn streamed_content_is_fetched_each_time_and_never_kept() {
    for (policy, mode) in [("streamed", OnDemand::Save), ("on_demand", OnDemand::Stream)] {
        let offered = offered(300_000, policy, mode).await;
        for n in 1..=2 {
            assert!(offered.world.get(A).await.body == offered.body, "{policy}");
            assert_eq!(offered.files.count("a.bin"), n);
        }
        assert!(!offered.is_kept().await);
        assert_eq!(offered.artifacts().await, 0);
    }
}

#[tokio::test]
async fn nothing_is_fetched_for_whom_a_guard_keeps_out() {
    let offered = offered(100, "on_demand", OnDemand::Save).await;
    offered.world.guarded("g", "word").await;
    for headers in [&[][..], &[("range", "bytes=0-9")], &[("x-word", "d29yZHM=")]] {
        let answer = offered.world.ask("GET", "/pulp/content/g/a.bin", headers).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
    }
    assert_eq!(offered.files.count("a.bin"), 0);
    let answer = offered.world.ask("GET", "/pulp/content/g/a.bin", &[("x-word", "d29yZA==")]).await;
    assert!(answer.status == StatusCode::OK && answer.body == offered.body);
}

#[tokio::test]
async fn switched_off_it_is_not_there() {
    let offered = offered(100, "on_demand", OnDemand::Off).await;
    assert_eq!(offered.world.get(A).await.status, StatusCode::NOT_FOUND);
    assert_eq!(offered.files.count("a.bin"), 0);
}

#[tokio::test]
async fn wrong_bytes_break_off_and_the_remote_is_left_alone() {
    for mode in [OnDemand::Save, OnDemand::Stream] {
        for size in SIZES {
            let offered = offered(size, "on_demand", mode).await;
            offered.files.fault("a.bin", Fault::WrongBytes);
            let wrong = offered.world.ask("GET", A, &[]).await;
            assert!(!wrong.whole && (wrong.body.len() as u64) < size, "{size} {}", wrong.body.len());
            assert!(!offered.is_kept().await);
            assert_eq!(offered.artifacts().await, 0);

            offered.files.heal("a.bin");
            let cooling = offered.world.ask("GET", A, &[]).await;
            assert_eq!((cooling.status, cooling.text()), (StatusCode::NOT_FOUND, NOT_NOW), "{size}");
            assert_eq!(offered.files.count("a.bin"), 1, "it was asked again");
            // Only a role that may write does.
            assert_eq!(offered.failed().await, usize::from(mode == OnDemand::Save));
        }
    }
}

#[tokio::test]
async fn a_client_cannot_take_a_wrong_answer_for_a_whole_one() {
    let offered = offered(300_000, "on_demand", OnDemand::Save).await;
    offered.files.fault("a.bin", Fault::WrongBytes);
    let wrong = offered.world.over_tcp("GET", A).await;
    let (head, body) = wrong.split_once("\r\n\r\n").unwrap_or((&wrong, ""));
    assert!(!head.contains("content-length") || body.chars().count() < 300_000);
    let cooling = offered.world.over_tcp("GET", A).await;
    assert!(cooling.starts_with("http/1.1 404") && cooling.contains("cache-control: no-store"), "{cooling}");
}

#[tokio::test]
async fn a_client_of_http2_cannot_either() {
    let offered = offered(300_000, "on_demand", OnDemand::Save).await;
    offered.files.fault("a.bin", Fault::WrongBytes.times(1));
    let (body, whole) = offered.world.over_http2(A).await;
    assert!(!whole && body.len() < 300_000, "{}", body.len());
}

#[tokio::test]
async fn for_how_long_a_wrong_remote_is_left_alone_is_a_setting() {
    for mode in [OnDemand::Save, OnDemand::Stream] {
        let world = World::with(|settings| {
            settings.on_demand = mode;
            settings.remote_content_fetch_failure_cooldown = 0;
        });
        let offered = offered_in(world.await, 100, "on_demand").await;
        offered.files.fault("a.bin", Fault::WrongBytes.times(1));
        assert!(!offered.world.ask("GET", A, &[]).await.whole);
        assert!(offered.world.get(A).await.body == offered.body);
    }
}

#[tokio::test]
async fn a_remote_that_was_wrong_is_asked_again_after_five_minutes() {
    let offered = offered(100, "on_demand", OnDemand::Save).await;
    offered.files.fault("a.bin", Fault::WrongBytes.times(1));
    assert!(!offered.world.ask("GET", A, &[]).await.whole);
    let tx = offered.world.app.db.write().await.unwrap();
    remote_artifact::Entity::update_many()
        .col_expr(remote_artifact::Column::FailedAt, sea_orm::sea_query::Expr::value(now() - Duration::from_secs(301)))
        .exec(&*tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert!(offered.world.get(A).await.body == offered.body);
}

#[tokio::test]
async fn another_remote_is_asked_while_nothing_was_said() {
    // Of a file that is larger than what waits for its verification, wrong bytes may have been sent.
    for (size, fault, cooling) in [
        (100, Fault::WrongBytes, 1),
        (100, Fault::Status(404), 0),
        (100, Fault::Truncate(50), 0),
        (5_000_000, Fault::Status(503), 0),
        (5_000_000, Fault::Close, 0),
        (5_000_000, Fault::Truncate(0), 0),
    ] {
        let offered = offered(size, "on_demand", OnDemand::Save).await;
        offered.files.fault("a.bin", fault);
        offered.files.put("mirror/a.bin", offered.body.clone());
        offered.promise("mirror/a.bin", "on_demand").await;
        let answer = offered.world.get(A).await;
        assert!(answer.status == StatusCode::OK && answer.body == offered.body);
        assert!(offered.is_kept().await);
        assert_eq!(offered.failed().await, cooling);
    }
}

#[tokio::test]
async fn a_remote_without_it_is_a_404() {
    for fault in [Fault::Status(404), Fault::Status(500), Fault::Close] {
        let offered = offered(100, "on_demand", OnDemand::Save).await;
        offered.files.fault("a.bin", fault);
        let answer = offered.world.get(A).await;
        assert_eq!((answer.status, answer.text()), (StatusCode::NOT_FOUND, NOT_NOW));
        assert_eq!(offered.failed().await, 0, "it may have it the next time");
    }
}

#[tokio::test]
async fn a_remote_that_hangs_up_breaks_the_answer_off() {
    let offered = offered(5_000_000, "on_demand", OnDemand::Save).await;
    offered.files.fault("a.bin", Fault::Truncate(3_000_000).times(1));
    let answer = offered.world.ask("GET", A, &[]).await;
    assert!(!answer.whole && answer.body.len() < 3_000_000);
    assert!(!offered.is_kept().await);
    assert!(offered.world.get(A).await.body == offered.body, "and it is asked again");
}

#[tokio::test]
async fn a_part_is_answered_and_the_whole_kept() {
    for size in SIZES {
        let offered = offered(size, "on_demand", OnDemand::Save).await;
        let part = offered.world.ask("GET", A, &[("range", "bytes=10-19")]).await;
        assert_eq!((part.status, &part.body[..]), (StatusCode::PARTIAL_CONTENT, &offered.body[10..20]));
        assert_eq!(part.header("content-range"), Some(&*format!("bytes 10-19/{size}")));
        assert!(offered.is_kept().await);
    }
}

#[tokio::test]
async fn several_parts_are_answered_with_the_whole() {
    let offered = offered(5000, "on_demand", OnDemand::Save).await;
    let answer = offered.world.ask("GET", A, &[("range", "bytes=0-9,100-109")]).await;
    assert_eq!((answer.status, answer.header("content-range")), (StatusCode::OK, None));
    assert!(answer.whole && answer.body == offered.body);
    let again = offered.world.ask("GET", A, &[("range", "bytes=0-9,100-109")]).await;
    assert_eq!(again.status, StatusCode::PARTIAL_CONTENT, "once it is kept, parts of it can be read");
}

#[tokio::test]
async fn head_knows_no_ranges() {
    let offered = offered(5000, "on_demand", OnDemand::Save).await;
    for range in ["bytes=0-9", "bytes=5000-"] {
        let head = offered.world.ask("HEAD", A, &[("range", range)]).await;
        assert_eq!((head.status, head.header("content-length")), (StatusCode::OK, Some("5000")), "{range}");
    }
    assert!(!offered.is_kept().await);
}

#[tokio::test]
async fn an_empty_file_is_whole_and_has_no_parts() {
    let offered = offered(0, "on_demand", OnDemand::Save).await;
    let part = offered.world.ask("GET", A, &[("range", "bytes=0-")]).await;
    assert_eq!((part.status, part.header("content-range")), (StatusCode::RANGE_NOT_SATISFIABLE, Some("bytes */0")));
    for headers in [[].as_slice(), &[("range", "bytes=-5")]] {
        let answer = offered.world.ask("GET", A, headers).await;
        assert_eq!((answer.status, answer.header("content-length"), answer.whole), (StatusCode::OK, Some("0"), true));
    }
}

#[tokio::test]
async fn what_needs_no_bytes_asks_no_remote() {
    let offered = offered(100, "on_demand", OnDemand::Save).await;
    let head = offered.world.ask("HEAD", A, &[]).await;
    assert_eq!((head.status, head.header("content-length")), (StatusCode::OK, Some("100")));
    let has_it = offered.world.ask("GET", A, &[("if-none-match", head.header("etag").unwrap())]).await;
    assert_eq!(has_it.status, StatusCode::NOT_MODIFIED);
    let beyond = offered.world.ask("GET", A, &[("range", "bytes=100-")]).await;
    assert_eq!(beyond.status, StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(offered.files.count("a.bin"), 0);
    assert!(offered.world.get("/pulp/content/d/").await.text().contains("  100 Bytes\n"));
}

on_both!(it_is_kept_and_a_wrong_one_marked, |world| {
    let offered = offered_in(world, 100, "on_demand").await;
    offered.files.fault("a.bin", Fault::WrongBytes);
    assert!(!offered.world.ask("GET", A, &[]).await.whole);
    assert_eq!(offered.failed().await, 1);
    offered.files.put("mirror/a.bin", offered.body.clone());
    offered.promise("mirror/a.bin", "on_demand").await;
    assert!(offered.world.get("/pulp/content/d/").await.text().contains("  100 Bytes\n"));
    for _ in 0..2 {
        assert!(offered.world.get(A).await.body == offered.body);
    }
    assert!(offered.is_kept().await);
    assert_eq!(offered.files.count("mirror/a.bin"), 1);
});

#[tokio::test]
async fn an_artifact_that_the_storage_lost_is_fetched_again() {
    let offered = offered(100, "on_demand", OnDemand::Save).await;
    offered.world.get(A).await;
    let path = crate::storage::Storage::artifact_path(&offered.files.sha256("a.bin").unwrap());
    offered.world.app.storage.delete(&[path]).await.unwrap();
    for _ in 0..2 {
        assert!(offered.world.get(A).await.body == offered.body);
    }
    assert_eq!(offered.files.count("a.bin"), 2);
    assert_eq!(offered.artifacts().await, 1);
}
