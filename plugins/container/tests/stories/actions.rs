//! What one does with images that are here: tag, untag, add, remove and copy.

use pulpcore::both_databases;
use serde_json::json;

use crate::common::{digests, held, href, latest, only, repository, set, synced, tags};
use crate::upstream::{Registry, digest, text};

both_databases!(a_tag_names_a_manifest_that_is_here, |pulp| {
    let registry = Registry::start().await;
    let (one, two) = (registry.image("one", "amd64"), registry.image("two", "amd64"));
    registry.tag("one", &one);
    registry.tag("two", &two);
    let repository = synced(pulp, &registry).await;

    let tag = json!({ "tag": "stable", "digest": one["digest"] });
    let task = pulp.post(&format!("{repository}tag/"), tag.clone()).await.accepted().await.completed();
    assert!(task.created_resources().iter().any(|made| made.contains("/content/container/tags/")));
    assert_eq!(latest(pulp, &repository).await, 2);
    pulp.post(&format!("{repository}tag/"), tag).await.accepted().await.completed();
    assert_eq!(latest(pulp, &repository).await, 2, "it is there already");

    let moved = json!({ "tag": "stable", "digest": two["digest"] });
    pulp.post(&format!("{repository}tag/"), moved).await.accepted().await.completed();
    let stable = only(pulp, &repository, "tags", "name", "stable").await;
    let tagged = pulp.get(&text(&stable, "tagged_manifest")).await.ok();
    assert_eq!(tagged["digest"], two["digest"]);

    pulp.post(&format!("{repository}untag/"), json!({ "tag": "stable" })).await.accepted().await.completed();
    assert_eq!(tags(pulp, &repository).await, set(&["one", "two"]));
    assert_eq!(held(pulp, &repository, "manifests").await.len(), 2);
});

both_databases!(what_cannot_be_tagged_or_untagged_is_said, |pulp| {
    let repository = repository(pulp, "r").await;
    let unknown = digest(b"unknown");
    let refused = pulp.post(&format!("{repository}tag/"), json!({ "tag": "a", "digest": unknown })).await.refused();
    let message = format!(
        "A manifest with the digest '{unknown}' does not exist in the latest repository version \
         '<Repository: r; Version: 0>'"
    );
    assert_eq!(refused, json!({ "non_field_errors": [message] }));
    let refused = pulp.post(&format!("{repository}untag/"), json!({ "tag": "a" })).await.refused();
    let message = "The tag 'a' does not exist in the latest repository version '<Repository: r; Version: 0>'";
    assert_eq!(refused, json!({ "non_field_errors": [message] }));
    let refused = pulp.post(&format!("{repository}tag/"), json!({ "tag": ".a", "digest": unknown })).await.refused();
    assert!(refused["tag"].is_array(), "{refused}");
});

both_databases!(what_a_unit_refers_to_is_added_with_it, |pulp| {
    let registry = Registry::start().await;
    registry.tag("latest", &registry.index("multi"));
    registry.tag("other", &registry.image("other", "amd64"));
    let source = synced(pulp, &registry).await;
    let target = repository(pulp, "target").await;
    let tag = href(&only(pulp, &source, "tags", "name", "latest").await);
    pulp.post(&format!("{target}add/"), json!({ "content_units": [tag] })).await.accepted().await.completed();
    assert_eq!(tags(pulp, &target).await, set(&["latest"]));
    assert_eq!(held(pulp, &target, "manifests").await.len(), 3);
    assert_eq!(held(pulp, &target, "blobs").await.len(), 5);

    let missing = tag.replace("/tags/", "/blobs/");
    let refused = pulp.post(&format!("{target}add/"), json!({ "content_units": [missing.replace('7', "8")] })).await;
    assert!(refused.refused()["content_units"].is_array());
});

both_databases!(what_only_a_removed_unit_referred_to_goes_with_it, |pulp| {
    let registry = Registry::start().await;
    let (index, image) = (registry.index("multi"), registry.image("single", "amd64"));
    registry.tag("latest", &index);
    registry.tag("same", &index);
    registry.tag("single", &image);
    let repository = synced(pulp, &registry).await;
    let remove = async |units: Vec<String>| {
        let body = json!({ "content_units": units });
        pulp.post(&format!("{repository}remove/"), body).await.accepted().await.completed();
    };
    let latest = href(&only(pulp, &repository, "tags", "name", "latest").await);
    remove(vec![latest]).await;
    assert_eq!(held(pulp, &repository, "manifests").await.len(), 4, "another tag needs the index");

    // A platform of an index that stays, and a layer of an image that stays, stay.
    let list = only(pulp, &repository, "manifests", "digest", &text(&index, "digest")).await;
    let platform = list["listed_manifests"][0].as_str().expect("an index has manifests").to_owned();
    remove(vec![platform]).await;
    assert_eq!(held(pulp, &repository, "manifests").await.len(), 4);

    let same = href(&only(pulp, &repository, "tags", "name", "same").await);
    remove(vec![same]).await;
    assert_eq!(digests(pulp, &repository, "manifests").await, set(&[&text(&image, "digest")]));
    assert_eq!(held(pulp, &repository, "blobs").await.len(), 3, "the shared layer is still needed");

    let refused = pulp.post(&format!("{repository}remove/"), json!({ "content_units": ["*", "x"] })).await.refused();
    assert!(refused["non_field_errors"].is_array(), "{refused}");
    remove(vec!["*".to_owned()]).await;
    for kind in ["tags", "manifests", "blobs"] {
        assert!(held(pulp, &repository, kind).await.is_empty(), "{kind}");
    }
});

both_databases!(tags_and_manifests_are_copied_between_repositories, |pulp| {
    let registry = Registry::start().await;
    let (index, image) = (registry.index("multi"), registry.image("single", "amd64"));
    registry.tag("latest", &index);
    registry.tag("single", &image);
    let source = synced(pulp, &registry).await;

    let by_name = repository(pulp, "by-name").await;
    let body = json!({ "source_repository": source, "names": ["single", "no-such-tag"] });
    pulp.post(&format!("{by_name}copy_tags/"), body).await.accepted().await.completed();
    assert_eq!(tags(pulp, &by_name).await, set(&["single"]));
    assert_eq!(held(pulp, &by_name, "blobs").await.len(), 3);

    let all = repository(pulp, "all").await;
    let body = json!({ "source_repository_version": format!("{source}versions/1/") });
    pulp.post(&format!("{all}copy_tags/"), body).await.accepted().await.completed();
    assert_eq!(tags(pulp, &all).await, set(&["latest", "single"]));

    let lists = repository(pulp, "lists").await;
    let body = json!({
        "source_repository": source,
        "media_types": ["application/vnd.oci.image.index.v1+json"],
    });
    pulp.post(&format!("{lists}copy_manifests/"), body).await.accepted().await.completed();
    assert!(tags(pulp, &lists).await.is_empty());
    assert_eq!(held(pulp, &lists, "manifests").await.len(), 3, "an index comes with its platforms");

    let one = repository(pulp, "one").await;
    let body = json!({ "source_repository": source, "digests": [image["digest"]] });
    pulp.post(&format!("{one}copy_manifests/"), body).await.accepted().await.completed();
    assert_eq!(digests(pulp, &one, "manifests").await, set(&[&text(&image, "digest")]));

    for wrong in
        [json!({}), json!({ "source_repository": source, "source_repository_version": format!("{source}versions/1/") })]
    {
        let refused = pulp.post(&format!("{one}copy_tags/"), wrong).await.refused();
        assert!(refused["non_field_errors"].is_array(), "{refused}");
    }
});

both_databases!(an_image_is_removed_by_its_digest_with_all_its_tags, |pulp| {
    let registry = Registry::start().await;
    let (one, two) = (registry.image("one", "amd64"), registry.image("two", "amd64"));
    registry.tag("1", &one);
    registry.tag("latest", &one);
    registry.tag("2", &two);
    let repository = synced(pulp, &registry).await;
    // A repository of images has no such action in Pulp; its typed task takes one all the same.
    let body = json!({ "repository": repository, "digest": one["digest"] });
    let task = pulp.post("tasks/container/image-removals/", body).await;
    task.accepted().await.completed();
    assert_eq!(tags(pulp, &repository).await, set(&["2"]));
    assert_eq!(digests(pulp, &repository, "manifests").await, set(&[&text(&two, "digest")]));
    assert_eq!(held(pulp, &repository, "blobs").await.len(), 3);
});

both_databases!(lists_of_images_are_filtered, |pulp| {
    let registry = Registry::start().await;
    let index = registry.index("multi");
    registry.tag("latest", &index);
    registry.tag("single", &registry.image("single", "amd64"));
    synced(pulp, &registry).await;
    for (path, count) in [
        ("manifests/?media_type=application/vnd.oci.image.index.v1%2Bjson", 1),
        ("manifests/?media_type=application/vnd.oci.image.manifest.v1%2Bjson", 3),
        ("manifests/?is_bootable=true", 0),
        ("tags/?name=latest", 1),
        ("tags/?name__in=latest,single,other", 2),
        ("tags/?media_type=application/vnd.oci.image.index.v1%2Bjson", 1),
    ] {
        assert_eq!(pulp.get(&format!("content/container/{path}")).await.ok()["count"], count, "{path}");
    }
    let digest = text(&index, "digest");
    for path in ["manifests/?digest=", "tags/?digest="] {
        assert_eq!(pulp.get(&format!("content/container/{path}{digest}")).await.ok()["count"], 1, "{path}");
    }
    pulp.get("content/container/manifests/?media_type=text/plain").await.refused();
});

both_databases!(every_list_is_ordered_as_its_description_says, |pulp| {
    let registry = Registry::start().await;
    registry.tag("latest", &registry.index("multi"));
    synced(pulp, &registry).await;
    let document = pulp.get("docs/api.json").await.ok();
    let mut lists = 0;
    for (path, item) in document["paths"].as_object().expect("a document has paths") {
        let parameters = item["get"]["parameters"].as_array().into_iter().flatten();
        let ordering = parameters.into_iter().find(|parameter| parameter["name"] == "ordering");
        let is_ours = path.contains("container") && !path.contains("/tasks/") && !path.contains('{');
        let Some(ordering) = ordering.filter(|_| is_ours) else { continue };
        lists += 1;
        for name in ordering["schema"]["items"]["enum"].as_array().expect("orders have names") {
            let name = name.as_str().expect("a name is a text");
            pulp.get(&format!("{path}?ordering={name}&fields=pulp_href")).await.ok();
        }
    }
    assert_eq!(lists, 11, "four of content, two of repositories, remotes, distributions each, one of namespaces");
});

both_databases!(what_pulp_does_and_this_server_does_not_is_said, |pulp| {
    let repository = repository(pulp, "r").await;
    for action in ["build_image", "sign"] {
        let said = pulp.post(&format!("{repository}{action}/"), json!({})).await.missing();
        assert!(said["detail"].as_str().unwrap().contains("no such operation"), "{action}: {said}");
    }
});
