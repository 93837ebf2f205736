//! What the rpm plugin's stories begin with.

use std::collections::BTreeSet;

use pulpcore::testkit::{Ended, TestPulp};
use serde_json::{Value, json};

use crate::upstream::Upstream;

/// The text of a field.
pub(crate) fn text(object: &Value, field: &str) -> String {
    object[field].as_str().unwrap_or_else(|| panic!("{field} is a text: {object}")).to_owned()
}

/// The href of an answer's object.
pub(crate) fn href(object: &Value) -> String {
    text(object, "pulp_href")
}

/// A new repository, with some more fields.
pub(crate) async fn repository(pulp: &TestPulp, name: &str, more: Value) -> String {
    let mut body = json!({ "name": name });
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    href(&pulp.post("repositories/rpm/rpm/", body).await.created())
}

/// A new remote, with some more fields.
pub(crate) async fn remote(pulp: &TestPulp, upstream: &Upstream, more: Value) -> String {
    let mut body = json!({ "name": "upstream", "url": upstream.url(), "max_retries": 0 });
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    href(&pulp.post("remotes/rpm/rpm/", body).await.created())
}

/// A repository's sync with a remote, to its end.
pub(crate) async fn sync(pulp: &TestPulp, repository: &str, remote: &str, more: Value) -> Ended {
    let mut body = json!({ "remote": remote });
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    pulp.post(&format!("{repository}sync/"), body).await.accepted().await
}

/// A repository that was synced: itself and the remote.
pub(crate) async fn synced(pulp: &TestPulp, upstream: &Upstream) -> (String, String) {
    let repository = repository(pulp, "synced", json!({})).await;
    let remote = remote(pulp, upstream, json!({})).await;
    sync(pulp, &repository, &remote, json!({})).await.completed();
    (repository, remote)
}

/// The href of a repository's latest version.
pub(crate) async fn latest(pulp: &TestPulp, repository: &str) -> String {
    text(&pulp.get(repository).await.ok(), "latest_version_href")
}

/// The units of a kind in a repository's latest version.
pub(crate) async fn held(pulp: &TestPulp, repository: &str, kind: &str) -> Vec<Value> {
    let version = latest(pulp, repository).await;
    pulp.get(&format!("content/rpm/{kind}/?repository_version={version}&limit=1000")).await.results()
}

/// One field of those.
pub(crate) async fn fields(pulp: &TestPulp, repository: &str, kind: &str, field: &str) -> BTreeSet<String> {
    held(pulp, repository, kind).await.iter().map(|unit| text(unit, field)).collect()
}

/// `name-version.arch` of the packages in a repository's latest version.
pub(crate) async fn packages(pulp: &TestPulp, repository: &str) -> BTreeSet<String> {
    let name = |unit: &Value| format!("{}-{}.{}", text(unit, "name"), text(unit, "version"), text(unit, "arch"));
    held(pulp, repository, "packages").await.iter().map(name).collect()
}

/// A set of texts.
pub(crate) fn set(texts: &[&str]) -> BTreeSet<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}
