//! Copies.

use pulp_rpm_lite::metadata::comps::{Comps, Group, GroupPackage};
use pulpcore::both_databases;
use pulpcore::testkit::{Ended, TestPulp};
use serde_json::{Value, json};

use crate::common::{held, href, latest, packages, repository, set, synced};
use crate::upstream::{Shelf, Upstream, parse, requiring};

pub(crate) async fn find(pulp: &TestPulp, name: &str, version: &str) -> String {
    href(&pulp.get(&format!("content/rpm/packages/?name={name}&version={version}")).await.results()[0])
}

pub(crate) async fn copy(pulp: &TestPulp, source: &str, destination: &str, content: Value, more: Value) -> Ended {
    let version = latest(pulp, source).await;
    let entry = match content {
        Value::Null => json!({ "source_repo_version": version, "dest_repo": destination }),
        content => json!({ "source_repo_version": version, "dest_repo": destination, "content": content }),
    };
    let mut body = json!({ "config": [entry] });
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    pulp.post("rpm/copy/", body).await.accepted().await.completed()
}

async fn zoo(pulp: &TestPulp) -> String {
    let upstream = Upstream::empty().await;
    let group = Group {
        id: "beasts".into(),
        name: "Beasts".into(),
        packages: vec![GroupPackage { name: "cat".into(), kind: 3, basearchonly: None, requires: None }],
        ..Group::default()
    };
    upstream.offer(&Shelf {
        packages: vec![
            requiring(parse("bear-1.noarch"), &["honey", "/usr/share/cave/1", "rpmlib(X)", "nobody has this"]),
            requiring(parse("honey-1.noarch"), &["bees"]),
            parse("honey-0.noarch"),
            parse("bees-1.noarch"),
            parse("bees-2.noarch"),
            parse("cave-1.noarch"),
            parse("cat-1.noarch"),
            parse("cat-2.noarch"),
        ],
        comps: Comps { groups: vec![group], ..Comps::default() },
        ..Shelf::default()
    });
    synced(pulp, &upstream).await.0
}

both_databases!(what_is_named_is_copied_alone_or_with_what_it_needs, |pulp| {
    let source = zoo(pulp).await;
    let bear = find(pulp, "bear", "1").await;
    let alone = repository(pulp, "alone", json!({})).await;
    copy(pulp, &source, &alone, json!([bear]), json!({ "dependency_solving": false })).await;
    assert_eq!(packages(pulp, &alone).await, set(&["bear-1.noarch"]));
    let whole = repository(pulp, "whole", json!({})).await;
    copy(pulp, &source, &whole, json!([bear]), json!({})).await;
    let all = set(&["bear-1.noarch", "honey-1.noarch", "bees-2.noarch", "cave-1.noarch"]);
    assert_eq!(packages(pulp, &whole).await, all);
});

both_databases!(what_the_destination_has_will_do_unless_an_upgrade_is_wanted, |pulp| {
    let source = zoo(pulp).await;
    let bear = find(pulp, "bear", "1").await;
    for (name, upgrade, bees) in
        [("kept", false, set(&["bees-1.noarch"])), ("upgraded", true, set(&["bees-1.noarch", "bees-2.noarch"]))]
    {
        let destination = repository(pulp, name, json!({})).await;
        let old = json!({ "add_content_units": [find(pulp, "bees", "1").await] });
        pulp.post(&format!("{destination}modify/"), old).await.accepted().await.completed();
        copy(pulp, &source, &destination, json!([bear]), json!({ "dependency_upgrade": upgrade })).await;
        let found = packages(pulp, &destination)
            .await
            .into_iter()
            .filter(|name| name.starts_with("bees"))
            .collect::<std::collections::BTreeSet<_>>();
        assert_eq!(found, bees, "{name}");
    }
});

both_databases!(a_group_brings_the_newest_of_its_packages, |pulp| {
    let source = zoo(pulp).await;
    let group = href(&held(pulp, &source, "packagegroups").await[0]);
    let destination = repository(pulp, "destination", json!({})).await;
    copy(pulp, &source, &destination, json!([group]), json!({ "dependency_solving": false })).await;
    assert_eq!(packages(pulp, &destination).await, set(&["cat-2.noarch"]));
    assert_eq!(held(pulp, &destination, "packagegroups").await.len(), 1);
});

both_databases!(everything_is_copied_if_nothing_is_named, |pulp| {
    let source = zoo(pulp).await;
    let destination = repository(pulp, "destination", json!({})).await;
    copy(pulp, &source, &destination, json!(null), json!({})).await;
    assert_eq!(packages(pulp, &destination).await.len(), 8);
});

both_databases!(what_makes_no_sense_is_not_copied, |pulp| {
    let (source, destination) = (repository(pulp, "a", json!({})).await, repository(pulp, "b", json!({})).await);
    let version = latest(pulp, &source).await;
    for config in [
        json!([]),
        json!("everything"),
        json!([{ "dest_repo": destination }]),
        json!([{ "source_repo_version": version, "dest_repo": destination, "criteria": {} }]),
        json!([{ "source_repo_version": version, "dest_repo": destination, "dest_base_version": 7 }]),
        json!([{ "source_repo_version": version, "dest_repo": destination, "content": ["nonsense"] }]),
    ] {
        let refused = pulp.post("rpm/copy/", json!({ "config": config })).await.refused();
        assert!(refused["config"].is_array(), "{config}: {refused}");
    }
});
