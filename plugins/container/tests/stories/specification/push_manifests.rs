//! Category "Push", manifests (end-7).

use pulp_container::manifest::media_type;
use pulp_container::registry::digest::Digest;
use pulpcore::both_databases;
use pulpcore::storage::Algorithm;
use serde_json::json;

use super::located;
use crate::registry::{CONFIG, ask, get, manifest, push_blob, put, refused, sha256};

both_databases!(section_2_5_pushing_manifests, |pulp| {
    // 2.5.1 MUST: "An attempt to pull a nonexistent repository MUST return response code 404 Not Found".
    refused(get(pulp, "/v2/a/b/manifests/latest").await, 404, "NAME_UNKNOWN");
    push_blob(pulp, "a/b", CONFIG).await;

    // 2.5.2 MUST: a manifest that refers to what does not exist "MUST result in one or more MANIFEST_BLOB_UNKNOWN errors".
    refused(put(pulp, "a/b", "latest", &manifest(CONFIG, &["layer"])).await, 404, "MANIFEST_BLOB_UNKNOWN");
    let child = json!({ "mediaType": media_type::OCI_MANIFEST, "size": 1, "digest": sha256("missing") });
    let index = json!({ "schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": [child] });
    refused(put(pulp, "a/b", "latest", &index).await, 404, "MANIFEST_BLOB_UNKNOWN");

    // 2.5.3 SHOULD: "The registry SHOULD ignore parameters on the Content-Type header".
    // 2.5.4 MUST: "The registry MUST store the manifest in the exact byte representation provided by the client".
    // 2.5.5 MUST: "the registry MUST return response code 201 Created, and MUST have the following header: Location",
    // which "is a pullable manifest URL".
    // 2.5.6 MUST: Docker-Content-Digest "MUST be equal to the client provided digest".
    // 2.5.7 MAY: "the list of blobs MAY be empty".
    let exact = format!("  {}\n\t", manifest(CONFIG, &[]).to_string().replacen("\":", "\" :\r\n", 1));
    let digest = sha256(&exact);
    let long = Digest::of(Algorithm::Sha512, exact.as_bytes()).to_string();
    let kind = format!("{}; charset=utf-8", media_type::OCI_MANIFEST);
    for (reference, digest) in [("latest", &digest), (&*digest, &digest), (&*long, &long)] {
        let path = format!("/v2/a/b/manifests/{reference}");
        let answer = ask(pulp, "PUT", &path, exact.clone(), &[("Content-Type", &kind)]).await.expect(201);
        assert_eq!((located(pulp, &answer).await, answer.header("docker-content-digest")), (exact.clone(), &**digest));
        assert_eq!(get(pulp, &path).await.expect(200).text(), exact);
    }
    let other = format!("/v2/a/b/manifests/{}", sha256("other"));
    refused(ask(pulp, "PUT", &other, exact, &[("Content-Type", &kind)]).await, 400, "DIGEST_INVALID");

    // 2.5.8 SHOULD: "A registry SHOULD enforce some limit on the maximum manifest size", and answer a manifest over it
    // with "413 Payload Too Large"; "SHOULD expect to be able to support manifest pushes of at least 4 megabytes".
    let filled = |size: usize| {
        let mut image = manifest(CONFIG, &[]);
        image["annotations"] = json!({ "x": "" });
        image["annotations"]["x"] = json!("x".repeat(size - image.to_string().len()));
        image
    };
    put(pulp, "a/b", "large", &filled(4 << 20)).await.expect(201);
    assert_eq!(get(pulp, "/v2/a/b/manifests/large").await.expect(200).bytes.len(), 4 << 20);
    refused(put(pulp, "a/b", "larger", &filled((4 << 20) + 1)).await, 413, "SIZE_INVALID");
});

both_databases!(section_2_6_pushing_manifests_with_subject, |pulp| {
    push_blob(pulp, "a/b", CONFIG).await;
    let subject = sha256("not there");
    let about = json!({ "mediaType": media_type::OCI_MANIFEST, "size": 1, "digest": subject });
    let mut image = manifest(CONFIG, &[]);
    image["subject"] = about.clone();
    let index = json!({ "schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": [], "subject": about });
    for manifest in [image, index] {
        // 2.6.1 MUST: "accept an otherwise valid manifest with a subject field that references a manifest that does not
        // exist in the repository".
        let answer = put(pulp, "a/b", "referrer", &manifest).await.expect(201);
        // 2.6.2 MUST: "respond with the response header OCI-Subject: <subject digest>".
        assert_eq!(answer.header("oci-subject"), subject);
    }
    let plain = put(pulp, "a/b", "plain", &manifest(CONFIG, &[])).await.expect(201);
    assert_eq!(plain.header("oci-subject"), "", "of what has no subject");
});
