//! Remotes and distributions, as `pulp-cli` and scripts use them.

use pulpcore::both_databases;
use serde_json::json;

use crate::common::{href, repository};

both_databases!(a_distribution_is_a_name_in_the_registry, |pulp| {
    let repository = repository(pulp, "r").await;
    let body = json!({ "name": "d", "base_path": "team/app", "repository": repository });
    let task = pulp.post("distributions/container/container/", body).await.accepted().await.completed();
    let read = pulp.get(&task.created_resource()).await.ok();
    let host = pulp.origin().replace("http://", "");
    assert_eq!(read["registry_path"], format!("{host}/team/app"));
    assert_eq!((&read["private"], &read["description"], &read["remote"]), (&json!(false), &json!(null), &json!(null)));
    assert!(read["namespace"].as_str().unwrap().contains("/pulp_container/namespaces/"), "{read}");
    for gone in ["base_url", "publication", "checkpoint"] {
        assert!(read.get(gone).is_none(), "{gone}: {read}");
    }
    let change = json!({ "private": true, "description": "ours" });
    pulp.patch(&href(&read), change).await.accepted().await.completed();
    let changed = pulp.get(&href(&read)).await.ok();
    assert_eq!((&changed["private"], &changed["description"]), (&json!(true), &json!("ours")));
    assert_eq!(changed["namespace"], read["namespace"]);
    let found = pulp.get("distributions/container/container/?namespace__name=team").await.results();
    assert_eq!(found.len(), 1);
    assert_eq!(pulp.get("distributions/container/container/?namespace__name=other").await.ok()["count"], 0);
});

both_databases!(a_name_that_no_client_can_say_is_refused, |pulp| {
    for path in ["Team/App", "a..b", "-a", "a/_b", "a+b"] {
        let body = json!({ "name": "d", "base_path": path });
        let refused = pulp.post("distributions/container/container/", body).await.refused();
        assert_eq!(
            refused,
            json!({ "base_path": ["The provided base path contains forbidden characters."] }),
            "{path}"
        );
    }
    let body = json!({ "name": "d", "base_path": "a".repeat(256) });
    pulp.post("distributions/container/container/", body).await.refused();
});

both_databases!(fields_by_their_older_names_are_written_and_listed_as_hidden, |pulp| {
    let body = json!({ "name": "r", "url": "https://registry.example.test", "upstream_name": "a", "password": "p" });
    let remote = pulp.post("remotes/container/container/", body).await.created();
    let names =
        ["client_key", "proxy_username", "proxy_password", "username", "password", "include_tags", "exclude_tags"];
    let hidden = names.map(|name| json!({ "name": name, "is_set": name == "password" }));
    assert_eq!(remote["hidden_fields"], json!(hidden));
    assert_eq!((&remote["includes"], &remote["sigstore"]), (&json!(null), &json!(null)));

    // Beside what is given it is added; alone it replaces what was there; nothing changes nothing.
    for (change, includes) in [
        (json!({ "includes": ["a"], "include_tags": ["b"] }), json!(["a", "b"])),
        (json!({ "include_tags": ["c"] }), json!(["c"])),
        (json!({ "include_tags": [] }), json!(["c"])),
        (json!({ "include_tags": null, "exclude_tags": ["d"] }), json!(["c"])),
        (json!({ "includes": null }), json!(null)),
    ] {
        pulp.patch(&href(&remote), change.clone()).await.accepted().await.completed();
        let read = pulp.get(&href(&remote)).await.ok();
        assert_eq!(read["includes"], includes, "{change}");
        assert_eq!(read["hidden_fields"], remote["hidden_fields"]);
        assert!(read.get("include_tags").is_none(), "{read}");
    }
    assert_eq!(pulp.get(&href(&remote)).await.ok()["excludes"], json!(["d"]));
    let refused = pulp.patch(&href(&remote), json!({ "include_tags": [""] })).await.refused();
    assert!(refused["include_tags"].is_object() || refused["include_tags"].is_array(), "{refused}");
    let refused = pulp.patch(&href(&remote), json!({ "sigstore": "ftp://sigstore.example.test" })).await.refused();
    assert_eq!(refused, json!({ "sigstore": ["Enter a valid URL."] }));
});

both_databases!(pull_through_needs_a_remote_of_its_kind, |pulp| {
    let body = json!({ "name": "hub", "url": "https://registry.example.test" });
    let remote = pulp.post("remotes/container/pull-through/", body).await.created();
    assert_eq!(remote["policy"], "on_demand");
    let body = json!({ "name": "i", "url": "https://registry.example.test", "policy": "immediate" });
    let refused = pulp.post("remotes/container/pull-through/", body).await.refused();
    assert_eq!(refused, json!({ "policy": ["\"immediate\" is not a valid choice."] }));

    let refused = pulp.post("distributions/container/pull-through/", json!({ "name": "d", "base_path": "hub" })).await;
    assert_eq!(refused.refused(), json!({ "remote": ["This field is required."] }));
    let body = json!({ "name": "d", "base_path": "hub", "remote": remote["pulp_href"] });
    let task = pulp.post("distributions/container/pull-through/", body).await.accepted().await.completed();
    let read = pulp.get(&task.created_resource()).await.ok();
    assert_eq!((&read["remote"], &read["distributions"]), (&remote["pulp_href"], &json!([])));

    let body = json!({ "name": "c", "url": "https://registry.example.test", "upstream_name": "a" });
    let other = pulp.post("remotes/container/container/", body).await.created();
    let body = json!({ "name": "e", "base_path": "e", "remote": other["pulp_href"] });
    pulp.post("distributions/container/pull-through/", body).await.refused();
});

both_databases!(a_remote_names_a_repository_of_another_registry, |pulp| {
    let body = json!({ "name": "r", "url": "https://registry.example.test" });
    let refused = pulp.post("remotes/container/container/", body).await.refused();
    assert_eq!(refused, json!({ "upstream_name": ["This field is required."] }));
    let body = json!({
        "name": "r", "url": "https://registry.example.test", "upstream_name": "library/x", "include_tags": ["1.*"],
    });
    let remote = pulp.post("remotes/container/container/", body).await.created();
    assert_eq!(
        (&remote["policy"], &remote["includes"], &remote["excludes"]),
        (&json!("immediate"), &json!(["1.*"]), &json!(null))
    );
    assert!(remote.get("include_tags").is_none());
    let body = json!({ "sigstore": "ftp://example.test" });
    assert_eq!(pulp.patch(&href(&remote), body).await.refused(), json!({ "sigstore": ["Enter a valid URL."] }));
});

both_databases!(repositories_of_old_pushes_are_read_and_not_made, |pulp| {
    assert_eq!(pulp.get("repositories/container/container-push/").await.ok()["count"], 0);
    pulp.post("repositories/container/container-push/", json!({ "name": "r" })).await.expect(405);
    let repository = repository(pulp, "r").await;
    pulp.post(&format!("{repository}modify/"), json!({})).await.expect(404);
    let body = json!({ "manifest_signing_service": "/pulp/api/v3/signing-services/x/" });
    let refused = pulp.patch(&repository, body).await.refused();
    assert!(refused["manifest_signing_service"].is_array(), "{refused}");
});

both_databases!(namespaces_are_made_by_hand_or_by_the_paths_that_begin_with_them, |pulp| {
    let made = pulp.post("pulp_container/namespaces/", json!({ "name": "team" })).await.created();
    assert_eq!(made["pulp_labels"], json!({}));
    assert!(made["prn"].as_str().unwrap().starts_with("prn:container.containernamespace:"));
    assert_eq!(pulp.get(&href(&made)).await.ok(), made);
    let refused = pulp.post("pulp_container/namespaces/", json!({ "name": "team" })).await.refused();
    assert_eq!(refused, json!({ "name": ["This field must be unique."] }));
    pulp.post("pulp_container/namespaces/", json!({ "name": "A/b" })).await.refused();

    for (name, path) in [("one", "team/one"), ("two", "other/two")] {
        let body = json!({ "name": name, "base_path": path });
        pulp.post("distributions/container/container/", body).await.accepted().await.completed();
    }
    let names = pulp.get("pulp_container/namespaces/?ordering=name").await.results();
    assert_eq!(names.iter().map(|namespace| &namespace["name"]).collect::<Vec<_>>(), ["other", "team"]);
    let by_href = format!("pulp_container/namespaces/?pulp_href__in={}", href(&made));
    assert_eq!(pulp.get(&by_href).await.ok()["count"], 1);

    pulp.delete(&href(&made)).await.accepted().await.completed();
    pulp.get(&href(&made)).await.missing();
    let found = pulp.get("distributions/container/container/?name=one").await.results();
    assert_eq!(found[0]["namespace"], json!(null));
});
