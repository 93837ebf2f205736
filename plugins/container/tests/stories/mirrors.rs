//! Mirrors that serve: what was synced is pulled, and one server is the upstream of another.

use axum::http::Method;
use pulpcore::both_databases;
use pulpcore::testkit::{Answer, TestPulp};
use serde_json::{Value, json};

use crate::common::{digests, href, remote, repository, set, sync, tags};
use crate::upstream::{CONFIG, MANIFEST, Registry, digest, text};

/// Asks the registry without credentials.
async fn pull(pulp: &TestPulp, path: &str) -> Answer {
    pulp.send(pulp.anonymous(Method::GET, path)).await
}

/// Offers a repository under a name.
async fn distribute(pulp: &TestPulp, repository: &str, name: &str) {
    let body = json!({ "name": name, "base_path": name, "repository": repository });
    pulp.post("distributions/container/container/", body).await.accepted().await.completed();
}

both_databases!(layers_that_were_left_are_fetched_when_somebody_pulls_them, |pulp| {
    let registry = Registry::start().await;
    let image = registry.image("later", "amd64");
    registry.tag("latest", &image);
    registry.require_login("me", "hush");
    for policy in ["on_demand", "streamed"] {
        let repository = repository(pulp, policy).await;
        let name = format!("mirror/{}", policy.replace('_', "-"));
        distribute(pulp, &repository, &name).await;
        let login = json!({ "name": policy, "policy": policy, "username": "me", "password": "hush" });
        let remote = remote(pulp, &registry, login).await;
        sync(pulp, &repository, &remote).await.completed();

        let manifest = pull(pulp, &format!("/v2/{name}/manifests/latest")).await.expect(200);
        assert_eq!(manifest.header("docker-content-digest"), text(&image, "digest"), "{policy}");
        assert_eq!(digest(&manifest.bytes), text(&image, "digest"), "{policy}");
        for layer in ["later", "shared by all"] {
            let path = format!("/v2/{name}/blobs/{}", digest(layer.as_bytes()));
            assert_eq!(pull(pulp, &path).await.expect(200).text(), layer, "{policy}");
        }
    }
});

/// Pushes to a server's registry.
async fn push(pulp: &TestPulp, name: &str, kind: &str, what: &str, bytes: String) -> Answer {
    let (method, path) = match what {
        "blob" => (Method::POST, format!("/v2/{name}/blobs/uploads/?digest={}", digest(bytes.as_bytes()))),
        tag => (Method::PUT, format!("/v2/{name}/manifests/{tag}")),
    };
    pulp.send(pulp.request(method, &path).header("Content-Type", kind).body(bytes)).await.expect(201)
}

/// Pushes an image of one layer to a server under a tag; its digest.
async fn push_image(pulp: &TestPulp, name: &str, tag: &str) -> String {
    let (config, layer) = (r#"{"architecture":"amd64","os":"linux"}"#, format!("layer of {tag}"));
    let described =
        |kind: &str, bytes: &str| json!({ "mediaType": kind, "digest": digest(bytes.as_bytes()), "size": bytes.len() });
    let manifest: Value = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": described(CONFIG, config),
        "layers": [described("application/vnd.oci.image.layer.v1.tar", &layer)],
    });
    push(pulp, name, "application/octet-stream", "blob", config.to_owned()).await;
    push(pulp, name, "application/octet-stream", "blob", layer).await;
    let bytes = manifest.to_string();
    push(pulp, name, MANIFEST, tag, bytes.clone()).await;
    digest(bytes.as_bytes())
}

both_databases!(one_server_mirrors_another_whose_images_are_private, |pulp| {
    let upstream = TestPulp::start().await;
    let mut pushed = Vec::new();
    for tag in ["1.0", "1.1", "2.0"] {
        pushed.push(push_image(&upstream, "team/app", tag).await);
    }
    let distribution = href(&upstream.get("distributions/container/container/").await.results()[0]);
    upstream.patch(&distribution, json!({ "private": true })).await.accepted().await.completed();

    let repository = repository(pulp, "r").await;
    let (user, password) = TestPulp::ADMIN;
    let body = json!({
        "name": "upstream", "url": upstream.origin(), "upstream_name": "team/app", "max_retries": 0,
        "username": user, "password": password,
    });
    let remote = href(&pulp.post("remotes/container/container/", body).await.created());
    sync(pulp, &repository, &remote).await.completed();
    assert_eq!(tags(pulp, &repository).await, set(&["1.0", "1.1", "2.0"]));
    assert_eq!(digests(pulp, &repository, "manifests").await, pushed.iter().cloned().collect());

    let again = sync(pulp, &repository, &remote).await.completed();
    assert_eq!(again.created_resources(), Vec::<String>::new());
    pulp.patch(&remote, json!({ "password": "wrong" })).await.accepted().await.completed();
    assert!(sync(pulp, &repository, &remote).await.failed().contains("401"));
    upstream.finish().await;
});
