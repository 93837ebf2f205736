//! Advisories: synced, uploaded, and what becomes of two with one name.

use pulp_rpm_lite::metadata::updateinfo::{Advisory, Collection, CollectionPackage, Reference};
use pulpcore::both_databases;
use serde_json::json;

use crate::common::{fields, held, latest, remote, repository, set, sync, synced};
use crate::upstream::{Shelf, Upstream, parse};

fn advisory(id: &str, date: &str, packages: &[&str]) -> Advisory {
    let package = |name: &&str| CollectionPackage {
        name: (*name).to_owned(),
        epoch: "0".to_owned(),
        version: "1".to_owned(),
        release: "1".to_owned(),
        arch: "noarch".to_owned(),
        filename: format!("{name}-1-1.noarch.rpm"),
        ..CollectionPackage::default()
    };
    Advisory {
        id: id.to_owned(),
        updated_date: Some(date.to_owned()),
        issued_date: "2026-01-01 00:00:00".to_owned(),
        kind: "security".to_owned(),
        severity: "Important".to_owned(),
        status: "final".to_owned(),
        collections: vec![Collection {
            name: Some("zoo".to_owned()),
            shortname: Some("z".to_owned()),
            packages: packages.iter().map(package).collect(),
            ..Collection::default()
        }],
        references: vec![Reference {
            href: "https://example.test/1".to_owned(),
            id: Some("CVE-2026-1".to_owned()),
            title: Some("One".to_owned()),
            kind: Some("cve".to_owned()),
        }],
        ..Advisory::default()
    }
}

fn shelf(advisories: Vec<Advisory>) -> Shelf {
    Shelf { packages: vec![parse("bear-1.noarch")], advisories, ..Shelf::default() }
}

both_databases!(an_advisory_is_shown_with_its_packages_and_references, |pulp| {
    let upstream = Upstream::empty().await;
    upstream.offer(&shelf(vec![advisory("ZOO-1", "2026-01-02 00:00:00", &["bear"])]));
    let (repository, _) = synced(pulp, &upstream).await;
    let shown = &held(pulp, &repository, "advisories").await[0];
    assert_eq!(
        (&shown["id"], &shown["type"], &shown["severity"]),
        (&json!("ZOO-1"), &json!("security"), &json!("Important"))
    );
    let collection = &shown["pkglist"][0];
    assert_eq!(
        (&collection["name"], &collection["shortname"], &collection["module"]),
        (&json!("zoo"), &json!("z"), &json!(null))
    );
    assert_eq!(collection["packages"][0]["filename"], "bear-1-1.noarch.rpm");
    let reference = json!({ "href": "https://example.test/1", "id": "CVE-2026-1", "title": "One", "type": "cve" });
    assert_eq!(shown["references"], json!([reference]));
    for (filter, count) in
        [("id=ZOO-1", 1), ("id__in=ZOO-1,ZOO-2", 1), ("severity=Low", 0), ("type__ne=security", 0), ("status=final", 1)]
    {
        assert_eq!(pulp.get(&format!("content/rpm/advisories/?{filter}")).await.ok()["count"], count, "{filter}");
    }
});

both_databases!(the_newer_of_two_advisories_stays, |pulp| {
    let upstream = Upstream::empty().await;
    upstream.offer(&shelf(vec![advisory("ZOO-1", "2026-01-02 00:00:00", &["bear"])]));
    let (repository, remote) = synced(pulp, &upstream).await;
    for (date, stays) in
        [("2026-01-05 00:00:00", "2026-01-05 00:00:00"), ("2026-01-03 00:00:00", "2026-01-05 00:00:00")]
    {
        upstream.offer(&shelf(vec![advisory("ZOO-1", date, &["bear"])]));
        sync(pulp, &repository, &remote, json!({})).await.completed();
        assert_eq!(fields(pulp, &repository, "advisories", "updated_date").await, set(&[stays]));
    }
});

both_databases!(an_advisory_of_two_repositories_has_the_packages_of_both, |pulp| {
    let (base, debug) = (Upstream::empty().await, Upstream::empty().await);
    base.offer(&shelf(vec![advisory("ZOO-1", "2026-01-02 00:00:00", &["bear"])]));
    debug.offer(&shelf(vec![advisory("ZOO-1", "2026-01-02 00:00:00", &["bear-debuginfo"])]));
    let (repository, _) = synced(pulp, &base).await;
    let other = remote(pulp, &debug, json!({ "name": "debug" })).await;
    sync(pulp, &repository, &other, json!({})).await.completed();
    let found = held(pulp, &repository, "advisories").await;
    assert_eq!(found.len(), 1);
    let names: Vec<_> = found[0]["pkglist"].as_array().into_iter().flatten().map(|one| one["name"].clone()).collect();
    assert_eq!(names, [json!("zoo"), json!("zoo_0")]);
});

both_databases!(advisories_that_contradict_each_other_are_refused, |pulp| {
    let upstream = Upstream::empty().await;
    upstream.offer(&shelf(vec![advisory("ZOO-1", "2026-01-02 00:00:00", &["bear"])]));
    let (repository, remote) = synced(pulp, &upstream).await;
    let before = latest(pulp, &repository).await;
    upstream.offer(&shelf(vec![advisory("ZOO-1", "2026-02-02 00:00:00", &["cat"])]));
    let error = sync(pulp, &repository, &remote, json!({})).await.failed();
    assert!(error.contains("ZOO-1") && error.contains("incompatible"), "{error}");
    assert_eq!(latest(pulp, &repository).await, before);
});

both_databases!(a_file_that_is_no_advisory_is_refused_with_the_reason, |pulp| {
    for (file, reason) in [("nonsense", "JSON"), ("{\"id\": \"A\"}", "must be specified")] {
        let error = pulp.upload("content/rpm/advisories/", file, &[]).await.accepted().await.failed();
        assert!(error.contains(reason), "{file}: {error}");
    }
    let repository = repository(pulp, "r", json!({})).await;
    let file = r#"{"id": "ZOO-9", "updated": "2026-01-02", "issued": "2026-01-01", "pkglist": []}"#;
    let task =
        pulp.upload("content/rpm/advisories/", file, &[("repository", repository.as_str())]).await.accepted().await;
    assert_eq!(task.completed().created_resources().len(), 2, "an advisory and a version");
    assert_eq!(fields(pulp, &repository, "advisories", "id").await, set(&["ZOO-9"]));
});
