//! Making content, and finding it.

use crate::common::{href, paths, repository, three_files};
use pulpcore::both_databases;
use serde_json::json;

both_databases!(an_uploaded_file_is_a_unit_at_once, |pulp| {
    let unit = pulp.upload("content/file/files/upload/", "hello", &[("relative_path", "greeting.txt")]).await.created();
    assert_eq!(unit["relative_path"], "greeting.txt");
    assert_eq!(unit["sha256"], "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
    assert!(unit["artifact"].is_string());

    let again =
        pulp.upload("content/file/files/upload/", "hello", &[("relative_path", "greeting.txt")]).await.created();
    assert_eq!(href(&again), href(&unit), "the same file is the same unit");
});

both_databases!(an_uploaded_file_can_go_straight_into_a_repository, |pulp| {
    let repository = repository(pulp, json!({ "name": "r" })).await;
    let fields = [("relative_path", "a.txt"), ("repository", repository.as_str())];
    let task = pulp.upload("content/file/files/", "one", &fields).await.accepted().await.completed();
    let made = task.created_resources();
    assert_eq!(made[0], format!("{repository}versions/1/"));
    assert!(made[1].contains("content/file/files/"), "{made:?}");

    let task = pulp.upload("content/file/files/", "two", &fields).await.accepted().await.completed();
    assert_eq!(task.created_resources()[0], format!("{repository}versions/2/"));
    assert_eq!(paths(pulp, &repository, 2).await, ["a.txt"], "the newcomer replaced it");

    let fields = [fields[0], fields[1], ("overwrite", "false")];
    let failure = pulp.upload("content/file/files/", "three", &fields).await.accepted().await.failed();
    assert!(failure.contains("overwrite"), "{failure}");
});

both_databases!(a_unit_can_be_made_of_an_artifact, |pulp| {
    let artifact = pulp.upload("artifacts/", "bytes", &[]).await.created();
    let body = json!({ "relative_path": "x", "artifact": href(&artifact) });
    let task = pulp.post_form("content/file/files/", &body).await.accepted().await.completed();
    let unit = pulp.get(&task.created_resource()).await.ok();
    assert_eq!(unit["artifact"], artifact["pulp_href"]);
});

both_databases!(a_unit_can_be_made_of_a_url, |pulp| {
    let files = three_files().await;
    let body = json!({ "relative_path": "fetched.txt", "file_url": files.url("small/a.txt") });
    pulp.post_form("content/file/files/", &body).await.accepted().await.completed();
    let body = json!({ "relative_path": "gone.txt", "file_url": files.url("small/nothing") });
    let failure = pulp.post_form("content/file/files/", &body).await.accepted().await.failed();
    assert!(failure.contains(&files.url("small/nothing")), "{failure}");
});

both_databases!(a_unit_needs_exactly_one_source, |pulp| {
    let said = json!({ "non_field_errors": ["Exactly one of file_url, artifact, file, upload must be specified."] });
    let none = pulp.post_form("content/file/files/", &json!({ "relative_path": "x" })).await.refused();
    assert_eq!(none, said);
    let two = [("relative_path", "x"), ("file_url", "http://example.test/x")];
    assert_eq!(pulp.upload("content/file/files/", "x", &two).await.refused(), said);
});

both_databases!(a_path_must_be_relative, |pulp| {
    let refused = pulp.upload("content/file/files/upload/", "x", &[("relative_path", "/abs")]).await.refused();
    assert!(refused["relative_path"].is_array(), "{refused}");
});

both_databases!(content_is_found_by_path_digest_and_label, |pulp| {
    for (path, body) in [("docs/a.txt", "a"), ("docs/b.txt", "b"), ("Other.txt", "c")] {
        pulp.upload("content/file/files/upload/", body, &[("relative_path", path)]).await.created();
    }
    let digest = "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d";
    for (query, found) in [
        ("relative_path=docs/a.txt", 1),
        ("relative_path__startswith=docs/", 2),
        ("relative_path__contains=other", 0),
        ("relative_path__icontains=other", 1),
        ("relative_path__in=docs/a.txt,docs/b.txt", 2),
        ("relative_path__regex=^docs/[ab]", 2),
        ("relative_path__iregex=^OTHER", 1),
        (&format!("sha256={digest}"), 1),
        ("q=relative_path__startswith='docs/' AND NOT relative_path='docs/a.txt'", 1),
        ("orphaned_for=0", 3),
        ("orphaned_for=1", 0),
    ] {
        let units = pulp.get(&format!("content/file/files/?{query}")).await.results();
        assert_eq!(units.len(), found, "{query}");
    }
    let unit = pulp.get(&format!("content/file/files/?sha256={digest}")).await.results().remove(0);
    pulp.post(&format!("{}set_label/", href(&unit)), json!({ "key": "env", "value": "prod" })).await.created();
    assert_eq!(pulp.get("content/file/files/?pulp_label_select=env=prod").await.results().len(), 1);
    assert_eq!(pulp.get("content/file/files/?pulp_label_select=!env").await.results().len(), 2);
    assert_eq!(pulp.get("content/file/files/?pulp_label_select=env~PRO").await.results().len(), 1);
});

both_databases!(modify_adds_and_removes_units, |pulp| {
    let book = repository(pulp, json!({ "name": "r" })).await;
    let unit = pulp.upload("content/file/files/upload/", "1", &[("relative_path", "a")]).await.created();
    let modify = format!("{book}modify/");
    let by_prn = json!({ "add_content_units": [unit["prn"]] });
    pulp.post(&modify, by_prn).await.accepted().await.completed();
    assert_eq!(paths(pulp, &book, 1).await, ["a"]);
    pulp.post(&modify, json!({ "remove_content_units": ["*"] })).await.accepted().await.completed();
    assert!(paths(pulp, &book, 2).await.is_empty());
    let back = json!({ "base_version": format!("{book}versions/1/") });
    pulp.post(&modify, back).await.accepted().await.completed();
    assert_eq!(paths(pulp, &book, 3).await, ["a"]);
    let nothing = pulp.post(&modify, json!({})).await.accepted().await.completed();
    assert!(nothing.created_resources().is_empty());

    let ghost = "/pulp/api/v3/content/file/files/00000000-0000-0000-0000-000000000000/";
    let refused = pulp.post(&modify, json!({ "add_content_units": [ghost] })).await.refused();
    let said = format!("Could not find the following content units: ['{ghost}']");
    assert_eq!(refused, json!({ "add_content_units": [said] }));
});
