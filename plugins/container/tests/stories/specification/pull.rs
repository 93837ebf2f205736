//! Category "Pull" (end-2, end-3).

use pulp_container::manifest::media_type;
use pulpcore::both_databases;
use serde_json::json;

use super::head;
use crate::registry::{CONFIG, ask, get, manifest, push_blob, push_image, put, refused, sha256};

both_databases!(section_1_1_pulling_manifests, |pulp| {
    let (image, digest) = push_image(pulp, "a/b", "latest", "layer").await;

    // 1.1.1 MUST: "<reference> MUST be either (a) the digest of the manifest or (b) a tag", and nothing else.
    for reference in [digest.as_str(), "latest"] {
        get(pulp, &format!("/v2/a/b/manifests/{reference}")).await.expect(200);
    }
    for reference in [".latest", "latest%20", "sha256:12", &digest.to_uppercase(), &digest.replace("sha256", "md5")] {
        refused(get(pulp, &format!("/v2/a/b/manifests/{reference}")).await, 404, "MANIFEST_UNKNOWN");
    }

    // 1.1.2 MUST: "<name> MUST match the following regular expression".
    for name in ["0", "a.b", "c_d", "e__f", "g---h", "i/j.k/l-m_0"] {
        ask(pulp, "POST", &format!("/v2/{name}/blobs/uploads/"), "", &[]).await.expect(202);
    }
    for name in ["A", "a..b", "a___b", "a._b", "-a", "a-", "a/-b", "a/b_", "a%20b"] {
        refused(get(pulp, &format!("/v2/{name}/manifests/latest")).await, 400, "NAME_INVALID");
    }

    // 1.1.3 MUST: "<reference> as a tag MUST be at most 128 characters in length and MUST match" its expression.
    let longest = "x".repeat(128);
    for tag in ["0", "_", "V1.0-rc_2", &longest] {
        put(pulp, "a/b", tag, &image).await.expect(201);
        get(pulp, &format!("/v2/a/b/manifests/{tag}")).await.expect(200);
    }
    for tag in ["-a", ".a", "a%2Bb", &format!("{longest}x")] {
        refused(put(pulp, "a/b", tag, &image).await, 400, "TAG_INVALID");
    }

    // 1.1.4 SHOULD NOT: "The registry SHOULD NOT include parameters on the Content-Type header".
    // 1.1.5 SHOULD: "The Content-Type header SHOULD match what the client pushed as the manifest's Content-Type".
    let mut silent = manifest(CONFIG, &["layer"]);
    silent.as_object_mut().unwrap().remove("mediaType");
    for (tag, kind) in [("oci", media_type::OCI_MANIFEST), ("docker", media_type::DOCKER_MANIFEST)] {
        let path = format!("/v2/a/b/manifests/{tag}");
        silent["annotations"] = json!({ "org.example.tag": tag });
        let sent = [("Content-Type", format!("{kind}; charset=utf-8"))];
        let sent = sent.each_ref().map(|(name, value)| (*name, value.as_str()));
        ask(pulp, "PUT", &path, silent.to_string(), &sent).await.expect(201);
        assert_eq!(get(pulp, &path).await.expect(200).header("content-type"), kind);
    }

    // 1.1.6 MUST: "A GET request to an existing manifest URL MUST provide the expected manifest", with "200 OK".
    // 1.1.7 SHOULD: "A successful response SHOULD contain the digest of the uploaded blob in the header
    // Docker-Content-Digest", which is "the canonical digest".
    for reference in [digest.as_str(), "latest"] {
        let answer = get(pulp, &format!("/v2/a/b/manifests/{reference}")).await.expect(200);
        assert_eq!((&*answer.text(), answer.header("docker-content-digest")), (&*image.to_string(), &*digest));
    }

    // 1.1.8 MUST: "If the manifest is not found in the repository, the response code MUST be 404 Not Found".
    push_blob(pulp, "other", "x").await;
    for path in ["a/b/manifests/other", &format!("other/manifests/{digest}")] {
        refused(get(pulp, &format!("/v2/{path}")).await, 404, "MANIFEST_UNKNOWN");
    }
});

both_databases!(section_1_2_pulling_blobs, |pulp| {
    push_image(pulp, "a/b", "latest", "in a version").await;
    push_blob(pulp, "a/b", "in none yet").await;
    push_blob(pulp, "other", "x").await;
    for bytes in ["in a version", "in none yet"] {
        let digest = sha256(bytes);
        let path = format!("/v2/a/b/blobs/{digest}");

        // 1.2.1 MUST: "A GET request to an existing blob URL MUST provide the expected blob", with "200 OK".
        // 1.2.2 SHOULD: "contain the digest of the uploaded blob in the header Docker-Content-Digest"; MUST: it "MUST be
        // a digest matching that of the response body".
        let answer = get(pulp, &path).await.expect(200);
        assert_eq!((&*answer.text(), answer.header("docker-content-digest")), (bytes, digest.as_str()));
        assert_eq!(answer.header("content-type"), "application/octet-stream");

        // 1.2.3 MUST: "If the blob is not found in the repository, the response code MUST be 404 Not Found".
        refused(get(pulp, &format!("/v2/other/blobs/{digest}")).await, 404, "BLOB_UNKNOWN");

        // 1.2.4 SHOULD: "A registry SHOULD support the Range request header in accordance with RFC 9110".
        let total = bytes.len();
        for (range, from, to) in [("0-1", 0, 2), ("3-", 3, total), ("-2", total - 2, total), ("3-999", 3, total)] {
            let part = ask(pulp, "GET", &path, "", &[("Range", &format!("bytes={range}"))]).await.expect(206);
            let said = format!("bytes {from}-{}/{total}", to - 1);
            assert_eq!((&*part.text(), part.header("content-range")), (&bytes[from..to], said.as_str()), "{range}");
        }
        let beyond = ask(pulp, "GET", &path, "", &[("Range", "bytes=999-")]).await.expect(416);
        assert_eq!(beyond.header("content-range"), format!("bytes */{total}"));
        let other_unit = ask(pulp, "GET", &path, "", &[("Range", "lines=1-2")]).await.expect(200);
        assert_eq!((&*other_unit.text(), other_unit.header("accept-ranges")), (bytes, "bytes"));
    }
    refused(get(pulp, &format!("/v2/unknown/blobs/{}", sha256("missing"))).await, 404, "NAME_UNKNOWN");
    refused(get(pulp, "/v2/a/b/blobs/sha256:12").await, 400, "DIGEST_INVALID");
});

both_databases!(section_1_3_checking_if_content_exists_in_the_registry, |pulp| {
    let (image, digest) = push_image(pulp, "a/b", "latest", "layer").await;
    push_blob(pulp, "a/b", "in none yet").await;
    let blob = |bytes: &str| (format!("blobs/{}", sha256(bytes)), sha256(bytes), bytes.len());
    let size = image.to_string().len();
    let manifests = ["latest", &digest].map(|reference| (format!("manifests/{reference}"), digest.clone(), size));
    for (path, digest, size) in manifests.into_iter().chain([blob("layer"), blob("in none yet")]) {
        // 1.3.1 MUST: "A HEAD request to an existing blob or manifest URL MUST return 200 OK".
        let answer = head(pulp, &format!("/v2/a/b/{path}")).await.expect(200);
        // 1.3.2 SHOULD: "contain the digest of the uploaded blob in the header Docker-Content-Digest".
        assert_eq!(answer.header("docker-content-digest"), digest);
        // 1.3.3 SHOULD: "contain the size in bytes of the uploaded blob in the header Content-Length".
        assert_eq!((answer.header("content-length"), &*answer.text()), (size.to_string().as_str(), ""));
    }
    // 1.3.4 MUST: "If the blob or manifest is not found in the repository, the response code MUST be 404 Not Found".
    let missing = sha256("missing");
    for path in ["manifests/other", &format!("manifests/{missing}"), &format!("blobs/{missing}")] {
        head(pulp, &format!("/v2/a/b/{path}")).await.expect(404);
    }
});
