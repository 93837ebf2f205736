//! The extension for detached signatures: `/extensions/v2/<name>/signatures/<digest>`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pulpcore::both_databases;
use pulpcore::settings::Role;
use serde_json::{Value, json};

use super::{anonymous, ask, get, latest, push_image, refused, sha256};
use crate::signing::{KEY, signature};

fn path(digest: &str) -> String {
    format!("/extensions/v2/a/b/signatures/{digest}")
}

/// What a client sends.
fn body(digest: &str, bytes: &[u8]) -> Value {
    let name = format!("{digest}@{}", "0123456789abcdef".repeat(2));
    json!({ "schemaVersion": 2, "type": "atomic", "name": name, "content": STANDARD.encode(bytes) })
}

both_databases!(a_signature_is_put_and_got_and_makes_a_version, |pulp| {
    let (_, digest) = push_image(pulp, "a/b", "latest", "layer").await;
    assert_eq!(get(pulp, "/v2/").await.expect(200).header("x-registry-supports-signatures"), "1");
    assert_eq!(anonymous(pulp, "GET", "/v2/").await.expect(401).header("x-registry-supports-signatures"), "1");
    assert_eq!(get(pulp, &path(&digest)).await.ok(), json!({ "signatures": [] }));

    let bytes = signature(&digest, KEY);
    for _ in ["once", "again"] {
        let answer = ask(pulp, "PUT", &path(&digest), body(&digest, &bytes).to_string(), &[]).await.expect(201);
        assert_eq!(answer.header("location"), path(&digest));
        assert_eq!(latest(pulp, "a/b").await, 2, "a signature that is there is not added again");
    }
    let hex = sha256(&bytes)[7..39].to_owned();
    let found = anonymous(pulp, "GET", &path(&digest)).await.ok();
    let name = format!("{digest}@{hex}");
    let signature = json!({ "schemaVersion": 2, "type": "atomic", "name": name, "content": STANDARD.encode(&bytes) });
    assert_eq!(found, json!({ "signatures": [signature] }));
    let units = pulp.get("content/container/signatures/").await.results();
    assert_eq!((&units[0]["key_id"], &units[0]["digest"]), (&json!(KEY), &json!(sha256(&bytes))));

    // It goes with its manifest.
    ask(pulp, "DELETE", &format!("/v2/a/b/manifests/{digest}"), "", &[]).await.expect(202);
    refused(get(pulp, &path(&digest)).await, 404, "MANIFEST_UNKNOWN");
    let found = pulp.get("repositories/container/container/?name=a/b").await.results();
    let version = pulp.get(found[0]["latest_version_href"].as_str().unwrap()).await.ok();
    assert_eq!(version["content_summary"]["present"], json!({}), "{version}");
});

both_databases!(what_is_no_signature_of_the_manifest_is_refused, |pulp| {
    let (_, digest) = push_image(pulp, "a/b", "latest", "layer").await;
    let sound = signature(&digest, KEY);
    let put = async |body: String| refused(ask(pulp, "PUT", &path(&digest), body, &[]).await, 400, "SIGNATURE_INVALID");
    let changed = |field: &str, value: Value| {
        let mut body = body(&digest, &sound);
        body[field] = value;
        body.to_string()
    };
    put("no JSON".to_owned()).await;
    for (field, value) in [("schemaVersion", json!(1)), ("type", json!("cosign")), ("name", json!("n"))] {
        assert!(put(changed(field, value)).await.contains("has the schemaVersion 2"), "{field}");
    }
    assert!(put(changed("content", json!("***"))).await.contains("base64"));
    assert!(put(body(&digest, b"text").to_string()).await.contains("no OpenPGP message"));
    let other = sha256("other");
    assert!(put(body(&digest, &signature(&other, KEY)).to_string()).await.contains("not of"));
    let answer = ask(pulp, "PUT", &path(&other), body(&other, &signature(&other, KEY)).to_string(), &[]).await;
    refused(answer, 404, "MANIFEST_UNKNOWN");
    let large = "x".repeat(1 << 20);
    refused(ask(pulp, "PUT", &path(&digest), large, &[]).await, 413, "SIZE_INVALID");
    assert_eq!(latest(pulp, "a/b").await, 1);
});

both_databases!(who_may_not_push_may_not_sign_and_who_only_reads_lists_signatures, |pulp| {
    let (_, digest) = push_image(pulp, "a/b", "latest", "layer").await;
    refused(anonymous(pulp, "PUT", &path(&digest)).await, 401, "UNAUTHORIZED");
    let sound = body(&digest, &signature(&digest, KEY)).to_string();
    ask(pulp, "PUT", &path(&digest), sound, &[]).await.expect(201);
    pulp.restart_with(|settings| settings.roles = [Role::Content].into()).await;
    let found = anonymous(pulp, "GET", &path(&digest)).await.ok();
    assert_eq!(found["signatures"].as_array().map(Vec::len), Some(1));
    let Some(edge) = pulp.edge().await else { return };
    anonymous(pulp, "GET", &format!("{}{}", edge.origin(), path(&digest))).await.expect(200);
    edge.stop().await;
});
