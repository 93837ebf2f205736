//! Who may what: tokens, passwords, and nobody (Docker's token specification; the distribution specification has none).

use axum::http::Method;
use pulp_container::registry::settings::RegistrySettings;
use pulpcore::both_databases;
use pulpcore::testkit::{Answer, Backend, TestPulp};
use serde_json::json;

use super::{anonymous, get, push_blob, push_image, refused, sha256};

/// Asks for a token as `docker` does; none of a name means nobody's.
async fn token(pulp: &TestPulp, named: bool, scope: &str) -> String {
    let path = format!("/token/?service=pulp-container-registry&scope={scope}");
    let request = if named { pulp.request(Method::GET, &path) } else { pulp.anonymous(Method::GET, &path) };
    let body = pulp.send(request).await.ok();
    assert_eq!((&body["expires_in"], &body["token"]), (&json!(300), &body["access_token"]));
    body["token"].as_str().unwrap().to_owned()
}

async fn with(pulp: &TestPulp, token: &str, method: &str, path: &str) -> Answer {
    pulp.send(pulp.anonymous(method.parse().unwrap(), path).bearer_auth(token)).await
}

async fn make_private(pulp: &TestPulp, name: &str) {
    let found = pulp.get(&format!("distributions/container/container/?base_path={name}")).await.results();
    let href = found[0]["pulp_href"].as_str().unwrap();
    pulp.patch(href, json!({ "private": true })).await.accepted().await.completed();
}

both_databases!(whoever_says_nothing_is_told_where_to_get_a_token, |pulp| {
    let answer = anonymous(pulp, "GET", "/v2/").await;
    let expected = format!("Bearer realm=\"{}/token/\",service=\"pulp-container-registry\"", pulp.origin());
    assert_eq!(answer.header("www-authenticate"), expected);
    refused(answer, 401, "UNAUTHORIZED");
    let answer = anonymous(pulp, "POST", "/v2/a/b/blobs/uploads/").await;
    assert_eq!(answer.header("www-authenticate"), format!("{expected},scope=\"repository:a/b:pull,push\""));
    refused(answer, 401, "UNAUTHORIZED");
    let wrong = pulp.anonymous(Method::GET, "/v2/").basic_auth("admin", Some("wrong"));
    refused(pulp.send(wrong).await, 401, "UNAUTHORIZED");
    let wrong = pulp.anonymous(Method::GET, "/token/?scope=x").basic_auth("admin", Some("wrong"));
    refused(pulp.send(wrong).await, 401, "UNAUTHORIZED");
});

both_databases!(a_token_grants_what_was_asked_for_and_no_more, |pulp| {
    push_image(pulp, "a/b", "latest", "layer").await;
    let push = token(pulp, true, "repository:a/b:pull,push").await;
    with(pulp, &push, "GET", "/v2/").await.expect(200);
    with(pulp, &push, "GET", "/v2/a/b/manifests/latest").await.expect(200);
    with(pulp, &push, "POST", "/v2/a/b/blobs/uploads/").await.expect(202);
    let answer = with(pulp, &push, "DELETE", "/v2/a/b/manifests/latest").await;
    let challenge = answer.header("www-authenticate").to_owned();
    assert!(challenge.ends_with("scope=\"repository:a/b:pull,delete\",error=\"insufficient_scope\""), "{challenge}");
    refused(answer, 401, "UNAUTHORIZED");
    refused(with(pulp, &push, "POST", "/v2/other/blobs/uploads/").await, 401, "UNAUTHORIZED");
    let delete = token(pulp, true, "repository:a/b:delete").await;
    with(pulp, &delete, "DELETE", "/v2/a/b/manifests/latest").await.expect(202);
    let changed = format!("{}x", &push[..push.len() - 1]);
    let answer = with(pulp, &changed, "GET", "/v2/").await;
    assert!(answer.header("www-authenticate").ends_with("error=\"invalid_token\""));
    refused(answer, 401, "UNAUTHORIZED");
});

both_databases!(anybody_pulls_what_is_public_and_nobody_what_is_private, |pulp| {
    push_image(pulp, "open", "latest", "layer").await;
    push_image(pulp, "closed", "latest", "layer").await;
    make_private(pulp, "closed").await;
    let nobody = token(pulp, false, "repository:open:pull,push repository:closed:pull").await;
    for path in ["/v2/open/manifests/latest", "/v2/open/tags/list"] {
        anonymous(pulp, "GET", path).await.expect(200);
        with(pulp, &nobody, "GET", path).await.expect(200);
    }
    refused(with(pulp, &nobody, "POST", "/v2/open/blobs/uploads/").await, 401, "UNAUTHORIZED");
    for path in
        ["/v2/closed/manifests/latest", "/v2/closed/tags/list", &format!("/v2/closed/blobs/{}", sha256("layer"))]
    {
        refused(anonymous(pulp, "GET", path).await, 401, "UNAUTHORIZED");
        refused(with(pulp, &nobody, "GET", path).await, 401, "UNAUTHORIZED");
        get(pulp, path).await.expect(200);
    }
    let somebody = token(pulp, true, "repository:closed:pull").await;
    with(pulp, &somebody, "GET", "/v2/closed/manifests/latest").await.expect(200);
});

both_databases!(what_is_private_is_mounted_by_nobody_who_may_not_pull_it, |pulp| {
    push_image(pulp, "closed", "latest", "layer").await;
    make_private(pulp, "closed").await;
    let digest = sha256("layer");
    let path = format!("/v2/to/blobs/uploads/?mount={digest}&from=closed");
    let only_to = token(pulp, true, "repository:to:pull,push").await;
    with(pulp, &only_to, "POST", &path).await.expect(202);
    let both = token(pulp, true, "repository:to:pull,push repository:closed:pull").await;
    with(pulp, &both, "POST", &path).await.expect(201);

    // Whoever names no repository gets it from where anybody may pull, and else from nowhere.
    let path = format!("/v2/to/blobs/uploads/?mount={}", push_blob(pulp, "closed", "only there").await);
    with(pulp, &only_to, "POST", &path).await.expect(202);
    push_blob(pulp, "open", "only there").await;
    with(pulp, &only_to, "POST", &path).await.expect(201);
});

both_databases!(tokens_outlive_a_restart, |pulp| {
    push_blob(pulp, "a/b", "x").await;
    let push = token(pulp, true, "repository:a/b:pull,push").await;
    pulp.restart().await;
    with(pulp, &push, "POST", "/v2/a/b/blobs/uploads/").await.expect(202);
});

#[tokio::test]
async fn without_tokens_passwords_do() {
    let pulp = TestPulp::with(Backend::Sqlite, |settings| {
        let off = RegistrySettings { token_auth_disabled: true, ..RegistrySettings::default() };
        settings.plugins.insert("container", off).unwrap();
    })
    .await;
    let answer = anonymous(&pulp, "GET", "/v2/").await;
    assert_eq!(answer.header("www-authenticate"), format!("Basic realm=\"{}\"", pulp.origin()));
    refused(answer, 401, "UNAUTHORIZED");
    push_image(&pulp, "a/b", "latest", "layer").await;
    anonymous(&pulp, "GET", "/v2/a/b/manifests/latest").await.expect(200);
    refused(pulp.send(pulp.request(Method::GET, "/token/")).await, 404, "UNSUPPORTED");
    pulp.finish().await;
}
