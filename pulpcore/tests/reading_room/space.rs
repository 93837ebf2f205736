//! The URL space: who has which part, what is refused because of it, and what is said where a plugin is missing.

use pulpcore::both_databases;
use pulpcore::server;
use pulpcore::settings::Settings;
use pulpcore::testkit::{Backend, TestPulp};
use serde_json::{Value, json};

use super::{ask, furnish, show, sorry};

fn paths(list: &Value) -> Vec<&str> {
    list["results"].as_array().unwrap().iter().map(|claim| claim["path"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_claims_can_be_looked_at() {
    let pulp = TestPulp::start().await;
    let all = pulp.get("claims/").await.ok();
    assert_eq!(
        paths(&all),
        [
            "/api/v3/",
            "/api/v3/docs/",
            "/desk/v2/",
            "/ghost/",
            "/health/",
            "/metrics",
            "/pulp/api/v3/",
            "/pulp/api/v3/docs/",
            "/pulp/content/",
            "/read/",
        ]
    );
    assert_eq!(all["count"], 10);
    let room = pulp.get("claims/?owner=room&path=/read/").await.ok();
    assert_eq!(
        room["results"],
        json!([{
            "path": "/read/",
            "owner": "room",
            "name": "reading room",
            "reason": "The plugin 'room' speaks a protocol of its own here.",
            "state": "on",
            "roles": ["api", "content"],
        }])
    );
    for (query, expected) in [
        ("owner__in=room,ghost", vec!["/desk/v2/", "/ghost/", "/read/"]),
        ("path__covers=/read/north/x", vec!["/read/"]),
        ("path__covers=/reading/", vec![]),
        ("state=missing", vec!["/ghost/"]),
        ("owner=room&limit=1&offset=1", vec!["/read/"]),
    ] {
        assert_eq!(paths(&pulp.get(&format!("claims/?{query}")).await.ok()), expected, "{query}");
    }
    let page = pulp.get("claims/?owner=room&limit=1&fields=path").await.ok();
    assert_eq!((&page["count"], &page["results"]), (&json!(2), &json!([{ "path": "/desk/v2/" }])));
    assert!(page["next"].as_str().unwrap().ends_with("claims/?fields=path&limit=1&offset=1&owner=room"), "{page}");
    assert_eq!(pulp.get("claims/?colour=red").await.refused(), json!({ "errors": ["Invalid Filter: 'colour'"] }));
    ask(&pulp, "GET", &pulp.href("claims/"), &[]).await.expect(401);
    assert!(pulp.get("").await.ok()["claims"].is_string());
    let document = pulp.get("docs/api.json").await.ok();
    assert!(document.to_string().contains("\"operationId\":\"claims_list\""));
    pulp.finish().await;
}

both_databases!(a_distribution_whose_url_would_fall_into_a_claim_is_refused_by_name, |pulp| {
    let shelf = furnish(pulp, "read/north").await;
    assert_eq!(pulp.content("read/north/moby").await.expect(200).text(), "Call me Ishmael.");
    show(pulp, "door", "reading", &shelf).await;

    // What was good under one prefix is not under another: it is warned of, and the claim is served.
    pulp.restart_with(|settings| settings.content_path_prefix = "/".to_owned()).await;
    sorry(ask(pulp, "GET", "/read/north/moby", &[]).await, 404);
    assert_eq!(ask(pulp, "GET", "/reading/moby", &[]).await.expect(200).text(), "Call me Ishmael.");
    // Its own URL is the room's, where it is a window like any other.
    assert_eq!(ask(pulp, "GET", "/read/read/north/books/moby", &[]).await.expect(200).text(), "Call me Ishmael.");

    for (base_path, claim) in [
        ("read", "/read/ of 'reading room' of 'room'"),
        ("read/south/x", "/read/ of 'reading room' of 'room'"),
        ("r%65ad/south", "/read/ of 'reading room' of 'room'"),
        ("desk", "/desk/v2/ of 'reading room' of 'room'"),
        ("api", "/api/v3/docs/ of the documents of the REST API"),
        ("pulp/api/v3/tasks", "/pulp/api/v3/ of the REST API"),
        ("health", "/health/ of the health checks"),
        ("metrics/x", "/metrics of the metrics"),
        ("ghost/x", "/ghost/ of 'a registry of ghosts' of 'ghost'"),
    ] {
        let body = json!({ "name": "new", "base_path": base_path });
        let said = pulp.post("distributions/room/window/", body).await.refused();
        assert_eq!(said, json!({ "base_path": [format!("Overlaps with the URL space {claim}.")] }), "{base_path}");
    }
    for base_path in ["reader", "READ", "desk/v1", "pulp/content"] {
        show(pulp, "window", base_path, &shelf).await;
    }
    let filter = "distributions/room/window/?base_path=reader";
    let window = pulp.get(filter).await.ok()["results"][0]["pulp_href"].as_str().unwrap().to_owned();
    let said = pulp.patch(&window, json!({ "base_path": "read/other" })).await.refused();
    assert!(said["base_path"][0].as_str().unwrap().contains("'reading room' of 'room'"), "{said}");
    assert_eq!(pulp.get(filter).await.ok()["count"], 1);
});

#[tokio::test]
async fn settings_that_give_one_place_to_two_stop_the_start_and_name_both() {
    let folder = tempfile::tempdir().unwrap();
    let good = || Settings::for_tests(&folder.path().join("new"));
    for (settings, said) in [
        (
            Settings { api_root: "/read/".to_owned(), ..good() },
            "/read/api/v3/ of the REST API and /read/ of 'reading room' of 'room'",
        ),
        (
            Settings { content_path_prefix: "/read/".to_owned(), ..good() },
            "/read/ of the content service and /read/ of 'reading room' of 'room'",
        ),
        (
            Settings { content_path_prefix: "/desk/v2/files/".to_owned(), ..good() },
            "/desk/v2/files/ of the content service and /desk/v2/ of 'reading room' of 'room'",
        ),
    ] {
        let error = server::start(settings, &[]).await.unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
    assert!(!folder.path().join("new").exists(), "nothing was touched");
}

#[tokio::test]
async fn where_clients_look_for_a_plugin_that_is_missing_they_are_told() {
    for prefix in ["/pulp/content/", "/"] {
        let change = |settings: &mut Settings| settings.content_path_prefix = prefix.to_owned();
        let pulp = TestPulp::with(Backend::Sqlite, change).await;
        for path in ["/ghost/", "/ghost", "/ghost/v2/any", "/%67host/"] {
            let answer = ask(&pulp, "GET", path, &[]).await.expect(404);
            let said =
                "This server was built without the plugin that serves /ghost/ ('ghost', a registry of ghosts).\n";
            assert_eq!(answer.text(), said, "{path}");
        }
        let elsewhere = ask(&pulp, "GET", "/ghosts/", &[]).await.expect(404);
        assert!(!elsewhere.text().contains("plugin"), "{}", elsewhere.text());
        pulp.finish().await;
    }
}
