//! Category "Content Discovery" (end-8a, end-8b, end-12a, end-12b).

use pulp_container::manifest::media_type;
use pulpcore::both_databases;
use pulpcore::testkit::TestPulp;
use serde_json::{Value, json};

use crate::common::{remote, repository, sync};
use crate::registry::{CONFIG, get, manifest, push_blob, push_image, put, refused, sha256};
use crate::upstream::{INDEX, Registry, digest, text};

/// All pages of a list, each with how much is in it.
async fn pages(pulp: &TestPulp, path: &str, list: &str) -> Vec<Vec<Value>> {
    let mut pages = Vec::new();
    let mut next = path.to_owned();
    while !next.is_empty() {
        let answer = get(pulp, &next).await.expect(200);
        pages.push(answer.body[list].as_array().unwrap().clone());
        let link = answer.header("link");
        let target = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\""));
        assert!(link.is_empty() || target.is_some(), "RFC 5988: {link}");
        next = target.unwrap_or_default().to_owned();
    }
    pages
}

both_databases!(section_3_1_listing_tags, |pulp| {
    push_blob(pulp, "a/b", CONFIG).await;
    let tags = async |query: &str| get(pulp, &format!("/v2/a/b/tags/list{query}")).await.expect(200);

    // 3.1.1 MUST: "Assuming a repository is found, this request MUST return a 200 OK", though the list "MAY be empty".
    assert_eq!(tags("").await.body, json!({ "name": "a/b", "tags": [] }));
    refused(get(pulp, "/v2/unknown/tags/list").await, 404, "NAME_UNKNOWN");

    // 3.1.2 MUST: "the tags MUST be in lexical order": that of their bytes, as the specification says more clearly since.
    // 3.1.3 MUST: "the response MUST be a json body in the following format".
    let image = manifest(CONFIG, &[]);
    let put_as = format!("{}?tag=b&tag=B&tag=_&tag=a&tag=1.10&tag=1.9", sha256(image.to_string()));
    put(pulp, "a/b", &put_as, &image).await.expect(201);
    let all = ["1.10", "1.9", "B", "_", "a", "b"];
    let answer = tags("").await;
    assert_eq!((&answer.body, answer.header("link")), (&json!({ "name": "a/b", "tags": all }), ""));
    assert!(answer.header("content-type").starts_with("application/json"));

    // 3.1.4 MUST: with n there may be fewer only if "the total number of tags attached to the repository is less than
    // <int> or a Link header is provided. Otherwise, the response MUST include <int> results".
    // 3.1.5 MUST: "the Link header MUST be set according to RFC 5988 with the Relation Type rel="next"".
    for (size, expected) in [(1, vec![1; 6]), (4, vec![4, 2]), (6, vec![6]), (7, vec![6])] {
        let pages = pages(pulp, &format!("/v2/a/b/tags/list?n={size}"), "tags").await;
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), expected, "{size}");
        assert_eq!(json!(pages.concat()), json!(all));
    }

    // 3.1.6 MUST: "When n is zero, this endpoint MUST return an empty list, and MUST NOT include a Link header".
    let none = tags("?n=0").await;
    assert_eq!((&none.body["tags"], none.header("link")), (&json!([]), ""));

    // 3.1.7 MUST: with last, "up to <int> tags, beginning non-inclusively with <tagname>", in the same order; "the n
    // parameter is OPTIONAL", and "<tagname> MUST NOT be a numerical index".
    for (query, expected) in [
        ("?n=2&last=1.9", json!(["B", "_"])),
        ("?n=9&last=a", json!(["b"])),
        ("?last=_", json!(["a", "b"])),
        ("?last=b", json!([])),
        ("?last=2", json!(["B", "_", "a", "b"])),
    ] {
        assert_eq!(tags(query).await.body["tags"], expected, "{query}");
    }
});

both_databases!(section_3_2_listing_referrers, |pulp| {
    let (_, subject) = push_image(pulp, "a/b", "latest", "layer").await;
    let path = format!("/v2/a/b/referrers/{subject}");
    let list = async |query: &str| get(pulp, &format!("{path}{query}")).await.expect(200);

    // 3.2.1 MUST: "this request MUST return a 200 OK response code", and "an empty manifest list MUST be returned" if
    // there is none; "the registry MUST NOT return a 404 Not Found".
    for path in
        [&path, &format!("/v2/a/b/referrers/{}", sha256("unknown")), &format!("/v2/unknown/referrers/{subject}")]
    {
        let answer = get(pulp, path).await.expect(200);
        assert_eq!(answer.body, json!({ "schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": [] }));
        // 3.2.2 MUST: "The Content-Type header MUST be set to application/vnd.oci.image.index.v1+json".
        assert_eq!(answer.header("content-type"), media_type::OCI_INDEX);
    }

    // 3.2.3 MUST: "If the request is invalid, such as a <digest> with an invalid syntax, a 400 Bad Request MUST be
    // returned".
    for name in ["a/b", "unknown"] {
        refused(get(pulp, &format!("/v2/{name}/referrers/sha256:1")).await, 400, "DIGEST_INVALID");
    }

    // 3.2.4 MUST: each descriptor is of "an image manifest or index in the same <name> namespace with a subject field".
    // 3.2.5 MUST: it has "an artifactType field that is set to the value of the artifactType in the image manifest or
    // index, if present"; else of an image "the config descriptor mediaType value", "if empty or missing"; "in an index,
    // the artifactType MUST be omitted".
    // 3.2.6 MUST: "The descriptors MUST include annotations from the image manifest or index".
    let about = json!({ "mediaType": media_type::OCI_MANIFEST, "size": 1, "digest": subject });
    let image = |layers: &[&str], more: Value| with(manifest(CONFIG, layers), &about, more);
    let index = |more: Value| {
        let index = json!({ "schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": [] });
        with(index, &about, more)
    };
    let (sbom, config) = ("application/vnd.example.sbom.v1", media_type::IMAGE_CONFIGS[0]);
    let notes = json!({ "org.example.format": "json" });
    let pushed = [
        (image(&[], json!({ "artifactType": sbom, "annotations": notes })), json!(sbom)),
        (image(&["layer"], json!({})), json!(config)),
        (image(&["layer"], json!({ "artifactType": "" })), json!(config)),
        (index(json!({ "artifactType": sbom, "annotations": notes })), json!(sbom)),
        (index(json!({})), Value::Null),
        (index(json!({ "artifactType": "", "annotations": { "empty": "" } })), Value::Null),
    ];
    push_image(pulp, "elsewhere", "latest", "layer").await;
    put(pulp, "elsewhere", "referrer", &image(&[], json!({}))).await.expect(201);
    for (referrer, _) in &pushed {
        put(pulp, "a/b", &sha256(referrer.to_string()), referrer).await.expect(201);
    }
    let listed = list("").await.body["manifests"].as_array().unwrap().clone();
    assert_eq!(listed.len(), pushed.len());
    for (referrer, artifact_type) in &pushed {
        let bytes = referrer.to_string();
        let mut expected = json!({
            "mediaType": referrer["mediaType"], "digest": sha256(&bytes), "size": bytes.len(),
            "artifactType": artifact_type, "annotations": referrer["annotations"],
        });
        expected.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        assert!(listed.contains(&expected), "{expected} among {listed:?}");
    }

    // 3.2.7 MUST: "A Link header MUST be included in the response when the descriptor list cannot be returned in a single
    // manifest", "with the Relation Type rel="next""; "Each response is an image index with different descriptors".
    let pages = pages(pulp, &format!("{path}?n=4"), "manifests").await;
    assert_eq!(pages.concat(), listed);
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [4, 2]);

    // 3.2.8 SHOULD: "The registry SHOULD support filtering on artifactType".
    // 3.2.9 MUST: "the response MUST include a header OCI-Filters-Applied: artifactType".
    for (kind, count) in [(sbom, 2), (config, 2), ("application/vnd.example.none", 0)] {
        let answer = list(&format!("?artifactType={}", kind.replace('+', "%2B"))).await;
        assert_eq!(answer.header("oci-filters-applied"), "artifactType");
        assert_eq!(answer.body["manifests"].as_array().unwrap().len(), count, "{kind}");
    }
    assert_eq!(list("").await.header("oci-filters-applied"), "");
});

/// A manifest that is about another one, with some more fields.
fn with(mut manifest: Value, about: &Value, more: Value) -> Value {
    manifest["subject"] = about.clone();
    manifest.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    manifest
}

both_databases!(section_3_3_enabling_the_referrers_api, |pulp| {
    // 3.3.1 MUST: "include preexisting image manifests that are listed in an image index tagged with the referrers tag
    // schema and have a valid subject field": those of a registry without the list, which a sync brings.
    let registry = Registry::start().await;
    let image = registry.image("hello", "amd64");
    let sbom = registry.about(&image, "application/vnd.example.sbom.v1");
    let tagged = registry.manifest(&json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [sbom] }));
    registry.tag("latest", &image);
    registry.tag(&text(&image, "digest").replace(':', "-"), &tagged);
    let repository = repository(pulp, "a").await;
    let remote = remote(pulp, &registry, json!({})).await;
    sync(pulp, &repository, &remote).await.completed();
    let body = json!({ "name": "a", "base_path": "a", "repository": repository });
    pulp.post("distributions/container/container/", body).await.accepted().await.completed();
    let path = format!("/v2/a/referrers/{}", text(&image, "digest"));
    let listed = get(pulp, &path).await.ok()["manifests"].clone();
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["digest"]), (1, &sbom["digest"]));

    // 3.3.2 MUST: "After the referrers API is enabled, Registries MUST include all newly pushed image manifests with a
    // valid subject field".
    push_blob(pulp, "a", CONFIG).await;
    let mut newer = manifest(CONFIG, &[]);
    newer["subject"] = image.clone();
    put(pulp, "a", &digest(newer.to_string().as_bytes()), &newer).await.expect(201);
    assert_eq!(get(pulp, &path).await.ok()["manifests"].as_array().unwrap().len(), 2);
});
