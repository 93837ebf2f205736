//! The list of repositories, which is in no specification.

use pulpcore::both_databases;
use serde_json::json;

use super::{anonymous, get, push_blob};

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
