//! Metadata that is signed, and metadata that must be.

use std::fs::{File, Permissions};
use std::io::{BufRead, BufReader, Cursor};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use pulpcore::both_databases;
use pulpcore::signing::{self, Means, PublicKeys};
use pulpcore::testkit::{Ended, Fault, OpenPgpKey, TestPulp};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::{href, packages, remote, repository, set, sync, text};
use crate::upstream::{Shelf, Upstream, parse};

/// A key, and a folder for scripts and what they need.
struct Desk {
    folder: TempDir,
    key: OpenPgpKey,
}

impl Desk {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), key: OpenPgpKey::generate() }
    }

    fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// A service with this key, by the server itself.
    async fn own(&self, pulp: &TestPulp) -> String {
        self.service(pulp, &Means::SecretKey(self.put("secret.asc", &self.key.secret_key()))).await
    }

    /// A service by a script that signs a sample as it should, and then runs these lines.
    async fn script(&self, pulp: &TestPulp, lines: &str) -> String {
        self.put("sample.asc", &self.key.sign("arbitrary data"));
        let text = format!(
            "#!/bin/sh\nDESK={}\nsaid() {{ echo \"{{\\\"file\\\": \\\"$1\\\", \\\"signature\\\": \\\"$1.asc\\\"}}\"; }}\n\
             [ ${{1##*/}} = repomd.xml ] || {{ cp $DESK/sample.asc $1.asc; said $1; exit 0; }}\n{lines}\n",
            self.folder.path().display()
        );
        let script = self.put("sign.sh", &text);
        std::fs::set_permissions(&script, Permissions::from_mode(0o755)).unwrap();
        let public_key = self.put("public.asc", &self.key.public_key());
        self.service(pulp, &Means::Script { script, public_key }).await
    }

    async fn service(&self, pulp: &TestPulp, means: &Means) -> String {
        let limit = Duration::from_secs(60);
        signing::add(&pulp.app().db, "keeper", means, limit).await.expect("the service can sign");
        href(&pulp.get("signing-services/?name=keeper").await.results()[0])
    }
}

/// Publishes a repository: how the task ended.
async fn publish(pulp: &TestPulp, repository: &str) -> Ended {
    pulp.post("publications/rpm/rpm/", json!({ "repository": repository })).await.accepted().await
}

async fn distribute(pulp: &TestPulp, repository: &str) {
    let body = json!({ "name": "zoo", "base_path": "zoo", "repository": repository, "generate_repo_config": true });
    pulp.post("distributions/rpm/rpm/", body).await.accepted().await.completed();
}

/// A file below `repodata/` of what is distributed.
async fn served(pulp: &TestPulp, name: &str) -> String {
    let answer = pulp.content(&format!("zoo/repodata/{name}")).await.expect(200);
    assert_eq!(answer.header("cache-control"), "no-cache", "{name}");
    answer.text().into_owned()
}

/// Checks that what is served is proven by the key that is served with it.
async fn is_proven(pulp: &TestPulp, desk: &Desk) {
    let (repomd, signature) = (served(pulp, "repomd.xml").await, served(pulp, "repomd.xml.asc").await);
    assert_eq!(served(pulp, "repomd.xml.key").await, desk.key.public_key());
    PublicKeys::parse(&desk.key.public_key()).unwrap().verify(signature.as_bytes(), Cursor::new(repomd)).unwrap();
}

both_databases!(the_server_signs_what_a_repository_publishes, |pulp| {
    let (desk, upstream) = (Desk::new(), Upstream::with(&["bear-4.1.noarch"]).await);
    let service = desk.own(pulp).await;
    let shown = pulp.get(&service).await.ok();
    assert_eq!(shown["pubkey_fingerprint"], desk.key.fingerprint());
    assert_eq!((&shown["public_key"], &shown["script"]), (&json!(desk.key.public_key()), &json!("")));
    let fields = json!({ "metadata_signing_service": service, "autopublish": true });
    let repository = repository(pulp, "signed", fields).await;
    assert_eq!(pulp.get(&repository).await.ok()["metadata_signing_service"], json!(service));
    let remote = remote(pulp, &upstream, json!({})).await;
    sync(pulp, &repository, &remote, json!({})).await.completed();
    distribute(pulp, &repository).await;
    is_proven(pulp, &desk).await;
    let config = pulp.content("zoo/config.repo").await.expect(200).text().into_owned();
    assert!(config.contains("repo_gpgcheck=1\n"), "{config}");
    let key = format!("gpgkey={}\n", pulp.url("/pulp/content/zoo/repodata/repomd.xml.key"));
    assert!(config.ends_with(&key), "{config} ends with {key}");

    let used = signing::remove(&pulp.app().db, "keeper").await.unwrap_err().to_string();
    assert!(used.starts_with("the signing service 'keeper' is in use"), "{used}");
    pulp.patch(&repository, json!({ "metadata_signing_service": null })).await.accepted().await.completed();
    assert_eq!(pulp.get(&repository).await.ok()["metadata_signing_service"], Value::Null);
    signing::remove(&pulp.app().db, "keeper").await.unwrap();
    // Or the files of the publication before would be found for a while.
    pulp.restart_with(|settings| settings.distributed_publication_retention_period = 0).await;
    publish(pulp, &repository).await.completed();
    pulp.content("zoo/repodata/repomd.xml.asc").await.expect(404);
    assert!(
        pulp.content("zoo/config.repo").await.expect(200).text().ends_with("repo_gpgcheck=0\ngpgcheck=0\nenabled=1\n")
    );
});

both_databases!(a_script_signs_what_a_repository_publishes, |pulp| {
    let desk = Desk::new();
    let repository = repository(pulp, "signed", json!({})).await;
    publish(pulp, &repository).await.completed();
    distribute(pulp, &repository).await;
    pulp.content("zoo/repodata/repomd.xml.asc").await.expect(404);
    // A version is published to the same bytes again, so its signature can be made before.
    desk.put("repomd.xml.asc", &desk.key.sign(served(pulp, "repomd.xml").await));
    let service = desk.script(pulp, "cp $DESK/repomd.xml.asc $1.asc; said $1").await;
    pulp.patch(&repository, json!({ "metadata_signing_service": service })).await.accepted().await.completed();
    publish(pulp, &repository).await.completed();
    is_proven(pulp, &desk).await;
});

both_databases!(a_script_that_fails_or_lies_fails_the_publication, |pulp| {
    let desk = Desk::new();
    for (lines, reason) in [
        ("echo 'The card is gone.' >&2; exit 1", "its script failed with exit status: 1: The card is gone."),
        ("cp $DESK/sample.asc $1.asc; said $1", "the signature does not fit"),
        ("said $1", "left no signature"),
        ("echo hello", "its script did not say, in JSON"),
    ] {
        let service = desk.script(pulp, lines).await;
        let name = format!("signed {}", lines.len());
        let repository = repository(pulp, &name, json!({ "metadata_signing_service": service })).await;
        let failure = publish(pulp, &repository).await.failed();
        assert!(failure.contains("The signing service 'keeper' cannot be used: "), "{failure}");
        assert!(failure.contains(reason), "{lines}: {failure}");
        assert_eq!(pulp.get("publications/rpm/rpm/").await.results(), Vec::<Value>::new());
        pulp.delete(&repository).await.accepted().await.completed();
        signing::remove(&pulp.app().db, "keeper").await.unwrap();
    }
});

both_databases!(a_script_that_hangs_is_ended, |pulp| {
    let desk = Desk::new();
    let service = desk.script(pulp, "sleep 3600 & wait").await;
    pulp.restart_with(|settings| settings.signing_timeout = 1).await;
    let repository = repository(pulp, "signed", json!({ "metadata_signing_service": service })).await;
    let failure = publish(pulp, &repository).await.failed();
    assert!(failure.contains("its script did not end within 1 seconds"), "{failure}");
});

both_databases!(a_script_and_all_that_it_started_die_with_their_task, |pulp| {
    let desk = Desk::new();
    let pipe = desk.folder.path().join("alive");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // Both the script and what it waits for hold the pipe open.
    let service = desk.script(pulp, "exec 3> $DESK/alive; echo signing >&3; sleep 3600; true").await;
    let repository = repository(pulp, "signed", json!({ "metadata_signing_service": service })).await;
    let (begins, began) = tokio::sync::oneshot::channel();
    let dies = tokio::task::spawn_blocking(move || {
        let mut lines = BufReader::new(File::open(pipe).unwrap()).lines();
        begins.send(lines.next().unwrap().unwrap()).unwrap();
        lines.count()
    });
    let accepted = pulp.post("publications/rpm/rpm/", json!({ "repository": repository })).await;
    assert_eq!(began.await.unwrap(), "signing");
    let task = text(&accepted.body, "task");
    pulp.patch(&task, json!({ "state": "canceled" })).await.ok();
    accepted.accepted().await.canceled();
    assert_eq!(dies.await.unwrap(), 0, "it said no more, and is gone");
});

both_databases!(a_service_that_is_not_there_cannot_be_named, |pulp| {
    let desk = Desk::new();
    let service = desk.own(pulp).await;
    signing::remove(&pulp.app().db, "keeper").await.unwrap();
    pulp.get(&service).await.missing();
    let own = repository(pulp, "own", json!({})).await;
    for (name, reason) in [(service.as_str(), "does not exist"), (own.as_str(), "URL match"), ("keeper", "URL match")] {
        let body = json!({ "name": "signed", "metadata_signing_service": name });
        let refused = pulp.post("repositories/rpm/rpm/", body).await.refused();
        assert!(refused["metadata_signing_service"].to_string().contains(reason), "{name}: {refused}");
        let refused = pulp.patch(&own, json!({ "metadata_signing_service": name })).await.refused();
        assert!(refused["metadata_signing_service"].to_string().contains(reason), "{name}: {refused}");
    }
});

/// Signs what an upstream offers, and puts the signature beside it.
fn sign(upstream: &Upstream, key: &OpenPgpKey) {
    upstream.files.put("zoo/repodata/repomd.xml.asc", key.sign(upstream.repomd()));
}

both_databases!(metadata_is_taken_only_if_the_remotes_key_has_signed_it, |pulp| {
    let (key, other) = (OpenPgpKey::generate(), OpenPgpKey::generate());
    let upstream = Upstream::with(&["bear-4.1.noarch"]).await;
    let repository = repository(pulp, "checked", json!({})).await;
    let keys = format!("{}{}", OpenPgpKey::generate().public_key(), key.public_key());
    let remote = remote(pulp, &upstream, json!({ "metadata_public_key": keys })).await;
    let url = format!("{}repodata/repomd.xml.asc", upstream.url());
    let missing = sync(pulp, &repository, &remote, json!({})).await.failed();
    assert!(missing.contains(&url) && missing.contains("there is no signature of the metadata"), "{missing}");
    sign(&upstream, &other);
    let forged = sync(pulp, &repository, &remote, json!({})).await.failed();
    assert!(forged.contains(&url) && forged.contains("the signature was made by another key"), "{forged}");
    upstream.files.put("zoo/repodata/repomd.xml.asc", key.sign("something else"));
    let wrong = sync(pulp, &repository, &remote, json!({})).await.failed();
    assert!(wrong.contains(&url) && wrong.contains("the signature does not fit"), "{wrong}");
    assert_eq!(packages(pulp, &repository).await, set(&[]));
    sign(&upstream, &key);
    sync(pulp, &repository, &remote, json!({})).await.completed();
    assert_eq!(packages(pulp, &repository).await, set(&["bear-4.1.noarch"]));
    // A sync that would find nothing new looks as well.
    upstream.files.fault("zoo/repodata/repomd.xml.asc", Fault::Status(404));
    sync(pulp, &repository, &remote, json!({})).await.failed();
});

both_databases!(a_key_that_is_none_is_refused, |pulp| {
    let upstream = Upstream::empty().await;
    for (text, reason) in
        [("a key", "no OpenPGP public key"), (&OpenPgpKey::generate().secret_key(), "a secret key is in it")]
    {
        let body = json!({ "name": "checked", "url": upstream.url(), "metadata_public_key": text });
        let refused = pulp.post("remotes/rpm/rpm/", body).await.refused();
        assert!(refused["metadata_public_key"].to_string().contains(reason), "{refused}");
        assert!(!refused.to_string().contains("PRIVATE"), "it is not told back");
    }
});

both_databases!(a_mirror_passes_on_the_signature_and_its_key_to_the_byte, |pulp| {
    let key = OpenPgpKey::generate();
    let upstream = Upstream::empty().await;
    upstream.offer(&Shelf { packages: vec![parse("bear-4.1.noarch")], ..Shelf::default() });
    sign(&upstream, &key);
    upstream.files.put("zoo/repodata/repomd.xml.key", key.public_key());
    let config = json!({ "repo_config": { "repo_gpgcheck": 1 } });
    let repository = repository(pulp, "mirror", config).await;
    distribute(pulp, &repository).await;
    for keys in [json!(null), json!(key.public_key())] {
        let name = format!("checks {}", keys.is_string());
        let remote = remote(pulp, &upstream, json!({ "name": name, "metadata_public_key": keys })).await;
        let policy = json!({ "sync_policy": "mirror_complete", "optimize": false });
        sync(pulp, &repository, &remote, policy).await.completed();
        for name in ["repomd.xml", "repomd.xml.asc", "repomd.xml.key"] {
            let theirs = upstream.files.sha256(&format!("zoo/repodata/{name}"));
            assert_eq!(Some(crate::upstream::digest(served(pulp, name).await.as_bytes())), theirs, "{name}");
        }
        let config = pulp.content("zoo/config.repo").await.expect(200).text().into_owned();
        assert!(config.contains("repo_gpgcheck=1\n") && config.contains("/zoo/repodata/repomd.xml.key\n"), "{config}");
    }
});
