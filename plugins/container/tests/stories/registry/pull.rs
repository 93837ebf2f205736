//! "Pull" (end-1 to end-3).

use pulp_container::manifest::media_type;
use pulpcore::both_databases;

use super::{CONFIG, ask, get, push_blob, push_image, refused, sha256};

both_databases!(end_1_the_registry_says_that_it_is_one, |pulp| {
    let answer = get(pulp, "/v2/").await.expect(200);
    assert_eq!(answer.header("docker-distribution-api-version"), "registry/2.0");
});

both_databases!(end_2_a_blob_is_read_by_its_digest, |pulp| {
    push_image(pulp, "a/b", "latest", "layer").await;
    let digest = sha256("layer");
    let path = format!("/v2/a/b/blobs/{digest}");
    let answer = get(pulp, &path).await.expect(200);
    assert_eq!((&*answer.text(), answer.header("docker-content-digest")), ("layer", digest.as_str()));
    assert_eq!(answer.header("content-type"), "application/octet-stream");

    let head = ask(pulp, "HEAD", &path, "", &[]).await.expect(200);
    assert_eq!((head.header("content-length"), &*head.text()), ("5", ""));
    assert_eq!(head.header("docker-content-digest"), digest);

    // Resumable pull.
    let part = ask(pulp, "GET", &path, "", &[("Range", "bytes=1-3")]).await.expect(206);
    assert_eq!((&*part.text(), part.header("content-range")), ("aye", "bytes 1-3/5"));
    ask(pulp, "GET", &path, "", &[("Range", "bytes=9-")]).await.expect(416);

    let missing = sha256("missing");
    refused(get(pulp, &format!("/v2/a/b/blobs/{missing}")).await, 404, "BLOB_UNKNOWN");
    ask(pulp, "HEAD", &format!("/v2/a/b/blobs/{missing}"), "", &[]).await.expect(404);
    refused(get(pulp, "/v2/a/b/blobs/sha256:12").await, 400, "DIGEST_INVALID");
    refused(get(pulp, &format!("/v2/a/c/blobs/{digest}")).await, 404, "NAME_UNKNOWN");
});

both_databases!(end_2_a_large_blob_comes_out_as_it_went_in, |pulp| {
    let large: String = (0..400_000).map(|line| format!("{line:07}\n")).collect();
    push_image(pulp, "a/b", "latest", &large).await;
    let pending = format!("{large} in no version yet");
    push_blob(pulp, "a/b", &pending).await;
    let path = |text: &str| format!("/v2/a/b/blobs/{}", sha256(text));
    for (from, to) in [(0, large.len()), (9, 2_000_001), (large.len() - 600_000, large.len())] {
        let range = format!("bytes={from}-{}", to - 1);
        let part = ask(pulp, "GET", &path(&large), "", &[("Range", &range)]).await.expect(206);
        assert!(part.text() == large[from..to], "{range}");
        assert!(get(pulp, &path(&large)).await.expect(200).text() == large);
        assert!(get(pulp, &path(&pending)).await.expect(200).text() == pending);
    }
});

both_databases!(end_3_a_manifest_is_read_by_tag_and_by_digest_byte_for_byte, |pulp| {
    let (manifest, digest) = push_image(pulp, "a/b", "latest", "layer").await;
    for reference in ["latest", &digest] {
        let path = format!("/v2/a/b/manifests/{reference}");
        let answer = ask(pulp, "GET", &path, "", &[("Accept", media_type::OCI_MANIFEST)]).await.expect(200);
        assert_eq!(answer.text(), manifest.to_string());
        assert_eq!(answer.header("docker-content-digest"), digest);
        assert_eq!(answer.header("content-type"), media_type::OCI_MANIFEST);
        let head = ask(pulp, "HEAD", &path, "", &[]).await.expect(200);
        assert_eq!(head.header("content-length"), manifest.to_string().len().to_string());
        assert_eq!(head.header("docker-content-digest"), digest);
        let tag = answer.header("etag").to_owned();
        ask(pulp, "GET", &path, "", &[("If-None-Match", &tag)]).await.expect(304);
    }
    refused(get(pulp, "/v2/a/b/manifests/other").await, 404, "MANIFEST_UNKNOWN");
    refused(get(pulp, &format!("/v2/a/b/manifests/{}", sha256("other"))).await, 404, "MANIFEST_UNKNOWN");
    refused(get(pulp, "/v2/unknown/manifests/latest").await, 404, "NAME_UNKNOWN");
    refused(get(pulp, "/v2/a/b/manifests/.bad").await, 404, "MANIFEST_UNKNOWN");
});

both_databases!(a_blob_of_one_repository_is_not_read_through_another, |pulp| {
    push_image(pulp, "one", "latest", "secret layer").await;
    push_image(pulp, "other", "latest", "layer").await;
    let path = format!("/v2/other/blobs/{}", sha256("secret layer"));
    refused(get(pulp, &path).await, 404, "BLOB_UNKNOWN");
    get(pulp, &format!("/v2/other/blobs/{}", sha256(CONFIG))).await.expect(200);
});

both_databases!(what_the_rest_api_shows_of_a_push_is_what_was_pushed, |pulp| {
    let (_, digest) = push_image(pulp, "a/b", "latest", "layer").await;
    let manifests = pulp.get("content/container/manifests/").await.results();
    assert_eq!((manifests.len(), manifests[0]["digest"].as_str()), (1, Some(digest.as_str())));
    assert_eq!((&manifests[0]["architecture"], &manifests[0]["type"]), (&"amd64".into(), &"image".into()));
    assert_eq!(manifests[0]["labels"]["made-by"], "hand");
    assert_eq!(manifests[0]["blobs"].as_array().unwrap().len(), 1);
    assert!(manifests[0]["config_blob"].is_string());
    assert_eq!(pulp.get("content/container/blobs/").await.results().len(), 2);
    let tags = pulp.get("content/container/tags/").await.results();
    assert_eq!((tags[0]["name"].as_str(), &tags[0]["tagged_manifest"]), (Some("latest"), &manifests[0]["pulp_href"]));
});
