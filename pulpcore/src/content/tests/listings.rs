//! Listings: in which form, how long, and of what.

use axum::http::StatusCode;
use sea_orm::{ConnectionTrait, Statement};

use super::super::listing::PAGE;
use super::world::{Answer, World};
use super::{distributed, fill};

fn json(answer: &Answer) -> Vec<serde_json::Value> {
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, Some("application/json")));
    serde_json::from_slice(&answer.body).unwrap()
}

on_both!(json_is_sent_to_who_prefers_it, |world| {
    fill(&world).await;
    let accept = [("accept", "application/json, text/html;q=0.5")];
    let listing = json(&world.ask("GET", "/pulp/content/d/", &accept).await);
    let seen: Vec<_> = listing.iter().map(|entry| (&entry["name"], &entry["type"], entry["size"].as_i64())).collect();
    assert_eq!(seen, [(&"a.txt".into(), &"file".into(), Some(38)), (&"sub".into(), &"directory".into(), None)]);
    let mtime = listing[0]["mtime"].as_str().unwrap();
    assert!(httpdate::parse_http_date(mtime).is_ok(), "{mtime}");

    let root = json(&world.ask("GET", "/pulp/content/", &accept).await);
    assert_eq!(root, [serde_json::json!({ "name": "d", "type": "directory" })]);

    let page = world.ask("GET", "/pulp/content/d/", &[("accept", "text/html,*/*;q=0.8")]).await;
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(page.header("vary"), Some("Accept"), "caches must know that there are two forms");
});

#[tokio::test]
async fn head_of_a_listing_says_what_get_would_say() {
    let world = distributed().await;
    for path in ["/pulp/content/", "/pulp/content/d/", "/pulp/content/d/sub/", "/pulp/content/none/"] {
        for accept in ["*/*", "application/json"] {
            let get = world.ask("GET", path, &[("accept", accept)]).await;
            let head = world.ask("HEAD", path, &[("accept", accept)]).await;
            assert_eq!((head.status, &head.headers, head.body.len()), (get.status, &get.headers, 0), "{accept} {path}");
        }
    }
}

#[tokio::test]
async fn a_page_can_do_nothing_but_be_shown() {
    let world = World::new().await;
    let name = "<img src=x onerror=alert(1)>/\"'&.txt";
    let unit = world.unit(name, Some(world.artifact(b"x").await)).await;
    let repository = world.repository().await;
    world.version(repository, 1, &[unit.content]).await;
    world.distribute("d", |row| row.repository_id = Some(repository)).await;
    let page = world.get("/pulp/content/d/").await;
    assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
    assert!(!page.text().contains("<img"), "{}", page.text());
    let link = page.text().split("href=\"./").nth(1).unwrap().split('"').next().unwrap();
    let sub = world.get(&format!("/pulp/content/d/{link}")).await;
    let link = format!("{link}{}", sub.text().split("href=\"./").nth(1).unwrap().split('"').next().unwrap());
    assert_eq!(world.get(&format!("/pulp/content/d/{link}")).await.body, b"x", "each link leads to its file");
}

on_both!(a_long_listing_comes_in_pages, |world| {
    let count = PAGE * 2 + 1;
    let artifact = world.artifact(b"x").await;
    let repository = world.repository().await;
    let version = world.version(repository, 1, &[]).await;
    let publication = world.publication(version, false, &[], &[]).await;
    world.distribute("d", |row| row.publication_id = Some(publication)).await;
    let many = format!(
        "INSERT INTO core_publishedmetadata (publication_id, relative_path, artifact_id) \
         WITH RECURSIVE n(i) AS (SELECT 100000 UNION ALL SELECT i + 1 FROM n WHERE i < {}) \
         SELECT $1, 'f+' || i, $2 FROM n",
        100_000 + count - 1
    );
    let values = [publication.into(), artifact.into()];
    let tx = world.app.db.write().await.unwrap();
    tx.execute_raw(Statement::from_sql_and_values(world.app.db.backend(), many, values)).await.unwrap();
    tx.commit().await.unwrap();

    let (mut seen, mut path, mut pages) = (Vec::new(), "/pulp/content/d/".to_owned(), 0);
    loop {
        let answer = world.ask("GET", &path, &[("accept", "application/json")]).await;
        seen.extend(json(&answer).iter().map(|entry| entry["name"].as_str().unwrap().to_owned()));
        pages += 1;
        let Some(link) = answer.header("link") else { break };
        let next = link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap();
        path = format!("/pulp/content/d/{next}");
    }
    assert_eq!(pages, 3);
    assert!(seen.iter().eq((100_000..100_000 + count).map(|n| format!("f+{n}")).collect::<Vec<_>>().iter()));

    let page = world.get("/pulp/content/d/").await;
    let names = page.names();
    assert_eq!((names.len(), names[0], names[1], names[PAGE + 1]), (PAGE + 2, "../", "f+100000", "more"));
    let head = world.ask("HEAD", "/pulp/content/d/", &[]).await;
    assert_eq!((head.headers, head.body.len()), (page.headers.clone(), 0));
    assert_eq!(world.get("/pulp/content/d/?after=zzz").await.status, StatusCode::NOT_FOUND);
    assert_eq!(world.get("/pulp/content/d/?after=%00").await.status, StatusCode::BAD_REQUEST);
});

#[tokio::test]
async fn guarded_distributions_are_listed_unless_the_operator_hides_them() {
    for hidden in [false, true] {
        let world = World::with(|settings| settings.hide_guarded_distributions = hidden).await;
        world.distribute("x/open", |_| ()).await;
        let guard = world.guard("sesame").await;
        world.distribute("x/shut", |row| row.content_guard_id = Some(guard)).await;
        let answer = world.get("/pulp/content/x/").await;
        let expected: &[&str] = if hidden { &["../", "open/"] } else { &["../", "open/", "shut/"] };
        assert_eq!(answer.names(), expected);
    }
}

#[tokio::test]
async fn a_condition_can_be_about_a_listing_being_there() {
    let world = distributed().await;
    for (header, value, status) in [
        ("if-none-match", "*", 304),
        ("if-none-match", "\"x\"", 200),
        ("if-match", "*", 200),
        ("if-match", "\"x\"", 412),
        ("range", "bytes=0-1", 200),
    ] {
        let answer = world.ask("GET", "/pulp/content/d/", &[(header, value)]).await;
        assert_eq!(answer.status.as_u16(), status, "{header}: {value}");
    }
    let none = world.ask("GET", "/pulp/content/d/none", &[("if-none-match", "*")]).await;
    assert_eq!(none.status, StatusCode::NOT_FOUND, "RFC 9110, section 13.2.1: no condition on what is not there");
}
