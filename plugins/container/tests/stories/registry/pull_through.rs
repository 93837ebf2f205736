//! Names of another registry: fetched when users ask for them, and served to everybody from then on.

use pulpcore::both_databases;
use pulpcore::testkit::TestPulp;
use serde_json::json;

use super::{anonymous, ask, get, refused};
use crate::common::href;
use crate::signing::{KEY, OTHER_KEY, signature};
use crate::upstream::{INDEX, NAME, Registry, digest, text};

/// Stands for the whole registry below `cache`.
async fn offer(pulp: &TestPulp, registry: &Registry, more: serde_json::Value) {
    let mut body = json!({ "name": "upstream", "url": registry.url(), "max_retries": 0 });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let remote = href(&pulp.post("remotes/container/pull-through/", body).await.created());
    let body = json!({ "name": "cache", "base_path": "cache", "remote": remote });
    pulp.post("distributions/container/pull-through/", body).await.accepted().await.completed();
}

fn manifest(reference: &str) -> String {
    format!("/v2/cache/{NAME}/manifests/{reference}")
}

both_databases!(a_user_pulls_a_name_through_and_then_anybody_pulls_it, |pulp| {
    let registry = Registry::start().await;
    let image = registry.image("hello", "amd64");
    registry.tag("latest", &image);
    offer(pulp, &registry, json!({})).await;
    refused(anonymous(pulp, "GET", &manifest("latest")).await, 404, "NAME_UNKNOWN");
    assert_eq!(registry.seen(), Vec::<String>::new(), "nobody's requests go upstream");

    let answer = get(pulp, &manifest("latest")).await.expect(200);
    assert_eq!(answer.header("docker-content-digest"), text(&image, "digest"));
    let blobs = registry.seen().iter().filter(|request| request.contains("/blobs/")).count();
    assert_eq!(blobs, 1, "the configuration; layers come when they are asked for");
    for layer in answer.body["layers"].as_array().unwrap() {
        let path = format!("/v2/cache/{NAME}/blobs/{}", text(layer, "digest"));
        assert_eq!(get(pulp, &path).await.expect(200).bytes.len() as u64, layer["size"].as_u64().unwrap());
    }
    anonymous(pulp, "GET", &manifest("latest")).await.expect(200);
    assert_eq!(get(pulp, &format!("/v2/cache/{NAME}/tags/list")).await.ok()["tags"], json!(["latest"]));

    // Nothing of it is downloaded again.
    registry.seen();
    get(pulp, &manifest("latest")).await.expect(200);
    get(pulp, &manifest(&text(&image, "digest"))).await.expect(200);
    let seen = registry.seen();
    assert!(
        seen.iter().all(|request| !request.contains("/blobs/") && !request.starts_with("GET /v2/team/app/manifests/")),
        "{seen:?}"
    );
    let made = pulp.get("distributions/container/pull-through/").await.results();
    assert_eq!(made[0]["distributions"].as_array().map(Vec::len), Some(1));
});

both_databases!(nothing_is_made_of_a_name_that_upstream_lacks, |pulp| {
    let registry = Registry::start().await;
    registry.tag("latest", &registry.image("hello", "amd64"));
    offer(pulp, &registry, json!({ "excludes": ["secret/*"] })).await;
    let unknown = digest(b"unknown");
    for path in [&manifest("other"), &manifest(&unknown), "/v2/cache/no/such/manifests/latest"] {
        refused(get(pulp, path).await, 404, "MANIFEST_UNKNOWN");
    }
    registry.require_login("somebody", "else");
    refused(get(pulp, &manifest("latest")).await, 404, "MANIFEST_UNKNOWN");
    for kind in ["repositories", "remotes", "distributions"] {
        let made = pulp.get(&format!("{kind}/container/container/")).await.results();
        assert_eq!(made, Vec::<serde_json::Value>::new(), "{kind}");
    }
});

both_databases!(a_tag_that_moved_upstream_moves_here_and_stays_when_upstream_is_gone, |pulp| {
    let registry = Registry::start().await;
    let (old, new) = (registry.image("old", "amd64"), registry.image("new", "amd64"));
    registry.tag("latest", &old);
    offer(pulp, &registry, json!({})).await;
    get(pulp, &manifest("latest")).await.expect(200);
    registry.tag("latest", &new);
    let answer = get(pulp, &manifest("latest")).await.expect(200);
    assert_eq!(answer.header("docker-content-digest"), text(&new, "digest"));

    let remotes = pulp.get("remotes/container/container/").await.results();
    let nowhere = json!({ "url": "http://127.0.0.1:9" });
    pulp.patch(&href(&remotes[0]), nowhere).await.accepted().await.completed();
    let answer = get(pulp, &manifest("latest")).await.expect(200);
    assert_eq!(answer.header("docker-content-digest"), text(&new, "digest"));
    refused(get(pulp, &manifest("other")).await, 404, "MANIFEST_UNKNOWN");
});

both_databases!(what_is_pulled_through_is_not_pushed_to_and_may_be_limited, |pulp| {
    let registry = Registry::start().await;
    registry.tag("latest", &registry.image("hello", "amd64"));
    offer(pulp, &registry, json!({ "excludes": ["secret/*"] })).await;
    get(pulp, &manifest("latest")).await.expect(200);
    let path = format!("/v2/cache/{NAME}/blobs/uploads/");
    refused(ask(pulp, "POST", &path, "", &[]).await, 403, "DENIED");
    refused(ask(pulp, "POST", "/v2/cache/new/blobs/uploads/", "", &[]).await, 400, "NAME_INVALID");
    let said = refused(get(pulp, "/v2/cache/secret/app/manifests/latest").await, 404, "NAME_UNKNOWN");
    assert!(said.contains("not pulled through"), "{said}");
    refused(get(pulp, "/v2/cache/tags/list").await, 404, "NAME_UNKNOWN");
});

/// The ids of the keys of a manifest's signatures, as clients see them that look for some.
async fn signers(pulp: &TestPulp, manifest: &str) -> Vec<String> {
    let path = format!("/extensions/v2/cache/{NAME}/signatures/{manifest}");
    let listed = anonymous(pulp, "GET", &path).await.ok()["signatures"].as_array().unwrap().len();
    let units = pulp.get(&format!("content/container/signatures/?manifest={manifest}")).await.results();
    assert_eq!(units.len(), listed, "what is a unit is handed out");
    let mut keys: Vec<String> = units.iter().map(|unit| text(unit, "key_id")).collect();
    keys.sort();
    keys
}

both_databases!(signatures_that_the_other_registry_hands_out_come_with_what_is_pulled, |pulp| {
    let registry = Registry::start().await;
    let index = registry.index("hello");
    let platform = registry.image("hello on amd64", "amd64");
    registry.tag("latest", &index);
    let (index, platform_digest) = (text(&index, "digest"), text(&platform, "digest"));
    registry.sign(&platform, signature(&platform_digest, KEY));
    offer(pulp, &registry, json!({})).await;
    get(pulp, &manifest("latest")).await.expect(200);
    assert_eq!(signers(pulp, &platform_digest).await, Vec::<String>::new(), "it does not say that it has any");

    registry.hand_out_signatures();
    get(pulp, &manifest("latest")).await.expect(200);
    assert_eq!(signers(pulp, &platform_digest).await, [KEY], "what an index lists is signed by itself");
    assert_eq!(signers(pulp, &index).await, Vec::<String>::new());

    // Whoever signs later is seen with the next pull, and whatever goes wrong then takes nothing away.
    registry.sign(&platform, signature(&platform_digest, OTHER_KEY));
    get(pulp, &manifest("latest")).await.expect(200);
    assert_eq!(signers(pulp, &platform_digest).await, [KEY, OTHER_KEY]);
    registry.lose_signatures();
    get(pulp, &manifest("latest")).await.expect(200);
    assert_eq!(signers(pulp, &platform_digest).await, [KEY, OTHER_KEY]);
});

both_databases!(signatures_in_a_sigstore_come_with_what_is_pulled, |pulp| {
    let registry = Registry::start().await;
    let image = registry.image("hello", "amd64");
    registry.tag("latest", &image);
    let digest = text(&image, "digest");
    registry.sign(&image, signature(&digest, KEY));
    offer(pulp, &registry, json!({})).await;
    get(pulp, &manifest("latest")).await.expect(200);
    let remotes = pulp.get("remotes/container/container/").await.results();
    let sigstore = json!({ "sigstore": format!("{}/sigstore", registry.url()) });
    pulp.patch(&href(&remotes[0]), sigstore).await.accepted().await.completed();
    get(pulp, &manifest("latest")).await.expect(200);
    assert_eq!(signers(pulp, &digest).await, [KEY]);
});

both_databases!(an_image_is_pulled_though_its_signatures_cannot_be_had, |pulp| {
    let registry = Registry::start().await;
    let image = registry.image("hello", "amd64");
    registry.tag("latest", &image);
    registry.hand_out_signatures();
    registry.lose_signatures();
    offer(pulp, &registry, json!({})).await;
    get(pulp, &manifest("latest")).await.expect(200);
    assert_eq!(signers(pulp, &text(&image, "digest")).await, Vec::<String>::new());
});

both_databases!(referrers_come_with_what_is_pulled_whether_the_other_registry_lists_or_tags_them, |pulp| {
    let registry = Registry::start().await;
    let (listed, tagged) = (registry.image("listed", "amd64"), registry.image("tagged", "amd64"));
    registry.tag("listed", &listed);
    registry.tag("tagged", &tagged);
    offer(pulp, &registry, json!({})).await;
    let sbom = registry.about(&tagged, "application/vnd.example.sbom.v1");
    let gone = json!({ "mediaType": INDEX, "digest": digest(b"gone"), "size": 4 });
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [sbom, gone] });
    registry.tag(&text(&tagged, "digest").replace(':', "-"), &registry.manifest(&index));
    get(pulp, &manifest("tagged")).await.expect(200);
    let referrers = async |of: &serde_json::Value| {
        let path = format!("/v2/cache/{NAME}/referrers/{}", text(of, "digest"));
        let found = get(pulp, &path).await.ok()["manifests"].as_array().unwrap().clone();
        found.iter().map(|found| text(found, "digest")).collect::<Vec<_>>()
    };
    assert_eq!(referrers(&tagged).await, [text(&sbom, "digest")], "as far as they are there");

    let about = registry.about(&listed, "application/vnd.example.sbom.v1");
    registry.list_referrers();
    get(pulp, &manifest("listed")).await.expect(200);
    assert_eq!(referrers(&listed).await, [text(&about, "digest")]);
    assert_eq!(get(pulp, &format!("/v2/cache/{NAME}/tags/list")).await.ok()["tags"], json!(["listed", "tagged"]));
});
