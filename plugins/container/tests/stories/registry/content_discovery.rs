//! "Content Discovery" (end-8a, end-8b, end-12a, end-12b), and the list of repositories.

use pulp_container::manifest::media_type;
use pulpcore::both_databases;
use serde_json::{Value, json};

use super::{CONFIG, anonymous, get, manifest, push_blob, push_image, put, refused, sha256};

both_databases!(end_8_tags_are_listed_in_the_order_of_their_bytes_page_by_page, |pulp| {
    push_blob(pulp, "a/b", CONFIG).await;
    let image = manifest(CONFIG, &[]);
    let digest = sha256(image.to_string());
    put(pulp, "a/b", &format!("{digest}?tag=b&tag=B&tag=_&tag=a&tag=1.10&tag=1.9"), &image).await.expect(201);
    let all = json!(["1.10", "1.9", "B", "_", "a", "b"]);
    let answer = get(pulp, "/v2/a/b/tags/list").await.expect(200);
    assert_eq!((&answer.body, answer.header("link")), (&json!({ "name": "a/b", "tags": all }), ""));

    let mut next = "/v2/a/b/tags/list?n=4".to_owned();
    let mut seen = Vec::new();
    for expected in [4, 2] {
        let answer = get(pulp, &next).await.expect(200);
        let tags = answer.body["tags"].as_array().unwrap();
        assert_eq!(tags.len(), expected);
        seen.extend(tags.clone());
        let link = answer.header("link");
        next =
            link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\"")).unwrap_or_default().to_owned();
    }
    assert_eq!((Value::from(seen), next.as_str()), (all, ""));
    assert_eq!(get(pulp, "/v2/a/b/tags/list?last=_").await.ok()["tags"], json!(["a", "b"]));
    assert_eq!(get(pulp, "/v2/a/b/tags/list?n=1&last=B").await.ok()["tags"], json!(["_"]));
    let none = get(pulp, "/v2/a/b/tags/list?n=0").await.expect(200);
    assert_eq!((&none.body["tags"], none.header("link")), (&json!([]), ""));
    refused(get(pulp, "/v2/a/b/tags/list?n=x").await, 400, "PAGINATION_NUMBER_INVALID");
    refused(get(pulp, "/v2/unknown/tags/list").await, 404, "NAME_UNKNOWN");
    push_blob(pulp, "untagged", "x").await;
    assert_eq!(get(pulp, "/v2/untagged/tags/list").await.ok()["tags"], json!([]));
});

both_databases!(end_12_referrers_are_listed_by_kind_and_follow_what_is_pushed_and_deleted, |pulp| {
    let (_, subject) = push_image(pulp, "a/b", "latest", "layer").await;
    let path = format!("/v2/a/b/referrers/{subject}");
    let nobody = get(pulp, &path).await.expect(200);
    assert_eq!(nobody.header("content-type"), media_type::OCI_INDEX);
    assert_eq!(nobody.body["manifests"], json!([]));

    let about = json!({ "mediaType": media_type::OCI_MANIFEST, "size": 1, "digest": subject });
    let mut sbom = manifest(CONFIG, &[]);
    sbom["subject"] = about.clone();
    sbom["artifactType"] = json!("application/vnd.example.sbom.v1");
    sbom["annotations"] = json!({ "org.example.format": "json" });
    let mut plain = manifest(CONFIG, &["layer"]);
    plain["subject"] = about.clone();
    let index = json!({ "schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": [], "subject": about });
    for referrer in [&sbom, &plain, &index] {
        put(pulp, "a/b", &sha256(referrer.to_string()), referrer).await.expect(201);
    }
    let all = get(pulp, &path).await.ok();
    let of = |referrer: &Value| {
        let digest = sha256(referrer.to_string());
        all["manifests"].as_array().unwrap().iter().find(|found| found["digest"] == digest).cloned().unwrap()
    };
    assert_eq!(
        of(&sbom),
        json!({
            "mediaType": media_type::OCI_MANIFEST, "digest": sha256(sbom.to_string()), "size": sbom.to_string().len(),
            "artifactType": "application/vnd.example.sbom.v1", "annotations": { "org.example.format": "json" },
        })
    );
    assert_eq!(of(&plain)["artifactType"], media_type::IMAGE_CONFIGS[0]);
    assert_eq!(of(&index).get("artifactType"), None);

    let filtered = get(pulp, &format!("{path}?artifactType=application/vnd.example.sbom.v1")).await.expect(200);
    assert_eq!(filtered.header("oci-filters-applied"), "artifactType");
    assert_eq!(filtered.body["manifests"], json!([of(&sbom)]));
    let page = get(pulp, &format!("{path}?n=2")).await.expect(200);
    assert_eq!(page.body["manifests"].as_array().unwrap().len(), 2);
    assert!(page.header("link").ends_with(">; rel=\"next\""), "{}", page.header("link"));

    let gone = format!("/v2/a/b/manifests/{}", sha256(sbom.to_string()));
    super::ask(pulp, "DELETE", &gone, "", &[]).await.expect(202);
    assert_eq!(get(pulp, &path).await.ok()["manifests"].as_array().unwrap().len(), 2);
    let unknown = get(pulp, &format!("/v2/a/b/referrers/{}", sha256("unknown"))).await.ok();
    assert_eq!(unknown["manifests"], json!([]));
    refused(get(pulp, "/v2/a/b/referrers/sha256:1").await, 400, "DIGEST_INVALID");
});

both_databases!(the_list_of_repositories_shows_what_the_caller_may_pull, |pulp| {
    for name in ["b/one", "a", "B"] {
        if name != "B" {
            push_blob(pulp, name, "x").await;
        }
    }
    let secret = pulp.get("distributions/container/container/?base_path=b/one").await.results();
    let secret = secret[0]["pulp_href"].as_str().unwrap().to_owned();
    pulp.patch(&secret, json!({ "private": true })).await.accepted().await.completed();
    let all = get(pulp, "/v2/_catalog").await.ok();
    assert_eq!(all, json!({ "repositories": ["a", "b/one"] }));
    let page = get(pulp, "/v2/_catalog?n=1").await.expect(200);
    assert_eq!(page.body["repositories"], json!(["a"]));
    assert_eq!(page.header("link"), "</v2/_catalog?n=1&last=a>; rel=\"next\"");
    assert_eq!(get(pulp, "/v2/_catalog?n=1&last=a").await.ok()["repositories"], json!(["b/one"]));
    assert_eq!(anonymous(pulp, "GET", "/v2/_catalog").await.ok()["repositories"], json!(["a"]));
});
