//! Diagnostics as clients meet them.

use axum::http::Method;
use serde_json::{Value, json};

use super::*;
use crate::both_databases;
use crate::settings::LogFormat;
use crate::telemetry;
use crate::testkit::TestPulp;

/// Cleans up orphans, observed as told; the task's href.
async fn observed(pulp: &TestPulp, diagnostics: &str) -> String {
    // The log of a test's process is where it is anyway; only the first one starts it.
    let _ = telemetry::init(LogFormat::Json, "info");
    let request = pulp.request(Method::POST, "orphans/cleanup/").header("X-Task-Diagnostics", diagnostics);
    let answer = pulp.send(request.json(&json!({ "orphan_protection_time": 0 }))).await.expect(202);
    let href = answer.body["task"].as_str().unwrap().to_owned();
    answer.accepted().await.completed();
    href
}

async fn urls(pulp: &TestPulp, task: &str) -> Value {
    pulp.get(&format!("{task}profile_artifacts/")).await.ok()["urls"].clone()
}

both_databases!(what_was_observed_of_a_task_can_be_fetched, |pulp| {
    let task = observed(pulp, "memory, logs,memray").await;
    let urls = urls(pulp, &task).await;
    let names: Vec<&String> = urls.as_object().unwrap().keys().collect();
    assert_eq!(names, ["logs", "memory_profile"]);

    let url = urls["logs"].as_str().unwrap();
    assert!(url.starts_with(&pulp.origin()), "{url}");
    let logs = pulp.get(url).await.expect(200);
    assert_eq!(logs.header("content-type"), "text/plain; charset=utf-8");
    let text = logs.text();
    assert!(text.contains("The task starts.") && text.contains("The task is completed."), "{text}");
    let memory = pulp.get(urls["memory_profile"].as_str().unwrap()).await.expect(200);
    assert!(memory.text().lines().count() > 2, "a head, the beginning and the end");

    pulp.send(pulp.anonymous(Method::GET, url)).await.expect(401);
    pulp.get(&format!("{task}profile_artifacts/memray/")).await.missing();
});

both_databases!(nothing_is_observed_that_nobody_asked_for, |pulp| {
    let task = observed(pulp, "memray").await;
    assert_eq!(urls(pulp, &task).await, json!({}));
});

both_databases!(what_was_observed_stays_as_long_as_the_task, |pulp| {
    let task = observed(pulp, "logs").await;
    let artifact = pulp.get("artifacts/").await.results()[0]["pulp_href"].as_str().unwrap().to_owned();
    let cleanup = async || {
        let body = json!({ "orphan_protection_time": 0 });
        pulp.post("orphans/cleanup/", body).await.accepted().await.completed();
    };
    cleanup().await;
    pulp.get(urls(pulp, &task).await["logs"].as_str().unwrap()).await.expect(200);
    pulp.delete(&artifact).await.expect(409);
    assert_eq!(pulp.get("artifacts/?orphaned_for=0").await.ok()["count"], 0);

    pulp.delete(&task).await.gone();
    cleanup().await;
    pulp.get(&artifact).await.missing();
});

#[test]
fn known_diagnostics_are_found_in_a_list() {
    assert_eq!(known("memory, logs,memray,logs".split(',')), ["logs", "memory"]);
    assert!(known("".split(',')).is_empty());
}
