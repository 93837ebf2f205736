//! Pushes of blobs, beyond the words of the specification.

use pulp_container::registry::digest::Digest;
use pulpcore::both_databases;
use pulpcore::storage::Algorithm;
use pulpcore::testkit::TestPulp;

use super::{ask, get, push_blob, refused, sha256};

/// Opens a session; its location.
async fn begin(pulp: &TestPulp, name: &str) -> String {
    let answer = ask(pulp, "POST", &format!("/v2/{name}/blobs/uploads/"), "", &[]).await.expect(202);
    let location = answer.header("location").to_owned();
    assert!(location.starts_with(&format!("/v2/{name}/blobs/uploads/")), "{location}");
    assert!(location.ends_with(answer.header("docker-upload-uuid")), "{location}");
    location
}

both_databases!(a_streamed_chunk_is_the_blob_and_lies_in_the_storage_once, |pulp| {
    let location = begin(pulp, "a/b").await;
    ask(pulp, "PATCH", &location, "streamed", &[]).await.expect(202);
    refused(ask(pulp, "PUT", &format!("{location}?digest={}", sha256("x")), "", &[]).await, 400, "DIGEST_INVALID");
    let digest = sha256("streamed");
    ask(pulp, "PUT", &format!("{location}?digest={digest}"), "", &[]).await.expect(201);
    assert_eq!(pulp.get("artifacts/").await.results().len(), 1);
    assert_eq!(get(pulp, &format!("/v2/a/b/blobs/{digest}")).await.expect(200).text(), "streamed");
});

both_databases!(blobs_and_manifests_may_have_digests_by_sha512, |pulp| {
    let digest = Digest::of(Algorithm::Sha512, b"long").to_string();
    let answer = ask(pulp, "POST", "/v2/a/b/blobs/uploads/?digest-algorithm=sha512", "", &[]).await.expect(202);
    let location = answer.header("location").to_owned();
    ask(pulp, "PATCH", &location, "long", &[]).await.expect(202);
    let answer = ask(pulp, "PUT", &format!("{location}?digest={digest}"), "", &[]).await.expect(201);
    assert_eq!(answer.header("docker-content-digest"), digest);
    assert_eq!(get(pulp, &format!("/v2/a/b/blobs/{digest}")).await.expect(200).text(), "long");
    let unknown = ask(pulp, "POST", "/v2/a/b/blobs/uploads/?digest-algorithm=md5", "", &[]).await;
    refused(unknown, 400, "DIGEST_INVALID");
});

both_databases!(a_session_says_how_far_it_came_also_after_a_restart, |pulp| {
    let location = begin(pulp, "a/b").await;
    assert_eq!(get(pulp, &location).await.expect(204).header("range"), "0-0");
    ask(pulp, "PATCH", &location, "first", &[]).await.expect(202);
    pulp.restart().await;
    let status = get(pulp, &location).await.expect(204);
    assert_eq!((status.header("range"), status.header("location")), ("0-4", location.as_str()));
    ask(pulp, "PATCH", &location, "second", &[("Content-Range", "5-10")]).await.expect(202);
    let digest = sha256("firstsecond");
    ask(pulp, "PUT", &format!("{location}?digest={digest}"), "", &[]).await.expect(201);
    assert_eq!(get(pulp, &format!("/v2/a/b/blobs/{digest}")).await.expect(200).text(), "firstsecond");
});

both_databases!(a_session_is_canceled, |pulp| {
    let location = begin(pulp, "a/b").await;
    ask(pulp, "PATCH", &location, "first", &[]).await.expect(202);
    ask(pulp, "DELETE", &location, "", &[]).await.expect(204);
    refused(get(pulp, &location).await, 404, "BLOB_UPLOAD_UNKNOWN");
    refused(ask(pulp, "PATCH", &location, "second", &[]).await, 404, "BLOB_UPLOAD_UNKNOWN");
    refused(get(pulp, "/v2/a/b/blobs/uploads/nonsense").await, 404, "BLOB_UPLOAD_UNKNOWN");
});

both_databases!(a_session_is_its_repositorys_alone, |pulp| {
    let location = begin(pulp, "a/b").await;
    push_blob(pulp, "other", "x").await;
    refused(get(pulp, &location.replace("/a/b/", "/other/")).await, 404, "BLOB_UPLOAD_UNKNOWN");
});
