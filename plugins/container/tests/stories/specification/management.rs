//! Category "Content Management" (end-9, end-10).

use pulp_container::manifest::media_type;
use pulpcore::both_databases;
use serde_json::json;

use super::delete;
use crate::registry::{CONFIG, get, manifest, push_blob, push_image, put, refused, sha256};

both_databases!(section_4_1_deleting_tags, |pulp| {
    let (_, digest) = push_image(pulp, "a/b", "latest", "layer").await;
    push_image(pulp, "a/b", "other", "layer").await;
    // 4.1.1 MUST: "Upon success, the registry MUST respond with a 202 Accepted code".
    delete(pulp, "/v2/a/b/manifests/latest").await.expect(202);
    // 4.1.2: "Once deleted, a GET to /v2/<name>/manifests/<tag> will return a 404". Whatever else names it stays.
    refused(get(pulp, "/v2/a/b/manifests/latest").await, 404, "MANIFEST_UNKNOWN");
    for reference in ["other", &digest] {
        get(pulp, &format!("/v2/a/b/manifests/{reference}")).await.expect(200);
    }
    assert_eq!(get(pulp, "/v2/a/b/tags/list").await.ok()["tags"], json!(["other"]));
    refused(delete(pulp, "/v2/a/b/manifests/latest").await, 404, "MANIFEST_UNKNOWN");
});

both_databases!(section_4_2_deleting_manifests, |pulp| {
    let (_, digest) = push_image(pulp, "a/b", "latest", "layer").await;
    push_image(pulp, "a/b", "also", "layer").await;
    push_image(pulp, "a/b", "other", "other layer").await;
    let mut referrer = manifest(CONFIG, &["layer"]);
    referrer["subject"] = json!({ "mediaType": media_type::OCI_MANIFEST, "size": 1, "digest": sha256("subject") });
    let about = format!("/v2/a/b/manifests/{}", sha256(referrer.to_string()));
    put(pulp, "a/b", &sha256(referrer.to_string()), &referrer).await.expect(201);

    // 4.2.1 MUST: "Upon success, the registry MUST respond with a 202 Accepted code".
    let path = format!("/v2/a/b/manifests/{digest}");
    delete(pulp, &path).await.expect(202);
    // 4.2.2: "Once deleted, a GET to /v2/<name>/manifests/<digest> and any tag pointing to that digest will return a 404".
    for path in [path.as_str(), "/v2/a/b/manifests/latest", "/v2/a/b/manifests/also"] {
        refused(get(pulp, path).await, 404, "MANIFEST_UNKNOWN");
    }
    get(pulp, "/v2/a/b/manifests/other").await.expect(200);
    refused(delete(pulp, &path).await, 404, "MANIFEST_UNKNOWN");
    // 4.2.3 MUST: "If the repository does not exist, the response MUST return 404 Not Found".
    refused(delete(pulp, &format!("/v2/unknown/manifests/{digest}")).await, 404, "NAME_UNKNOWN");
    // 4.2.4: what has a subject is listed no more, and no client needs to see to that.
    let list = format!("/v2/a/b/referrers/{}", sha256("subject"));
    assert_eq!(get(pulp, &list).await.ok()["manifests"].as_array().unwrap().len(), 1);
    delete(pulp, &about).await.expect(202);
    assert_eq!(get(pulp, &list).await.ok()["manifests"], json!([]));

    // 4.2.5 MUST: "If manifest deletion is disabled, the registry MUST respond with either a 400 Bad Request or a 405
    // Method Not Allowed": it is for what an index lists.
    let (_, child) = push_image(pulp, "a/b", "child", "layer").await;
    let child_is = json!({ "mediaType": media_type::OCI_MANIFEST, "size": 1, "digest": child });
    let index = json!({ "schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": [child_is] });
    put(pulp, "a/b", "multi", &index).await.expect(201);
    refused(delete(pulp, &format!("/v2/a/b/manifests/{child}")).await, 405, "UNSUPPORTED");
});

both_databases!(section_4_3_deleting_blobs, |pulp| {
    push_image(pulp, "a/b", "latest", "needed").await;
    let path = |bytes: &str| format!("/v2/a/b/blobs/{}", sha256(bytes));
    push_blob(pulp, "a/b", "loose").await;
    // 4.3.1 MUST: "Upon success, the registry MUST respond with code 202 Accepted".
    delete(pulp, &path("loose")).await.expect(202);
    refused(get(pulp, &path("loose")).await, 404, "BLOB_UNKNOWN");
    // 4.3.2 MUST: "If the blob is not found, a 404 Not Found code MUST be returned".
    for bytes in ["loose", "missing"] {
        refused(delete(pulp, &path(bytes)).await, 404, "BLOB_UNKNOWN");
    }
    // 4.3.3 MUST: "If blob deletion is disabled, the registry MUST respond with either a 400 Bad Request or a 405 Method
    // Not Allowed": it is for what a manifest needs.
    refused(delete(pulp, &path("needed")).await, 405, "UNSUPPORTED");
    get(pulp, &path("needed")).await.expect(200);
});
