//! "Pushing blobs" (end-4a to end-6, end-11, end-13, end-14).

use pulp_container::registry::digest::Digest;
use pulpcore::both_databases;
use pulpcore::storage::Algorithm;
use pulpcore::testkit::TestPulp;

use super::{ask, get, push_blob, push_image, refused, sha256};

/// Opens a session; its location.
async fn begin(pulp: &TestPulp, name: &str) -> String {
    let answer = ask(pulp, "POST", &format!("/v2/{name}/blobs/uploads/"), "", &[]).await.expect(202);
    let location = answer.header("location").to_owned();
    assert!(location.starts_with(&format!("/v2/{name}/blobs/uploads/")), "{location}");
    assert!(location.ends_with(answer.header("docker-upload-uuid")), "{location}");
    location
}

both_databases!(end_4a_and_6_a_blob_is_pushed_with_a_post_and_a_put, |pulp| {
    let location = begin(pulp, "a/b").await;
    let digest = sha256("monolithic");
    let answer = ask(pulp, "PUT", &format!("{location}?digest={digest}"), "monolithic", &[]).await.expect(201);
    assert_eq!(answer.header("location"), format!("/v2/a/b/blobs/{digest}"));
    assert_eq!(answer.header("docker-content-digest"), digest);
    assert_eq!(get(pulp, answer.header("location")).await.expect(200).text(), "monolithic");
    refused(get(pulp, &location).await, 404, "BLOB_UPLOAD_UNKNOWN");
});

both_databases!(end_4b_a_blob_is_pushed_with_a_single_post, |pulp| {
    let digest = push_blob(pulp, "a/b", "single").await;
    assert_eq!(get(pulp, &format!("/v2/a/b/blobs/{digest}")).await.expect(200).text(), "single");
    let wrong = format!("/v2/a/b/blobs/uploads/?digest={}", sha256("other"));
    refused(ask(pulp, "POST", &wrong, "single", &[]).await, 400, "DIGEST_INVALID");
    let empty = push_blob(pulp, "a/b", "").await;
    assert_eq!(get(pulp, &format!("/v2/a/b/blobs/{empty}")).await.expect(200).text(), "");
});

both_databases!(end_5_a_blob_is_pushed_in_chunks_each_where_the_last_one_ended, |pulp| {
    let location = begin(pulp, "a/b").await;
    let chunk = [("Content-Type", "application/octet-stream"), ("Content-Range", "0-4")];
    let answer = ask(pulp, "PATCH", &location, "first", &chunk).await.expect(202);
    assert_eq!((answer.header("range"), answer.header("location")), ("0-4", location.as_str()));

    // Out of order: too late, again, and without the one between.
    for range in ["6-11", "0-4", "4-9"] {
        let answer = ask(pulp, "PATCH", &location, "second", &[("Content-Range", range)]).await;
        assert_eq!((answer.header("range"), answer.header("location")), ("0-4", location.as_str()), "{range}");
        refused(answer, 416, "BLOB_UPLOAD_INVALID");
    }
    refused(ask(pulp, "PATCH", &location, "second", &[("Content-Range", "x")]).await, 400, "SIZE_INVALID");
    refused(ask(pulp, "PATCH", &location, "second", &[("Content-Range", "5-6")]).await, 400, "SIZE_INVALID");

    let answer = ask(pulp, "PATCH", &location, "second", &[("Content-Range", "5-10")]).await.expect(202);
    assert_eq!(answer.header("range"), "0-10");
    let digest = sha256("firstsecondthird");
    let path = format!("{location}?digest={digest}");
    refused(ask(pulp, "PUT", &path, "third", &[("Content-Range", "12-16")]).await, 416, "BLOB_UPLOAD_INVALID");
    ask(pulp, "PUT", &path, "third", &[("Content-Range", "11-15")]).await.expect(201);
    assert_eq!(get(pulp, &format!("/v2/a/b/blobs/{digest}")).await.expect(200).text(), "firstsecondthird");
});

both_databases!(a_streamed_chunk_is_the_blob_and_lies_in_the_storage_once, |pulp| {
    let location = begin(pulp, "a/b").await;
    ask(pulp, "PATCH", &location, "streamed", &[]).await.expect(202);
    refused(ask(pulp, "PUT", &format!("{location}?digest={}", sha256("x")), "", &[]).await, 400, "DIGEST_INVALID");
    let digest = sha256("streamed");
    ask(pulp, "PUT", &format!("{location}?digest={digest}"), "", &[]).await.expect(201);
    assert_eq!(pulp.get("artifacts/").await.results().len(), 1);
    assert_eq!(get(pulp, &format!("/v2/a/b/blobs/{digest}")).await.expect(200).text(), "streamed");
});

both_databases!(end_4c_blobs_and_manifests_may_have_digests_by_sha512, |pulp| {
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

both_databases!(end_13_a_session_says_how_far_it_came_also_after_a_restart, |pulp| {
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

both_databases!(end_14_a_session_is_canceled, |pulp| {
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

both_databases!(end_11_a_blob_is_mounted_from_a_repository_that_has_it, |pulp| {
    push_image(pulp, "from", "latest", "shared").await;
    let digest = sha256("shared");
    let mount = |name: &str, from: &str| format!("/v2/{name}/blobs/uploads/?mount={digest}&from={from}");
    let answer = ask(pulp, "POST", &mount("to", "from"), "", &[]).await.expect(201);
    assert_eq!(answer.header("location"), format!("/v2/to/blobs/{digest}"));
    assert_eq!(get(pulp, answer.header("location")).await.expect(200).text(), "shared");

    // From where it is not, and from nowhere: an upload begins.
    for path in [mount("third", "nowhere"), format!("/v2/third/blobs/uploads/?mount={digest}")] {
        let answer = ask(pulp, "POST", &path, "", &[]).await.expect(202);
        assert!(answer.header("location").starts_with("/v2/third/blobs/uploads/"), "{path}");
    }
    refused(get(pulp, &format!("/v2/third/blobs/{digest}")).await, 404, "BLOB_UNKNOWN");
    let bad = "/v2/third/blobs/uploads/?mount=sha256:1&from=from";
    refused(ask(pulp, "POST", bad, "", &[]).await, 400, "DIGEST_INVALID");
});

both_databases!(a_digest_must_be_one_to_close_a_session, |pulp| {
    let location = begin(pulp, "a/b").await;
    for query in ["", "?digest=", "?digest=sha256:1", "?digest=md5:00"] {
        refused(ask(pulp, "PUT", &format!("{location}{query}"), "x", &[]).await, 400, "DIGEST_INVALID");
    }
    ask(pulp, "PUT", &format!("{location}?digest={}", sha256("x")), "x", &[]).await.expect(201);
});
