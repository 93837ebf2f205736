//! Pulls, beyond the words of the specification.

use pulpcore::both_databases;

use super::{CONFIG, ask, get, push_blob, push_image, refused, sha256};

both_databases!(a_manifest_that_did_not_change_is_not_sent_again, |pulp| {
    let (_, digest) = push_image(pulp, "a/b", "latest", "layer").await;
    for reference in ["latest", &digest] {
        let path = format!("/v2/a/b/manifests/{reference}");
        let tag = get(pulp, &path).await.expect(200).header("etag").to_owned();
        let same = ask(pulp, "GET", &path, "", &[("If-None-Match", &tag)]).await.expect(304);
        assert_eq!(same.header("docker-content-digest"), digest);
        ask(pulp, "GET", &path, "", &[("If-None-Match", "\"other\"")]).await.expect(200);
    }
});

both_databases!(a_large_blob_comes_out_as_it_went_in, |pulp| {
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
