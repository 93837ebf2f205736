//! What was pushed and is in no version yet: for how long it waits, and what ends its waiting.

use pulpcore::both_databases;
use pulpcore::testkit::TestPulp;
use serde_json::json;

use super::{CONFIG, ask, get, manifest, push_blob, push_image, put, refused, sha256};

async fn clean(pulp: &TestPulp, minutes: Option<u64>) {
    let body = minutes.map_or_else(|| json!({}), |minutes| json!({ "orphan_protection_time": minutes }));
    pulp.post("orphans/cleanup/", body).await.accepted().await.completed();
}

both_databases!(a_blob_waits_for_its_manifest_as_long_as_orphans_are_protected, |pulp| {
    let config = push_blob(pulp, "a/b", CONFIG).await;
    clean(pulp, None).await;
    get(pulp, &format!("/v2/a/b/blobs/{config}")).await.expect(200);
    clean(pulp, Some(0)).await;
    refused(get(pulp, &format!("/v2/a/b/blobs/{config}")).await, 404, "BLOB_UNKNOWN");
    refused(put(pulp, "a/b", "latest", &manifest(CONFIG, &[])).await, 404, "MANIFEST_BLOB_UNKNOWN");
    push_image(pulp, "a/b", "latest", "layer").await;
    clean(pulp, Some(0)).await;
    get(pulp, "/v2/a/b/manifests/latest").await.expect(200);
    get(pulp, &format!("/v2/a/b/blobs/{}", sha256("layer"))).await.expect(200);
});

both_databases!(an_upload_whose_chunks_were_taken_is_over, |pulp| {
    let answer = ask(pulp, "POST", "/v2/a/b/blobs/uploads/", "", &[]).await.expect(202);
    let location = answer.header("location").to_owned();
    ask(pulp, "PATCH", &location, "chunk", &[]).await.expect(202);
    clean(pulp, None).await;
    clean(pulp, Some(0)).await;
    let closed = ask(pulp, "PUT", &format!("{location}?digest={}", sha256("chunk")), "", &[]).await;
    refused(closed, 404, "BLOB_UPLOAD_UNKNOWN");
});

both_databases!(what_is_deleted_with_its_image_can_be_pushed_again, |pulp| {
    let (_, digest) = push_image(pulp, "a/b", "latest", "layer").await;
    ask(pulp, "DELETE", &format!("/v2/a/b/manifests/{digest}"), "", &[]).await.expect(202);
    refused(put(pulp, "a/b", "latest", &manifest(CONFIG, &["layer"])).await, 404, "MANIFEST_BLOB_UNKNOWN");
    push_image(pulp, "a/b", "latest", "layer").await;
    get(pulp, "/v2/a/b/manifests/latest").await.expect(200);
});
