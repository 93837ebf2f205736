//! Pushes of manifests, beyond the words of the specification.

use pulp_container::manifest::media_type;
use pulp_container::registry::digest::Digest;
use pulpcore::both_databases;
use pulpcore::storage::Algorithm;
use serde_json::json;

use super::{CONFIG, ask, get, latest, manifest, push_blob, push_image, put, refused, sha256};

both_databases!(a_manifest_by_tag_is_one_new_version_with_all_that_it_refers_to, |pulp| {
    let (_, digest) = push_image(pulp, "a/b", "latest", "layer").await;
    assert_eq!(latest(pulp, "a/b").await, 1);
    let found = pulp.get("repositories/container/container/?name=a/b").await.results();
    let version = pulp.get(found[0]["latest_version_href"].as_str().unwrap()).await.ok();
    let present = &version["content_summary"]["present"];
    let count = |kind: &str| present[kind]["count"].as_i64();
    assert_eq!(
        (count("container.blob"), count("container.manifest"), count("container.tag")),
        (Some(2), Some(1), Some(1))
    );

    // Again: nothing changes. Another tag of the same: one more version.
    push_image(pulp, "a/b", "latest", "layer").await;
    assert_eq!(latest(pulp, "a/b").await, 1);
    let answer = put(pulp, "a/b", "v1", &manifest(CONFIG, &["layer"])).await.expect(201);
    assert_eq!(answer.header("location"), format!("/v2/a/b/manifests/{digest}"));
    assert_eq!(latest(pulp, "a/b").await, 2);
});

both_databases!(a_tag_moves_to_the_manifest_that_was_pushed_last, |pulp| {
    let (_, first) = push_image(pulp, "a/b", "latest", "one").await;
    let (_, second) = push_image(pulp, "a/b", "latest", "two").await;
    let answer = get(pulp, "/v2/a/b/manifests/latest").await.expect(200);
    assert_eq!(answer.header("docker-content-digest"), second);
    get(pulp, &format!("/v2/a/b/manifests/{first}")).await.expect(200);
    assert_eq!(get(pulp, "/v2/a/b/tags/list").await.ok()["tags"], json!(["latest"]));
});

both_databases!(a_manifest_by_digest_has_any_number_of_tags, |pulp| {
    push_blob(pulp, "a/b", CONFIG).await;
    let manifest = manifest(CONFIG, &[]);
    let digest = sha256(manifest.to_string());
    let answer = put(pulp, "a/b", &format!("{digest}?tag=1.2&tag=1&tag=1"), &manifest).await.expect(201);
    let tags: Vec<_> = answer.headers.get_all("oci-tag").iter().collect();
    assert_eq!(tags, ["1.2", "1"]);
    assert_eq!(get(pulp, "/v2/a/b/tags/list").await.ok()["tags"], json!(["1", "1.2"]));
    refused(put(pulp, "a/b", &format!("{digest}?tag=.x"), &manifest).await, 400, "TAG_INVALID");
    refused(put(pulp, "a/b", ".x", &manifest).await, 400, "TAG_INVALID");
    refused(put(pulp, "a/b", &sha256("other"), &manifest).await, 400, "DIGEST_INVALID");
    let long = Digest::of(Algorithm::Sha512, manifest.to_string().as_bytes()).to_string();
    let answer = put(pulp, "a/b", &long, &manifest).await.expect(201);
    assert_eq!(answer.header("docker-content-digest"), long);
    assert_eq!(get(pulp, &format!("/v2/a/b/manifests/{long}")).await.expect(200).text(), manifest.to_string());
});

both_databases!(a_manifest_is_refused_as_long_as_something_is_missing_that_it_refers_to, |pulp| {
    push_blob(pulp, "a/b", CONFIG).await;
    let image = manifest(CONFIG, &["layer"]);
    let said = refused(put(pulp, "a/b", "latest", &image).await, 404, "MANIFEST_BLOB_UNKNOWN");
    assert!(said.contains(&sha256("layer")), "{said}");
    // That another repository has it is no reason.
    push_blob(pulp, "other", "layer").await;
    refused(put(pulp, "a/b", "latest", &image).await, 404, "MANIFEST_BLOB_UNKNOWN");
    refused(get(pulp, "/v2/a/b/manifests/latest").await, 404, "MANIFEST_UNKNOWN");
    assert_eq!(latest(pulp, "a/b").await, 0, "nothing is visible");
    push_blob(pulp, "a/b", "layer").await;
    put(pulp, "a/b", "latest", &image).await.expect(201);
});

both_databases!(an_index_comes_after_its_manifests_and_keeps_them, |pulp| {
    let (_, child) = push_image(pulp, "a/b", "child", "layer").await;
    let entry = |digest: &str| {
        json!({
            "mediaType": media_type::OCI_MANIFEST, "size": 10, "digest": digest,
            "platform": { "architecture": "arm64", "os": "linux", "variant": "v8" },
        })
    };
    let index =
        |digest: &str| json!({ "schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": [entry(digest)] });
    let missing = put(pulp, "a/b", "multi", &index(&sha256("missing"))).await;
    refused(missing, 404, "MANIFEST_BLOB_UNKNOWN");
    put(pulp, "a/b", "multi", &index(&child)).await.expect(201);
    let answer = get(pulp, "/v2/a/b/manifests/multi").await.expect(200);
    assert_eq!(answer.header("content-type"), media_type::OCI_INDEX);
    let shown = pulp.get("content/container/manifests/?media_type=application/vnd.oci.image.index.v1%2Bjson").await;
    assert_eq!(shown.results()[0]["listed_manifests"].as_array().unwrap().len(), 1);
    let empty = json!({ "schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": [] });
    put(pulp, "new/empty", "latest", &empty).await.expect(201);
});

both_databases!(layers_that_are_elsewhere_need_not_be_pushed, |pulp| {
    push_blob(pulp, "a/b", CONFIG).await;
    let mut image = manifest(CONFIG, &["elsewhere"]);
    image["layers"][0]["mediaType"] = json!("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip");
    put(pulp, "a/b", "latest", &image).await.expect(201);
});

both_databases!(what_is_no_manifest_is_refused_and_what_is_unknown_is_kept, |pulp| {
    push_blob(pulp, "a/b", CONFIG).await;
    for (body, kind) in [
        ("{", media_type::OCI_MANIFEST),
        ("[]", media_type::OCI_MANIFEST),
        ("{}", media_type::OCI_MANIFEST),
        (r#"{"schemaVersion":1,"fsLayers":[]}"#, media_type::SCHEMA_1[1]),
        (r#"{"mediaType":"application/vnd.oci.image.index.v1+json","schemaVersion":2}"#, media_type::OCI_MANIFEST),
    ] {
        let answer = ask(pulp, "PUT", "/v2/a/b/manifests/bad", body, &[("Content-Type", kind)]).await;
        refused(answer, 400, "MANIFEST_INVALID");
    }
    let strange = json!({ "mediaType": "application/vnd.example.strange+json", "anything": [1, 2, 3] });
    put(pulp, "a/b", "strange", &strange).await.expect(201);
    let answer = get(pulp, "/v2/a/b/manifests/strange").await.expect(200);
    assert_eq!(answer.header("content-type"), "application/vnd.example.strange+json");
});
