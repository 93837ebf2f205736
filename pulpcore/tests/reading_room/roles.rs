//! Who answers: the roles of the process, and the switch.

use pulpcore::settings::{Role, Switch};
use pulpcore::testkit::{Backend, TestPulp};
use serde_json::json;

use super::{ask, furnish, sorry};

#[tokio::test]
async fn each_role_answers_its_own_methods_and_names_the_other_role() {
    let mut pulp = TestPulp::start().await;
    furnish(&pulp, "north").await;
    let book = "/read/north/books/moby";
    let reader = pulp.get("/desk/v2/reader?hello=again").await.expect(200);
    assert_eq!(reader.body, json!({ "reader": "admin", "hello": "again" }));

    pulp.restart_with(|settings| settings.roles = [Role::Content].into()).await;
    assert_eq!(ask(&pulp, "GET", book, &[]).await.expect(200).text(), "Call me Ishmael.");
    let answer = ask(&pulp, "PUT", book, &[]).await;
    assert_eq!(answer.header("allow"), "GET, HEAD");
    assert_eq!(sorry(answer, 405), "PUT is answered here by the role 'api', which this process does not have.");
    let said = sorry(pulp.get("/desk/v2/reader").await, 404);
    assert_eq!(said, "GET is answered here by the role 'api', which this process does not have.");

    pulp.restart_with(|settings| settings.roles = [Role::Api, Role::Worker].into()).await;
    pulp.send(pulp.request("PUT".parse().unwrap(), book).body("Call me anything.")).await.expect(201);
    let answer = ask(&pulp, "GET", book, &[]).await;
    assert_eq!(answer.header("allow"), "PUT");
    assert_eq!(sorry(answer, 405), "GET is answered here by the role 'content', which this process does not have.");
    sorry(ask(&pulp, "GET", "/read/nothing", &[]).await, 404);

    pulp.restart_with(|settings| settings.roles = [Role::Worker].into()).await;
    sorry(ask(&pulp, "GET", book, &[]).await, 404);
    pulp.finish().await;
}

#[tokio::test]
async fn a_room_that_is_switched_off_says_so_and_keeps_its_space() {
    let off = |settings: &mut pulpcore::settings::Settings| {
        settings.live.insert("room".to_owned(), Switch::Off);
        settings.content_path_prefix = "/".to_owned();
    };
    let pulp = TestPulp::with(Backend::Sqlite, off).await;
    for (method, path) in [("GET", "/read/"), ("PUT", "/read/north/books/moby"), ("GET", "/read/any/thing")] {
        let said = sorry(ask(&pulp, method, path, &[]).await, 404);
        assert_eq!(said, "The reading room is switched off on this server (setting live.room).", "{path}");
    }
    let claims = pulp.get("claims/?owner=room").await.ok();
    assert!(claims["results"].as_array().unwrap().iter().all(|claim| claim["state"] == "off"), "{claims}");
    pulp.post("distributions/room/window/", json!({ "name": "w", "base_path": "read/w" })).await.refused();
    pulp.finish().await;
}
