//! Files that a distribution gets from its remote when somebody asks for them.

use crate::common::{href, paths, remote, repository, three_files};
use pulpcore::both_databases;
use pulpcore::testkit::{Backend, Fault, FixtureServer, TestPulp};
use serde_json::{Value, json};

/// A distribution at `through` with a remote for `small/`, and whatever else is given.
async fn through(pulp: &TestPulp, files: &FixtureServer, policy: &str, more: Value) -> String {
    let mut body = json!({ "name": "t", "base_path": "through", "remote": remote(pulp, files, policy).await });
    body.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    pulp.post("distributions/file/file/", body).await.accepted().await.completed().created_resource()
}

/// The tasks that add what was pulled through, to their end.
async fn added(pulp: &TestPulp) -> usize {
    let tasks = pulp.get("tasks/?name=pulpcore.app.tasks.repository.add_and_remove").await.results();
    for task in &tasks {
        let id = href(task).trim_end_matches('/').rsplit('/').next().unwrap().parse().unwrap();
        assert_eq!(pulp.app().queue.ended(id).await.unwrap().state, "completed");
    }
    tasks.len()
}

both_databases!(a_file_that_was_asked_for_once_is_a_unit, |pulp| {
    let files = three_files().await;
    through(pulp, &files, "immediate", json!({})).await;
    for _ in 0..2 {
        let answer = pulp.content("through/dir/c.txt").await.expect(200);
        assert_eq!((answer.text().as_ref(), answer.header("content-type")), ("gamma", "text/plain"));
        assert_eq!(files.count("small/dir/c.txt"), 1);
    }
    let units = pulp.get("content/file/files/").await.results();
    assert_eq!((units.len(), units[0]["relative_path"].as_str()), (1, Some("dir/c.txt")));
    assert!(units[0]["artifact"].is_string());
});

both_databases!(many_clients_share_one_pull, |pulp| {
    let files = three_files().await;
    files.generate("small/large.bin", 1, 2_000_000);
    let distribution = through(pulp, &files, "on_demand", json!({})).await;
    let remote = pulp.get(&distribution).await.ok()["remote"].as_str().unwrap().to_owned();
    pulp.patch(&remote, json!({ "sock_read_timeout": 30 })).await.accepted().await.completed();
    files.fault("small/large.bin", Fault::Drip { chunk: 65_536, every: std::time::Duration::from_millis(2) });
    let answers = futures::future::join_all((0..20).map(|_| pulp.content("through/large.bin"))).await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{:?}", answers[0]);
    assert_eq!(files.count("small/large.bin"), 1);
    let expected = pulp.send(pulp.anonymous("GET".parse().unwrap(), &files.url("small/large.bin"))).await.bytes;
    assert!(answers.iter().all(|answer| answer.bytes == expected));
    assert_eq!(pulp.get("content/file/files/").await.results().len(), 1);
});

both_databases!(the_manifest_is_asked_for_each_time_and_never_kept, |pulp| {
    let files = three_files().await;
    through(pulp, &files, "immediate", json!({})).await;
    for n in 1..=2 {
        assert_eq!(pulp.content("through/PULP_MANIFEST").await.expect(200).text().lines().count(), 3);
        assert_eq!(files.count("small/PULP_MANIFEST"), n);
    }
    assert!(pulp.get("content/file/files/").await.results().is_empty());
    assert!(pulp.get("artifacts/").await.results().is_empty());
});

both_databases!(what_is_streamed_is_never_kept, |pulp| {
    let files = three_files().await;
    through(pulp, &files, "streamed", json!({})).await;
    for n in 1..=2 {
        assert_eq!(pulp.content("through/a.txt").await.expect(200).text(), "alpha");
        assert_eq!(files.count("small/a.txt"), n);
    }
    assert!(pulp.get("content/file/files/").await.results().is_empty());
});

both_databases!(a_repository_gains_what_is_pulled_through_its_distribution, |pulp| {
    let files = three_files().await;
    let repository = repository(pulp, json!({ "name": "r", "autopublish": true })).await;
    through(pulp, &files, "immediate", json!({ "repository": repository })).await;
    assert_eq!(pulp.content("through/a.txt").await.expect(200).text(), "alpha");
    assert_eq!(added(pulp).await, 1);
    assert_eq!(paths(pulp, &repository, 1).await, ["a.txt"]);
    // It is published now, and the manifest is the publication's own.
    assert_eq!(pulp.content("through/a.txt").await.expect(200).text(), "alpha");
    assert_eq!(pulp.content("through/PULP_MANIFEST").await.expect(200).text().lines().count(), 1);
    assert_eq!(pulp.content("through/b.txt").await.expect(200).text(), "beta");
    assert_eq!(added(pulp).await, 2);
    assert_eq!(paths(pulp, &repository, 2).await, ["a.txt", "b.txt"]);
    assert_eq!((files.count("small/a.txt"), files.count("small/PULP_MANIFEST")), (1, 0));
});

both_databases!(a_unit_that_somebody_else_pulled_is_added_too, |pulp| {
    let files = three_files().await;
    let distribution = through(pulp, &files, "immediate", json!({})).await;
    pulp.content("through/a.txt").await.expect(200);
    let repository = repository(pulp, json!({ "name": "r" })).await;
    pulp.patch(&distribution, json!({ "repository": repository })).await.accepted().await.completed();
    pulp.content("through/a.txt").await.expect(200);
    assert_eq!(added(pulp).await, 1);
    assert_eq!(paths(pulp, &repository, 1).await, ["a.txt"]);
    assert_eq!(files.count("small/a.txt"), 1);
});

both_databases!(what_the_remote_says_is_passed_on_as_far_as_it_is_the_clients_business, |pulp| {
    let files = three_files().await;
    through(pulp, &files, "immediate", json!({})).await;
    assert_eq!(pulp.content("through/none").await.expect(404).text(), "404: Not Found");
    for (fault, status) in [
        (Fault::Status(410), 404),
        (Fault::Status(403), 502),
        (Fault::Status(500), 502),
        (Fault::Close, 502),
        (Fault::Stall, 504),
    ] {
        files.fault("small/a.txt", fault);
        let answer = pulp.content("through/a.txt").await.expect(status);
        assert!(!answer.text().contains("127.0.0.1"), "{}", answer.text());
    }
    assert!(pulp.get("content/file/files/").await.results().is_empty());
    files.heal("small/a.txt");
    assert_eq!(pulp.content("through/a.txt").await.expect(200).text(), "alpha");
});

both_databases!(nothing_outside_the_remotes_folder_is_asked_for, |pulp| {
    let files = three_files().await;
    files.put("secret.txt", "secret");
    through(pulp, &files, "immediate", json!({})).await;
    for path in
        ["..%2fsecret.txt", "dir%2f..%2f..%2fsecret.txt", "%252e%252e/secret.txt", "..%5csecret.txt", "a%2f%2fb"]
    {
        pulp.content(&format!("through/{path}")).await.expect(404);
    }
    pulp.content(&format!("through/{}", "a".repeat(5000))).await.expect(404);
    assert_eq!(files.count("secret.txt"), 0);
});

both_databases!(head_says_how_long_a_file_is_and_takes_nothing, |pulp| {
    let files = three_files().await;
    through(pulp, &files, "immediate", json!({})).await;
    let head = pulp.send(pulp.anonymous("HEAD".parse().unwrap(), "/pulp/content/through/a.txt")).await.expect(200);
    assert_eq!(head.header("content-length"), "5");
    pulp.send(pulp.anonymous("HEAD".parse().unwrap(), "/pulp/content/through/none")).await.expect(404);
    assert!(pulp.get("content/file/files/").await.results().is_empty());
});

both_databases!(a_distribution_shows_its_remote_and_can_lose_it, |pulp| {
    let files = three_files().await;
    let distribution = through(pulp, &files, "immediate", json!({})).await;
    let shown = pulp.get(&distribution).await.ok();
    assert!(shown["remote"].as_str().is_some_and(|remote| remote.contains("remotes/file/file/")), "{shown}");
    pulp.patch(&distribution, json!({ "hidden": true })).await.accepted().await.completed();
    assert_eq!(pulp.get(&distribution).await.ok()["remote"], shown["remote"], "it is not touched");

    pulp.patch(&distribution, json!({ "remote": null })).await.accepted().await.completed();
    assert_eq!(pulp.get(&distribution).await.ok()["remote"], Value::Null);
    pulp.content("through/a.txt").await.expect(404);
    assert_eq!(files.count("small/a.txt"), 0);

    let missing = json!({ "remote": "/pulp/api/v3/remotes/file/file/01a1f7e1-97e2-7db2-a069-725c1ec19c78/" });
    let refused = pulp.patch(&distribution, missing).await.refused();
    assert_eq!(refused, json!({ "remote": ["Invalid hyperlink - Object does not exist."] }));
});

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_too_large_is_not_pulled_through() {
    let pulp = TestPulp::with(Backend::Sqlite, |settings| settings.max_pull_through_size = 4).await;
    let files = three_files().await;
    through(&pulp, &files, "immediate", json!({})).await;
    assert_eq!(pulp.content("through/b.txt").await.expect(200).text(), "beta");
    pulp.content("through/a.txt").await.expect(502);
    pulp.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_content_on_demand_there_is_no_pulling_through() {
    let pulp = TestPulp::with(Backend::Sqlite, |settings| settings.on_demand = pulpcore::settings::OnDemand::Off).await;
    let files = three_files().await;
    through(&pulp, &files, "immediate", json!({})).await;
    pulp.content("through/b.txt").await.expect(404);
    assert_eq!(files.count("small/b.txt"), 0);
    pulp.finish().await;
}
