//! What the container plugin's stories begin with.

use std::collections::BTreeSet;

use pulpcore::testkit::{Ended, TestPulp};
use serde_json::{Value, json};

use crate::upstream::{NAME, Registry, text};

/// The href of an answer's object.
pub(crate) fn href(object: &Value) -> String {
    text(object, "pulp_href")
}

/// A new repository.
pub(crate) async fn repository(pulp: &TestPulp, name: &str) -> String {
    href(&pulp.post("repositories/container/container/", json!({ "name": name })).await.created())
}

/// A new remote for a registry's repository, with some more fields.
pub(crate) async fn remote(pulp: &TestPulp, registry: &Registry, more: Value) -> String {
    let mut body = json!({ "name": "upstream", "url": registry.url(), "upstream_name": NAME, "max_retries": 0 });
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    href(&pulp.post("remotes/container/container/", body).await.created())
}

/// A repository's sync with a remote, to its end.
pub(crate) async fn sync(pulp: &TestPulp, repository: &str, remote: &str) -> Ended {
    pulp.post(&format!("{repository}sync/"), json!({ "remote": remote })).await.accepted().await
}

/// A repository that was synced from a registry.
pub(crate) async fn synced(pulp: &TestPulp, registry: &Registry) -> String {
    let repository = repository(pulp, "synced").await;
    let remote = remote(pulp, registry, json!({})).await;
    sync(pulp, &repository, &remote).await.completed();
    repository
}

/// The number of a repository's latest version.
pub(crate) async fn latest(pulp: &TestPulp, repository: &str) -> i64 {
    let versions = pulp.get(&format!("{repository}versions/")).await.results();
    versions[0]["number"].as_i64().expect("a version has a number")
}

/// The units of a kind in a repository's latest version.
pub(crate) async fn held(pulp: &TestPulp, repository: &str, kind: &str) -> Vec<Value> {
    let number = latest(pulp, repository).await;
    pulp.get(&format!("content/container/{kind}/?repository_version={repository}versions/{number}/")).await.results()
}

/// The digests of those.
pub(crate) async fn digests(pulp: &TestPulp, repository: &str, kind: &str) -> BTreeSet<String> {
    held(pulp, repository, kind).await.iter().map(|unit| text(unit, "digest")).collect()
}

/// The names of the tags in a repository's latest version.
pub(crate) async fn tags(pulp: &TestPulp, repository: &str) -> BTreeSet<String> {
    held(pulp, repository, "tags").await.iter().map(|tag| text(tag, "name")).collect()
}

/// A set of texts.
pub(crate) fn set(texts: &[&str]) -> BTreeSet<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// The only unit of a kind with a value in a field.
pub(crate) async fn only(pulp: &TestPulp, repository: &str, kind: &str, field: &str, value: &str) -> Value {
    let mut found = held(pulp, repository, kind).await;
    found.retain(|unit| unit[field] == value);
    assert_eq!(found.len(), 1, "{kind} with {field}={value}: {found:?}");
    found.remove(0)
}
