//! The promises of the content service, on a database and a storage of each test's own.

/// One test on every database, in a world of its own: `on_both!(name, |world| { … })`.
macro_rules! on_both {
    ($name:ident, |$world:ident| $body:block) => {
        mod $name {
            use super::*;

            async fn check($world: World) $body

            #[tokio::test]
            async fn sqlite() {
                check(World::new().await).await;
            }

            #[cfg(all(feature = "testkit", feature = "postgres"))]
            #[tokio::test]
            async fn postgres() {
                check(World::postgres().await).await;
            }
        }
    };
}

mod cached;
#[cfg(all(feature = "testkit", feature = "postgres"))]
mod edge;
mod listings;
#[cfg(feature = "testkit")]
mod on_demand;
mod paths;
mod rfc9110;
mod rules;
#[cfg(feature = "testkit")]
mod shared;
mod world;

use axum::http::{StatusCode, header};
use base64::Engine;

use self::world::World;
use crate::storage::Storage;

const TEXT: &[u8] = b"alpha beta gamma delta epsilon zeta et";

/// A version with `a.txt`, `sub/b.bin` and `sub/deep/c.bin`, distributed at `d`.
async fn distributed() -> World {
    let world = World::new().await;
    fill(&world).await;
    world
}

async fn fill(world: &World) {
    let text = world.artifact(TEXT).await;
    let units = [
        world.unit("a.txt", Some(text)).await,
        world.unit("sub/b.bin", Some(world.artifact(&[7; 3200]).await)).await,
        world.unit("sub/deep/c.bin", Some(text)).await,
    ];
    let repository = world.repository().await;
    world.version(repository, 1, &units.map(|unit| unit.content)).await;
    world.distribute("d", |row| row.repository_id = Some(repository)).await;
}

#[tokio::test]
async fn a_file_comes_with_what_a_client_needs_to_know() {
    let world = distributed().await;
    let answer = world.get("/pulp/content/d/a.txt").await;
    assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, TEXT));
    let sha256 = hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, TEXT));
    for (name, value) in [
        ("content-type", "text/plain"),
        ("content-length", "38"),
        ("accept-ranges", "bytes"),
        ("x-pulp-artifact-size", "38"),
        ("etag", &format!("\"{sha256}\"")),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    assert!(httpdate::parse_http_date(answer.header("last-modified").unwrap()).is_ok());
    assert_eq!(world.get("/pulp/content/d/sub/b.bin").await.header("content-type"), Some("application/octet-stream"));
    // As they are found in Pulp.
    for same in ["/pulp/content/d//a.txt", "/pulp/content/d/%61.txt", "/pulp/content/d/a.txt?x=y"] {
        assert_eq!(world.get(same).await.body, TEXT, "{same}");
    }
    assert_eq!(world.get("/pulp/content/d/sub%2Fb.bin").await.body.len(), 3200);
}

#[tokio::test]
async fn head_says_what_get_would_say() {
    let world = distributed().await;
    for path in ["/pulp/content/d/a.txt", "/pulp/content/d/", "/pulp/content/", "/pulp/content/d/none"] {
        let (get, head) = (world.get(path).await, world.ask("HEAD", path, &[]).await);
        assert_eq!((head.status, head.body.len()), (get.status, 0), "{path}");
        assert_eq!(head.header("content-length"), Some(&*get.body.len().to_string()), "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
    }
}

#[tokio::test]
async fn the_length_is_on_the_wire() {
    let world = distributed().await;
    let head = world.over_tcp("HEAD", "/pulp/content/d/a.txt").await;
    assert!(head.contains("\r\ncontent-length: 38\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    let get = world.over_tcp("GET", "/pulp/content/d/a.txt").await;
    assert!(get.contains("\r\ncontent-length: 38\r\n") && get.ends_with("zeta et"), "{get}");
}

#[tokio::test]
async fn a_large_file_is_streamed_whole_and_in_part() {
    let world = World::new().await;
    let body: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
    let unit = world.unit("big.bin", Some(world.artifact(&body).await)).await;
    let repository = world.repository().await;
    world.version(repository, 1, &[unit.content]).await;
    world.distribute("d", |row| row.repository_id = Some(repository)).await;
    let whole = world.get("/pulp/content/d/big.bin").await;
    assert!(whole.body == body, "the body came out changed");
    assert_eq!(whole.header("content-length"), Some("3000000"));
    let part = world.ask("GET", "/pulp/content/d/big.bin", &[("range", "bytes=1000000-2000000")]).await;
    assert!(part.body == body[1_000_000..=2_000_000], "the part came out changed");
}

on_both!(what_is_not_there_is_a_short_text, |world| {
    fill(&world).await;
    for path in [
        "/pulp/content/d/none",
        "/pulp/content/d/none/",
        "/pulp/content/d/a.txt/",
        "/pulp/content/d/../x",
        "/pulp/content/d/a.txt%00",
        "/pulp/content/d/%ff",
        "/pulp/content/none/such/path",
        "/pulp/content/none/",
    ] {
        let answer = world.get(path).await;
        assert_eq!((answer.status, &answer.body[..]), (StatusCode::NOT_FOUND, &b"404: Not Found"[..]), "{path}");
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"), "{path}");
    }
    let post = world.ask("POST", "/pulp/content/d/a.txt", &[]).await;
    assert_eq!((post.status, &post.body[..]), (StatusCode::METHOD_NOT_ALLOWED, &b"405: Method Not Allowed"[..]));
    assert_eq!(post.header("allow"), Some("GET,HEAD"));
});

on_both!(folders_have_a_slash_at_the_end, |world| {
    fill(&world).await;
    for path in ["/pulp/content", "/pulp/content/d", "/pulp/content/d/sub", "/pulp/content/d/sub/deep?a=b"] {
        let answer = world.get(path).await;
        assert_eq!((answer.status, &answer.body[..]), (StatusCode::MOVED_PERMANENTLY, &b"301: Moved Permanently"[..]));
        let bare = path.split('?').next().unwrap();
        assert_eq!(answer.header("location"), Some(&*format!("{bare}/")));
    }
});

on_both!(a_listing_names_the_immediate_children, |world| {
    fill(&world).await;
    let root = world.get("/pulp/content/d/").await;
    assert_eq!(root.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(root.names(), ["../", "a.txt", "sub/"]);
    assert!(root.text().contains("<h1>Index of /pulp/content/d/</h1>"), "{}", root.text());
    assert!(root.text().contains("  38 Bytes\n"), "{}", root.text());
    let sub = world.get("/pulp/content/d/sub/").await;
    assert_eq!(sub.names(), ["../", "b.bin", "deep/"]);
    assert!(sub.text().contains("  3.2 kB\n"), "{}", sub.text());
});

#[tokio::test]
async fn an_index_is_served_instead_of_a_listing() {
    let world = World::new().await;
    let page = world.artifact(b"<p>Hello</p>").await;
    let units = [world.unit("index.html", Some(page)).await, world.unit("x/index.html", Some(page)).await];
    let repository = world.repository().await;
    world.version(repository, 1, &units.map(|unit| unit.content)).await;
    world.distribute("d", |row| row.repository_id = Some(repository)).await;
    for path in ["/pulp/content/d/", "/pulp/content/d/x/"] {
        let answer = world.get(path).await;
        assert_eq!((&answer.body[..], answer.header("content-type")), (&b"<p>Hello</p>"[..], Some("text/html")));
    }
}

on_both!(paths_above_distributions_list_them_unless_hidden, |world| {
    assert!(world.get("/pulp/content/").await.names().is_empty());
    for path in ["b/one", "b/two", "a", "a-b", "z/secret"] {
        world.distribute(path, |row| row.hidden = path == "z/secret").await;
    }
    assert_eq!(world.get("/pulp/content/").await.names(), ["a-b/", "a/", "b/"]);
    assert_eq!(world.get("/pulp/content/b/").await.names(), ["../", "one/", "two/"]);
    assert_eq!(world.get("/pulp/content/b").await.header("location"), Some("/pulp/content/b/"));
    assert_eq!(world.get("/pulp/content/z/").await.status, StatusCode::NOT_FOUND);
    // A distribution without anything to serve.
    assert_eq!(world.get("/pulp/content/a/").await.status, StatusCode::NOT_FOUND);
});

on_both!(a_publication_serves_its_files_and_the_versions_where_it_passes_through, |world| {
    let [old, new] = [world.artifact(b"old").await, world.artifact(b"new").await];
    let unit = world.unit("p/a", Some(old)).await;
    let repository = world.repository().await;
    let version = world.version(repository, 1, &[unit.content]).await;
    let publication = world.publication(version, false, &[("renamed", unit.file)], &[("MANIFEST", new)]).await;
    world.distribute("d", |row| row.publication_id = Some(publication)).await;
    assert_eq!(world.get("/pulp/content/d/renamed").await.body, b"old");
    assert_eq!(world.get("/pulp/content/d/MANIFEST").await.body, b"new");
    assert_eq!(world.get("/pulp/content/d/p/a").await.status, StatusCode::NOT_FOUND);
    assert_eq!(world.get("/pulp/content/d/p").await.status, StatusCode::NOT_FOUND);
    assert_eq!(world.get("/pulp/content/d/").await.names(), ["../", "MANIFEST", "renamed"]);

    let through = world.publication(version, true, &[], &[("p/MANIFEST", new)]).await;
    world.distribute("t", |row| row.publication_id = Some(through)).await;
    assert_eq!(world.get("/pulp/content/t/p/a").await.body, b"old");
    assert_eq!(world.get("/pulp/content/t/p/").await.names(), ["../", "MANIFEST", "a"]);
    assert_eq!(world.get("/pulp/content/t/p").await.status, StatusCode::MOVED_PERMANENTLY);
});

on_both!(a_repository_is_served_by_its_latest_publication_or_else_its_latest_version, |world| {
    let repository = world.repository().await;
    let mut units = Vec::new();
    for name in ["one", "two", "three"] {
        units.push(world.unit(name, Some(world.artifact(name.as_bytes()).await)).await);
    }
    let first = world.version(repository, 1, &[units[0].content]).await;
    world.version(repository, 2, &[units[1].content]).await;
    world.distribute("d", |row| row.repository_id = Some(repository)).await;
    world.distribute("first", |row| row.repository_version_id = Some(first)).await;
    assert_eq!(world.get("/pulp/content/d/").await.names(), ["../", "one", "two"]);
    assert_eq!(world.get("/pulp/content/first/").await.names(), ["../", "one"]);
    assert_eq!(world.get("/pulp/content/first/two").await.status, StatusCode::NOT_FOUND);

    // Once something is published, the latest of that is what counts, however many versions follow.
    world.publication(first, true, &[], &[]).await;
    assert_eq!(world.get("/pulp/content/d/").await.names(), ["../", "one"]);
    let third = world.version(repository, 3, &[units[2].content]).await;
    assert_eq!(world.get("/pulp/content/d/three").await.status, StatusCode::NOT_FOUND);
    world.publication(third, true, &[], &[]).await;
    world.publication(first, true, &[], &[]).await;
    assert_eq!(world.get("/pulp/content/d/three").await.body, b"three");

    world.remove(repository, units[0].content, 4).await;
    assert_eq!(world.get("/pulp/content/d/one").await.body, b"one", "a version never changes");
});

on_both!(a_guard_is_asked_before_anything_is_said, |world| {
    fill(&world).await;
    world.guarded("g", "open sesame").await;
    let word = base64::prelude::BASE64_STANDARD.encode("open sesame");
    for (path, headers, status) in [
        ("a.txt", &[][..], 200),
        ("a.txt", &[("range", "bytes=0-4")], 206),
        ("a.txt", &[("range", "bytes=9000-")], 416),
        ("a.txt", &[("if-none-match", "*")], 304),
        ("", &[], 200),
        ("sub/", &[], 200),
        ("sub", &[], 301),
        ("nothing", &[], 404),
    ] {
        for method in ["GET", "HEAD"] {
            let path = format!("/pulp/content/g/{path}");
            let answer = world.ask(method, &path, headers).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{method} {path} {headers:?}");
            assert_eq!(answer.header("x-pulp-artifact-size"), None);
            assert!(method == "HEAD" || answer.body == b"403: Forbidden", "{path}");
            // A range is defined for GET alone.
            let status = if method == "HEAD" && matches!(status, 206 | 416) { 200 } else { status };
            let headers: Vec<_> = headers.iter().copied().chain([("x-word", word.as_str())]).collect();
            assert_eq!(world.ask(method, &path, &headers).await.status, status, "{method} {path} {headers:?}");
        }
    }
    assert_eq!(world.get("/pulp/content/g").await.status, StatusCode::FORBIDDEN);
    assert_eq!(world.get("/pulp/content/d/a.txt").await.body, TEXT, "others are open");
});

#[tokio::test]
async fn a_fault_of_ours_shows_the_correlation_id_and_nothing_else() {
    let world = distributed().await;
    let path = Storage::artifact_path(&hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, TEXT)));
    std::fs::write(world.app.storage.local_path(&path).unwrap(), "ruin").unwrap();
    let answer = world.ask("GET", "/pulp/content/d/a.txt", &[("correlation-id", "cid-17")]).await;
    assert_eq!(answer.text(), "500: Internal Server Error (cid-17)");
    assert_eq!(answer.header(header::ETAG.as_str()), None);
}
