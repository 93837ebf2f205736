//! What each guard promises, asked over HTTP.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sea_orm::{ActiveModelTrait, IntoActiveModel};
use serde_json::{Value, json};
use uuid::Uuid;

use super::composite::held;
use crate::both_databases;
use crate::plugin::{Family, preauthenticate};
use crate::registry;
use crate::testkit::TestPulp;

const FILE: &str = "d/a.txt";

/// The href of a new guard.
async fn guard(pulp: &TestPulp, kind: &str, mut body: Value) -> String {
    if body.get("name").is_none() {
        body["name"] = Uuid::now_v7().to_string().into();
    }
    let guard = pulp.post(&format!("contentguards/core/{kind}/"), body).await.created();
    guard["pulp_href"].as_str().unwrap().to_owned()
}

/// A guard that lets in whoever says a word in the header `X-Word`.
async fn word(pulp: &TestPulp, word: &str) -> String {
    guard(pulp, "header", json!({ "header_name": "X-Word", "header_value": word })).await
}

/// Distributes a file at [`FILE`] behind a guard; returns the distribution's href.
async fn behind(pulp: &TestPulp, guard: &str) -> String {
    let repository = pulp.post("repositories/sample/notebooks/", json!({ "name": "r" })).await.created();
    let repository = repository["pulp_href"].as_str().unwrap();
    let fields = [("title", "a.txt"), ("repository", repository)];
    pulp.upload("content/sample/notes/", "hello", &fields).await.accepted().await.completed();
    let body = json!({ "name": "d", "base_path": "d", "repository": repository, "content_guard": guard });
    pulp.post("distributions/sample/windows/", body).await.accepted().await.completed().created_resource()
}

async fn says(pulp: &TestPulp, word: &str) -> u16 {
    pulp.content_with(FILE, &[("x-word", &BASE64_STANDARD.encode(word))]).await.status.as_u16()
}

async fn anonymous(pulp: &TestPulp) -> u16 {
    pulp.content(FILE).await.status.as_u16()
}

async fn logs_in(pulp: &TestPulp, name: &str, password: &str) -> u16 {
    let credentials = format!("Basic {}", BASE64_STANDARD.encode(format!("{name}:{password}")));
    pulp.content_with(FILE, &[("authorization", &credentials)]).await.status.as_u16()
}

fn key(href: &str) -> Uuid {
    href.trim_end_matches('/').rsplit('/').next().unwrap().parse().unwrap()
}

both_databases!(a_header_must_be_there_and_hold_the_value, |pulp| {
    behind(pulp, &word(pulp, "sesame").await).await;
    assert_eq!(anonymous(pulp).await, 403);
    assert_eq!(says(pulp, "sesame").await, 200);
    for wrong in ["Sesame", "sesam", "", "sesame "] {
        assert_eq!(says(pulp, wrong).await, 403, "{wrong}");
    }
    for undecoded in ["sesame", "****", ""] {
        assert_eq!(pulp.content_with(FILE, &[("x-word", undecoded)]).await.status.as_u16(), 403, "{undecoded}");
    }
});

both_databases!(a_filter_takes_the_value_out_of_json, |pulp| {
    let body = json!({ "header_name": "x-word", "header_value": "123", "jq_filter": ".org[] | select(.main) | .id" });
    behind(pulp, &guard(pulp, "header", body).await).await;
    assert_eq!(says(pulp, r#"{"org": [{"id": "9"}, {"id": "123", "main": true}]}"#).await, 200);
    for wrong in [
        r#"{"org": [{"id": "123"}, {"id": "9", "main": true}]}"#,
        r#"{"org": [{"id": 123, "main": true}]}"#,
        r#"{"org": "123"}"#,
        r#"{"org": []}"#,
        "123",
        "{",
    ] {
        assert_eq!(says(pulp, wrong).await, 403, "{wrong}");
    }
});

both_databases!(a_filter_that_never_ends_keeps_its_guard_shut_and_nobody_waiting, |pulp| {
    let endless = format!("{}\"sesame\" | select(false)", ".[] as $x | ".repeat(8));
    let body = json!({ "header_name": "x-word", "header_value": "sesame", "jq_filter": endless });
    behind(pulp, &guard(pulp, "header", body).await).await;
    let many: Vec<u32> = (0..1000).collect();
    assert_eq!(says(pulp, &json!(many).to_string()).await, 403);
});

both_databases!(what_no_guard_can_be_made_of_is_refused_by_field, |pulp| {
    let good = json!({ "name": "g", "header_name": "x-word", "header_value": "v" });
    for (field, value) in [
        ("name", Value::Null),
        ("name", "".into()),
        ("header_name", "no header".into()),
        ("header_value", "v".repeat(70_000).into()),
        ("jq_filter", ".a |".into()),
        ("jq_filter", "def f: f; f".into()),
        ("jq_filter", "input".into()),
        ("jq_filter", format!(".{}", "a".repeat(600)).into()),
        ("no_such_field", "x".into()),
    ] {
        let mut body = good.clone();
        body[field] = value;
        let refused = pulp.post("contentguards/core/header/", body).await.refused();
        assert!(refused[field].is_array(), "{field}: {refused}");
    }
    pulp.post("contentguards/core/header/", &good).await.created();
    let taken = pulp.post("contentguards/core/rbac/", json!({ "name": "g" })).await.refused();
    assert_eq!(taken, json!({ "name": ["This field must be unique."] }));
});

both_databases!(a_composite_lets_in_whom_any_of_its_guards_lets_in, |pulp| {
    let (one, two) = (word(pulp, "one").await, word(pulp, "two").await);
    let inner = guard(pulp, "composite", json!({ "guards": [two] })).await;
    let outer = guard(pulp, "composite", json!({ "guards": [one, inner] })).await;
    behind(pulp, &outer).await;
    assert_eq!((says(pulp, "one").await, says(pulp, "two").await, says(pulp, "three").await), (200, 200, 403));

    let changed = pulp.patch(&outer, json!({ "guards": [inner] })).await.ok();
    assert_eq!(changed["guards"], json!([inner]));
    assert_eq!((says(pulp, "one").await, says(pulp, "two").await), (403, 200), "at once");
    let kept = pulp.patch(&outer, json!({ "description": "d" })).await.ok();
    assert_eq!(kept["guards"], json!([inner]), "what is not named stays");
});

both_databases!(a_composite_of_nothing_lets_everybody_in_as_in_pulp, |pulp| {
    let only = word(pulp, "one").await;
    let composite = guard(pulp, "composite", json!({ "guards": [only] })).await;
    behind(pulp, &composite).await;
    assert_eq!(anonymous(pulp).await, 403);
    pulp.delete(&only).await.gone();
    assert_eq!(anonymous(pulp).await, 200);
    assert_eq!(pulp.get(&composite).await.ok()["guards"], json!([]));
});

both_databases!(a_composite_asks_no_guard_twice_and_not_too_many, |pulp| {
    let refused = |answer: crate::testkit::Answer| answer.refused()["guards"][0].as_str().unwrap().to_owned();
    let one = word(pulp, "one").await;
    let a = guard(pulp, "composite", json!({ "guards": [one] })).await;
    let b = guard(pulp, "composite", json!({ "guards": [a] })).await;
    for guards in [json!([a]), json!([b]), json!([one, b])] {
        let said = refused(pulp.patch(&a, json!({ "guards": guards })).await);
        assert!(said.contains("may not be among those"), "{said}");
    }
    let missing = a.replace(&key(&a).to_string(), &Uuid::now_v7().to_string());
    assert!(refused(pulp.patch(&a, json!({ "guards": [missing] })).await).contains("does not exist"));

    // Two changes at once that each missed the other.
    let row = held::Model { compositecontentguard_id: key(&a), contentguard_id: key(&b) };
    let tx = pulp.app().db.write().await.unwrap();
    row.into_active_model().insert(&*tx).await.unwrap();
    tx.changes(crate::db::Change::Guard(key(&a)));
    tx.commit().await.unwrap();
    behind(pulp, &b).await;
    assert_eq!((says(pulp, "one").await, says(pulp, "two").await), (200, 403));
});

both_databases!(a_signed_url_lets_its_bearer_in, |pulp| {
    let redirect = guard(pulp, "content_redirect", json!({})).await;
    let other = guard(pulp, "content_redirect", json!({})).await;
    behind(pulp, &redirect).await;
    assert_eq!(anonymous(pulp).await, 403);

    let url = format!("{}/pulp/content/{FILE}", pulp.origin());
    let signed = preauthenticate(pulp.app(), key(&redirect), &url).await.unwrap();
    assert!(signed.contains("?expires=") && signed.contains("&validate_token="), "{signed}");
    let ask = async |url: &str| pulp.send(pulp.anonymous(axum::http::Method::GET, url)).await.status.as_u16();
    assert_eq!(ask(&signed).await, 200);
    assert_eq!(ask(&signed.replace("/d/a.txt", "/d/")).await, 403, "of another path");
    let of_another = preauthenticate(pulp.app(), key(&other), &url).await.unwrap();
    assert_eq!(ask(&of_another).await, 403);
    assert!(preauthenticate(pulp.app(), Uuid::now_v7(), &url).await.is_err());

    let shown = pulp.get(&redirect).await.ok();
    assert_eq!(shown.as_object().unwrap().len(), 6, "the secret is never shown: {shown}");
    pulp.patch(&redirect, json!({ "description": "d" })).await.ok();
    assert_eq!(ask(&signed).await, 200, "the secret stays");
});

both_databases!(an_rbac_guard_lets_in_users_who_were_given_the_role, |pulp| {
    const ROLE: &str = "core.rbaccontentguard_downloader";
    let rbac = guard(pulp, "rbac", json!({})).await;
    behind(pulp, &rbac).await;
    for name in ["ann", "ben"] {
        pulp.post("users/", json!({ "username": name, "password": "long enough" })).await.created();
    }
    let asked = pulp.content(FILE).await;
    assert_eq!((asked.status.as_u16(), asked.header("www-authenticate")), (401, "Basic realm=\"api\""));
    assert_eq!(logs_in(pulp, "admin", "password").await, 200);
    assert_eq!(logs_in(pulp, "admin", "wrong").await, 401);
    assert_eq!(logs_in(pulp, "nobody", "password").await, 401);
    assert_eq!(logs_in(pulp, "ann", "long enough").await, 403);
    assert_eq!(pulp.content_with(FILE, &[("authorization", "Basic ***")]).await.status.as_u16(), 401);

    let body = json!({ "users": ["ann"], "role": ROLE });
    let added = pulp.post(&format!("{rbac}add_role/"), &body).await.created();
    assert_eq!(added, json!({ "users": ["ann"], "groups": [], "role": ROLE }));
    assert_eq!((logs_in(pulp, "ann", "long enough").await, logs_in(pulp, "ben", "long enough").await), (200, 403));
    let roles = pulp.get(&format!("{rbac}list_roles/")).await.ok();
    assert_eq!(roles["roles"], json!([{ "users": ["admin", "ann"], "groups": [], "role": ROLE }]));
    let users = pulp.get(&rbac).await.ok()["users"].take();
    assert_eq!((&users[0]["username"], &users[1]["username"]), (&json!("admin"), &json!("ann")), "its creator too");
    let mine = pulp.get(&format!("{rbac}my_permissions/")).await.ok();
    assert_eq!(mine, json!({ "permissions": ["core.download_rbaccontentguard"] }));

    pulp.post(&format!("{rbac}remove_role/"), &body).await.created();
    assert_eq!(logs_in(pulp, "ann", "long enough").await, 403, "at once");
    for (action, field, body) in [
        ("remove_role", "non_field_errors", body.clone()),
        ("add_role", "users", json!({ "users": ["nobody"], "role": ROLE })),
        ("add_role", "groups", json!({ "groups": ["nobody"], "role": ROLE })),
        ("add_role", "role", json!({ "users": ["ann"], "role": "core.no_such_role" })),
        ("add_role", "role", json!({ "users": ["ann"] })),
        ("add_role", "non_field_errors", json!({ "users": ["admin"], "role": ROLE })),
    ] {
        let refused = pulp.post(&format!("{rbac}{action}/"), body).await.refused();
        assert!(refused[field].is_array(), "{field}: {refused}");
    }
});

both_databases!(whoever_might_get_in_by_logging_in_is_asked_to, |pulp| {
    let rbac = guard(pulp, "rbac", json!({})).await;
    let composite = guard(pulp, "composite", json!({ "guards": [word(pulp, "one").await, rbac] })).await;
    behind(pulp, &composite).await;
    assert_eq!(anonymous(pulp).await, 401);
    assert_eq!((says(pulp, "one").await, logs_in(pulp, "admin", "password").await), (200, 200));
});

both_databases!(a_change_of_guards_is_effective_at_once, |pulp| {
    let sesame = word(pulp, "sesame").await;
    let distribution = behind(pulp, &sesame).await;
    assert_eq!((says(pulp, "sesame").await, says(pulp, "open").await), (200, 403));
    let changed = pulp.patch(&sesame, json!({ "header_value": "open" })).await.ok();
    assert_eq!(changed["header_name"], "X-Word");
    assert_eq!((says(pulp, "sesame").await, says(pulp, "open").await), (403, 200));

    let other = word(pulp, "other").await;
    pulp.patch(&distribution, json!({ "content_guard": other })).await.accepted().await.completed();
    assert_eq!((says(pulp, "open").await, says(pulp, "other").await), (403, 200));
    pulp.delete(&other).await.gone();
    pulp.get(&other).await.missing();
    assert_eq!(pulp.get(&distribution).await.ok()["content_guard"], Value::Null, "as in Pulp");
    assert_eq!(anonymous(pulp).await, 200);
});

both_databases!(a_distribution_names_its_guard, |pulp| {
    let (one, two) = (word(pulp, "one").await, word(pulp, "two").await);
    let distribution = behind(pulp, &one).await;
    let prn = pulp.get(&one).await.ok()["prn"].as_str().unwrap().to_owned();
    assert_eq!(prn, format!("prn:core.headercontentguard:{}", key(&one)));
    for path in [distribution.as_str(), "distributions/sample/windows/", "distributions/"] {
        let found = pulp.get(path).await.ok();
        let shown = if found["results"].is_array() { &found["results"][0] } else { &found };
        assert_eq!((&shown["content_guard"], &shown["content_guard_prn"]), (&json!(one), &json!(prn)), "{path}");
    }
    let by_prn = pulp.patch(&distribution, json!({ "content_guard": prn })).await.ok();
    assert_eq!(by_prn["content_guard"], json!(one), "nothing changes");
    for (filter, count) in [
        (format!("content_guard={one}"), 1),
        (format!("content_guard={two}"), 0),
        (format!("content_guard__in={one},{two}"), 1),
        ("content_guard=null".to_owned(), 0),
    ] {
        assert_eq!(pulp.get(&format!("distributions/?{filter}")).await.ok()["count"], count, "{filter}");
    }
    let gone = one.replace(&key(&one).to_string(), &Uuid::now_v7().to_string());
    for wrong in [json!(gone), json!(distribution), json!("no href"), json!(7)] {
        let body = json!({ "name": "x", "base_path": "x", "content_guard": wrong });
        let refused = pulp.post("distributions/sample/windows/", body).await.refused();
        assert!(refused["content_guard"].is_array(), "{wrong}: {refused}");
    }
});

both_databases!(guards_are_listed_by_kind_and_all_together, |pulp| {
    for kind in ["composite", "content_redirect", "rbac"] {
        guard(pulp, kind, json!({ "name": kind, "description": "d" })).await;
    }
    word(pulp, "one").await;
    for (path, count) in [
        ("contentguards/", 4),
        ("contentguards/?name=rbac", 1),
        ("contentguards/?name__contains=co", 2),
        ("contentguards/?pulp_type=core.rbac", 1),
        ("contentguards/?pulp_type__in=core.rbac,core.header", 2),
        ("contentguards/core/composite/", 1),
        ("contentguards/core/composite/?name=rbac", 0),
    ] {
        assert_eq!(pulp.get(path).await.ok()["count"], count, "{path}");
    }
    let first = pulp.get("contentguards/?ordering=name&limit=1").await.results().remove(0);
    let fields: Vec<_> = first.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields, ["description", "name", "prn", "pulp_created", "pulp_href", "pulp_last_updated"]);
    for noun in registry::get().family(Family::ContentGuard) {
        let path = noun.path();
        pulp.get(&format!("{path}?no_such_filter=1")).await.refused();
        for ordering in ["description", "name", "pk", "pulp_created", "pulp_id", "pulp_last_updated", "pulp_type"] {
            pulp.get(&format!("{path}?ordering=-{ordering}")).await.ok();
        }
        let refused = pulp.post(&path, json!({ "name": "n", "no_such_field": 1 })).await.refused();
        assert_eq!(refused["no_such_field"], json!(["Unexpected field"]), "{path}");
    }
});
