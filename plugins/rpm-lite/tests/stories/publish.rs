//! Publishing, and what clients read of it.

use std::collections::BTreeMap;
use std::io::Read;

use pulp_rpm_lite::compression::{Limits, reader};
use pulp_rpm_lite::metadata::comps::{Comps, Environment, Group};
use pulp_rpm_lite::metadata::packages::Packages;
use pulp_rpm_lite::metadata::repomd::Repomd;
use pulp_rpm_lite::metadata::updateinfo::{Advisories, Advisory, Collection, CollectionPackage};
use pulp_rpm_lite::package::{Changelog, Package};
use pulpcore::both_databases;
use pulpcore::testkit::TestPulp;
use serde_json::{Value, json};

use crate::common::{remote, repository, sync, synced};
use crate::upstream::{Shelf, Upstream, package, requiring};

const MODULE: &str = "---\ndocument: modulemd\nversion: 2\ndata:\n  name: duck\n  stream: \"1.10\"\n  version: 1\n  \
                      context: c\n  arch: noarch\n  summary: Ducks\n  description: Ducks\n  license:\n    module: [MIT]\n  \
                      artifacts:\n    rpms:\n    - duck-0:1-1.noarch\n...";

/// A repository of everything.
fn zoo() -> Shelf {
    let mut wolf = requiring(package("wolf", "2", "noarch"), &["bear", "owl"]);
    wolf.changelogs = vec![Changelog { author: "Zdeněk <z@a>".into(), time: 5, text: "- fed & \"bred\"".into() }];
    let held = CollectionPackage { name: "bear".into(), version: "1".into(), ..CollectionPackage::default() };
    let collection = Collection { name: Some("zoo".into()), packages: vec![held], ..Collection::default() };
    let advisory = Advisory {
        id: "ZOO-1".into(),
        issued_date: "2024-01-01 00:00:00".into(),
        kind: "security".into(),
        collections: vec![collection],
        ..Advisory::default()
    };
    let group = Group { id: "animals".into(), name: "Animals".into(), ..Group::default() };
    let environment = Environment { id: "zoo".into(), name: "Zoo".into(), ..Environment::default() };
    Shelf {
        packages: vec![package("bear", "1", "noarch"), package("duck", "1", "noarch"), wolf],
        advisories: vec![advisory],
        comps: Comps { groups: vec![group], environments: vec![environment], ..Comps::default() },
        modules: format!("{MODULE}\n"),
        others: vec![("productid", "a certificate")],
        compressed: false,
    }
}

/// Publishes a repository and distributes it at `zoo`.
async fn publish(pulp: &TestPulp, repository: &str, more: Value) -> String {
    let mut body = json!({ "repository": repository });
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    let made = pulp.post("publications/rpm/rpm/", body).await.accepted().await.completed().created_resource();
    let old = pulp.get("distributions/rpm/rpm/?name=zoo").await.results();
    if let Some(old) = old.first() {
        pulp.delete(&crate::common::href(old)).await.accepted().await.completed();
    }
    let body = json!({ "name": "zoo", "base_path": "zoo", "publication": made, "generate_repo_config": true });
    pulp.post("distributions/rpm/rpm/", body).await.accepted().await.completed();
    made
}

async fn repomd(pulp: &TestPulp) -> Repomd {
    let answer = pulp.content("zoo/repodata/repomd.xml").await.expect(200);
    assert_eq!(answer.header("cache-control"), "no-cache");
    Repomd::read(answer.text().as_bytes()).expect("our own")
}

/// The bytes of a file of the metadata, decompressed; what `repomd.xml` says of it is true.
async fn opened(pulp: &TestPulp, repomd: &Repomd, kind: &str) -> Vec<u8> {
    let record = repomd.record(kind).unwrap_or_else(|| panic!("there is a record of {kind}"));
    let bytes = pulp.content(&format!("zoo/{}", record.location_href)).await.expect(200).bytes.to_vec();
    assert_eq!(record.size, Some(bytes.len() as u64));
    if record.checksum.kind == "sha256" {
        assert_eq!(record.checksum.digest, crate::upstream::digest(&bytes));
    }
    let mut text = Vec::new();
    reader(&bytes[..], Limits::default()).unwrap().read_to_end(&mut text).unwrap();
    assert!(record.open_size.is_none_or(|size| size == text.len() as u64));
    text
}

async fn packages(pulp: &TestPulp, repomd: &Repomd) -> Vec<Package> {
    let mut files = Vec::new();
    for kind in ["primary", "filelists", "other"] {
        files.push(opened(pulp, repomd, kind).await);
    }
    Packages::open(&files[0][..], Some(&files[1][..]), Some(&files[2][..])).unwrap().map(Result::unwrap).collect()
}

both_databases!(what_was_synced_is_published_with_every_field, |pulp| {
    let upstream = Upstream::empty().await;
    let shelf = zoo();
    upstream.offer(&shelf);
    let (repository, _) = synced(pulp, &upstream).await;
    for compression in ["gz", "zstd", "none"] {
        publish(pulp, &repository, json!({ "compression_type": compression })).await;
        let repomd = repomd(pulp).await;
        let read = packages(pulp, &repomd).await;
        let mut known = shelf.packages.clone();
        for package in &mut known {
            let file = package.location_href.rsplit('/').next().unwrap();
            package.location_href = format!("Packages/{}/{file}", &package.name[..1]);
        }
        assert_eq!(read, known, "{compression}");
        for package in &read {
            pulp.content(&format!("zoo/{}", package.location_href)).await.expect(200);
        }
        let advisories = opened(pulp, &repomd, "updateinfo").await;
        let advisories: Vec<_> = Advisories::open(&advisories[..]).unwrap().map(Result::unwrap).collect();
        assert_eq!(advisories, shelf.advisories);
        let comps = Comps::read(&opened(pulp, &repomd, "group").await[..]).unwrap();
        assert_eq!(comps, shelf.comps);
        assert_eq!(opened(pulp, &repomd, "modules").await, format!("{MODULE}\n").as_bytes());
        assert_eq!(opened(pulp, &repomd, "productid").await, b"a certificate");
        assert!(repomd.record("productid").unwrap().location_href.ends_with("-productid"));
    }
});

both_databases!(a_version_is_published_to_the_same_bytes_again, |pulp| {
    let upstream = Upstream::empty().await;
    upstream.offer(&zoo());
    let (repository, _) = synced(pulp, &upstream).await;
    publish(pulp, &repository, json!({})).await;
    let first = pulp.content("zoo/repodata/repomd.xml").await.expect(200).text().into_owned();
    publish(pulp, &repository, json!({})).await;
    assert_eq!(pulp.content("zoo/repodata/repomd.xml").await.expect(200).text(), first);
});

both_databases!(packages_stand_where_the_layout_says_and_by_the_checksum_that_was_asked_for, |pulp| {
    let upstream = Upstream::with(&["bear-1.noarch"]).await;
    let (repository, _) = synced(pulp, &upstream).await;
    for (layout, begin) in [
        ("flat", "Packages/bear-1-1.noarch.rpm"),
        ("nested_alphabetically", "Packages/b/bear-1-1.noarch.rpm"),
        ("nested_by_digest", "Packages/b/by-digest/"),
    ] {
        publish(pulp, &repository, json!({ "layout": layout, "checksum_type": "sha512" })).await;
        let repomd = repomd(pulp).await;
        assert_eq!(repomd.record("primary").unwrap().checksum.kind, "sha512");
        let packages = packages(pulp, &repomd).await;
        let [package] = &packages[..] else { panic!("one package") };
        assert!(package.location_href.starts_with(begin), "{}", package.location_href);
        assert_eq!((package.checksum_type.as_str(), package.pkg_id.len()), ("sha512", 128));
        pulp.content(&format!("zoo/{}", package.location_href)).await.expect(200);
    }
});

both_databases!(a_package_that_is_only_known_is_published_by_what_is_known_of_it, |pulp| {
    let upstream = Upstream::with(&["bear-1.noarch"]).await;
    let repository = repository(pulp, "synced", json!({})).await;
    let remote = remote(pulp, &upstream, json!({ "policy": "on_demand" })).await;
    sync(pulp, &repository, &remote, json!({})).await.completed();
    publish(pulp, &repository, json!({ "checksum_type": "sha512" })).await;
    let packages = packages(pulp, &repomd(pulp).await).await;
    assert_eq!(packages[0].checksum_type, "sha256");
    pulp.content(&format!("zoo/{}", packages[0].location_href)).await.expect(200);
});

both_databases!(an_empty_repository_is_published, |pulp| {
    let repository = repository(pulp, "empty", json!({})).await;
    publish(pulp, &repository, json!({})).await;
    let repomd = repomd(pulp).await;
    assert_eq!(repomd.revision.as_deref(), Some("0"));
    assert_eq!(repomd.records.len(), 3);
    assert!(packages(pulp, &repomd).await.is_empty());
});

both_databases!(a_distribution_tells_clients_how_to_use_it, |pulp| {
    let repository = repository(pulp, "r", json!({ "repo_config": { "gpgcheck": 1 } })).await;
    publish(pulp, &repository, json!({})).await;
    let answer = pulp.content("zoo/config.repo").await.expect(200);
    let settings: BTreeMap<String, String> = answer
        .text()
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    assert!(answer.text().starts_with("[zoo]\nname=zoo\n"));
    assert!(settings["baseurl"].ends_with("/zoo/"));
    assert_eq!((settings["gpgcheck"].as_str(), settings["enabled"].as_str()), ("1", "1"));
    let distribution = crate::common::href(&pulp.get("distributions/rpm/rpm/?name=zoo").await.results()[0]);
    pulp.patch(&distribution, json!({ "generate_repo_config": false })).await.accepted().await.completed();
    pulp.content("zoo/config.repo").await.expect(404);
});
