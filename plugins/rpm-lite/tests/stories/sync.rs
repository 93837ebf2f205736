//! Syncs of packages.

use std::collections::BTreeSet;

use pulp_rpm_lite::metadata::comps::Group;
use pulp_rpm_lite::metadata::updateinfo::Advisory;
use pulp_rpm_lite::package::{Changelog, File};
use pulp_rpm_lite::settings::RpmSettings;
use pulpcore::both_databases;
use pulpcore::testkit::Fault;
use serde_json::json;

use crate::common::{held, latest, packages, remote, repository, set, sync, synced, text};
use crate::upstream::{Shelf, Upstream, digest, parse};

both_databases!(a_sync_brings_the_packages_as_metadata_describes_them, |pulp| {
    let upstream = Upstream::with(&["bear-4.1.noarch", "cat-1.0.x86_64"]).await;
    let (repository, _) = synced(pulp, &upstream).await;
    assert_eq!(packages(pulp, &repository).await, set(&["bear-4.1.noarch", "cat-1.0.x86_64"]));
    let version = latest(pulp, &repository).await;
    let bears = pulp.get(&format!("content/rpm/packages/?repository_version={version}&name=bear")).await.results();
    let bear = &bears[0];
    assert_eq!(bear["provides"], json!([["bear", "EQ", "0", "4.1", "1", false]]));
    assert_eq!(bear["files"], json!([[null, "/usr/share/bear/", "4.1"]]));
    assert_eq!(bear["changelogs"], json!([]));
    assert_eq!(bear["location_href"], "bear-4.1-1.noarch.rpm");
    assert_eq!(bear["pkgId"], bear["sha256"], "its file is here");
    assert_eq!((&bear["is_modular"], &bear["signing_keys"]), (&json!(false), &json!(null)));
    assert_eq!(bear["rpm_sourcerpm"], "bear-4.1-1.src.rpm");
});

both_databases!(a_second_sync_of_the_same_does_nothing, |pulp| {
    let upstream = Upstream::with(&["bear-4.1.noarch"]).await;
    let (repository, remote) = synced(pulp, &upstream).await;
    upstream.files.reset_counts();
    let task = sync(pulp, &repository, &remote, json!({})).await.completed();
    assert_eq!(task.created_resources(), Vec::<String>::new());
    assert_eq!(upstream.files.requests().len(), 1, "only repomd.xml");
    upstream.files.reset_counts();
    sync(pulp, &repository, &remote, json!({ "optimize": false })).await.completed();
    assert_eq!(upstream.files.requests().len(), 4, "repomd.xml, primary, filelists and other");
});

both_databases!(what_the_remote_dropped_stays_unless_it_is_mirrored, |pulp| {
    let upstream = Upstream::with(&["bear-4.1.noarch", "cat-1.0.noarch"]).await;
    let (repository, remote) = synced(pulp, &upstream).await;
    upstream.offer(&Shelf { packages: vec![parse("bear-4.2.noarch")], ..Shelf::default() });
    sync(pulp, &repository, &remote, json!({})).await.completed();
    let all = set(&["bear-4.1.noarch", "bear-4.2.noarch", "cat-1.0.noarch"]);
    assert_eq!(packages(pulp, &repository).await, all);
    sync(pulp, &repository, &remote, json!({ "sync_policy": "mirror_content_only" })).await.completed();
    assert_eq!(packages(pulp, &repository).await, set(&["bear-4.2.noarch"]));
});

both_databases!(packages_are_left_until_somebody_asks_if_the_policy_says_so, |pulp| {
    let upstream = Upstream::with(&["bear-4.1.noarch"]).await;
    for policy in ["on_demand", "streamed"] {
        let repository = repository(pulp, policy, json!({})).await;
        let remote = remote(pulp, &upstream, json!({ "name": policy, "policy": policy })).await;
        sync(pulp, &repository, &remote, json!({})).await.completed();
        let bear = &held(pulp, &repository, "packages").await[0];
        assert_eq!((&bear["artifact"], &bear["sha256"]), (&json!(null), &json!(null)), "{policy}");
    }
    let eager = repository(pulp, "eager", json!({})).await;
    let remote = remote(pulp, &upstream, json!({ "name": "eager" })).await;
    sync(pulp, &eager, &remote, json!({})).await.completed();
    assert!(held(pulp, &eager, "packages").await[0]["artifact"].is_string());
});

both_databases!(sources_and_old_versions_are_left_out_if_the_repository_wants_none, |pulp| {
    let upstream = Upstream::with(&["bear-1.noarch", "bear-10.noarch", "bear-9.noarch", "bear-1.src"]).await;
    let repository = repository(pulp, "newest", json!({ "retain_package_versions": 2 })).await;
    let remote = remote(pulp, &upstream, json!({})).await;
    sync(pulp, &repository, &remote, json!({ "skip_types": ["srpm"] })).await.completed();
    assert_eq!(packages(pulp, &repository).await, set(&["bear-10.noarch", "bear-9.noarch"]));
    let body = json!({ "remote": remote, "sync_policy": "mirror_content_only" });
    let refused = pulp.post(&format!("{repository}sync/"), body).await.refused();
    assert!(refused.to_string().contains("retain_package_versions"), "{refused}");
});

both_databases!(a_list_of_mirrors_and_a_metalink_lead_to_the_repository, |pulp| {
    let upstream = Upstream::with(&["bear-4.1.noarch"]).await;
    let list = format!("# mirrors\n{}\n{}\n", upstream.files.url("nowhere/"), upstream.url());
    upstream.files.put("mirrorlist", list);
    let metalink = format!("<metalink><url protocol=\"http\">{}repodata/repomd.xml</url></metalink>", upstream.url());
    upstream.files.put("metalink", metalink);
    for list in ["mirrorlist", "metalink"] {
        let repository = repository(pulp, list, json!({})).await;
        let remote = remote(pulp, &upstream, json!({ "name": list, "url": upstream.files.url(list) })).await;
        sync(pulp, &repository, &remote, json!({})).await.completed();
        assert_eq!(packages(pulp, &repository).await, set(&["bear-4.1.noarch"]), "{list}");
    }
});

both_databases!(a_mirror_is_published_with_the_remotes_own_metadata, |pulp| {
    let upstream = Upstream::empty().await;
    upstream.offer(&Shelf {
        packages: vec![parse("bear-4.1.noarch")],
        others: vec![("productid", "a certificate")],
        ..Shelf::default()
    });
    let repository = repository(pulp, "mirror", json!({})).await;
    let remote = remote(pulp, &upstream, json!({})).await;
    let task = sync(pulp, &repository, &remote, json!({ "sync_policy": "mirror_complete" })).await.completed();
    assert_eq!(task.created_resources().len(), 2, "a version and a publication");
    let body = json!({ "name": "mirror", "base_path": "mirror", "repository": repository });
    pulp.post("distributions/rpm/rpm/", body).await.accepted().await.completed();
    let mut mirrored = 0;
    let asked: BTreeSet<String> = upstream.files.requests().into_iter().map(|request| request.path).collect();
    for path in asked {
        let Some(theirs) = upstream.files.sha256(&path) else { continue };
        let ours = pulp.content(&path.replace("zoo/", "mirror/")).await.expect(200);
        assert_eq!(digest(ours.text().as_bytes()), theirs, "{path}");
        mirrored += 1;
    }
    assert_eq!(mirrored, 6, "repomd.xml and its files, and the package");
    let publication = &pulp.get("publications/rpm/rpm/").await.results()[0];
    assert_eq!(publication["checksum_type"], "unknown");
    assert_eq!(text(&held(pulp, &repository, "repo_metadata_files").await[0], "data_type"), "productid");
});

both_databases!(a_file_that_is_not_what_metadata_promised_fails_the_sync, |pulp| {
    let upstream = Upstream::with(&["bear-4.1.noarch"]).await;
    upstream.files.put("zoo/Packages/bear-4.1-1.noarch.rpm", "the bytes of bear 4.0 noarch");
    let repository = repository(pulp, "r", json!({})).await;
    let remote = remote(pulp, &upstream, json!({})).await;
    let error = sync(pulp, &repository, &remote, json!({})).await.failed();
    assert!(error.contains("bear-4.1-1.noarch.rpm") && error.contains("sha256"), "{error}");
    upstream.files.fault("zoo/Packages/bear-4.1-1.noarch.rpm", Fault::Status(500));
    sync(pulp, &repository, &remote, json!({})).await.failed();
    assert!(latest(pulp, &repository).await.ends_with("/versions/0/"));
});

both_databases!(a_bomb_is_refused_with_the_bound_that_it_breaks, |pulp| {
    let bound = RpmSettings { max_decompressed_mb: 1, ..RpmSettings::default() };
    pulp.restart_with(|settings| settings.plugins.insert("rpm", bound).expect("a section")).await;
    let upstream = Upstream::empty().await;
    for kind in ["primary", "filelists", "other", "updateinfo", "group", "modules"] {
        let large = "large".repeat(400_000);
        let mut shelf = Shelf { packages: vec![parse("bear-4.1.noarch")], compressed: true, ..Shelf::default() };
        match kind {
            "primary" => shelf.packages[0].description = large,
            "filelists" => shelf.packages[0].files = vec![File::new(None, &format!("/{large}"))],
            "other" => shelf.packages[0].changelogs = vec![Changelog { text: large, ..Changelog::default() }],
            "updateinfo" => shelf.advisories = vec![Advisory { id: "A".into(), title: large, ..Advisory::default() }],
            "group" => shelf.comps.groups = vec![Group { id: "a".into(), name: large, ..Group::default() }],
            _ => shelf.modules = format!("---\ndocument: modulemd-packager\n# {large}\n...\n"),
        }
        upstream.offer(&shelf);
        let repository = repository(pulp, kind, json!({})).await;
        let remote = remote(pulp, &upstream, json!({ "name": kind })).await;
        let error = sync(pulp, &repository, &remote, json!({})).await.failed();
        assert!(error.contains("has more than 1048576 bytes when it is decompressed"), "{kind}: {error}");
        assert!(latest(pulp, &repository).await.ends_with("/versions/0/"), "{kind}");
    }
});

both_databases!(a_token_is_sent_with_each_request_and_told_to_nobody, |pulp| {
    let upstream = Upstream::with(&["bear-4.1.noarch"]).await;
    let eager = repository(pulp, "eager", json!({})).await;
    let remote = remote(pulp, &upstream, json!({ "sles_auth_token": "exp=1~hmac=secret" })).await;
    sync(pulp, &eager, &remote, json!({})).await.completed();
    let asked = upstream.files.requests();
    assert!(asked.iter().all(|request| request.query.as_deref() == Some("exp=1~hmac=secret")), "{asked:?}");
    upstream.offer(&Shelf { packages: vec![parse("cat-1.noarch")], ..Shelf::default() });
    upstream.files.fault("zoo/Packages/cat-1-1.noarch.rpm", Fault::Status(403));
    let error = sync(pulp, &eager, &remote, json!({})).await.failed();
    assert!(error.contains("cat-1-1.noarch.rpm") && error.contains("403") && !error.contains("secret"), "{error}");
    upstream.files.put("zoo/repodata/repomd.xml", "<repomd></repomd>");
    let error = sync(pulp, &eager, &remote, json!({})).await.failed();
    assert!(error.contains("repomd.xml") && !error.contains("secret"), "{error}");
    for list in ["tasks/", "repositories/rpm/rpm/", "content/rpm/packages/", "artifacts/"] {
        let shown = pulp.get(list).await.ok().to_string();
        assert!(!shown.contains("secret"), "{list}: {shown}");
    }
});

both_databases!(what_cannot_be_synced_is_said, |pulp| {
    let upstream = Upstream::empty().await;
    let repository = repository(pulp, "r", json!({})).await;
    let refused = pulp.post(&format!("{repository}sync/"), json!({})).await.refused();
    assert_eq!(refused["remote"][0], "This field is required since a remote is not set on the repository.");
    let remote = remote(pulp, &upstream, json!({})).await;
    let error = sync(pulp, &repository, &remote, json!({})).await.failed();
    assert!(error.contains("404"), "{error}");
    upstream.files.put("zoo/repodata/repomd.xml", "<repomd></repomd>");
    let error = sync(pulp, &repository, &remote, json!({})).await.failed();
    assert!(error.contains("primary"), "{error}");
    let both = json!({ "remote": remote, "mirror": true, "sync_policy": "additive" });
    pulp.post(&format!("{repository}sync/"), both).await.refused();
});

both_databases!(a_repository_that_changes_while_it_is_read_is_read_again, |pulp| {
    let upstream = Upstream::with(&["bear-4.1.noarch", "cat-1.0.noarch"]).await;
    let repository = repository(pulp, "r", json!({})).await;
    let remote = remote(pulp, &upstream, json!({})).await;
    // The first look at it is answered with what names files that are gone.
    for path in upstream.offer(&Shelf { packages: vec![parse("bear-4.1.noarch")], ..Shelf::default() }) {
        upstream.files.remove(&path);
    }
    upstream.files.put("before.xml", upstream.repomd());
    upstream.offer(&Shelf { packages: vec![parse("bear-4.2.noarch")], ..Shelf::default() });
    upstream.files.fault("zoo/repodata/repomd.xml", Fault::Redirect("/before.xml".to_owned()).times(1));
    sync(pulp, &repository, &remote, json!({})).await.completed();
    assert_eq!(packages(pulp, &repository).await, set(&["bear-4.2.noarch"]));
});
