//! Health, as a supervisor hears of it.

use axum::body::Body;
use axum::http::Request;
use serde_json::Value;
use tower::ServiceExt;

use super::*;
use crate::db::exec;
use crate::sample::{Sample, on_both};

async fn asked(sample: &Sample, path: &str) -> (StatusCode, Value) {
    let response = router(&sample.app).oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), 100_000).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap())
}

on_both!(a_process_whose_database_is_gone_is_alive_and_not_ready, |sample| {
    sample.app.db.clone().close().await.unwrap();
    let (status, body) = asked(&sample, "/health/live").await;
    assert_eq!((status, &body["status"]), (StatusCode::OK, &"pass".into()));

    let (status, body) = asked(&sample, "/health/ready").await;
    assert_eq!((status, &body["status"]), (StatusCode::SERVICE_UNAVAILABLE, &"fail".into()));
    for role in ["api", "content", "worker"] {
        let checks = &body["roles"][role]["checks"];
        assert_eq!(checks["database"]["output"], "The database does not answer.", "{body}");
        assert_eq!(checks["media"], serde_json::json!({ "status": "pass" }), "{body}");
    }
});

on_both!(a_content_service_that_remembers_is_ready_without_its_database, |sample| {
    let sample = sample.with(|settings| settings.roles = [Role::Content].into()).await;
    sample.app.db.clone().close().await.unwrap();
    assert_eq!(asked(&sample, "/health/ready").await.0, StatusCode::SERVICE_UNAVAILABLE);
    sample.app.traffic.remembers(true);
    let (status, body) = asked(&sample, "/health/ready").await;
    let check = &body["roles"]["content"]["checks"]["database"];
    let said = "The database does not answer. What was served before is served from memory.";
    assert_eq!((status, &check["status"], &check["output"]), (StatusCode::OK, &"warn".into(), &said.into()), "{body}");
});

#[tokio::test]
async fn a_content_service_that_cannot_read_its_artifacts_is_told() {
    let roles = |settings: &mut crate::settings::Settings| {
        settings.roles = [Role::Content].into();
        settings.on_demand = OnDemand::Stream;
    };
    let sample = Sample::sqlite().await.with(roles).await;
    assert_eq!(asked(&sample, "/health/ready").await.0, StatusCode::OK);
    std::fs::remove_dir_all(&sample.app.settings.media_root).unwrap();
    let (status, body) = asked(&sample, "/health/ready").await;
    let said = &body["roles"]["content"]["checks"]["media"]["output"];
    assert_eq!((status, said), (StatusCode::SERVICE_UNAVAILABLE, &"The media folder cannot be read.".into()), "{body}");
}

on_both!(pending_migrations_make_a_process_not_ready, |sample| {
    let tx = sample.app.db.write().await.unwrap();
    exec(&*tx, "DELETE FROM core_migrations", Vec::new()).await.unwrap();
    tx.commit().await.unwrap();
    let (status, body) = asked(&sample, "/health/ready").await;
    let said = body["roles"]["content"]["checks"]["migrations"]["output"].as_str().unwrap_or_default();
    assert!(said.starts_with("Migrations are pending"), "{body}");
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
});

#[tokio::test]
async fn a_media_folder_that_is_gone_is_told() {
    let sample = Sample::sqlite().await;
    std::fs::remove_dir_all(&sample.app.settings.media_root).unwrap();
    let (status, body) = asked(&sample, "/health/ready").await;
    let media = &body["roles"]["api"]["checks"]["media"];
    assert_eq!(
        (status, media["output"].as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, Some("The media folder cannot be written."))
    );
}

#[tokio::test]
async fn a_heart_that_stands_still_for_longer_than_its_time_to_live_is_told() {
    let Sample { app, .. } = &Sample::sqlite().await;
    let now = Instant::now();
    assert_eq!(heart(app, now + ttl(app) * 3).status, Status::Pass, "no heart has begun");
    app.queue.pulse.beats("worker", true);
    assert_eq!(heart(app, now + ttl(app)).status, Status::Pass);
    let stopped = heart(app, now + ttl(app) * 3);
    assert_eq!(stopped.status, Status::Fail);
    assert!(stopped.output.unwrap().starts_with("The workers' heart has stood still for"));
}

#[tokio::test]
async fn a_heartbeat_that_nobody_writes_down_makes_a_process_not_ready_but_not_dead() {
    let Sample { app, .. } = &Sample::sqlite().await;
    app.queue.pulse.beats("worker", true);
    let later = Instant::now() + ttl(app) * 3;
    let late = heartbeat(app, Role::Worker, later).unwrap();
    assert_eq!(late.status, Status::Fail);
    assert!(heartbeat(app, Role::Content, later).is_none(), "a role that is not listed");
}

#[tokio::test]
async fn workers_that_are_busy_are_well_and_workers_that_do_not_look_for_tasks_are_not() {
    let Sample { app, .. } = &Sample::sqlite().await;
    let later = Instant::now() + ttl(app) * 3;
    let asked = || [Question::Live, Question::Ready].map(|question| workers_loop(app, later, question).status);
    assert_eq!(asked(), [Status::Pass, Status::Fail], "they have not begun");
    app.queue.pulse.waits(false);
    assert_eq!(asked(), [Status::Pass, Status::Pass], "all are busy");
    app.queue.pulse.waits(true);
    assert_eq!(asked(), [Status::Fail, Status::Fail], "they should have looked long ago");
    app.queue.pulse.turns();
    assert_eq!(asked(), [Status::Pass, Status::Fail], "the database hangs");
}

#[cfg(all(feature = "testkit", feature = "postgres"))]
#[tokio::test]
async fn a_process_that_nobody_can_wake_says_so_and_goes_on() {
    let Sample { app, .. } = &Sample::postgres().await;
    assert_eq!(wake_ups(app).status, Status::Warn);
    let mut news = app.queue.watch();
    let carrying = tokio::spawn(crate::tasking::wake::carry(app.queue.clone()));
    // The first thing that it says once it hears.
    news.changed().await.unwrap();
    assert_eq!(wake_ups(app).status, Status::Pass);
    carrying.abort();
}
