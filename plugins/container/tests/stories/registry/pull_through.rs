//! Names of another registry: fetched when users ask for them, and served to everybody from then on.

use pulpcore::both_databases;
use pulpcore::testkit::TestPulp;
use serde_json::json;

use super::{anonymous, ask, get, refused};
use crate::common::href;
use crate::upstream::{NAME, Registry, digest, text};

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
