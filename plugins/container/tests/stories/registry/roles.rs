//! The registry in parts: who only serves content pulls, and says who takes pushes.

use axum::http::Method;
use pulpcore::both_databases;
use pulpcore::settings::Role;
use serde_json::json;

use super::{anonymous, ask, push_image, refused, sha256};

both_databases!(the_content_role_alone_serves_pulls_and_knows_tokens, |pulp| {
    push_image(pulp, "closed", "latest", "layer").await;
    let found = pulp.get("distributions/container/container/?base_path=closed").await.results();
    let href = found[0]["pulp_href"].as_str().unwrap().to_owned();
    pulp.patch(&href, json!({ "private": true })).await.accepted().await.completed();
    let token = pulp.send(pulp.request(Method::GET, "/token/?scope=repository:closed:pull")).await.ok();
    let token = token["token"].as_str().unwrap().to_owned();

    pulp.restart_with(|settings| settings.roles = [Role::Content].into()).await;
    let blob = format!("/v2/closed/blobs/{}", sha256("layer"));
    for path in ["/v2/", "/v2/closed/manifests/latest", "/v2/closed/tags/list", &blob] {
        pulp.send(pulp.anonymous(Method::GET, path).bearer_auth(&token)).await.expect(200);
    }
    refused(anonymous(pulp, "GET", "/v2/closed/manifests/latest").await, 401, "UNAUTHORIZED");
    let answer = ask(pulp, "PUT", "/v2/closed/manifests/latest", "{}", &[]).await;
    assert_eq!(answer.header("allow"), "GET, HEAD");
    let said = refused(answer, 405, "UNSUPPORTED");
    assert!(said.contains("the role 'api'"), "{said}");
    refused(ask(pulp, "GET", "/token/", "", &[]).await, 404, "NAME_UNKNOWN");
});

both_databases!(the_api_role_alone_takes_pushes, |pulp| {
    pulp.restart_with(|settings| settings.roles = [Role::Api, Role::Worker].into()).await;
    push_image(pulp, "a/b", "latest", "layer").await;
    let said = refused(anonymous(pulp, "GET", "/v2/a/b/manifests/latest").await, 405, "UNSUPPORTED");
    assert!(said.contains("the role 'content'"), "{said}");
    pulp.restart_with(|settings| settings.roles = [Role::Content].into()).await;
    anonymous(pulp, "GET", "/v2/a/b/manifests/latest").await.expect(200);
});

both_databases!(a_database_role_that_only_reads_is_enough_for_pulls, |pulp| {
    push_image(pulp, "open", "latest", "layer").await;
    super::push_blob(pulp, "open", "in no version yet").await;
    let token = pulp.send(pulp.request(Method::GET, "/token/?scope=repository:open:pull")).await.ok();
    let token = token["token"].as_str().unwrap().to_owned();
    let Some(edge) = pulp.edge().await else { return };
    let blob = |bytes: &str| format!("/v2/open/blobs/{}", sha256(bytes));
    let subject = format!("/v2/open/referrers/{}", sha256("anything"));
    for path in [
        "/v2/open/manifests/latest",
        "/v2/open/tags/list",
        "/v2/_catalog",
        &subject,
        &blob("layer"),
        &blob("in no version yet"),
    ] {
        let url = format!("{}{path}", edge.origin());
        anonymous(pulp, "GET", &url).await.expect(200);
        pulp.send(pulp.anonymous(Method::GET, &url).bearer_auth(&token)).await.expect(200);
    }
    edge.stop().await;
});
