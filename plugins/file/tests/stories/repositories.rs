//! Repositories and remotes, as `pulp-cli` and scripts use them.

use crate::common::{href, repository};
use pulpcore::both_databases;
use serde_json::json;

both_databases!(a_repository_is_read_as_it_was_written, |pulp| {
    let body = json!({ "name": "r", "description": "d", "pulp_labels": { "env": "test" }, "retain_repo_versions": 5 });
    let made = pulp.post("repositories/file/file/", body).await.created();
    let read = pulp.get(href(&made)).await.ok();
    assert_eq!(read, made);
    assert_eq!(read["versions_href"], format!("{}versions/", href(&made)));
    assert_eq!(read["latest_version_href"], format!("{}versions/0/", href(&made)));
    assert_eq!(read["manifest"], "PULP_MANIFEST");
    assert_eq!(read["autopublish"], false);
    assert!(read["prn"].as_str().unwrap().starts_with("prn:file.filerepository:"));
});

both_databases!(every_mistake_in_a_body_is_named_at_once, |pulp| {
    let body = json!({ "name": "x", "url": "http://example.test/", "policy": "later", "download_concurrency": 0, "tls_validation": "maybe" });
    let refused = pulp.post("remotes/file/file/", body).await.refused();
    assert_eq!(
        refused,
        json!({
            "policy": ["\"later\" is not a valid choice."],
            "tls_validation": ["Must be a valid boolean."],
            "download_concurrency": ["Ensure this value is greater than or equal to 1."],
        })
    );
    let refused = pulp.post("repositories/file/file/", json!({})).await.refused();
    assert_eq!(refused, json!({ "name": ["This field is required."] }));
    let refused = pulp.post("repositories/file/file/", json!({ "name": "x", "bogus": 1 })).await.refused();
    assert_eq!(refused, json!({ "bogus": ["Unexpected field"] }));
});

both_databases!(names_are_unique, |pulp| {
    repository(pulp, json!({ "name": "r" })).await;
    let refused = pulp.post("repositories/file/file/", json!({ "name": "r" })).await.refused();
    assert_eq!(refused, json!({ "name": ["This field must be unique."] }));
});

both_databases!(an_update_is_a_task_unless_nothing_changes, |pulp| {
    let repository = repository(pulp, json!({ "name": "r", "description": "d" })).await;
    assert_eq!(pulp.patch(&repository, json!({ "name": "r" })).await.ok()["description"], "d");
    pulp.patch(&repository, json!({ "description": "new" })).await.accepted().await.completed();
    assert_eq!(pulp.get(&repository).await.ok()["description"], "new");
    pulp.put(&repository, json!({ "name": "other" })).await.accepted().await.completed();
    let read = pulp.get(&repository).await.ok();
    assert_eq!(
        (&read["name"], &read["description"]),
        (&json!("other"), &json!("new")),
        "PUT leaves what it does not name"
    );
    assert_eq!(pulp.put(&repository, json!({})).await.refused(), json!({ "name": ["This field is required."] }));
});

both_databases!(a_deleted_repository_is_gone_with_its_versions, |pulp| {
    let repository = repository(pulp, json!({ "name": "r" })).await;
    pulp.delete(&repository).await.accepted().await.completed();
    assert_eq!(
        pulp.get(&repository).await.missing(),
        json!({ "detail": "No FileRepository matches the given query." })
    );
    assert!(pulp.get("repository_versions/").await.results().is_empty());
});

both_databases!(labels_are_set_and_unset, |pulp| {
    let repository = repository(pulp, json!({ "name": "r" })).await;
    let set = pulp.post(&format!("{repository}set_label/"), json!({ "key": "k", "value": "v" })).await.created();
    assert_eq!(set, json!({ "key": "k", "value": "v" }));
    assert_eq!(pulp.get("repositories/file/file/?pulp_label_select=k=v").await.results().len(), 1);
    let unset = pulp.post(&format!("{repository}unset_label/"), json!({ "key": "k" })).await.created();
    assert_eq!(unset, json!({ "key": "k", "value": "v" }));
    let refused = pulp.post(&format!("{repository}unset_label/"), json!({ "key": "k" })).await.refused();
    assert_eq!(refused, json!({ "key": ["Label 'k' is not set on the object."] }));
});

both_databases!(lists_have_pages_orderings_and_fields, |pulp| {
    for name in ["c", "a", "b"] {
        repository(pulp, json!({ "name": name })).await;
    }
    let page = pulp.get("repositories/file/file/?limit=2&ordering=name&fields=name").await.ok();
    assert_eq!(page["count"], 3);
    assert_eq!(page["results"], json!([{ "name": "a" }, { "name": "b" }]));
    let next = page["next"].as_str().unwrap();
    let rest = pulp.get(next.strip_prefix(&pulp.origin()).unwrap()).await.ok();
    assert_eq!(rest["results"], json!([{ "name": "c" }]));
    assert!(rest["next"].is_null() && rest["previous"].is_string());
    let refused = pulp.get("repositories/file/file/?bogus=1").await.refused();
    assert_eq!(refused, json!({ "errors": ["Invalid Filter: 'bogus'"] }));
    let refused = pulp.get("repositories/file/file/?retain_repo_versions=abc").await.refused();
    assert_eq!(refused, json!({ "retain_repo_versions": ["Enter a number."] }));
    let generic = pulp.get("repositories/?pulp_type=file.file&name__in=a,b").await.results();
    assert_eq!(generic.len(), 2);
});

both_databases!(hrefs_follow_the_root_that_was_asked, |pulp| {
    let made = repository(pulp, json!({ "name": "r" })).await;
    assert!(made.starts_with("/pulp/api/v3/"));
    let short = made.replace("/pulp/api/v3/", "/api/v3/");
    assert_eq!(href(&pulp.get(&short).await.ok()), short);
});

both_databases!(what_has_no_value_is_found_by_what_it_is_not, |pulp| {
    repository(pulp, json!({ "name": "three", "retain_repo_versions": 3 })).await;
    repository(pulp, json!({ "name": "all" })).await;
    for query in [
        "q=NOT retain_repo_versions=3",
        "q=name=all AND NOT (retain_repo_versions=3 OR pulp_label_select=env)",
        "retain_repo_versions__ne=3",
    ] {
        let found = pulp.get(&format!("repositories/file/file/?{query}")).await.results();
        assert_eq!(found.iter().map(|book| &book["name"]).collect::<Vec<_>>(), ["all"], "{query}");
    }
});

both_databases!(a_filter_that_cannot_be_read_is_named, |pulp| {
    for (filter, value) in [
        ("retain_repo_versions__isnull", "maybe"),
        ("retain_repo_versions__range", "1"),
        ("name__regex", "("),
        ("name__iregex", "("),
    ] {
        let refused = pulp.get(&format!("repositories/file/file/?{filter}={value}")).await.refused();
        assert!(refused[filter].is_array(), "{refused}");
    }
});
