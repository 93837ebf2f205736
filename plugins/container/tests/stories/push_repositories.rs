//! Repositories that older servers made of pushes. None is made any more; those that are there are used as before.

use pulp_container::models::{ContainerPushRepository, ContainerRepository, push_repository};
use pulpcore::both_databases;
use pulpcore::models::repository;
use pulpcore::plugin::Detail;
use pulpcore::testkit::TestPulp;
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};
use serde_json::json;
use uuid::Uuid;

use crate::common::{digests, held, href, latest, only, set, tags};
use crate::registry::{ask, get, push_image, refused};
use crate::signing::{KEY, OTHER_KEY, signature};

/// What an older server has left: a repository that a push made, with an image under two tags; the image's digest.
async fn of_old(pulp: &TestPulp) -> (String, String) {
    let (_, digest) = push_image(pulp, "team/app", "1.0", "layer").await;
    push_image(pulp, "team/app", "latest", "layer").await;
    let made = pulp.get("repositories/container/container/").await.results();
    let id: Uuid = href(&made[0]).trim_end_matches('/').rsplit('/').next().unwrap().parse().unwrap();
    let tx = pulp.app().db.write().await.unwrap();
    let kind = Expr::value(<ContainerPushRepository as Detail>::TYPE);
    let update = repository::Entity::update_many().col_expr(repository::Column::PulpType, kind);
    update.filter(repository::Column::PulpId.eq(id)).exec(&*tx).await.unwrap();
    ContainerRepository::delete_by_id(id).exec(&*tx).await.unwrap();
    push_repository::ActiveModel { repository_ptr_id: Set(id) }.insert(&*tx).await.unwrap();
    tx.commit().await.unwrap();
    let found = pulp.get("repositories/container/container-push/?name=team/app").await.results();
    (href(&found[0]), digest)
}

/// Sends a signature of an image to the registry.
async fn sign(pulp: &TestPulp, digest: &str, key: &str) {
    use base64::Engine;
    let content = base64::engine::general_purpose::STANDARD.encode(signature(digest, key));
    let name = format!("{digest}@{}", "0".repeat(32));
    let body = json!({ "schemaVersion": 2, "type": "atomic", "name": name, "content": content });
    let path = format!("/extensions/v2/team/app/signatures/{digest}");
    ask(pulp, "PUT", &path, body.to_string(), &[]).await.expect(201);
}

both_databases!(a_push_makes_a_repository_like_any_other_and_none_of_the_old_kind_can_be_made, |pulp| {
    push_image(pulp, "team/app", "latest", "layer").await;
    assert_eq!(pulp.get("repositories/container/container-push/").await.ok()["count"], 0);
    pulp.post("repositories/container/container-push/", json!({ "name": "r" })).await.expect(405);
});

both_databases!(a_repository_of_old_is_pushed_to_tagged_and_described, |pulp| {
    let (repository, digest) = of_old(pulp).await;
    assert_eq!(latest(pulp, &repository).await, 2);
    push_image(pulp, "team/app", "2.0", "another layer").await;
    assert_eq!(tags(pulp, &repository).await, set(&["1.0", "2.0", "latest"]));
    let tag = json!({ "tag": "stable", "digest": digest });
    pulp.post(&format!("{repository}tag/"), tag).await.accepted().await.completed();
    pulp.post(&format!("{repository}untag/"), json!({ "tag": "2.0" })).await.accepted().await.completed();
    assert_eq!(tags(pulp, &repository).await, set(&["1.0", "latest", "stable"]));
    pulp.patch(&repository, json!({ "description": "ours" })).await.accepted().await.completed();
    assert_eq!(pulp.get(&repository).await.ok()["description"], "ours");
});

both_databases!(an_image_is_removed_with_its_tags_its_layers_and_its_signatures, |pulp| {
    let (repository, digest) = of_old(pulp).await;
    let (_, kept) = push_image(pulp, "team/app", "kept", "another layer").await;
    sign(pulp, &digest, KEY).await;
    sign(pulp, &kept, KEY).await;
    let remove = format!("{repository}remove_image/");
    pulp.post(&remove, json!({ "digest": digest })).await.accepted().await.completed();
    assert_eq!(tags(pulp, &repository).await, set(&["kept"]));
    assert_eq!(digests(pulp, &repository, "manifests").await, set(&[&kept]));
    assert_eq!(held(pulp, &repository, "blobs").await.len(), 2, "a configuration and a layer");
    only(pulp, &repository, "signatures", "key_id", KEY).await;
    refused(get(pulp, &format!("/v2/team/app/manifests/{digest}")).await, 404, "MANIFEST_UNKNOWN");
    let refused = pulp.post(&remove, json!({ "digest": digest })).await.refused();
    assert!(refused["non_field_errors"][0].as_str().unwrap().contains("does not exist in the latest"), "{refused}");
});

both_databases!(the_signatures_of_a_key_are_removed, |pulp| {
    let (repository, digest) = of_old(pulp).await;
    sign(pulp, &digest, KEY).await;
    sign(pulp, &digest, OTHER_KEY).await;
    let remove = format!("{repository}remove_signatures/");
    pulp.post(&remove, json!({ "signed_with_key_id": KEY })).await.accepted().await.completed();
    only(pulp, &repository, "signatures", "key_id", OTHER_KEY).await;
    assert_eq!(digests(pulp, &repository, "manifests").await, set(&[&digest]));
    let refused = pulp.post(&remove, json!({ "signed_with_key_id": KEY })).await.refused();
    assert!(refused.to_string().contains("There are no signatures"), "{refused}");
});

both_databases!(a_repository_of_old_becomes_one_like_any_other, |pulp| {
    let (repository, digest) = of_old(pulp).await;
    let task = pulp.post(&format!("{repository}migrate/"), json!({})).await.accepted().await.completed();
    let made = task.created_resource();
    assert_eq!(made, repository.replace("container-push", "container"));
    assert_eq!(pulp.get("repositories/container/container-push/").await.ok()["count"], 0);
    assert_eq!((latest(pulp, &made).await, tags(pulp, &made).await), (2, set(&["1.0", "latest"])));
    let answer = get(pulp, "/v2/team/app/manifests/latest").await.expect(200);
    assert_eq!(answer.header("docker-content-digest"), digest);
    push_image(pulp, "team/app", "2.0", "another layer").await;
    assert_eq!(latest(pulp, &made).await, 3);
    pulp.post(&format!("{repository}migrate/"), json!({})).await.expect(404);
});
