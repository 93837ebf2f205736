//! One download for all who ask for the same file.

use std::sync::Arc;

use std::time::Duration;

use axum::http::StatusCode;
use futures::future::join_all;

use super::on_demand::{A, offered, offered_in};
use super::world::World;
use crate::content::Ask;
use crate::content::memory::Memory;
use crate::content::on_demand::OnDemand as Service;
use crate::settings::OnDemand;
use crate::testkit::Fault;

/// Waits for what happens after the last client has its answer.
async fn at_last(what: &str, holds: impl AsyncFn() -> bool) {
    let wait = async {
        while !holds().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), wait).await.unwrap_or_else(|_| panic!("never: {what}"));
}

const DRIP: Fault = Fault::Drip { chunk: 64 * 1024, every: Duration::from_millis(2) };

on_both!(two_hundred_clients_of_a_cold_file_share_one_download, |world| {
    let offered = offered_in(world, 4_000_000, "on_demand").await;
    offered.files.fault("a.bin", DRIP);
    let answers = join_all((0..200).map(|_| offered.world.get(A))).await;
    assert!(answers.iter().all(|answer| answer.status == StatusCode::OK && answer.body == offered.body));
    assert_eq!(offered.files.count("a.bin"), 1);
    assert!(offered.is_kept().await);
    assert_eq!((offered.artifacts().await, offered.world.temporary_files()), (1, 0));
});

on_both!(two_processes_that_fetch_it_both_finish, |world| {
    let offered = offered_in(world, 1_000_000, "on_demand").await;
    offered.files.fault("a.bin", Fault::StallAfter(500_000));
    let beside = offered.world.beside();
    let both_asked = async {
        at_last("both ask upstream", async || offered.files.count("a.bin") == 2).await;
        offered.files.release();
    };
    let (one, other, ()) = tokio::join!(offered.world.get(A), beside.get(A), both_asked);
    assert!(one.body == offered.body && other.body == offered.body);
    assert_eq!(offered.files.count("a.bin"), 2);
    assert!(offered.is_kept().await);
    assert_eq!(offered.artifacts().await, 1);
});

#[tokio::test]
async fn what_is_not_kept_is_shared_as_well() {
    for (policy, mode) in [("streamed", OnDemand::Save), ("on_demand", OnDemand::Stream)] {
        let offered = offered(1_000_000, policy, mode).await;
        offered.files.fault("a.bin", DRIP);
        let answers = join_all((0..20).map(|_| offered.world.get(A))).await;
        assert!(answers.iter().all(|answer| answer.body == offered.body), "{policy}");
        assert_eq!(offered.files.count("a.bin"), 1);
        assert_eq!((offered.artifacts().await, offered.world.temporary_files()), (0, 0));
    }
}

#[tokio::test]
async fn a_client_that_comes_late_reads_what_is_there_and_follows() {
    let offered = offered(2_000_000, "on_demand", OnDemand::Save).await;
    offered.files.fault("a.bin", Fault::StallAfter(1_000_000));
    let first = offered.world.begin(A).await;
    let late = offered.world.begin(A).await;
    let part = offered.world.ask("GET", A, &[("range", "bytes=900000-1999999")]);
    let release = async { offered.files.release() };
    let (part, ()) = tokio::join!(part, release);
    assert_eq!((part.status, part.body.len()), (StatusCode::PARTIAL_CONTENT, 1_100_000));
    assert!(part.body == offered.body[900_000..]);
    assert!(first.whole().await.unwrap() == offered.body);
    assert!(late.whole().await.unwrap() == offered.body);
    assert_eq!(offered.files.count("a.bin"), 1);
}

#[tokio::test]
async fn a_slow_client_holds_up_nobody() {
    let offered = offered(5_000_000, "on_demand", OnDemand::Save).await;
    let slow = offered.world.begin(A).await;
    assert!(offered.world.get(A).await.body == offered.body);
    at_last("it is kept", async || offered.is_kept().await).await;
    assert!(slow.whole().await.unwrap() == offered.body, "though it was moved to its name");
    assert_eq!(offered.files.count("a.bin"), 1);
}

#[tokio::test]
async fn a_client_that_leaves_leaves_the_others() {
    let offered = offered(2_000_000, "streamed", OnDemand::Save).await;
    offered.files.fault("a.bin", Fault::StallAfter(1_000_000));
    let (leaving, staying) = (offered.world.begin(A).await, offered.world.begin(A).await);
    drop(leaving);
    offered.files.release();
    assert!(staying.whole().await.unwrap() == offered.body);
    assert_eq!(offered.files.count("a.bin"), 1);
}

#[tokio::test]
async fn what_is_being_kept_goes_on_when_all_have_left() {
    let offered = offered(5_000_000, "on_demand", OnDemand::Save).await;
    offered.files.fault("a.bin", Fault::StallAfter(2_000_000));
    drop(offered.world.begin(A).await);
    offered.files.release();
    at_last("it is kept", async || offered.is_kept().await).await;
    assert!(offered.world.get(A).await.body == offered.body);
    assert_eq!(offered.files.count("a.bin"), 1);
}

#[tokio::test]
async fn what_is_not_kept_ends_with_its_last_client() {
    let offered = offered(5_000_000, "on_demand", OnDemand::Stream).await;
    offered.files.fault("a.bin", Fault::StallAfter(2_000_000));
    drop(offered.world.begin(A).await);
    at_last("it is stopped", async || offered.world.temporary_files() == 0).await;
    offered.files.heal("a.bin");
    assert!(offered.world.get(A).await.body == offered.body);
    assert_eq!(offered.files.count("a.bin"), 2);
}

#[tokio::test]
async fn without_room_for_a_temporary_file_each_client_has_its_own_download() {
    let offered = offered(1_000_000, "on_demand", OnDemand::Stream).await;
    let room = &offered.world.app.settings.working_directory;
    std::fs::create_dir_all(room.parent().unwrap()).unwrap();
    std::fs::write(room, "in the way").unwrap();
    let answers = join_all((0..3).map(|_| offered.world.get(A))).await;
    assert!(answers.iter().all(|answer| answer.body == offered.body));
    assert_eq!(offered.files.count("a.bin"), 3);
    let part = offered.world.ask("GET", A, &[("range", "bytes=10-19")]).await;
    assert_eq!((part.status, &part.body[..]), (StatusCode::PARTIAL_CONTENT, &offered.body[10..20]));

    offered.files.fault("a.bin", Fault::WrongBytes);
    assert!(!offered.world.ask("GET", A, &[]).await.whole);
    assert_eq!(offered.world.ask("GET", A, &[]).await.status, StatusCode::NOT_FOUND, "it is left alone");
}

on_both!(a_process_that_may_not_write_streams, |world| {
    let offered = offered_in(world, 1_000_000, "on_demand").await;
    let edge = offered.world.read_only().await;
    for n in 1..=2 {
        assert!(edge.get(A).await.body == offered.body);
        assert_eq!(offered.files.count("a.bin"), n);
    }
    assert!(!offered.is_kept().await);
    offered.files.fault("a.bin", Fault::WrongBytes);
    assert!(!edge.ask("GET", A, &[]).await.whole);
    assert_eq!(edge.ask("GET", A, &[]).await.status, StatusCode::NOT_FOUND, "it remembers what it may not write down");
    assert_eq!((offered.files.count("a.bin"), offered.failed().await), (3, 0));
});

#[tokio::test]
async fn who_looked_before_it_was_kept_does_not_fetch_it_again() {
    let offered = offered(100, "on_demand", OnDemand::Save).await;
    offered.world.get(A).await;
    let parts = axum::http::Request::get(A).body(()).unwrap().into_parts().0;
    let ask = Ask { path: "d/a.bin", parts: &parts, direct: None };
    let service = Service::new(offered.world.app.clone(), Arc::new(Memory::new(0)));
    let answer = service.respond(offered.unit.file, "a.bin", &ask).await.unwrap().unwrap();
    let body = axum::body::to_bytes(answer.into_body(), 1000).await.unwrap();
    assert!(body == offered.body);
    assert_eq!(offered.files.count("a.bin"), 1);
}
