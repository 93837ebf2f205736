//! "Error Codes": whatever goes wrong is said in the protocol's shape.

use pulpcore::both_databases;

use super::{ask, get, push_blob, refused};

both_databases!(names_and_paths_that_are_none_are_refused_by_name, |pulp| {
    push_blob(pulp, "a/b", "x").await;
    for name in ["A/b", "a/-b", "a..b", "a/b_", &"a".repeat(300)] {
        refused(get(pulp, &format!("/v2/{name}/tags/list")).await, 400, "NAME_INVALID");
        let path = format!("/v2/{name}/blobs/uploads/");
        refused(ask(pulp, "POST", &path, "", &[]).await, 400, "NAME_INVALID");
    }
    refused(get(pulp, "/v2/a/b").await, 404, "NAME_UNKNOWN");
    refused(get(pulp, "/v2/a//b/tags/list").await, 404, "NAME_UNKNOWN");
    let answer = ask(pulp, "PATCH", "/v2/a/b/tags/list", "", &[]).await;
    assert_eq!(answer.header("allow"), "GET, HEAD");
    refused(answer, 405, "UNSUPPORTED");
});

both_databases!(a_name_within_anothers_is_refused_and_nothing_is_made, |pulp| {
    push_blob(pulp, "a/b", "x").await;
    for name in ["a", "a/b/c"] {
        let path = format!("/v2/{name}/blobs/uploads/");
        let said = refused(ask(pulp, "POST", &path, "", &[]).await, 400, "NAME_INVALID");
        assert!(said.contains("Overlaps with an existing distribution"), "{said}");
    }
    assert_eq!(pulp.get("repositories/container/container/").await.results().len(), 1);
});

both_databases!(what_offers_a_fixed_version_takes_no_pushes, |pulp| {
    super::push_image(pulp, "a", "latest", "layer").await;
    let found = pulp.get("repositories/container/container/?name=a").await.results();
    let version = found[0]["latest_version_href"].clone();
    let body = serde_json::json!({ "name": "fixed", "base_path": "fixed", "repository_version": version });
    pulp.post("distributions/container/container/", body).await.accepted().await.completed();
    get(pulp, "/v2/fixed/manifests/latest").await.expect(200);
    refused(ask(pulp, "POST", "/v2/fixed/blobs/uploads/", "", &[]).await, 403, "DENIED");
    super::push_image(pulp, "a", "latest", "other").await;
    let path = format!("/v2/fixed/blobs/{}", super::sha256("other"));
    refused(get(pulp, &path).await, 404, "BLOB_UNKNOWN");
});
