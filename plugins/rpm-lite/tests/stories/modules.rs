//! Modules and groups.

use pulp_rpm_lite::metadata::comps::{Category, Comps, Environment, Group, GroupId, GroupPackage};
use pulpcore::both_databases;
use serde_json::json;

use crate::common::{fields, held, href, packages, repository, set, sync, synced};
use crate::upstream::{Shelf, Upstream, parse};

const MODULES: &str = "---\ndocument: modulemd\nversion: 2\ndata:\n  name: zoo\n  stream: \"1.10\"\n  version: 20260101\n  \
                       context: deadbeef\n  arch: noarch\n  summary: A zoo\n  description: A zoo\n  license:\n    module: [MIT]\n  \
                       artifacts:\n    rpms:\n    - bear-0:1-1.noarch\n    - wolf-0:1-1.noarch\n...\n---\ndocument: \
                       modulemd-defaults\nversion: 1\ndata:\n  module: zoo\n  stream: \"1.10\"\n  profiles:\n    \"1.10\": [default]\n...\n";

fn shelf() -> Shelf {
    Shelf {
        packages: ["bear-1.noarch", "bear-2.noarch", "cat-1.noarch"].map(parse).to_vec(),
        modules: MODULES.to_owned(),
        ..Shelf::default()
    }
}

both_databases!(a_module_is_shown_with_the_packages_that_it_holds, |pulp| {
    let upstream = Upstream::empty().await;
    upstream.offer(&shelf());
    let (repository, _) = synced(pulp, &upstream).await;
    let module = &held(pulp, &repository, "modulemds").await[0];
    assert_eq!((&module["name"], &module["stream"]), (&json!("zoo"), &json!("1.10")));
    assert_eq!(module["artifacts"], json!(["bear-0:1-1.noarch", "wolf-0:1-1.noarch"]));
    let all = held(pulp, &repository, "packages").await;
    let modular: Vec<_> = all.iter().filter(|package| package["is_modular"] == true).collect();
    assert_eq!((modular.len(), &modular[0]["version"]), (1, &json!("1")));
    assert_eq!(module["packages"], json!([href(modular[0])]));
    let defaults = &held(pulp, &repository, "modulemd_defaults").await[0];
    assert_eq!(defaults["profiles"], json!({ "1.10": ["default"] }));
    for (filter, count) in [("name=zoo", 1), ("stream=1.1", 0), ("stream__in=1.10,2", 1), ("arch=noarch", 1)] {
        assert_eq!(pulp.get(&format!("content/rpm/modulemds/?{filter}")).await.ok()["count"], count, "{filter}");
    }
});

both_databases!(packages_of_a_module_come_and_go_with_it, |pulp| {
    let upstream = Upstream::empty().await;
    upstream.offer(&shelf());
    let (source, _) = synced(pulp, &upstream).await;
    let module = href(&held(pulp, &source, "modulemds").await[0]);
    let other = repository(pulp, "other", json!({})).await;
    let add = json!({ "add_content_units": [module] });
    pulp.post(&format!("{other}modify/"), add).await.accepted().await.completed();
    assert_eq!(packages(pulp, &other).await, set(&["bear-1.noarch"]));
    let remove = json!({ "remove_content_units": [module] });
    pulp.post(&format!("{other}modify/"), remove).await.accepted().await.completed();
    assert_eq!(packages(pulp, &other).await, set(&[]));
});

both_databases!(a_module_is_posted_without_a_file, |pulp| {
    let body = json!({
        "name": "zoo", "stream": "2", "version": "1", "context": "c", "arch": "noarch", "artifacts": [], "dependencies": [],
        "profiles": {}, "description": "A zoo", "snippet": "---\ndocument: modulemd\n...",
    });
    let created =
        pulp.post("content/rpm/modulemds/", body.clone()).await.accepted().await.completed().created_resource();
    let shown = pulp.get(&created).await.ok();
    assert_eq!((&shown["stream"], &shown["packages"]), (&json!("2"), &json!([])));
    assert!(shown.get("snippet").is_none() && shown.get("artifact").is_none(), "{shown}");
    let again = pulp.post("content/rpm/modulemds/", body).await.accepted().await.completed().created_resource();
    assert_eq!(again, created);
    let refused = pulp.post("content/rpm/modulemds/", json!({ "name": "zoo" })).await.refused();
    assert!(refused["snippet"].is_array(), "{refused}");
});

fn comps() -> Comps {
    let package = GroupPackage { name: "bear".to_owned(), kind: 3, basearchonly: None, requires: None };
    let group_ids = vec![GroupId { name: "beasts".to_owned(), default: false }];
    Comps {
        groups: vec![Group { id: "beasts".into(), name: "Beasts".into(), packages: vec![package], ..Group::default() }],
        categories: vec![Category {
            id: "all".into(),
            name: "All".into(),
            group_ids: group_ids.clone(),
            ..Category::default()
        }],
        environments: vec![Environment { id: "zoo".into(), name: "Zoo".into(), group_ids, ..Environment::default() }],
        langpacks: [("bear".to_owned(), "bear-%s".to_owned())].into(),
    }
}

both_databases!(groups_are_synced_and_replaced, |pulp| {
    let upstream = Upstream::empty().await;
    upstream.offer(&Shelf { comps: comps(), ..shelf() });
    let (repository, remote) = synced(pulp, &upstream).await;
    let group = &held(pulp, &repository, "packagegroups").await[0];
    assert_eq!((&group["id"], &group["user_visible"]), (&json!("beasts"), &json!(true)));
    assert_eq!(group["packages"][0]["name"], "bear");
    assert_eq!(held(pulp, &repository, "packagecategories").await[0]["group_ids"][0]["name"], "beasts");
    assert_eq!(held(pulp, &repository, "packageenvironments").await[0]["id"], "zoo");
    assert_eq!(held(pulp, &repository, "packagelangpacks").await[0]["matches"], json!({ "bear": "bear-%s" }));

    let mut changed = comps();
    changed.groups[0].name = "Animals".into();
    upstream.offer(&Shelf { comps: changed, ..shelf() });
    sync(pulp, &repository, &remote, json!({})).await.completed();
    assert_eq!(fields(pulp, &repository, "packagegroups", "name").await, set(&["Animals"]), "one group an id");
});

both_databases!(a_comps_file_is_uploaded, |pulp| {
    let repository = repository(pulp, "r", json!({})).await;
    let fields_of = [("repository", repository.as_str()), ("replace", "true")];
    let task = pulp.upload("rpm/comps/", comps().to_string(), &fields_of).await.accepted().await.completed();
    assert_eq!(task.created_resources().len(), 5, "a group, a category, an environment, language packs, a version");
    assert_eq!(fields(pulp, &repository, "packagegroups", "id").await, set(&["beasts"]));
    let mut other = Comps::default();
    other.groups.push(Group { id: "birds".into(), name: "Birds".into(), ..Group::default() });
    pulp.upload("rpm/comps/", other.to_string(), &fields_of).await.accepted().await.completed();
    assert_eq!(fields(pulp, &repository, "packagegroups", "id").await, set(&["birds"]));
    assert_eq!(held(pulp, &repository, "packageenvironments").await.len(), 0);
    let error = pulp.upload("rpm/comps/", "nonsense", &[]).await.accepted().await.failed();
    assert!(error.contains("comps") || error.contains("element"), "{error}");
});
