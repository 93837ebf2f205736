//! Detached signatures that come with a sync.

use pulpcore::both_databases;
use serde_json::{Value, json};

use crate::common::{digests, held, remote, repository, set, sync, tags};
use crate::signing::{KEY, OTHER_KEY, signature};
use crate::upstream::{Registry, text};

/// What signatures say, in an order that does not depend on when they came.
fn said(mut signatures: Vec<Value>) -> Vec<(String, String)> {
    signatures.sort_by_key(|signature| text(signature, "key_id"));
    signatures.iter().map(|signature| (text(signature, "key_id"), text(signature, "name")[..71].to_owned())).collect()
}

both_databases!(signatures_in_a_sigstore_come_along, |pulp| {
    let registry = Registry::start().await;
    let (signed, unsigned) = (registry.image("signed", "amd64"), registry.image("unsigned", "amd64"));
    registry.tag("signed", &signed);
    registry.tag("unsigned", &unsigned);
    let digest = text(&signed, "digest");
    registry.sign(&signed, signature(&digest, KEY));
    registry.sign(&signed, b"no signature".to_vec());
    registry.sign(&signed, signature(&digest, OTHER_KEY));
    // One of another manifest is none of this one.
    registry.sign(&unsigned, signature(&digest, KEY));
    let repository = repository(pulp, "r").await;
    let remote = remote(pulp, &registry, json!({ "sigstore": format!("{}/sigstore/", registry.url()) })).await;
    sync(pulp, &repository, &remote).await.completed();

    assert_eq!(tags(pulp, &repository).await, set(&["signed", "unsigned"]));
    let found = held(pulp, &repository, "signatures").await;
    assert_eq!(said(found.clone()), [(KEY.to_owned(), digest.clone()), (OTHER_KEY.to_owned(), digest.clone())]);
    let one = &found[0];
    assert_eq!(
        (&one["type"], &one["creator"], &one["timestamp"]),
        (&json!("atomic"), &json!("hand"), &json!(1_700_000_000))
    );
    assert_eq!(pulp.get(&text(one, "signed_manifest")).await.ok()["digest"], digest);
    let of_key = format!("content/container/signatures/?key_id={KEY}&manifest={digest}");
    assert_eq!(pulp.get(&of_key).await.ok()["count"], 1);

    // A mirror keeps them as long as they are there.
    let again = json!({ "remote": remote, "mirror": true });
    let task = pulp.post(&format!("{repository}sync/"), again).await.accepted().await.completed();
    assert_eq!(task.created_resources(), Vec::<String>::new());
});

both_databases!(signatures_that_a_registry_hands_out_come_along_and_are_handed_out, |pulp| {
    let registry = Registry::start().await;
    let image = registry.image("signed", "amd64");
    registry.tag("latest", &image);
    let digest = text(&image, "digest");
    let bytes = signature(&digest, KEY);
    registry.sign(&image, bytes.clone());
    let repository = repository(pulp, "r").await;
    let remote = remote(pulp, &registry, json!({})).await;
    sync(pulp, &repository, &remote).await.completed();
    assert_eq!(held(pulp, &repository, "signatures").await.len(), 0, "the registry does not say that it has any");
    registry.hand_out_signatures();
    sync(pulp, &repository, &remote).await.completed();
    assert_eq!(said(held(pulp, &repository, "signatures").await), [(KEY.to_owned(), digest.clone())]);

    // So does this server, to another.
    let body = json!({ "name": "d", "base_path": "team/app", "repository": repository });
    pulp.post("distributions/container/container/", body).await.accepted().await.completed();
    let copy = crate::common::repository(pulp, "copy").await;
    let body = json!({ "name": "self", "url": pulp.origin(), "upstream_name": "team/app" });
    let body = pulp.post("remotes/container/container/", body).await.created();
    sync(pulp, &copy, &text(&body, "pulp_href")).await.completed();
    assert_eq!(said(held(pulp, &copy, "signatures").await), [(KEY.to_owned(), digest)]);
});

both_databases!(a_sigstore_says_which_images_are_signed, |pulp| {
    let registry = Registry::start().await;
    let signed = registry.image("signed", "amd64");
    let (whole, half) = (registry.index("whole"), registry.index("half"));
    let platforms =
        |index: &str| ["amd64", "arm64"].map(|platform| registry.image(&format!("{index} on {platform}"), platform));
    for image in platforms("whole").iter().chain(&platforms("half")[..1]).chain([&signed]) {
        registry.sign(image, signature(&text(image, "digest"), KEY));
    }
    for (tag, image) in
        [("signed", &signed), ("whole", &whole), ("half", &half), ("none", &registry.image("none", "amd64"))]
    {
        registry.tag(tag, image);
    }
    let repository = repository(pulp, "r").await;
    let remote = remote(pulp, &registry, json!({ "sigstore": format!("{}/sigstore", registry.url()) })).await;
    let body = json!({ "remote": remote, "signed_only": true });
    pulp.post(&format!("{repository}sync/"), body).await.accepted().await.completed();
    assert_eq!(tags(pulp, &repository).await, set(&["signed", "whole"]));
    assert_eq!(held(pulp, &repository, "signatures").await.len(), 3);
    assert!(!digests(pulp, &repository, "manifests").await.contains(&text(&half, "digest")));
});
