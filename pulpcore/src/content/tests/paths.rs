//! Whatever a client sends as a path: it ends in a file of the distribution that was named, or in a status of the
//! client's own making.

use axum::http::{StatusCode, Uri};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use super::world::World;

/// How many paths are tried on each database.
const BUDGET: usize = 4000;

/// Stands in every file of the distribution that is asked, and of no other.
const OURS: &[u8] = b"OURS";

/// Stands in every file, and every name, of the neighbours.
const THEIRS: &str = "neighbour";

/// One distribution at `a/d` that is asked, and neighbours around it: next to it, with its name as a beginning, and one
/// whose content has names that lead out.
async fn fill(world: &World) {
    let ours = world.artifact(OURS).await;
    let theirs = world.artifact(THEIRS.as_bytes()).await;
    let mut units = Vec::new();
    for name in ["file.txt", "sub/file.txt", "sub/ä ;?#%.txt", "sub/deep/file.txt", "back\\slash"] {
        units.push(world.unit(name, Some(ours)).await.content);
    }
    let repository = world.repository().await;
    world.version(repository, 1, &units).await;
    world.distribute("a/d", |row| row.repository_id = Some(repository)).await;
    for base_path in ["a/dd-neighbour", "a/neighbour", "neighbour"] {
        let mut units = Vec::new();
        for name in ["file.txt", "neighbour.txt", "sub/neighbour.txt", "../d/neighbour.txt", "a/d/neighbour.txt"] {
            units.push(world.unit(name, Some(theirs)).await.content);
        }
        let repository = world.repository().await;
        world.version(repository, 1, &units).await;
        world.distribute(base_path, |row| row.repository_id = Some(repository)).await;
    }
}

/// Steps that lead somewhere in the distribution.
const THERE: &[&str] = &["file.txt", "sub", "sub/file.txt", "deep"];

/// Steps that mean something somewhere.
const STEPS: &[&str] = &[
    "",
    ".",
    "..",
    "...",
    "file.txt",
    "sub",
    "deep",
    "neighbour",
    "neighbour.txt",
    "dd-neighbour",
    "a",
    "d",
    "back\\slash",
    "\\",
    "..\\",
    "~",
    "artifact",
    "media",
    "etc",
    "passwd",
    "keys",
    "database.key",
    "pulp.sqlite3",
    "index.html",
    ";",
    "?",
    "#",
    "%",
    "%%",
    "%2",
    "%zz",
    "\0",
    "\n",
    "\r\nx: y",
    "\u{feff}",
    "\u{202e}",
    "ä",
    "日本",
    "\u{1f600}",
    "*",
    ":",
    "evil.test",
    "file.txt/",
    "C:",
    "con",
    " ",
    "+",
    "&",
    "'",
    "\"",
    "<script>",
    "$(id)",
    "{}",
    "sub/ä ;?#%.txt",
    "\u{ff0e}\u{ff0e}",
];

/// What stands between two steps.
const JOINTS: &[&str] = &["/", "/", "/", "/", "//", "///", "\\", "%2f", "%2F", "%5c", "%252f", "/./", "/../", ";/"];

fn step(random: &mut StdRng) -> String {
    let steps = if random.random_bool(0.4) { THERE } else { STEPS };
    let text = *steps.choose(random).unwrap();
    match random.random_range(0..8) {
        // As it is, as far as a request line can hold it.
        0 => text.to_owned(),
        // Encoded once, each byte or some.
        1 | 2 => encode(text, random, 1.0),
        3 => encode(text, random, 0.4),
        // Encoded twice.
        4 => encode(&encode(text, random, 1.0), random, 0.5),
        // Bytes that are no text, overlong forms of dots and slashes among them.
        5 => ["%ff", "%c0%ae%c0%ae", "%c0%af", "%e0%80%ae", "%80", "%ed%a0%80", "%f8%80%80%80%ae"]
            .choose(random)
            .map(|bytes| format!("{bytes}{text}"))
            .unwrap(),
        6 => text.repeat(random.random_range(1..200)),
        _ => (0..random.random_range(1..12)).map(|_| format!("%{:02x}", random.random::<u8>())).collect(),
    }
}

fn encode(text: &str, random: &mut StdRng, share: f64) -> String {
    let byte = |byte: u8| match byte.is_ascii_graphic() && !random.random_bool(share) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// A path below the distribution, or what looks like one.
fn path(random: &mut StdRng) -> String {
    let mut path = String::from("/pulp/content/a/d");
    for _ in 0..random.random_range(1..7) {
        let joint = if path.ends_with("/d") { ["/", "//", "%2f", "/./"].as_slice() } else { JOINTS };
        path.push_str(joint.choose(random).unwrap());
        path.push_str(&step(random));
    }
    if random.random_bool(0.02) {
        path.push_str(&"/x".repeat(random.random_range(1000..15_000)));
    }
    path
}

on_both!(no_path_leads_out_of_its_distribution_or_to_a_fault, |world| {
    fill(&world).await;
    let mut random = StdRng::seed_from_u64(9110);
    let (mut tried, mut found) = (0, 0);
    for _ in 0..BUDGET {
        let path = path(&mut random);
        // What is no path is refused before anything of ours sees it.
        if path.parse::<Uri>().is_err() {
            continue;
        }
        tried += 1;
        let method = ["GET", "GET", "GET", "HEAD"].choose(&mut random).unwrap();
        let answer = world.ask(method, &path, &[]).await;
        assert!(matches!(answer.status.as_u16(), 200 | 301 | 404 | 414), "{} for {path}", answer.status);
        match answer.status {
            StatusCode::OK if answer.header("etag").is_some() => {
                found += 1;
                assert!(
                    *method == "HEAD" || answer.body == OURS,
                    "{path}: {:?}",
                    String::from_utf8_lossy(&answer.body)
                );
            }
            StatusCode::OK => {
                let listing = String::from_utf8_lossy(&answer.body);
                assert!(*method == "HEAD" || listing.contains("<h1>Index of /pulp/content/a/d/"), "{path}: {listing}");
                assert!(!listing.contains(THEIRS), "{path}: {listing}");
            }
            StatusCode::MOVED_PERMANENTLY => {
                let location = answer.header("location").unwrap();
                assert!(location.starts_with("/pulp/content/a/d") && location.ends_with('/'), "{path}: {location}");
            }
            status => {
                let expected = format!("{}: {}", status.as_u16(), status.canonical_reason().unwrap());
                assert!(*method == "HEAD" || answer.body == expected.as_bytes(), "{path}");
            }
        }
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
    }
    assert!(tried > BUDGET / 2, "most of what is made up must be sent: {tried}");
    assert!(found > BUDGET / 200, "some of it must lead to a file: {found}");
});

on_both!(nor_does_any_path_anywhere_below_the_prefix_make_a_fault, |world| {
    fill(&world).await;
    let mut random = StdRng::seed_from_u64(9111);
    for _ in 0..BUDGET / 4 {
        let mut path = String::from("/pulp/content/");
        for _ in 0..random.random_range(0..5) {
            path.push_str(&step(&mut random));
            path.push_str(JOINTS.choose(&mut random).unwrap());
        }
        let path = format!("{path}?after={}", encode(&step(&mut random), &mut random, 0.3));
        if path.parse::<Uri>().is_ok() {
            let answer = world.ask("GET", &path, &[]).await;
            assert!(matches!(answer.status.as_u16(), 200 | 301 | 400 | 404 | 414), "{} for {path}", answer.status);
            if let Some(location) = answer.header("location") {
                assert!(location.starts_with("/pulp/content/"), "{path}: {location}");
            }
        }
    }
});

on_both!(one_spelling_of_a_path_is_as_good_as_another, |world| {
    fill(&world).await;
    for same in [
        "file.txt",
        "/file.txt",
        "%66ile%2Etxt",
        "file.txt?x=../..",
        "sub%2Ffile.txt",
        "sub/%C3%A4%20;%3F%23%25.txt",
        "sub/ä%20%3b%3F%23%25.txt",
        "back%5Cslash",
        "back\\slash",
    ] {
        let answer = world.get(&format!("/pulp/content/a/d/{same}")).await;
        assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, OURS), "{same}");
    }
    for other in [
        "%2566ile.txt",
        "FILE.TXT",
        "file.txt/",
        "file.txt;x",
        "sub//file.txt",
        "./file.txt",
        "sub/../file.txt",
        "sub\\file.txt",
    ] {
        assert_eq!(world.get(&format!("/pulp/content/a/d/{other}")).await.status, StatusCode::NOT_FOUND, "{other}");
    }
    let endless = world.get(&format!("/pulp/content/a/d/{}", "x".repeat(9000))).await;
    assert_eq!((endless.status, endless.text()), (StatusCode::URI_TOO_LONG, "414: URI Too Long"));
});

#[tokio::test]
async fn a_redirect_never_leads_to_another_server() {
    let world = World::with(|settings| settings.content_path_prefix = "/".to_owned()).await;
    let unit = world.unit("evil.test/sub/file.txt", Some(world.artifact(OURS).await)).await;
    let repository = world.repository().await;
    world.version(repository, 1, &[unit.content]).await;
    world.distribute("evil.test", |row| row.repository_id = Some(repository)).await;
    world.distribute("d", |row| row.repository_id = Some(repository)).await;
    for path in ["/evil.test", "/d", "/d/evil.test", "/d//evil.test", "/d/%2Fevil.test", "/d%2Fevil.test"] {
        let answer = world.get(path).await;
        assert_eq!(answer.status, StatusCode::MOVED_PERMANENTLY, "{path}");
        assert_eq!(answer.header("location"), Some(&*format!("{path}/")));
    }
    for path in
        ["//evil.test", "///evil.test", "/\\evil.test", "//evil.test/..", "/%2Fevil.test", "/%5Cevil.test", "//d"]
    {
        let answer = world.get(path).await;
        assert_eq!((answer.status, answer.header("location")), (StatusCode::NOT_FOUND, None), "{path}");
    }
}

#[tokio::test]
async fn only_get_and_head_are_methods_of_content() {
    let world = World::new().await;
    fill(&world).await;
    for path in
        ["/pulp/content", "/pulp/content/", "/pulp/content/a/d/", "/pulp/content/a/d/file.txt", "/pulp/content/x/%00"]
    {
        for method in ["OPTIONS", "TRACE", "POST", "PUT", "PATCH", "DELETE", "PROPFIND", "CONNECT"] {
            let answer = world.ask(method, path, &[]).await;
            assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
            assert_eq!(answer.header("allow"), Some("GET,HEAD"), "{method} {path}");
        }
    }
}
