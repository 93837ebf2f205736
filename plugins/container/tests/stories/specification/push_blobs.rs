//! Category "Push", blobs (end-4a to end-6, end-11, end-13).

use pulpcore::both_databases;
use pulpcore::testkit::{Answer, TestPulp};
use uuid::Uuid;

use super::located;
use crate::registry::{ask, get, push_blob, push_image, refused, sha256};

/// Asks for a session.
async fn post(pulp: &TestPulp) -> Answer {
    ask(pulp, "POST", "/v2/a/b/blobs/uploads/", "", &[("Content-Length", "0")]).await
}

/// Sends a chunk to a session.
async fn patch(pulp: &TestPulp, location: &str, range: &str, chunk: &str) -> Answer {
    let headers = [("Content-Type", "application/octet-stream"), ("Content-Range", range)];
    ask(pulp, "PATCH", location, chunk, &headers).await
}

both_databases!(section_2_1_post_then_put, |pulp| {
    // 2.1.1 MUST: "the response MUST have a code of 202 Accepted, and MUST include the following header: Location".
    let session = post(pulp).await.expect(202);
    // 2.1.2 MUST: "The <location> MUST contain a UUID representing a unique session ID".
    let id = |answer: &Answer| answer.header("location").rsplit('/').next().unwrap().parse::<Uuid>().unwrap();
    assert_ne!(id(&session), id(&post(pulp).await.expect(202)));

    // 2.1.3 MUST: "the response MUST have code 201 Created and MUST have the following header: Location", with
    // "<blob-location> being a pullable blob URL".
    let path = format!("{}?digest={}", session.header("location"), sha256("blob"));
    let answer = ask(pulp, "PUT", &path, "blob", &[("Content-Type", "application/octet-stream")]).await.expect(201);
    assert_eq!(located(pulp, &answer).await, "blob");
    refused(get(pulp, session.header("location")).await, 404, "BLOB_UPLOAD_UNKNOWN");
});

both_databases!(section_2_2_single_post, |pulp| {
    let path = |digest: String| format!("/v2/a/b/blobs/uploads/?digest={digest}");
    // 2.2.1 MUST: "the <digest> MUST match the blob's digest". (A body that is not as long as it says is cut off: the
    // story of a push that is cut off.)
    refused(ask(pulp, "POST", &path(sha256("other")), "blob", &[]).await, 400, "DIGEST_INVALID");
    refused(get(pulp, &format!("/v2/a/b/blobs/{}", sha256("blob"))).await, 404, "BLOB_UNKNOWN");
    // 2.2.2 MUST: "Successful completion of the request MUST return a 201 Created and MUST include the following header:
    // Location", where that is "a pullable blob URL". So it is for an empty one.
    for bytes in ["blob", ""] {
        let answer = ask(pulp, "POST", &path(sha256(bytes)), bytes, &[]).await.expect(201);
        assert_eq!(located(pulp, &answer).await, bytes);
    }
});

both_databases!(section_2_3_pushing_a_blob_in_chunks, |pulp| {
    let session = post(pulp).await.expect(202);
    let location = session.header("location");
    // 2.3.1 SHOULD: "If the registry has a minimum chunk size, the POST response SHOULD include" it. This one has none.
    assert_eq!(session.header("oci-chunk-min-length"), "");

    // 2.3.2 MUST: "The first chunk's range MUST begin with 0".
    refused(patch(pulp, location, "1-5", "first").await, 416, "BLOB_UPLOAD_INVALID");
    // 2.3.3 MUST: "the byte range of the chunk … MUST be inclusive on both ends", and "MUST match the following regular
    // expression: ^[0-9]+-[0-9]+$".
    for range in ["0-5", "0-3", "5", "0-", "-5", "a-b", "4-0"] {
        refused(patch(pulp, location, range, "first").await, 400, "SIZE_INVALID");
    }

    // 2.3.4 MUST: "Each successful chunk upload MUST have a 202 Accepted response code, and MUST have the following
    // headers: Location, Range: 0-<end-of-range>", which is "the position of the last uploaded byte".
    let answer = patch(pulp, location, "0-4", "first").await.expect(202);
    assert_eq!(answer.header("range"), "0-4");
    let location = answer.header("location");

    // 2.3.5 MUST: "Chunks MUST be uploaded in order"; "If a chunk is uploaded out of order, the registry MUST respond
    // with a 416 Requested Range Not Satisfiable code".
    for range in ["0-4", "4-9", "6-11"] {
        refused(patch(pulp, location, range, "second").await, 416, "BLOB_UPLOAD_INVALID");
    }

    // 2.3.6 MUST: "The response to an active upload <location> MUST be a 204 No Content response code, and MUST have the
    // following headers: Location, Range".
    let status = get(pulp, location).await.expect(204);
    assert_eq!(status.header("range"), "0-4");
    let answer = patch(pulp, status.header("location"), "5-10", "second").await.expect(202);
    assert_eq!(answer.header("range"), "0-10");
    let location = answer.header("location");

    // 2.3.7 MUST: "The closing PUT request MUST include the <digest> of the whole blob (not the final chunk)".
    let whole = sha256("firstsecondthird");
    for digest in [sha256("third"), "md5:1".to_owned(), String::new()] {
        refused(ask(pulp, "PUT", &format!("{location}?digest={digest}"), "", &[]).await, 400, "DIGEST_INVALID");
    }
    // 2.3.8 MAY: "it MAY be uploaded in the closing PUT request"; out of order there as well.
    let path = format!("{location}?digest={whole}");
    refused(ask(pulp, "PUT", &path, "third", &[("Content-Range", "9-13")]).await, 416, "BLOB_UPLOAD_INVALID");
    // 2.3.9 MUST: "The response to a successful closing of the session MUST be 201 Created, and MUST contain the
    // following header: Location", "a pullable blob URL".
    let answer = ask(pulp, "PUT", &path, "third", &[("Content-Range", "11-15")]).await.expect(201);
    assert_eq!(located(pulp, &answer).await, "firstsecondthird");

    // 2.3.10 MUST: "Regardless of how the final chunk is uploaded, the session MUST be closed with a PUT request".
    let session = post(pulp).await.expect(202);
    let answer = patch(pulp, session.header("location"), "0-3", "only").await.expect(202);
    refused(get(pulp, &format!("/v2/a/b/blobs/{}", sha256("only"))).await, 404, "BLOB_UNKNOWN");
    let path = format!("{}?digest={}", answer.header("location"), sha256("only"));
    let answer = ask(pulp, "PUT", &path, "", &[]).await.expect(201);
    assert_eq!(located(pulp, &answer).await, "only");
});

both_databases!(section_2_4_mounting_a_blob_from_another_repository, |pulp| {
    push_image(pulp, "from", "latest", "in a version").await;
    push_blob(pulp, "from", "in none yet").await;
    for bytes in ["in a version", "in none yet"] {
        let digest = sha256(bytes);
        let mount = |name: &str, from: &str| format!("/v2/{name}/blobs/uploads/?mount={digest}{from}");
        // 2.4.1 MUST: "The response to a successful mount MUST be 201 Created, and MUST contain the following header:
        // Location", "the registry URL to access the accepted layer file".
        // 2.4.2 MAY: "The registry MAY treat the from parameter as optional".
        for (to, from) in [("named", "&from=from"), ("unnamed", "")] {
            let answer = ask(pulp, "POST", &mount(to, from), "", &[]).await.expect(201);
            assert!(answer.header("location").starts_with(&format!("/v2/{to}/")), "{}", answer.header("location"));
            assert_eq!(
                (located(pulp, &answer).await.as_str(), answer.header("docker-content-digest")),
                (bytes, &*digest)
            );
        }
        // 2.4.3 SHOULD: "if a registry … is unable to mount the requested blob, it SHOULD return a 202", and an upload
        // begins.
        let answer = ask(pulp, "POST", &mount("third", "&from=nowhere"), "", &[]).await.expect(202);
        let path = format!("{}?digest={digest}", answer.header("location"));
        ask(pulp, "PUT", &path, bytes, &[]).await.expect(201);
    }
    let missing = format!("/v2/named/blobs/uploads/?mount={}", sha256("missing"));
    ask(pulp, "POST", &missing, "", &[]).await.expect(202);
    let none = ask(pulp, "POST", "/v2/named/blobs/uploads/?mount=sha256:1&from=from", "", &[]).await;
    refused(none, 400, "DIGEST_INVALID");
});
