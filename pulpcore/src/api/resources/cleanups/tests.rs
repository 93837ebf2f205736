//! What is tidied up by itself, and what is not.

use sea_orm::sea_query::Expr;
use serde_json::json;

use super::*;
use crate::both_databases;
use crate::models::task;
use crate::testkit::{Backend, TestPulp};

#[test]
fn things_are_looked_for_in_the_time_that_they_may_last_and_daily_at_least() {
    assert_eq!(interval(0), None);
    assert_eq!(interval(10), Some(Duration::from_secs(600)));
    assert_eq!(interval(u64::MAX), Some(DAY));
}

#[test]
fn a_time_without_bounds_reaches_to_the_beginning() {
    assert!(minutes_ago(u64::MAX) < minutes_ago(60));
}

#[tokio::test]
async fn what_the_settings_protect_for_a_time_has_a_schedule() {
    let pulp = TestPulp::with(Backend::Sqlite, |settings| {
        settings.task_protection_time = 90;
        settings.upload_protection_time = 7 * 24 * 60;
        settings.tmpfile_protection_time = 1;
    })
    .await;
    let mut news = pulp.app().queue.watch();
    let schedules = loop {
        news.borrow_and_update();
        let schedules = pulp.get("task-schedules/?ordering=name").await.results();
        if schedules.len() == 3 && schedules.iter().all(|schedule| schedule["last_task"].is_string()) {
            break schedules;
        }
        // Whoever writes the schedules down has no news to tell.
        let _ = tokio::time::timeout(Duration::from_millis(100), news.changed()).await;
    };
    let said: Vec<_> = schedules.iter().map(|schedule| (&schedule["name"], &schedule["dispatch_interval"])).collect();
    assert_eq!(
        json!(said),
        json!([
            ["Clean up stale tasks periodically", "01:30:00"],
            ["Clean up stale temporary files periodically", "00:01:00"],
            ["Clean up stale uploads periodically", "1 00:00:00"],
        ])
    );
    for schedule in &schedules {
        let href = schedule["last_task"].as_str().unwrap();
        let id = href.trim_end_matches('/').rsplit('/').next().unwrap().parse().unwrap();
        let row = pulp.app().queue.ended(id).await.unwrap();
        assert_eq!((row.state.as_str(), json!(row.name)), ("completed", schedule["task_name"].clone()));
    }

    let href = schedules[0]["pulp_href"].as_str().unwrap();
    assert_eq!(pulp.get(href).await.ok(), schedules[0]);
    for (query, count) in [
        (format!("pulp_href__in={href}"), 1),
        (format!("prn__in={}", schedules[1]["prn"].as_str().unwrap()), 1),
        ("name=Clean".to_owned(), 0),
        ("name__contains=stale".to_owned(), 3),
        ("task_name=pulpcore.app.tasks.purge.purge".to_owned(), 1),
        ("task_name__contains=cleanup".to_owned(), 2),
    ] {
        assert_eq!(pulp.get(&format!("task-schedules/?{query}")).await.ok()["count"], count, "{query}");
    }
    pulp.finish().await;
}

both_databases!(an_upload_that_nobody_finishes_goes_and_a_fresh_one_stays, |pulp| {
    let upload = pulp.post("uploads/", json!({ "size": 5 })).await.created();
    let href = upload["pulp_href"].as_str().unwrap();
    let refused = pulp.post("tasks/core/upload-cleanups/", json!({})).await.refused();
    assert!(refused["upload_protection_time"].is_array(), "the settings keep uploads for ever: {refused}");
    let clean = async |minutes: u64| {
        let body = json!({ "upload_protection_time": minutes });
        pulp.post("tasks/core/upload-cleanups/", body).await.accepted().await.completed();
    };
    clean(60).await;
    pulp.get(href).await.ok();
    clean(0).await;
    pulp.get(href).await.missing();
});

both_databases!(a_purge_never_removes_what_ended_later_than_it_says, |pulp| {
    let ended = async || {
        let body = json!({ "orphan_protection_time": 5 });
        let answer = pulp.post("orphans/cleanup/", body).await.expect(202);
        let href = answer.body["task"].as_str().unwrap().to_owned();
        answer.accepted().await.completed();
        href
    };
    let (old, young) = (ended().await, ended().await);
    let id: Uuid = old.trim_end_matches('/').rsplit('/').next().unwrap().parse().unwrap();
    let tx = pulp.app().db.write().await.unwrap();
    task::Entity::update_many()
        .col_expr(task::Column::FinishedAt, Expr::value(minutes_ago(61)))
        .filter(task::Column::PulpId.eq(id))
        .exec(&*tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let before = crate::api::bodies::Timestamp(minutes_ago(60)).to_string();
    pulp.post("tasks/purge/", json!({ "finished_before": before })).await.accepted().await.completed();
    pulp.get(&old).await.missing();
    pulp.get(&young).await.ok();
});
