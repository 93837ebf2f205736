//! Deletions, beyond the words of the specification.

use pulp_container::manifest::media_type;
use pulpcore::both_databases;
use serde_json::json;

use super::{ask, get, latest, push_image, put, refused, sha256};

both_databases!(a_manifest_is_deleted_with_its_tags_and_with_what_nobody_else_needs, |pulp| {
    let (_, first) = push_image(pulp, "a/b", "one", "first").await;
    push_image(pulp, "a/b", "uno", "first").await;
    push_image(pulp, "a/b", "two", "second").await;
    let before = latest(pulp, "a/b").await;
    let path = format!("/v2/a/b/manifests/{first}");
    ask(pulp, "DELETE", &path, "", &[]).await.expect(202);
    assert_eq!(latest(pulp, "a/b").await, before + 1);
    refused(get(pulp, &path).await, 404, "MANIFEST_UNKNOWN");
    assert_eq!(get(pulp, "/v2/a/b/tags/list").await.ok()["tags"], json!(["two"]));
    refused(get(pulp, &format!("/v2/a/b/blobs/{}", sha256("first"))).await, 404, "BLOB_UNKNOWN");
    get(pulp, "/v2/a/b/manifests/two").await.expect(200);
    get(pulp, &format!("/v2/a/b/blobs/{}", sha256(super::CONFIG))).await.expect(200);
    refused(ask(pulp, "DELETE", &path, "", &[]).await, 404, "MANIFEST_UNKNOWN");
    refused(ask(pulp, "DELETE", "/v2/unknown/manifests/one", "", &[]).await, 404, "NAME_UNKNOWN");

    // Pushed again it is there again.
    push_image(pulp, "a/b", "one", "first").await;
    get(pulp, &path).await.expect(200);
});

both_databases!(what_an_index_lists_is_not_deleted_before_it, |pulp| {
    let (_, child) = push_image(pulp, "a/b", "child", "layer").await;
    let entry = json!({ "mediaType": media_type::OCI_MANIFEST, "size": 1, "digest": child });
    let index = json!({ "schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": [entry] });
    put(pulp, "a/b", "multi", &index).await.expect(201);
    let path = format!("/v2/a/b/manifests/{child}");
    let answer = ask(pulp, "DELETE", &path, "", &[]).await;
    assert_eq!(answer.header("allow"), "GET, HEAD, PUT");
    refused(answer, 405, "UNSUPPORTED");
    let whole = format!("/v2/a/b/manifests/{}", sha256(index.to_string()));
    ask(pulp, "DELETE", &whole, "", &[]).await.expect(202);
    get(pulp, "/v2/a/b/manifests/child").await.expect(200);
});
