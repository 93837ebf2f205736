//! Repositories, remotes, publications and distributions as clients see them, and what this server does not do.

use pulpcore::both_databases;
use serde_json::json;

use crate::common::{href, latest, remote, repository, synced};
use crate::upstream::Upstream;

both_databases!(a_repository_has_pulps_fields, |pulp| {
    let shown = pulp.get(&repository(pulp, "r", json!({})).await).await.ok();
    for (field, value) in [
        ("autopublish", json!(false)),
        ("metadata_signing_service", json!(null)),
        ("package_signing_service", json!(null)),
        ("package_signing_fingerprint", json!(null)),
        ("retain_package_versions", json!(0)),
        ("checksum_type", json!(null)),
        ("metadata_checksum_type", json!(null)),
        ("package_checksum_type", json!(null)),
        ("sqlite_metadata", json!(false)),
        ("repo_config", json!({})),
        ("compression_type", json!(null)),
        ("layout", json!(null)),
        ("osv_config", json!(null)),
    ] {
        assert_eq!(shown[field], value, "{field}");
    }
    assert!(shown.get("gpgcheck").is_none(), "as in Pulp it is described and not there");
    let more = json!({ "checksum_type": "sha512", "compression_type": "zstd", "layout": "flat", "repo_config": { "gpgcheck": 1 } });
    let shown = pulp.get(&repository(pulp, "s", more.clone()).await).await.ok();
    for (field, value) in more.as_object().expect("an object") {
        assert_eq!(shown[field], *value, "{field}");
    }
});

both_databases!(what_is_not_offered_is_refused_by_its_field, |pulp| {
    for (field, value) in [
        ("checksum_type", json!("md5")),
        ("checksum_type", json!("crc")),
        ("compression_type", json!("bz2")),
        ("retain_package_versions", json!(-1)),
        ("package_signing_fingerprint", json!("v4:00")),
        ("osv_config", json!([{ "name": "Rocky Linux", "releases": ["9"] }])),
        ("metadata_signing_service", json!("/pulp/api/v3/signing-services/0/")),
        ("package_signing_service", json!("/pulp/api/v3/signing-services/0/")),
        ("repo_config", json!({ "a": "b\nc" })),
    ] {
        let refused = pulp.post("repositories/rpm/rpm/", json!({ "name": "r", (field): value })).await.refused();
        assert!(refused[field].is_array(), "{field}: {refused}");
    }
});

both_databases!(a_publication_is_as_the_repository_says_unless_it_is_told_otherwise, |pulp| {
    let upstream = Upstream::with(&["bear-1.noarch"]).await;
    let (repository, _) = synced(pulp, &upstream).await;
    pulp.patch(&repository, json!({ "checksum_type": "sha384" })).await.accepted().await.completed();
    let publish = async |body: serde_json::Value| {
        let made = pulp.post("publications/rpm/rpm/", body).await.accepted().await.completed().created_resource();
        pulp.get(&made).await.ok()
    };
    let shown = publish(json!({ "repository": repository })).await;
    assert_eq!((&shown["checksum_type"], &shown["layout"]), (&json!("sha384"), &json!("nested_alphabetically")));
    assert_eq!((&shown["compression_type"], &shown["repo_config"]), (&json!(null), &json!({})));
    let version = latest(pulp, &repository).await;
    let shown = publish(json!({ "repository_version": version, "checksum_type": "sha256", "layout": "flat" })).await;
    assert_eq!((&shown["checksum_type"], &shown["layout"]), (&json!("sha256"), &json!("flat")));
    pulp.post("publications/rpm/rpm/", json!({ "repository": repository, "checksum_type": "md5" })).await.refused();
});

both_databases!(a_remote_and_a_distribution_have_pulps_fields, |pulp| {
    let upstream = Upstream::with(&["bear-1.noarch"]).await;
    let shown = pulp.get(&remote(pulp, &upstream, json!({ "sles_auth_token": "x" })).await).await.ok();
    assert_eq!((&shown["sles_auth_token"], &shown["policy"]), (&json!("x"), &json!("immediate")));
    let repository = repository(pulp, "r", json!({})).await;
    let body = json!({ "name": "d", "base_path": "d", "repository": repository, "generate_repo_config": true });
    let made = pulp.post("distributions/rpm/rpm/", body).await.accepted().await.completed().created_resource();
    let shown = pulp.get(&made).await.ok();
    assert_eq!((&shown["generate_repo_config"], &shown["checkpoint"]), (&json!(true), &json!(false)));
    assert!(shown.get("remote").is_none());
});

both_databases!(every_list_is_ordered_as_its_description_says, |pulp| {
    let upstream = Upstream::with(&["bear-1.noarch", "bear-10.noarch", "bear-9.noarch"]).await;
    synced(pulp, &upstream).await;
    let document = pulp.get("docs/api.json").await.ok();
    for (path, item) in document["paths"].as_object().expect("a document has paths") {
        let parameters = item["get"]["parameters"].as_array().into_iter().flatten();
        let ordering = parameters.into_iter().find(|parameter| parameter["name"] == "ordering");
        let is_ours = path.contains("/rpm/") && !path.contains("/tasks/") && !path.contains('{');
        let Some(ordering) = ordering.filter(|_| is_ours) else { continue };
        for name in ordering["schema"]["items"]["enum"].as_array().expect("orders have names") {
            let name = name.as_str().expect("a name is a text");
            pulp.get(&format!("{path}?ordering={name}&fields=pulp_href")).await.ok();
        }
    }
    let sorted = pulp.get("content/rpm/packages/?ordering=-evr&fields=version").await.results();
    let versions: Vec<_> = sorted.iter().map(|unit| unit["version"].as_str().unwrap_or_default()).collect();
    assert_eq!(versions, ["10", "9", "1"], "as rpm sorts them");
});

both_databases!(packages_are_found_by_what_is_known_of_them, |pulp| {
    let upstream = Upstream::with(&["bear-1.noarch", "cat-2.x86_64"]).await;
    synced(pulp, &upstream).await;
    let bear = pulp.get("content/rpm/packages/?name=bear").await.results().remove(0);
    let id = bear["pkgId"].as_str().expect("a digest");
    for (filter, count) in [
        ("name__startswith=b".to_owned(), 1),
        ("name__contains=a".to_owned(), 2),
        ("name__ne=bear".to_owned(), 1),
        ("arch__in=noarch,x86_64".to_owned(), 2),
        ("version=2".to_owned(), 1),
        ("checksum_type=sha256".to_owned(), 2),
        ("checksum_type__ne=sha256".to_owned(), 0),
        ("filename=bear-1-1.noarch.rpm".to_owned(), 1),
        (format!("pkgId={id}"), 1),
        (format!("sha256={id}"), 1),
        ("signing_key=v4:00".to_owned(), 0),
    ] {
        assert_eq!(pulp.get(&format!("content/rpm/packages/?{filter}")).await.ok()["count"], count, "{filter}");
    }
    pulp.get("content/rpm/packages/?checksum_type=crc").await.refused();
    pulp.get(&href(&bear)).await.ok();
});

both_databases!(a_file_that_is_no_package_is_refused_with_the_reason, |pulp| {
    let error = pulp.upload("content/rpm/packages/", "nonsense", &[]).await.accepted().await.failed();
    assert!(error.contains("RPM"), "{error}");
    pulp.upload("content/rpm/packages/upload/", "nonsense", &[]).await.refused();
});
