//! The programs that people use, against the server as it is built: the original's `pulp` and its bindings, `curl`,
//! `skopeo`, `podman`, `oras`, `dnf`, `createrepo_c`.
//!
//! Each story is a shell script next to this file, so that it reads as what a user types. It runs in a folder of its own,
//! with a server of its own behind it and, for syncs, a remote. `cargo xtask test` installs the clients; by hand: what
//! `xtask/src/install.rs` names, into a virtual environment in `target/clients`.

#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "the parts that measure and follow tasks are for the other programs")]
mod support;

use std::path::{Path, PathBuf};
use std::process::Stdio;

use pulpcore::testkit::FixtureServer;
use tempfile::TempDir;
use tokio::process::Command;

use self::support::Server;

/// Names the virtual environment that holds `pulp`; `target/clients` unless it is set.
const CLIENTS: &str = "PULP_TEST_CLIENTS";

#[tokio::test]
async fn pulp_keeps_repositories_and_remotes() {
    with_pulp("repositories.sh").await;
}

#[tokio::test]
async fn pulp_uploads_content_and_moves_it_about() {
    with_pulp("content.sh").await;
}

#[tokio::test]
async fn pulp_syncs_publishes_and_distributes() {
    with_pulp("delivery.sh").await;
}

#[tokio::test]
async fn pulp_looks_after_the_server() {
    with_pulp("upkeep.sh").await;
}

#[tokio::test]
async fn curl_gets_parts_of_files_and_no_file_twice() {
    tell("curl.sh", "").await;
}

#[cfg(feature = "container")]
#[tokio::test]
async fn skopeo_pushes_copies_inspects_and_deletes_images() {
    tell("registry.sh", "").await;
}

#[cfg(feature = "container")]
#[tokio::test]
async fn podman_builds_pushes_and_pulls_images() {
    tell("podman.sh", "").await;
}

#[cfg(feature = "container")]
#[tokio::test]
async fn dockers_registry_is_mirrored_byte_for_byte() {
    tell("mirror.sh", "").await;
}

#[cfg(feature = "container")]
#[tokio::test]
async fn skopeo_signs_images_and_pulls_what_it_trusts() {
    tell("signatures.sh", "").await;
}

#[cfg(feature = "container")]
#[tokio::test]
async fn pulp_syncs_tags_copies_and_offers_images() {
    with_pulp("containers.sh").await;
}

#[cfg(feature = "container")]
#[tokio::test]
async fn the_bindings_and_oras_find_what_they_expect() {
    with_pulp("bindings.sh").await;
}

#[cfg(feature = "rpm-lite")]
#[tokio::test]
async fn dnf_searches_installs_and_mirrors_packages() {
    tell("dnf.sh", "").await;
}

#[cfg(all(feature = "rpm-lite", feature = "postgres"))]
#[tokio::test]
async fn dnf_finds_in_mirrors_of_a_thousand_packages_what_it_finds_upstream() {
    // Built by whichever comes first.
    let folder = TempDir::new().expect("a temporary folder");
    let shelf = [("SHELF", folder.path().to_str().expect("a temporary folder's path is UTF-8"))];
    tell_on("thousand.sh", "", &shelf, None).await;
    let database = pulpcore::testkit::Database::create().await;
    tell_on("thousand.sh", "", &shelf, Some(&database.url)).await;
}

#[cfg(feature = "rpm-lite")]
#[tokio::test]
async fn the_bindings_find_the_rpm_plugin_that_they_expect() {
    with_pulp("rpm_bindings.sh").await;
}

#[cfg(feature = "rpm-lite")]
#[tokio::test]
async fn dnf_takes_what_is_signed_and_nothing_else() {
    tell("signed.sh", "").await;
}

#[cfg(feature = "rpm-lite")]
#[tokio::test]
async fn pulp_uploads_mirrors_copies_and_prunes_packages() {
    with_pulp("packages.sh").await;
}

async fn with_pulp(story: &str) {
    let clients = std::env::var_os(CLIENTS)
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/clients"), PathBuf::from);
    let folder = clients.join("bin");
    assert!(
        folder.join("pulp").is_file(),
        "There is no `pulp` in {}: `cargo xtask test` installs it, or set {CLIENTS} to a virtual environment with what \
         xtask/src/install.rs names.",
        folder.display()
    );
    tell(story, folder.to_str().expect("the workspace's path is UTF-8")).await;
}

/// Runs a story with these programs before all others, on SQLite.
async fn tell(story: &str, programs: &str) {
    tell_on(story, programs, &[], None).await;
}

/// Runs a story with more in its environment, on SQLite or on the database at a URL. All that it wrote is shown if it fails.
async fn tell_on(story: &str, programs: &str, more: &[(&str, &str)], database: Option<&str>) {
    let room = TempDir::new().expect("a temporary folder");
    let program = Path::new(env!("CARGO_BIN_EXE_pulp-server"));
    let server = Server::start(program, room.path(), database).await.expect("the server starts");
    let url = format!("http://{}", server.address());

    let remote = FixtureServer::start().await;
    remote.generate("f{n}.txt", 3, 100);
    remote.manifest("PULP_MANIFEST");

    let (user, password) = Server::ADMIN;
    let config = room.path().join("pulp");
    std::fs::create_dir(&config).expect("a folder for the client's settings");
    let settings = format!("[cli]\nbase_url = \"{url}\"\nusername = \"{user}\"\npassword = \"{password}\"\n");
    std::fs::write(config.join("cli.toml"), settings).expect("the client's settings");

    let stories = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
    let path = std::env::var("PATH").unwrap_or_default();
    let told = Command::new("bash")
        .args(["-c", "exec 2>&1; . \"$0\"; set -v; . \"$1\""])
        .args([stories.join("words.sh"), stories.join(story)])
        .current_dir(room.path())
        .env_clear()
        .env("STORIES", &stories)
        .env("SERVER", program)
        .env("DATA", server.folder())
        .envs(more.iter().copied())
        .envs([("PATH", format!("{programs}:{path}")), ("URL", url), ("REMOTE", remote.url(""))])
        .envs([("LOGIN", format!("{user}:{password}")), ("LC_ALL", "C.UTF-8".to_owned())])
        .envs(["HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"].map(|name| (name, room.path())))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .expect("bash can be started");
    let text = String::from_utf8_lossy(&told.stdout);
    assert!(told.status.success(), "{story} ended with {}:\n{text}", told.status);
    assert!(text.trim_end().ends_with("the end"), "{story} did not reach its end:\n{text}");
    server.stop().await.expect("the server stops");
}
