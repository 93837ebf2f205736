//! The registry as its clients meet it, over raw HTTP. What the distribution specification says is in `specification`.

mod auth;
mod catalog;
mod concurrency;
mod deletions;
mod errors;
mod pending;
mod pull;
mod pull_through;
mod push_blobs;
mod push_manifests;
mod roles;
mod signatures;

use axum::http::Method;
use pulp_container::manifest::media_type;
use pulp_container::registry::digest::Digest;
use pulpcore::storage::Algorithm;
use pulpcore::testkit::{Answer, TestPulp};
use serde_json::{Value, json};

/// Sends a request of the administrator, with a body and headers.
pub(crate) async fn ask(
    pulp: &TestPulp,
    method: &str,
    path: &str,
    body: impl Into<Vec<u8>>,
    headers: &[(&str, &str)],
) -> Answer {
    let request = pulp.request(method.parse::<Method>().unwrap(), path).body(body.into());
    pulp.send(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
}

pub(crate) async fn get(pulp: &TestPulp, path: &str) -> Answer {
    ask(pulp, "GET", path, "", &[]).await
}

/// The same of somebody who says nothing.
pub(crate) async fn anonymous(pulp: &TestPulp, method: &str, path: &str) -> Answer {
    pulp.send(pulp.anonymous(method.parse().unwrap(), path)).await
}

pub(crate) fn sha256(bytes: impl AsRef<[u8]>) -> String {
    Digest::of(Algorithm::Sha256, bytes.as_ref()).to_string()
}

/// Pushes a blob with one request; its digest.
pub(crate) async fn push_blob(pulp: &TestPulp, name: &str, bytes: &str) -> String {
    let digest = sha256(bytes);
    let answer = ask(pulp, "POST", &format!("/v2/{name}/blobs/uploads/?digest={digest}"), bytes, &[]).await.expect(201);
    assert_eq!(answer.header("location"), format!("/v2/{name}/blobs/{digest}"));
    digest
}

/// A manifest of a configuration and layers that are there.
pub(crate) fn manifest(config: &str, layers: &[&str]) -> Value {
    let layer = |bytes: &&str| json!({ "mediaType": "application/vnd.oci.image.layer.v1.tar", "size": bytes.len(), "digest": sha256(bytes) });
    json!({
        "schemaVersion": 2,
        "mediaType": media_type::OCI_MANIFEST,
        "config": { "mediaType": media_type::IMAGE_CONFIGS[0], "size": config.len(), "digest": sha256(config) },
        "layers": layers.iter().map(layer).collect::<Vec<_>>(),
    })
}

/// Puts a manifest under a reference; the answer.
pub(crate) async fn put(pulp: &TestPulp, name: &str, reference: &str, manifest: &Value) -> Answer {
    let kind = manifest["mediaType"].as_str().unwrap_or(media_type::OCI_MANIFEST);
    let path = format!("/v2/{name}/manifests/{reference}");
    ask(pulp, "PUT", &path, manifest.to_string(), &[("Content-Type", kind)]).await
}

pub(crate) const CONFIG: &str = r#"{"architecture":"amd64","os":"linux","config":{"Labels":{"made-by":"hand"}}}"#;

/// Pushes an image with one layer under a tag; the manifest and its digest.
pub(crate) async fn push_image(pulp: &TestPulp, name: &str, tag: &str, layer: &str) -> (Value, String) {
    push_blob(pulp, name, CONFIG).await;
    push_blob(pulp, name, layer).await;
    let manifest = manifest(CONFIG, &[layer]);
    let answer = put(pulp, name, tag, &manifest).await.expect(201);
    let digest = sha256(manifest.to_string());
    assert_eq!(answer.header("docker-content-digest"), digest);
    (manifest, digest)
}

/// Expects a refusal with this status and code; what it says.
#[track_caller]
pub(crate) fn refused(answer: Answer, status: u16, code: &str) -> String {
    let answer = answer.expect(status);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("docker-distribution-api-version"), "registry/2.0");
    let errors = answer.body["errors"].as_array().unwrap_or_else(|| panic!("{}", answer.text()));
    assert_eq!(errors[0]["code"], code, "{}", answer.body);
    errors[0]["message"].as_str().unwrap().to_owned()
}

/// The number of the latest version of the only repository of a name.
async fn latest(pulp: &TestPulp, name: &str) -> i64 {
    let found = pulp.get(&format!("repositories/container/container/?name={name}")).await.results();
    let href = found[0]["latest_version_href"].as_str().unwrap();
    href.trim_end_matches('/').rsplit('/').next().unwrap().parse().unwrap()
}
