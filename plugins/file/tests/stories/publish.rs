//! Publishing, distributing, serving.

use crate::common::{distribute, href, latest, remote, repository, sync, three_files};
use pulpcore::both_databases;
use serde_json::json;

both_databases!(a_published_repository_is_served_with_its_manifest, |pulp| {
    let files = three_files().await;
    let (repository, remote) =
        (repository(pulp, json!({ "name": "r" })).await, remote(pulp, &files, "immediate").await);
    sync(pulp, &repository, &remote).await.completed();
    let publication = distribute(pulp, &repository, "some/files").await;

    assert_eq!(pulp.content("some/files/dir/c.txt").await.expect(200).text(), "gamma");
    let manifest = pulp.content("some/files/PULP_MANIFEST").await.expect(200);
    // The next publication replaces it: who has it asks again.
    assert_eq!(manifest.header("cache-control"), "no-cache");
    let mut lines: Vec<String> = manifest.text().lines().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(lines.len(), 3);
    assert!(lines[0].starts_with("a.txt,8ed3f6ad685b959ead7022518e1af76cd816f8e8ec7ccdda1ed4018e8f2223f8,5"));
    assert!(pulp.content("some/files/").await.expect(200).text().contains("dir/"));
    pulp.content("some/files/nothing").await.expect(404);

    let read = pulp.get(&publication).await.ok();
    assert_eq!(read["repository_version"], format!("{repository}versions/1/"));
    assert_eq!(read["distributions"].as_array().unwrap().len(), 1);
});

both_databases!(a_manifest_can_have_another_name_or_none, |pulp| {
    let files = three_files().await;
    let (repository, remote) =
        (repository(pulp, json!({ "name": "r" })).await, remote(pulp, &files, "immediate").await);
    sync(pulp, &repository, &remote).await.completed();
    for (manifest, base_path) in [(json!("INDEX"), "named"), (json!(null), "bare")] {
        let body = json!({ "repository": repository, "manifest": manifest });
        let task = pulp.post("publications/file/file/", body).await.accepted().await.completed();
        let body = json!({ "name": base_path, "base_path": base_path, "publication": task.created_resource() });
        pulp.post("distributions/file/file/", body).await.accepted().await.completed();
        pulp.content(&format!("{base_path}/PULP_MANIFEST")).await.expect(404);
        assert_eq!(pulp.content(&format!("{base_path}/a.txt")).await.expect(200).text(), "alpha");
    }
    pulp.content("named/INDEX").await.expect(200);
});

both_databases!(an_autopublishing_repository_publishes_every_version, |pulp| {
    let files = three_files().await;
    let body = json!({ "name": "r", "autopublish": true, "manifest": "LIST" });
    let (repository, remote) = (repository(pulp, body).await, remote(pulp, &files, "immediate").await);
    let body = json!({ "name": "d", "base_path": "d", "repository": repository });
    pulp.post("distributions/file/file/", body).await.accepted().await.completed();

    let task = sync(pulp, &repository, &remote).await.completed();

    assert_eq!(task.created_resources().len(), 2, "a version and a publication");
    pulp.content("d/LIST").await.expect(200);
});

both_databases!(a_distributed_repository_serves_its_latest_publication, |pulp| {
    let repository = repository(pulp, json!({ "name": "r", "autopublish": true })).await;
    let body = json!({ "name": "d", "base_path": "d", "repository": repository });
    let made = pulp.post("distributions/file/file/", body).await.accepted().await.completed();
    pulp.content("d/a.txt").await.expect(404);
    let fields = [("relative_path", "a.txt"), ("repository", repository.as_str())];
    pulp.upload("content/file/files/", "one", &fields).await.accepted().await.completed();
    assert_eq!(pulp.content("d/a.txt").await.expect(200).text(), "one");
    pulp.upload("content/file/files/", "two", &fields).await.accepted().await.completed();
    assert_eq!(pulp.content("d/a.txt").await.expect(200).text(), "two");

    pulp.delete(&made.created_resource()).await.accepted().await.completed();
    pulp.content("d/a.txt").await.expect(404);
});

both_databases!(a_distributed_version_cannot_be_deleted, |pulp| {
    let files = three_files().await;
    let (repository, remote) =
        (repository(pulp, json!({ "name": "r" })).await, remote(pulp, &files, "immediate").await);
    sync(pulp, &repository, &remote).await.completed();
    distribute(pulp, &repository, "d").await;
    let refused = pulp.delete(&format!("{repository}versions/1/")).await.refused();
    assert!(refused.to_string().contains("currently being used to distribute content"), "{refused}");
    pulp.delete(&format!("{repository}versions/0/")).await.accepted().await.completed();
    assert_eq!(latest(pulp, &repository).await, 1);
});

both_databases!(base_paths_never_overlap, |pulp| {
    let make = async |path: &str| {
        let body = json!({ "name": format!("at {path}"), "base_path": path });
        pulp.post("distributions/file/file/", body).await
    };
    make("a/b").await.accepted().await.completed();
    for overlapping in ["a/b/c", "a"] {
        let refused = make(overlapping).await.refused();
        assert!(refused.to_string().contains("Overlaps with an existing distribution."), "{refused}");
    }
    let same = json!({ "name": "another", "base_path": "a/b" });
    let refused = pulp.post("distributions/file/file/", same).await.refused();
    assert_eq!(refused["base_path"], json!(["This field must be unique."]));
    make("a/bc").await.accepted().await.completed();
    for odd in ["/a", "a/", "a//b", "a b", "a/../b"] {
        assert!(make(odd).await.refused()["base_path"].is_array(), "{odd}");
    }
});

both_databases!(a_distribution_serves_one_thing_only, |pulp| {
    let repository = repository(pulp, json!({ "name": "r" })).await;
    let version = format!("{repository}versions/0/");
    let body = json!({ "name": "d", "base_path": "d", "repository": repository, "repository_version": version });
    let refused = pulp.post("distributions/file/file/", body).await.refused();
    let said = "Only one of the attributes 'repository' and 'repository_version' may be used simultaneously.";
    assert_eq!(refused, json!({ "non_field_errors": [said] }));
});

both_databases!(typed_task_endpoints_queue_list_and_repeat, |pulp| {
    let files = three_files().await;
    let (repository, remote) =
        (repository(pulp, json!({ "name": "r" })).await, remote(pulp, &files, "immediate").await);

    let started = pulp.post("tasks/file/syncs/", json!({ "repository": repository, "remote": remote })).await;
    assert_eq!(started.status, 202);
    assert_eq!(started.body["name"], "pulp_file.app.tasks.synchronizing.synchronize");
    let task = href(&started.body).to_owned();
    started.accepted().await.completed();

    let listed = pulp.get("tasks/file/syncs/").await.results();
    assert_eq!(listed.len(), 1);
    assert_eq!(href(&listed[0]), task);

    let again = pulp.post(&format!("{task}clones/"), json!({})).await.accepted().await.completed();
    assert!(again.created_resources().is_empty(), "nothing has changed");
    assert_eq!(pulp.get("tasks/file/syncs/").await.results().len(), 2);

    let published =
        pulp.post("tasks/file/publications/", json!({ "repository_version": format!("{repository}versions/1/") }));
    published.await.accepted().await.completed();
});

both_databases!(a_large_file_comes_out_as_it_went_in, |pulp| {
    let large: String = (0..400_000).map(|line| format!("{line:07}\n")).collect();
    let repository = repository(pulp, json!({ "name": "r" })).await;
    let fields = [("relative_path", "large"), ("repository", repository.as_str())];
    pulp.upload("content/file/files/", large.clone(), &fields).await.accepted().await.completed();
    distribute(pulp, &repository, "d").await;

    // Several on one connection, whole and in part, the small one in between.
    for (from, to) in [(0, large.len()), (0, 1), (9, 2_000_001), (large.len() - 600_000, large.len()), (0, large.len())]
    {
        let range = format!("bytes={from}-{}", to - 1);
        let part = pulp.content_with("d/large", &[("range", &range)]).await.expect(206);
        assert!(part.text() == large[from..to], "{range}");
        assert!(pulp.content("d/large").await.expect(200).text() == large);
    }
});
