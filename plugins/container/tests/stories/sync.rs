//! Syncs from another registry.

use pulpcore::both_databases;
use serde_json::json;

use crate::common::{digests, held, href, latest, only, remote, repository, set, sync, synced, tags};
use crate::upstream::{MANIFEST, Registry, digest, text};

both_databases!(a_sync_brings_everything_that_tags_stand_for, |pulp| {
    let registry = Registry::start().await;
    let (index, image) = (registry.index("multi"), registry.image("single", "s390x"));
    registry.tag("latest", &index);
    registry.tag("1.0", &image);
    let repository = synced(pulp, &registry).await;

    assert_eq!(tags(pulp, &repository).await, set(&["latest", "1.0"]));
    let manifests = held(pulp, &repository, "manifests").await;
    assert_eq!(manifests.len(), 4, "an index, two platforms, an image");
    // One shared layer, three of their own, three configurations.
    let blobs = held(pulp, &repository, "blobs").await;
    assert_eq!(blobs.len(), 7);
    assert!(blobs.iter().all(|blob| blob["artifact"].is_string()), "{blobs:?}");

    let list = only(pulp, &repository, "manifests", "digest", &text(&index, "digest")).await;
    assert_eq!(list["listed_manifests"].as_array().map(Vec::len), Some(2));
    assert_eq!((list["blobs"].clone(), list["config_blob"].clone()), (json!([]), json!(null)));
    let single = only(pulp, &repository, "manifests", "digest", &text(&image, "digest")).await;
    assert_eq!(single["architecture"], "s390x");
    assert_eq!((&single["os"], &single["type"]), (&json!("linux"), &json!("image")));
    assert_eq!(single["labels"], json!({ "said": "single" }));
    assert_eq!(single["annotations"], json!({ "org.example.text": "single" }));
    assert_eq!(single["blobs"].as_array().map(Vec::len), Some(2));
    assert_eq!(single["compressed_image_size"], "shared by all".len() + "single".len());
    let config = pulp.get(&text(&single, "config_blob")).await.ok();
    assert!(config["artifact"].is_string());
    let tag = only(pulp, &repository, "tags", "name", "1.0").await;
    assert_eq!(text(&tag, "tagged_manifest"), href(&single));
});

both_databases!(a_second_sync_downloads_nothing, |pulp| {
    let registry = Registry::start().await;
    registry.tag("latest", &registry.index("multi"));
    registry.tag("1.0", &registry.image("single", "amd64"));
    let repository = synced(pulp, &registry).await;
    registry.seen();

    let remote = href(&pulp.get("remotes/container/container/").await.results()[0]);
    let task = sync(pulp, &repository, &remote).await.completed();
    assert_eq!(task.created_resources(), Vec::<String>::new());
    let seen = registry.seen();
    let fetched = |request: &&String| {
        let asks = ["/tags/", "/referrers/"].iter().any(|list| request.contains(list)) || *request == "GET /v2/";
        request.starts_with("GET") && !asks
    };
    assert_eq!(seen.iter().filter(fetched).collect::<Vec<_>>(), Vec::<&String>::new());
    assert_eq!(seen.iter().filter(|request| request.starts_with("HEAD")).count(), 2, "{seen:?}");
});

both_databases!(a_tag_that_goes_in_the_middle_of_a_sync_is_as_good_as_one_that_was_not_listed, |pulp| {
    let registry = Registry::start().await;
    let kept = registry.image("kept", "amd64");
    registry.tag("kept", &kept);
    registry.tag("gone", &registry.image("gone", "amd64"));
    registry.tag("never", &json!({ "digest": digest(b"there is no such manifest") }));
    registry.vanish("gone");
    let repository = synced(pulp, &registry).await;
    assert_eq!(tags(pulp, &repository).await, set(&["kept"]));
    assert_eq!(digests(pulp, &repository, "manifests").await, set(&[&text(&kept, "digest")]));

    // A digest that was asked for by itself is missed.
    let missing = digest(b"there is no such manifest");
    let href = href(&pulp.get("remotes/container/container/").await.results()[0]);
    pulp.patch(&href, json!({ "includes": [missing] })).await.accepted().await.completed();
    let failed = sync(pulp, &repository, &href).await.failed();
    assert!(failed.to_string().contains(&missing), "{failed}");
});

both_databases!(a_tag_that_moved_is_moved, |pulp| {
    let registry = Registry::start().await;
    let (old, new) = (registry.image("old", "amd64"), registry.image("new", "amd64"));
    registry.tag("latest", &old);
    let repository = synced(pulp, &registry).await;
    registry.tag("latest", &new);
    let remote = href(&pulp.get("remotes/container/container/").await.results()[0]);
    sync(pulp, &repository, &remote).await.completed();
    let tag = only(pulp, &repository, "tags", "name", "latest").await;
    let tagged = pulp.get(&text(&tag, "tagged_manifest")).await.ok();
    assert_eq!(tagged["digest"], new["digest"]);
    assert_eq!(digests(pulp, &repository, "manifests").await.len(), 2, "what had the tag stays, without mirror");
});

both_databases!(a_mirror_holds_what_the_remote_has_and_nothing_else, |pulp| {
    let registry = Registry::start().await;
    let (kept, gone) = (registry.image("kept", "amd64"), registry.image("gone", "amd64"));
    registry.tag("kept", &kept);
    registry.tag("gone", &gone);
    let repository = synced(pulp, &registry).await;
    registry.untag("gone");
    let remote = href(&pulp.get("remotes/container/container/").await.results()[0]);
    let body = json!({ "remote": remote, "mirror": true });
    pulp.post(&format!("{repository}sync/"), body).await.accepted().await.completed();
    assert_eq!(tags(pulp, &repository).await, set(&["kept"]));
    assert_eq!(digests(pulp, &repository, "manifests").await, set(&[&text(&kept, "digest")]));
    assert_eq!(held(pulp, &repository, "blobs").await.len(), 3, "the shared layer is still needed");
});

both_databases!(patterns_choose_tags_and_digests_choose_manifests, |pulp| {
    let registry = Registry::start().await;
    for tag in ["1.0", "1.1", "1.1-rc", "2.0"] {
        registry.tag(tag, &registry.image(tag, "amd64"));
    }
    registry.page(2);
    let untagged = registry.image("untagged", "amd64");
    let repository = repository(pulp, "r").await;
    let more = json!({ "includes": ["1.*", untagged["digest"]], "exclude_tags": ["*-rc"] });
    let remote = remote(pulp, &registry, more).await;
    assert_eq!(pulp.get(&remote).await.ok()["excludes"], json!(["*-rc"]), "the older name is taken over");
    sync(pulp, &repository, &remote).await.completed();
    assert_eq!(tags(pulp, &repository).await, set(&["1.0", "1.1"]));
    assert!(digests(pulp, &repository, "manifests").await.contains(&text(&untagged, "digest")));
});

both_databases!(a_registry_that_asks_for_a_token_gets_one_with_the_remotes_credentials, |pulp| {
    let registry = Registry::start().await;
    registry.tag("latest", &registry.image("secret", "amd64"));
    registry.require_login("me", "hush");
    let repository = repository(pulp, "r").await;
    let remote = remote(pulp, &registry, json!({ "username": "me", "password": "hush" })).await;
    sync(pulp, &repository, &remote).await.completed();
    assert_eq!(tags(pulp, &repository).await, set(&["latest"]));
    let tokens = registry.seen().iter().filter(|request| request.starts_with("GET /token")).count();
    assert_eq!(tokens, 1, "one token is enough");

    pulp.patch(&remote, json!({ "password": "wrong" })).await.accepted().await.completed();
    let error = sync(pulp, &repository, &remote).await.failed();
    assert!(error.contains("401"), "{error}");
});

both_databases!(layers_are_left_until_somebody_asks_if_the_policy_says_so, |pulp| {
    let registry = Registry::start().await;
    let image = registry.image("later", "amd64");
    registry.tag("latest", &image);
    for policy in ["on_demand", "streamed"] {
        let repository = repository(pulp, policy).await;
        let remote = remote(pulp, &registry, json!({ "name": policy, "policy": policy })).await;
        sync(pulp, &repository, &remote).await.completed();
        let blobs = held(pulp, &repository, "blobs").await;
        let stored = blobs.iter().filter(|blob| blob["artifact"].is_string()).count();
        assert_eq!((blobs.len(), stored), (3, 1), "{policy}: only the configuration is here");
        let manifest = only(pulp, &repository, "manifests", "digest", &text(&image, "digest")).await;
        assert_eq!(manifest["architecture"], "amd64");
    }
    let eager = repository(pulp, "eager").await;
    let remote = remote(pulp, &registry, json!({ "name": "eager", "policy": "immediate" })).await;
    sync(pulp, &eager, &remote).await.completed();
    let blobs = held(pulp, &eager, "blobs").await;
    assert!(blobs.iter().all(|blob| blob["artifact"].is_string()), "what was left is fetched now: {blobs:?}");
});

both_databases!(a_blob_that_is_not_what_was_promised_fails_the_sync_and_leaves_no_version, |pulp| {
    let registry = Registry::start().await;
    registry.tag("latest", &registry.image("wrong", "amd64"));
    registry.spoil(&digest(b"wrong"));
    let repository = repository(pulp, "r").await;
    let remote = remote(pulp, &registry, json!({})).await;
    let error = sync(pulp, &repository, &remote).await.failed();
    assert!(error.contains(&digest(b"wrong")) && error.contains("sha256"), "{error}");
    assert_eq!(latest(pulp, &repository).await, 0);
});

both_databases!(referrers_and_companions_come_along, |pulp| {
    let registry = Registry::start().await;
    let image = registry.image("signed", "amd64");
    registry.tag("1.0", &image);
    registry.tag("2.0", &registry.image("other", "amd64"));
    let sbom = registry.about(&image, "application/spdx+json");
    let signature = registry.about(&image, "application/vnd.dev.cosign.artifact.sig.v1+json");
    let companion = format!("{}.sig", text(&image, "digest").replace(':', "-"));
    registry.tag(&companion, &signature);
    registry.list_referrers();
    let repository = repository(pulp, "r").await;
    let remote = remote(pulp, &registry, json!({ "includes": ["1.0"] })).await;
    sync(pulp, &repository, &remote).await.completed();
    assert_eq!(tags(pulp, &repository).await, set(&["1.0", &companion]));
    let found = digests(pulp, &repository, "manifests").await;
    assert_eq!(found, set(&[&text(&image, "digest"), &text(&sbom, "digest"), &text(&signature, "digest")]));
});

both_databases!(unsigned_images_are_left_out_if_only_signed_ones_are_wanted, |pulp| {
    let registry = Registry::start().await;
    let (signed, unsigned) = (registry.image("signed", "amd64"), registry.image("unsigned", "amd64"));
    registry.tag("signed", &signed);
    registry.tag("unsigned", &unsigned);
    let signature = registry.about(&signed, "application/vnd.dev.cosign.artifact.sig.v1+json");
    let companion = format!("{}.sig", text(&signed, "digest").replace(':', "-"));
    registry.tag(&companion, &signature);
    let repository = repository(pulp, "r").await;
    let remote = remote(pulp, &registry, json!({})).await;
    let body = json!({ "remote": remote, "signed_only": true });
    pulp.post(&format!("{repository}sync/"), body).await.accepted().await.completed();
    assert_eq!(tags(pulp, &repository).await, set(&["signed", &companion]));
});

both_databases!(what_cannot_be_synced_is_said, |pulp| {
    let registry = Registry::start().await;
    let repository = repository(pulp, "r").await;
    let refused = pulp.post(&format!("{repository}sync/"), json!({})).await.refused();
    let message = "This field is required since a remote is not set on the repository.";
    assert_eq!(refused, json!({ "remote": [message] }));

    let old = json!({ "schemaVersion": 1, "mediaType": "application/vnd.docker.distribution.manifest.v1+json" });
    registry.tag("old", &registry.manifest(&old));
    let remote = remote(pulp, &registry, json!({})).await;
    let error = sync(pulp, &repository, &remote).await.failed();
    assert!(error.contains("schema 1"), "{error}");

    registry.untag("old");
    let dangling = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": { "mediaType": "application/vnd.oci.empty.v1+json", "digest": digest(b"nowhere"), "size": 7 },
        "layers": [],
    });
    registry.tag("dangling", &registry.manifest(&dangling));
    let error = sync(pulp, &repository, &remote).await.failed();
    assert!(error.contains("404") && error.contains(&digest(b"nowhere")), "{error}");
    assert_eq!(latest(pulp, &repository).await, 0);
});
