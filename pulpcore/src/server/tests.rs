//! The server as its clients and its operators meet it, with the sample plugin.

use std::collections::BTreeSet;

use axum::http::Method;
use serde_json::{Value, json};

use super::*;
use crate::both_databases;
use crate::models::app_status;
use crate::tasking::Dispatch;
use crate::testkit::{Backend, TestPulp};
use sea_orm::EntityTrait;

both_databases!(credentials_are_asked_for_and_checked, |pulp| {
    let repositories = |user: Option<(&str, &str)>| {
        let request = pulp.anonymous(Method::GET, "repositories/");
        match user {
            Some((name, password)) => request.basic_auth(name, Some(password)),
            None => request,
        }
    };
    assert_eq!(pulp.get("repositories/").await.ok()["count"], 0);
    let anonymous = pulp.send(repositories(None)).await.expect(401);
    assert_eq!(anonymous.body, json!({ "detail": "Authentication credentials were not provided." }));
    assert_eq!(anonymous.header("www-authenticate"), "Basic realm=\"api\"");
    for user in [("admin", "wrong"), ("nobody", "password")] {
        let answer = pulp.send(repositories(Some(user))).await.expect(401);
        assert_eq!(answer.body, json!({ "detail": "Invalid username/password." }));
    }
    let broken = pulp.anonymous(Method::GET, "repositories/").header("Authorization", "Basic");
    let detail = "Invalid basic header. No credentials provided.";
    assert_eq!(pulp.send(broken).await.expect(401).body, json!({ "detail": detail }));

    let admin = pulp.get("users/?username=admin").await.results()[0]["pulp_href"].clone();
    pulp.patch(admin.as_str().unwrap(), json!({ "password": "another" })).await.ok();
    pulp.send(repositories(Some(("admin", "password")))).await.expect(401);
    pulp.send(repositories(Some(("admin", "another")))).await.expect(200);
});

both_databases!(data_outlives_a_restart, |pulp| {
    let before = app_status::Entity::find().all(pulp.app().db.read()).await.unwrap();
    let kinds: BTreeSet<&str> = before.iter().map(|row| row.app_type.as_str()).collect();
    assert!(["api", "content"].iter().all(|kind| kinds.contains(kind)), "{kinds:?}");
    auth::set_password(&pulp.app().db, "admin", "password").await.unwrap();

    pulp.restart().await;
    pulp.get("repositories/").await.ok();
    let after = app_status::Entity::find().all(pulp.app().db.read()).await.unwrap();
    assert!(before.iter().all(|row| after.iter().all(|other| other.pulp_id != row.pulp_id)), "{after:?}");
});

#[tokio::test]
async fn methods_and_paths_that_do_not_exist_are_answered_as_clients_expect() {
    let pulp = TestPulp::start().await;
    let answer = pulp.post("repositories/", json!({})).await.expect(405);
    assert_eq!(answer.header("allow"), "GET, HEAD, OPTIONS");
    assert_eq!(answer.body, json!({ "detail": "Method \"POST\" not allowed." }));
    let answer = pulp.send(pulp.anonymous(Method::POST, "docs/api.json")).await.expect(405);
    assert_eq!(answer.body, json!({ "detail": "Method \"POST\" not allowed." }));
    pulp.send(pulp.request(Method::OPTIONS, "repositories/")).await.expect(403);
    pulp.send(pulp.anonymous(Method::OPTIONS, "repositories/")).await.expect(401);

    let head = pulp.send(pulp.request(Method::HEAD, "repositories/")).await.expect(200);
    assert!(head.bytes.is_empty());
    assert_eq!(head.header("content-length"), "52");

    let moved = pulp.send(pulp.request(Method::DELETE, "repositories?limit=1")).await.expect(301);
    assert_eq!(moved.header("location"), "/pulp/api/v3/repositories/?limit=1");

    let said = pulp.get("nothing/").await.missing()["detail"].as_str().unwrap().to_owned();
    assert!(said.starts_with("Not found:") && said.ends_with("/pulp/api/v3/docs/"), "{said}");
    let page = pulp.get("/nothing/").await.expect(404);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    pulp.send(pulp.request(Method::GET, "repositories/").header("Accept", "text/plain")).await.expect(406);
    pulp.finish().await;
}

#[tokio::test]
async fn hrefs_begin_with_the_root_that_the_request_used() {
    let pulp = TestPulp::with(Backend::Sqlite, |settings| settings.api_root = "/other/".to_owned()).await;
    for root in ["/other/api/v3/", "/api/v3/"] {
        let notebooks = format!("{root}repositories/sample/notebooks/");
        let made = pulp.post(&notebooks, json!({ "name": root })).await.created();
        let href = made["pulp_href"].as_str().unwrap();
        assert!(href.starts_with(&notebooks), "{href}");
        pulp.get(href).await.ok();
        let document = pulp.get(&format!("{root}docs/api.json")).await.ok();
        assert!(document["paths"][format!("{root}repositories/")].is_object());
    }
    pulp.get("/pulp/api/v3/repositories/").await.missing();
    pulp.finish().await;
}

#[tokio::test]
async fn the_documents_are_open_to_all_and_name_this_server() {
    let pulp = TestPulp::start().await;
    let open = |path: &str| pulp.send(pulp.anonymous(Method::GET, path));
    let json = open("docs/api.json?pk_path=1").await;
    assert_eq!(json.header("content-type"), "application/json");
    let document = json.ok();
    assert_eq!(document["servers"], json!([{ "url": format!("{}/", pulp.origin()) }]));
    assert_eq!(document["openapi"], "3.0.3");
    assert_eq!(document["info"]["x-pulp-app-versions"]["core"], crate::CORE_VERSION);

    let yaml = open("docs/api.yaml?pk_path=1").await.expect(200);
    assert_eq!(serde_yaml_ng::from_slice::<Value>(&yaml.bytes).unwrap(), document);
    assert!(open("docs/").await.expect(200).text().contains("api.json"));
    assert_eq!(open("/").await.expect(307).header("location"), "/pulp/api/v3/docs/");

    let forged = pulp.anonymous(Method::GET, "docs/api.json").header("Host", "a\"b");
    assert_eq!(pulp.send(forged).await.ok()["servers"][0]["url"], "http://localhost/");
    pulp.finish().await;
}

#[tokio::test]
async fn every_operation_has_an_id_of_its_own() {
    let pulp = TestPulp::start().await;
    let document = pulp.get("docs/api.json").await.ok();
    let mut seen = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(seen.insert(id.to_owned()), "{method} {path}: {id}");
            assert!(operation["responses"].as_object().is_some_and(|responses| !responses.is_empty()), "{id}");
        }
    }
    assert!(seen.contains("repositories_list"), "{seen:?}");
    pulp.finish().await;
}

#[tokio::test]
async fn a_process_does_what_its_roles_say() {
    let pulp = TestPulp::with(Backend::Sqlite, |settings| settings.roles = [Role::Content].into()).await;
    pulp.get("repositories/").await.missing();
    assert_eq!(pulp.get("/health/live").await.ok()["status"], "pass");
    let ready = pulp.get("/health/ready").await.ok();
    assert_eq!(
        ready["roles"].as_object().map(|roles| roles.keys().cloned().collect()),
        Some(vec!["content".to_owned()]),
        "{ready}"
    );
    assert_eq!(ready["roles"]["content"]["checks"]["database"], json!({ "status": "pass" }));
    let listed = app_status::Entity::find().all(pulp.app().db.read()).await.unwrap();
    assert!(listed.iter().all(|row| row.app_type == "content"), "{listed:?}");
    pulp.finish().await;
}

#[tokio::test]
async fn a_process_that_only_works_answers_whoever_supervises_it() {
    let pulp = TestPulp::with(Backend::Sqlite, |settings| settings.roles = [Role::Worker].into()).await;
    // Once a task has ended, the workers have begun.
    let app = pulp.app();
    let kind = registry::get().task("core/purges").unwrap();
    let prepared = (kind.prepare)(app.clone(), serde_json::Map::new()).await.unwrap();
    let task = app.queue.dispatch(Dispatch::of(kind, prepared).in_domain(app.domain)).await.unwrap();
    app.queue.ended(task.pulp_id).await.unwrap();

    assert_eq!(pulp.get("/health/live").await.ok()["roles"]["worker"]["checks"]["heart"], json!({ "status": "pass" }));
    let ready = pulp.get("/health/ready").await.ok();
    let checks = ready["roles"]["worker"]["checks"].as_object().unwrap();
    assert_eq!(checks.keys().collect::<Vec<_>>(), ["database", "heartbeat", "loop", "media", "migrations"]);
    assert_eq!((&ready["status"], ready["roles"].as_object().unwrap().len()), (&json!("pass"), 1));
    let metrics = pulp.send(pulp.anonymous(Method::GET, "/metrics")).await.expect(200);
    assert!(metrics.text().contains("\npulp_workers_online 2\n"), "{}", metrics.text());
    pulp.get("status/").await.missing();
    pulp.finish().await;
}

#[tokio::test]
async fn a_server_that_was_told_to_stop_says_so_and_serves_until_its_delay_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { drain_delay: 3600, ..Settings::for_tests(folder.path()) };
    let running = start(settings, &[]).await.unwrap();
    let (app, address) = (running.app.clone(), running.address);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask = async |path: &str| client.get(format!("http://{address}{path}")).send().await.unwrap();
    // The workers begin a moment later.
    while ask("/health/ready").await.status() != 200 {}
    let stopping = tokio::spawn(running.stop());
    app.draining.cancelled().await;

    let ready = ask("/health/ready").await;
    assert_eq!(ready.status(), 503);
    let ready: Value = ready.json().await.unwrap();
    let check = json!({ "status": "fail", "output": "The server was told to stop." });
    assert_eq!(ready["roles"]["content"]["checks"]["stopping"], check);
    assert_eq!(ask("/health/live").await.status(), 200);
    assert_eq!(ask("/pulp/content/").await.status(), 200);

    // What ends the delay for this test is the failure of what the server cannot go on without.
    app.feeds.stop().cancel();
    stopping.await.unwrap().unwrap();
    assert!(client.get(format!("http://{address}/health/live")).send().await.is_err());
}

#[tokio::test]
async fn metrics_can_be_turned_off() {
    let pulp = TestPulp::with(Backend::Sqlite, |settings| settings.metrics = false).await;
    pulp.get("/metrics").await.missing();
    pulp.finish().await;
}

#[tokio::test]
async fn a_second_process_on_sqlite_is_refused_with_a_sentence() {
    let pulp = TestPulp::start().await;
    let error = start(Settings::for_tests(pulp.folder()), &[]).await.unwrap_err();
    assert!(matches!(&error, Error::Config(text) if text.contains("SQLite serves one process")), "{error}");
    pulp.finish().await;
}

#[tokio::test]
async fn the_first_start_makes_an_administrator_and_tells_a_password_once() {
    let folder = tempfile::tempdir().unwrap();
    let settings = || Settings { admin_password: None, ..Settings::for_tests(folder.path()) };
    let running = start(settings(), &[]).await.unwrap();
    assert_eq!(running.new_admin_password.as_ref().map(String::len), Some(20));
    assert_eq!(running.app.settings.bind, running.address);
    running.stop().await.unwrap();
    let running = start(settings(), &[]).await.unwrap();
    assert_eq!(running.new_admin_password, None);
    running.stop().await.unwrap();
}

#[tokio::test]
async fn what_cannot_work_is_refused_before_anything_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let good = || Settings::for_tests(&folder.path().join("new"));
    let overlapping = Settings { content_path_prefix: "/pulp/api/v3/".to_owned(), ..good() };
    for (settings, chosen, said) in [
        (good(), &["ghost"][..], "the feature 'ghost' was chosen"),
        (overlapping, &[], "overlap"),
        (Settings { workers: 0, ..good() }, &[], "'workers'"),
    ] {
        let error = start(settings, chosen).await.unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
    }
    assert!(!folder.path().join("new").exists());

    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let error = start(Settings { bind: taken.local_addr().unwrap(), ..good() }, &[]).await.unwrap_err();
    assert!(error.to_string().starts_with("cannot listen on 127.0.0.1:"), "{error}");
}
