//! Whatever a path within the room's space looks like, the room answers it, and no path outside reaches the room.

use pulpcore::testkit::{Backend, TestPulp};

use super::{furnish, show, wire};

/// Ways to write that a path is in `/read/`.
#[rustfmt::skip]
const INSIDE: &[&str] = &[
    "/read", "/read/", "//read/", "/./read/", "/%72ead/", "/%72%65%61%64/", "/read//", "/read/./", "/read%2F", "/read%2f",
    "/%2Fread/", "/desk/v2", "/desk/v2/", "/desk//v2/", "/desk%2Fv2/", "/desk/%76%32/", "/read/../",
];

/// And ways that are not, though they look like it.
#[rustfmt::skip]
const OUTSIDE: &[&str] = &[
    "/reading/", "/rea/", "/READ/", "/Read/", "/read;x/", "/read%00/", "/%2572ead/", "/x/../read/", "/../read/", "/desk/",
    "/desk/v22/", "/readv2/", "/r/ead/", "/pulp/read/", "/desk/../read/", "/%2e%2e/read/", "/read%5C/",
];

/// What may follow.
#[rustfmt::skip]
const AFTER: &[&str] = &[
    "", "north/books/moby", "north/books/moby/", "north//books/moby", "../reading/moby", "../../reading/moby",
    "%2e%2e/reading/moby", "..%2Freading/moby", "north/books/..", "north/books/%00", "north/books/%ff", "north/books/%",
    "north/books/%zz", "north/books/a%2Fb", "books/moby", "digests/x", "north/digests/%27%20OR%201=1", "north/trap/x",
    "\u{7f}", "{x}", "{*x}", "*", "?a=b&c", "north/books/moby?x=/reading/", ";a=b/x", "a/./b", "a/%2e/b", ":", "@",
];

/// A path that begins in one way and goes on in another.
fn path(before: &str, after: &str) -> String {
    let ends = before.ends_with('/') || before.ends_with("%2F") || before.ends_with("%2f");
    let slash = if ends || after.is_empty() || after.starts_with('?') { "" } else { "/" };
    format!("{before}{slash}{after}")
}

/// Sends a request as it is written; the answer's first line and headers.
async fn raw(pulp: &TestPulp, method: &str, path: &str) -> String {
    let request = format!("{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let answer = wire(pulp, request).await.to_lowercase();
    answer.split("\r\n\r\n").next().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_path_leaves_the_claim_and_none_comes_in() {
    for prefix in ["/", "/pulp/content/"] {
        let mut pulp = TestPulp::start().await;
        let shelf = furnish(&pulp, "north").await;
        // What the content service would serve, had it a say.
        for (kind, base_path) in [("window", "read/north/books"), ("door", "desk/v2"), ("door", "reading")] {
            show(&pulp, kind, base_path, &shelf).await;
        }
        pulp.restart_with(|settings| settings.content_path_prefix = prefix.to_owned()).await;
        let long = "a/".repeat(2_000);
        for after in AFTER.iter().copied().chain([long.as_str()]) {
            for before in INSIDE {
                let path = path(before, after);
                for method in ["GET", "HEAD", "PUT"] {
                    let answer = raw(&pulp, method, &path).await;
                    let refused_as_a_whole = answer.starts_with("http/1.1 400") && !answer.contains("correlation-id");
                    let is_ours = answer.contains("\r\nx-room: reading");
                    assert!(is_ours || refused_as_a_whole, "{method} {path}: {answer}");
                    assert!(!answer.starts_with("http/1.1 5"), "{method} {path}: {answer}");
                }
            }
            for before in OUTSIDE {
                let path = path(before, after);
                let answer = raw(&pulp, "GET", &path).await;
                assert!(!answer.contains("x-room"), "{path}: {answer}");
                assert!(!answer.starts_with("http/1.1 5"), "{path}: {answer}");
            }
        }
        pulp.finish().await;
    }
}

#[tokio::test]
async fn a_room_with_the_api_role_alone_lets_nothing_out_either() {
    let change = |settings: &mut pulpcore::settings::Settings| {
        settings.roles = [pulpcore::settings::Role::Api].into();
        settings.content_path_prefix = "/".to_owned();
    };
    let pulp = TestPulp::with(Backend::Sqlite, change).await;
    for before in INSIDE {
        let answer = raw(&pulp, "GET", &path(before, "north/books/moby")).await;
        assert!(answer.contains("\r\nx-room: reading"), "{before}: {answer}");
    }
    pulp.finish().await;
}
