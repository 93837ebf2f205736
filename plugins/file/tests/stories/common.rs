//! What the file plugin's stories begin with.

use pulpcore::testkit::{Ended, FixtureServer, TestPulp};
use serde_json::{Value, json};

/// The href of an answer's object.
pub(crate) fn href(object: &Value) -> &str {
    object["pulp_href"].as_str().expect("an object has an href")
}

/// A remote server with three files and their manifest, below `small/`.
pub(crate) async fn three_files() -> FixtureServer {
    let files = FixtureServer::start().await;
    files.put("small/a.txt", "alpha");
    files.put("small/b.txt", "beta");
    files.put("small/dir/c.txt", "gamma");
    files.manifest("small/PULP_MANIFEST");
    files
}

/// A new repository.
pub(crate) async fn repository(pulp: &TestPulp, body: Value) -> String {
    let created = pulp.post("repositories/file/file/", body).await.created();
    href(&created).to_owned()
}

/// A new remote for a manifest.
pub(crate) async fn remote(pulp: &TestPulp, files: &FixtureServer, policy: &str) -> String {
    let body = json!({
        "name": format!("remote-{policy}"),
        "url": files.url("small/PULP_MANIFEST"),
        "policy": policy,
        "max_retries": 0,
        "sock_read_timeout": 0.5,
    });
    href(&pulp.post("remotes/file/file/", body).await.created()).to_owned()
}

/// A repository's sync with a remote, to its end.
pub(crate) async fn sync(pulp: &TestPulp, repository: &str, remote: &str) -> Ended {
    pulp.post(&format!("{repository}sync/"), json!({ "remote": remote })).await.accepted().await
}

/// The number of a repository's latest version.
pub(crate) async fn latest(pulp: &TestPulp, repository: &str) -> i64 {
    let versions = pulp.get(&format!("{repository}versions/")).await.results();
    versions[0]["number"].as_i64().expect("a version has a number")
}

/// The paths in a version, sorted.
pub(crate) async fn paths(pulp: &TestPulp, repository: &str, version: i64) -> Vec<String> {
    let list = format!("content/file/files/?repository_version={repository}versions/{version}/&ordering=relative_path");
    let units = pulp.get(&list).await.results();
    units.iter().map(|unit| unit["relative_path"].as_str().expect("a file has a path").to_owned()).collect()
}

/// Publishes a repository and distributes it under a path.
pub(crate) async fn distribute(pulp: &TestPulp, repository: &str, base_path: &str) -> String {
    let publication = pulp.post("publications/file/file/", json!({ "repository": repository })).await.accepted().await;
    let publication = publication.completed().created_resource();
    let body = json!({ "name": base_path, "base_path": base_path, "publication": publication });
    pulp.post("distributions/file/file/", body).await.accepted().await.completed();
    publication
}

/// The files of a folder, its subfolders included.
pub(crate) fn files_below(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files.extend(files_below(&entry.path())),
            _ => files.push(entry.path()),
        }
    }
    files
}
