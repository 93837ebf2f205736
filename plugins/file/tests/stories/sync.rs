//! Syncing from a remote.

use crate::common::{distribute, files_below, href, latest, paths, remote, repository, sync, three_files};
use pulpcore::both_databases;
use pulpcore::storage::{Algorithm, Hasher, IN_MEMORY};
use pulpcore::testkit::{Fault, TestPulp};
use serde_json::json;

both_databases!(a_sync_makes_a_version_with_every_file_of_the_manifest, |pulp| {
    let files = three_files().await;
    let (repository, remote) =
        (repository(pulp, json!({ "name": "r" })).await, remote(pulp, &files, "immediate").await);

    let task = sync(pulp, &repository, &remote).await.completed();

    assert_eq!(task.created_resources(), [format!("{repository}versions/1/")]);
    assert_eq!(paths(pulp, &repository, 1).await, ["a.txt", "b.txt", "dir/c.txt"]);
    let version = pulp.get(&format!("{repository}versions/1/")).await.ok();
    assert_eq!(version["content_summary"]["present"]["file.file"]["count"], 3);
    assert_eq!(version["content_summary"]["added"]["file.file"]["count"], 3);
});

both_databases!(syncing_again_makes_no_version_and_downloads_only_the_manifest, |pulp| {
    let files = three_files().await;
    let (repository, remote) =
        (repository(pulp, json!({ "name": "r" })).await, remote(pulp, &files, "immediate").await);
    sync(pulp, &repository, &remote).await.completed();

    for optimize in [true, false] {
        files.reset_counts();
        let body = json!({ "remote": remote, "optimize": optimize });
        let task = pulp.post(&format!("{repository}sync/"), body).await.accepted().await.completed();
        assert!(task.created_resources().is_empty());
        let asked: Vec<String> = files.requests().into_iter().map(|seen| seen.path).collect();
        assert_eq!(asked, ["small/PULP_MANIFEST"], "optimize={optimize}");
    }
    assert_eq!(latest(pulp, &repository).await, 1);
});

both_databases!(a_changed_file_replaces_the_one_with_its_path, |pulp| {
    let files = three_files().await;
    let (repository, remote) =
        (repository(pulp, json!({ "name": "r" })).await, remote(pulp, &files, "immediate").await);
    sync(pulp, &repository, &remote).await.completed();
    files.put("small/a.txt", "another");
    files.manifest("small/PULP_MANIFEST");

    sync(pulp, &repository, &remote).await.completed();

    let version = pulp.get(&format!("{repository}versions/2/")).await.ok();
    assert_eq!(version["content_summary"]["present"]["file.file"]["count"], 3);
    assert_eq!(version["content_summary"]["added"]["file.file"]["count"], 1);
    assert_eq!(version["content_summary"]["removed"]["file.file"]["count"], 1);
});

both_databases!(a_mirror_drops_what_the_manifest_does_not_name, |pulp| {
    let files = three_files().await;
    let (repository, remote) =
        (repository(pulp, json!({ "name": "r" })).await, remote(pulp, &files, "immediate").await);
    sync(pulp, &repository, &remote).await.completed();
    files.remove("small/a.txt");
    files.manifest("small/PULP_MANIFEST");

    let additive = json!({ "remote": remote });
    pulp.post(&format!("{repository}sync/"), additive).await.accepted().await.completed();
    assert_eq!(latest(pulp, &repository).await, 1, "an additive sync keeps it");

    let mirror = json!({ "remote": remote, "mirror": true });
    pulp.post(&format!("{repository}sync/"), mirror).await.accepted().await.completed();
    assert_eq!(paths(pulp, &repository, 2).await, ["b.txt", "dir/c.txt"]);
});

both_databases!(a_repository_syncs_from_its_own_remote, |pulp| {
    let files = three_files().await;
    let remote = remote(pulp, &files, "immediate").await;
    let repository = repository(pulp, json!({ "name": "r", "remote": remote })).await;
    pulp.post(&format!("{repository}sync/"), json!({})).await.accepted().await.completed();
    assert_eq!(latest(pulp, &repository).await, 1);
});

both_databases!(a_sync_without_any_remote_is_refused, |pulp| {
    let repository = repository(pulp, json!({ "name": "r" })).await;
    let refused = pulp.post(&format!("{repository}sync/"), json!({})).await.refused();
    assert_eq!(refused, json!({ "remote": ["This field is required since a remote is not set on the repository."] }));
});

both_databases!(content_on_demand_is_downloaded_when_it_is_asked_for_and_saved, |pulp| {
    let files = three_files().await;
    let (repository, remote) =
        (repository(pulp, json!({ "name": "r" })).await, remote(pulp, &files, "on_demand").await);
    sync(pulp, &repository, &remote).await.completed();
    assert_eq!(files.count("small/a.txt"), 0);
    distribute(pulp, &repository, "files").await;

    assert_eq!(pulp.content("files/a.txt").await.expect(200).text(), "alpha");
    assert_eq!(pulp.content("files/a.txt").await.expect(200).text(), "alpha");
    assert_eq!(files.count("small/a.txt"), 1);
});

both_databases!(a_streamed_file_is_never_saved, |pulp| {
    let files = three_files().await;
    let (repository, remote) = (repository(pulp, json!({ "name": "r" })).await, remote(pulp, &files, "streamed").await);
    sync(pulp, &repository, &remote).await.completed();
    distribute(pulp, &repository, "files").await;

    assert_eq!(pulp.content("files/a.txt").await.expect(200).text(), "alpha");
    assert_eq!(pulp.content("files/a.txt").await.expect(200).text(), "alpha");
    assert_eq!(files.count("small/a.txt"), 2);
});

both_databases!(changing_to_immediate_downloads_what_was_only_promised, |pulp| {
    let files = three_files().await;
    let (repository, lazy) = (repository(pulp, json!({ "name": "r" })).await, remote(pulp, &files, "on_demand").await);
    sync(pulp, &repository, &lazy).await.completed();
    let eager = remote(pulp, &files, "immediate").await;

    sync(pulp, &repository, &eager).await.completed();

    let unit = pulp.get("content/file/files/?relative_path=a.txt").await.results().remove(0);
    assert!(unit["artifact"].is_string(), "{unit}");
    assert_eq!(latest(pulp, &repository).await, 1, "the units are the same");
});

/// Large enough to lie in a temporary file while it comes, in bytes; and the part of it that comes before a fault.
const LARGE: u64 = 3 * IN_MEMORY as u64;
const PART: u64 = 2 * IN_MEMORY as u64;

/// Whatever the remote does wrong: the task fails and names the URL, and nothing half-written stays.
async fn fails(pulp: &TestPulp, fault: Fault, said: &str) {
    let files = three_files().await;
    files.generate("small/b.txt", 1, LARGE);
    files.manifest("small/PULP_MANIFEST");
    let (repository, remote) =
        (repository(pulp, json!({ "name": "r" })).await, remote(pulp, &files, "immediate").await);
    files.fault("small/b.txt", fault);

    let failure = sync(pulp, &repository, &remote).await.failed();

    assert!(failure.contains(&files.url("small/b.txt")), "{failure}");
    assert!(failure.contains(said), "{failure}");
    assert_eq!(latest(pulp, &repository).await, 0);
    let units = pulp.get("content/file/files/").await.results();
    assert!(units.iter().all(|unit| unit["relative_path"] != "b.txt" && unit["artifact"].is_string()), "{units:?}");
    nothing_half_written(pulp).await;
    files.heal("small/b.txt");
    sync(pulp, &repository, &remote).await.completed();
    assert_eq!(paths(pulp, &repository, 1).await.len(), 3, "the next sync completes");
}

/// Every artifact is whole, and beside them and the locks of living processes there is no file.
async fn nothing_half_written(pulp: &TestPulp) {
    let media = &pulp.app().settings.media_root;
    let artifacts = pulp.get("artifacts/?limit=100").await.results();
    let mut expected: Vec<String> = artifacts.iter().map(|row| row["file"].as_str().unwrap().to_owned()).collect();
    for row in &artifacts {
        let mut hasher = Hasher::new(&[Algorithm::Sha256]);
        hasher.update(&std::fs::read(media.join(row["file"].as_str().unwrap())).unwrap());
        let (size, digests) = hasher.finish();
        assert_eq!((row["size"].as_u64(), row["sha256"].as_str()), (Some(size), Some(digests.sha256())));
    }
    let name = |file: &std::path::PathBuf| file.strip_prefix(media).unwrap().to_string_lossy().into_owned();
    let is_lock = |name: &String| name.starts_with(".spool/") && name.ends_with("/lock");
    let mut found: Vec<String> = files_below(media).iter().map(name).filter(|name| !is_lock(name)).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

both_databases!(a_wrong_digest_fails_the_sync, |pulp| {
    fails(pulp, Fault::WrongBytes, "sha256").await;
});

both_databases!(a_truncated_body_fails_the_sync, |pulp| {
    fails(pulp, Fault::Truncate(PART), "").await;
});

both_databases!(a_stalled_server_fails_the_sync, |pulp| {
    fails(pulp, Fault::StallAfter(PART), "timed out").await;
});

both_databases!(a_missing_file_fails_the_sync, |pulp| {
    fails(pulp, Fault::Status(404), "404").await;
});

both_databases!(a_server_error_fails_the_sync, |pulp| {
    fails(pulp, Fault::Status(500), "500").await;
});

both_databases!(a_passing_fault_is_tried_again, |pulp| {
    let files = three_files().await;
    let repository = repository(pulp, json!({ "name": "r" })).await;
    let body = json!({ "name": "patient", "url": files.url("small/PULP_MANIFEST"), "max_retries": 2 });
    let remote = href(&pulp.post("remotes/file/file/", body).await.created()).to_owned();
    files.fault("small/b.txt", Fault::Status(503).times(1));

    sync(pulp, &repository, &remote).await.completed();

    assert_eq!(files.count("small/b.txt"), 2);
});

both_databases!(a_broken_manifest_is_named_with_its_line, |pulp| {
    let files = three_files().await;
    files.put("small/PULP_MANIFEST", "a.txt,nodigest,5\n");
    let (repository, remote) =
        (repository(pulp, json!({ "name": "r" })).await, remote(pulp, &files, "immediate").await);
    let failure = sync(pulp, &repository, &remote).await.failed();
    assert!(failure.contains("line:1"), "{failure}");
    assert!(failure.contains("PULP_MANIFEST"), "{failure}");
});

both_databases!(a_running_sync_can_be_canceled, |pulp| {
    let files = three_files().await;
    files.fault("small/b.txt", Fault::Stall);
    let repository = repository(pulp, json!({ "name": "r" })).await;
    let body = json!({ "name": "slow", "url": files.url("small/PULP_MANIFEST") });
    let remote = href(&pulp.post("remotes/file/file/", body).await.created()).to_owned();
    let accepted = pulp.post(&format!("{repository}sync/"), json!({ "remote": remote })).await;
    let task = accepted.body["task"].as_str().unwrap().to_owned();
    files.wait_for("small/b.txt", 1).await;

    pulp.patch(&task, json!({ "state": "canceled" })).await.ok();

    accepted.accepted().await.canceled();
    assert_eq!(latest(pulp, &repository).await, 0);
});

both_databases!(basic_authentication_and_headers_reach_the_remote, |pulp| {
    let files = three_files().await;
    files.require_basic_auth("me", "secret");
    files.require_header("x-team", "blue");
    let repository = repository(pulp, json!({ "name": "r" })).await;
    let body = json!({
        "name": "private",
        "url": files.url("small/PULP_MANIFEST"),
        "username": "me",
        "password": "secret",
        "headers": [{ "x-team": "blue" }],
    });
    let remote = pulp.post("remotes/file/file/", body).await.created();
    assert!(remote.get("password").is_none(), "secrets are never read back");

    sync(pulp, &repository, href(&remote)).await.completed();
});

both_databases!(a_local_folder_is_a_remote_only_where_the_operator_allows_it, |pulp| {
    let refused =
        pulp.post("remotes/file/file/", json!({ "name": "local", "url": "file:///etc/passwd" })).await.refused();
    assert!(refused["url"][0].as_str().unwrap().contains("does not start with any of the allowed import paths"));
});
