//! Conditions and ranges against RFC 9110, rule by rule: what a client sends, and what it must get.
//!
//! Each rule is tried on a file of a version and on one that publishing made, with GET and with HEAD. HEAD answers what
//! GET would answer if it did not know ranges (section 14.2), in status and in every header.

use axum::http::StatusCode;

use super::TEXT;
use super::world::{Answer, World};

/// What the body must be.
#[derive(Clone, Copy, Debug)]
enum Body {
    Whole,
    Nothing,
    /// From one byte to another, which is included.
    Part(u64, u64),
    Parts(&'static [(u64, u64)]),
}
use Body::{Nothing, Part, Parts, Whole};

/// One rule: where it stands, what is sent, and what must come.
///
/// `TAG` is the entity tag of the file, `DATE` its last modification, `EARLIER` and `LATER` a day before and after.
type Rule = (&'static str, &'static [(&'static str, &'static str)], u16, Body);

const RULES: &[Rule] = &[
    ("15.3.1: no condition, no range", &[], 200, Whole),
    // If-Match.
    ("13.1.1: a listed tag matches", &[("if-match", "TAG")], 200, Whole),
    ("13.1.1: one of several", &[("if-match", "\"x\", TAG")], 200, Whole),
    ("13.1.1 and 5.2: a list over two lines", &[("if-match", "\"x\""), ("if-match", "TAG")], 200, Whole),
    ("13.1.1: * matches whatever there is", &[("if-match", "*")], 200, Whole),
    ("13.1.1: no tag matches", &[("if-match", "\"x\"")], 412, Nothing),
    ("13.1.1: a * in quotes is a tag", &[("if-match", "\"*\"")], 412, Nothing),
    ("13.1.1: the comparison is strong", &[("if-match", "W/TAG")], 412, Nothing),
    ("8.8.3: no tag without its quotes", &[("if-match", "x")], 412, Nothing),
    // If-Unmodified-Since.
    ("13.1.4: not modified since", &[("if-unmodified-since", "DATE")], 200, Whole),
    ("13.1.4: nor since a later time", &[("if-unmodified-since", "LATER")], 200, Whole),
    ("13.1.4: modified since", &[("if-unmodified-since", "EARLIER")], 412, Nothing),
    ("13.1.4: no date, no condition", &[("if-unmodified-since", "yesterday")], 200, Whole),
    ("13.1.4: ignored beside If-Match", &[("if-match", "TAG"), ("if-unmodified-since", "EARLIER")], 200, Whole),
    ("13.2.2 (1): If-Match alone counts", &[("if-match", "\"x\""), ("if-unmodified-since", "LATER")], 412, Nothing),
    // If-None-Match.
    ("13.1.2: a listed tag matches", &[("if-none-match", "TAG")], 304, Nothing),
    ("13.1.2: one of several", &[("if-none-match", "\"x\" , TAG,\"y\"")], 304, Nothing),
    ("13.1.2 and 5.2: two lines", &[("if-none-match", "\"x\""), ("if-none-match", "TAG")], 304, Nothing),
    ("13.1.2: the comparison is weak", &[("if-none-match", "W/TAG")], 304, Nothing),
    ("13.1.2: * matches whatever there is", &[("if-none-match", "*")], 304, Nothing),
    ("13.1.2: no tag matches", &[("if-none-match", "\"x\", W/\"y\"")], 200, Whole),
    ("8.8.3: W/ is case-sensitive", &[("if-none-match", "w/TAG")], 200, Whole),
    ("8.8.3: a comma within a tag", &[("if-none-match", "\"x,y\", TAG")], 304, Nothing),
    // If-Modified-Since.
    ("13.1.3: not modified since", &[("if-modified-since", "DATE")], 304, Nothing),
    ("13.1.3: modified since", &[("if-modified-since", "EARLIER")], 200, Whole),
    // Exact matches only, as its last paragraph allows: see `conditions`.
    ("13.1.3: a date that was never given", &[("if-modified-since", "LATER")], 200, Whole),
    ("13.1.3: no date, no condition", &[("if-modified-since", "0")], 200, Whole),
    ("13.1.3: ignored beside If-None-Match", &[("if-none-match", "\"x\""), ("if-modified-since", "DATE")], 200, Whole),
    (
        "13.2.2 (3): If-None-Match alone counts",
        &[("if-none-match", "TAG"), ("if-modified-since", "EARLIER")],
        304,
        Nothing,
    ),
    // Precedence.
    ("13.2.2 (1): 412 before 304", &[("if-match", "\"x\""), ("if-none-match", "TAG")], 412, Nothing),
    (
        "13.2.2 (2): 412 before 304, by date",
        &[("if-unmodified-since", "EARLIER"), ("if-none-match", "TAG")],
        412,
        Nothing,
    ),
    ("13.2.2 (3): 304 after If-Match", &[("if-match", "TAG"), ("if-none-match", "TAG")], 304, Nothing),
    ("13.2.2 (5): 304 before the range", &[("if-none-match", "TAG"), ("range", "bytes=0-1")], 304, Nothing),
    ("13.2.2 (5): 412 before the range", &[("if-match", "\"x\""), ("range", "bytes=99-")], 412, Nothing),
    // Ranges.
    ("14.1.2: first and last", &[("range", "bytes=0-3")], 206, Part(0, 3)),
    ("14.1.2: the last byte", &[("range", "bytes=37-37")], 206, Part(37, 37)),
    ("14.1.2: an end beyond the end is cut", &[("range", "bytes=34-99")], 206, Part(34, 37)),
    ("14.1.2: open", &[("range", "bytes=5-")], 206, Part(5, 37)),
    ("14.1.2: all of it, as a part", &[("range", "bytes=0-")], 206, Part(0, 37)),
    ("14.1.2: a suffix", &[("range", "bytes=-4")], 206, Part(34, 37)),
    ("14.1.2: a suffix longer than the file", &[("range", "bytes=-99")], 206, Part(0, 37)),
    ("14.1: units are case-insensitive", &[("range", "Bytes=0-0")], 206, Part(0, 0)),
    ("14.1.2: numbers of any length", &[("range", "bytes=1-99999999999999999999999")], 206, Part(1, 37)),
    ("15.5.17: a beginning beyond the end", &[("range", "bytes=38-")], 416, Nothing),
    ("14.1.2: the last no bytes", &[("range", "bytes=-0")], 416, Nothing),
    ("15.5.17: none of several", &[("range", "bytes=38-40,99-,-0")], 416, Nothing),
    ("14.2: another unit is ignored", &[("range", "lines=0-1")], 200, Whole),
    ("14.1.1: the last before the first", &[("range", "bytes=9-3")], 200, Whole),
    ("14.1.1: one that is invalid spoils all", &[("range", "bytes=0-1,9-3")], 200, Whole),
    ("14.1.1: no numbers", &[("range", "bytes=a-b")], 200, Whole),
    ("14.1.1: no range", &[("range", "bytes=")], 200, Whole),
    ("14.1.1: no set", &[("range", "bytes")], 200, Whole),
    ("5.3: two lines of what is no list", &[("range", "bytes=0-1"), ("range", "bytes=3-4")], 200, Whole),
    // Several ranges.
    ("15.3.7.2: two parts", &[("range", "bytes=0-1,4-5")], 206, Parts(&[(0, 1), (4, 5)])),
    ("15.3.7.2: in any order", &[("range", "bytes=-1, 0-0")], 206, Parts(&[(0, 0), (37, 37)])),
    ("15.3.7.2: those that overlap are one", &[("range", "bytes=0-9,5-12,20-20")], 206, Parts(&[(0, 12), (20, 20)])),
    ("15.3.7.2: what becomes one is no multipart", &[("range", "bytes=0-9,5-12")], 206, Part(0, 12)),
    ("15.3.7.2: those that touch are one", &[("range", "bytes=0-4,5-9")], 206, Part(0, 9)),
    ("15.3.7.2: the one that there is", &[("range", "bytes=99-,3-4")], 206, Part(3, 4)),
    ("14.2: the same again and again is sent once", &[("range", "bytes=0-,0-,0-,0-,0-")], 206, Part(0, 37)),
    (
        "14.2 and 17.15: many tiny parts",
        &[("range", "bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16,18-18")],
        200,
        Whole,
    ),
    ("5.6.1.2: empty elements of a list", &[("range", "bytes=,0-1,,4-5,")], 206, Parts(&[(0, 1), (4, 5)])),
    // If-Range.
    ("13.1.5: the tag holds", &[("range", "bytes=0-1"), ("if-range", "TAG")], 206, Part(0, 1)),
    ("13.1.5: and several parts", &[("range", "bytes=0-1,4-5"), ("if-range", "TAG")], 206, Parts(&[(0, 1), (4, 5)])),
    ("13.1.5: the tag does not", &[("range", "bytes=0-1"), ("if-range", "\"x\"")], 200, Whole),
    ("13.1.5: the comparison is strong", &[("range", "bytes=0-1"), ("if-range", "W/TAG")], 200, Whole),
    ("13.1.5: one tag, no list", &[("range", "bytes=0-1"), ("if-range", "TAG, \"x\"")], 200, Whole),
    ("13.1.5: the date holds", &[("range", "bytes=0-1"), ("if-range", "DATE")], 206, Part(0, 1)),
    ("13.1.5: an exact match of dates", &[("range", "bytes=0-1"), ("if-range", "LATER")], 200, Whole),
    ("13.1.5: another date", &[("range", "bytes=0-1"), ("if-range", "EARLIER")], 200, Whole),
    ("13.1.5: without a range it says nothing", &[("if-range", "\"x\"")], 200, Whole),
    ("13.1.5: no part of another one, so no 416", &[("range", "bytes=99-"), ("if-range", "\"x\"")], 200, Whole),
    (
        "13.2.2 (5): all conditions hold",
        &[("if-match", "TAG"), ("if-none-match", "\"x\""), ("range", "bytes=0-1"), ("if-range", "TAG")],
        206,
        Part(0, 1),
    ),
];

/// One file in a version, at `v`, and the same in a publication that made it, at `p`.
async fn world(file: &[u8]) -> World {
    let world = World::new().await;
    let artifact = world.artifact(file).await;
    let (unit, repository) = (world.unit("a.txt", Some(artifact)).await, world.repository().await);
    world.version(repository, 1, &[unit.content]).await;
    world.distribute("v", |row| row.repository_id = Some(repository)).await;
    let published = world.repository().await;
    let version = world.version(published, 1, &[]).await;
    let publication = world.publication(version, false, &[], &[("a.txt", artifact)]).await;
    world.distribute("p", |row| row.publication_id = Some(publication)).await;
    world
}

const PATHS: [&str; 2] = ["/pulp/content/v/a.txt", "/pulp/content/p/a.txt"];

#[tokio::test]
async fn every_rule_holds_for_stored_files_and_for_published_ones() {
    let world = world(TEXT).await;
    for path in PATHS {
        let plain = world.get(path).await;
        for rule in RULES {
            let sent = sent(rule.1, &plain);
            let answer = world.ask("GET", path, &of(&sent)).await;
            check(rule, &answer, &plain);

            let without: Vec<_> = of(&sent).into_iter().filter(|(name, _)| !name.ends_with("range")).collect();
            let (head, get) = (world.ask("HEAD", path, &of(&sent)).await, world.ask("GET", path, &without).await);
            assert_eq!((head.status, head.body.len()), (get.status, 0), "HEAD, {}", rule.0);
            assert_eq!(head.headers, get.headers, "HEAD, {}", rule.0);
        }
    }
}

/// The headers with what stands for the file's own.
fn sent(headers: &[(&'static str, &str)], plain: &Answer) -> Vec<(&'static str, String)> {
    let modified = plain.header("last-modified").unwrap();
    let time = httpdate::parse_http_date(modified).unwrap();
    let day = std::time::Duration::from_secs(86_400);
    let value = |value: &str| {
        let value = value.replace("TAG", plain.header("etag").unwrap());
        match &*value {
            "DATE" => modified.to_owned(),
            "EARLIER" => httpdate::fmt_http_date(time - day),
            "LATER" => httpdate::fmt_http_date(time + day),
            _ => value,
        }
    };
    headers.iter().map(|(name, text)| (*name, value(text))).collect()
}

fn of<'a>(headers: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    headers.iter().map(|(name, value)| (*name, &**value)).collect()
}

fn check((section, _, status, body): &Rule, answer: &Answer, plain: &Answer) {
    assert_eq!(answer.status.as_u16(), *status, "{section}");
    // Sections 15.4.5 and 15.3.7: the validators of a 200 come with a 304 and a 206, too.
    for name in ["etag", "last-modified", "x-content-type-options"] {
        assert_eq!(answer.header(name), plain.header(name), "{section}: {name}");
    }
    // Sections 14.4 and 15.5.17.
    let content_range = match body {
        Part(first, last) => Some(format!("bytes {first}-{last}/{}", plain.body.len())),
        _ if *status == 416 => Some(format!("bytes */{}", plain.body.len())),
        _ => None,
    };
    assert_eq!(answer.header("content-range"), content_range.as_deref(), "{section}");
    let expected = match body {
        Whole => plain.body.clone(),
        Nothing => Vec::new(),
        Part(first, last) => cut(plain, *first, *last).to_vec(),
        Parts(parts) => multipart(section, answer, plain, parts),
    };
    assert_eq!(String::from_utf8_lossy(&answer.body), String::from_utf8_lossy(&expected), "{section}");
    // Section 8.6: not the length of no body.
    assert!(*status != 304 || answer.header("content-length").is_none(), "{section}");
    if matches!(status, 200 | 206) {
        assert_eq!(answer.header("content-length"), Some(&*expected.len().to_string()), "{section}");
        assert_eq!(answer.header("accept-ranges"), Some("bytes"), "{section}");
        if !matches!(body, Parts(_)) {
            assert_eq!(answer.header("content-type"), plain.header("content-type"), "{section}");
        }
    }
}

fn cut(plain: &Answer, first: u64, last: u64) -> &[u8] {
    &plain.body[first as usize..=last as usize]
}

/// Section 14.6: each part with its type and its range, between boundaries.
fn multipart(section: &str, answer: &Answer, plain: &Answer, parts: &[(u64, u64)]) -> Vec<u8> {
    let boundary = answer.header("content-type").unwrap().strip_prefix("multipart/byteranges; boundary=");
    let boundary = boundary.unwrap_or_else(|| panic!("{section}: no multipart"));
    let type_ = plain.header("content-type").unwrap();
    let mut body = Vec::new();
    for (nth, (first, last)) in parts.iter().enumerate() {
        let before = if nth == 0 { "" } else { "\r\n" };
        let range = format!("bytes {first}-{last}/{}", plain.body.len());
        let head = format!("{before}--{boundary}\r\nContent-Type: {type_}\r\nContent-Range: {range}\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(cut(plain, *first, *last));
    }
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    body
}

#[tokio::test]
async fn what_is_not_modified_has_no_length_on_the_wire() {
    let world = world(TEXT).await;
    for method in ["GET", "HEAD"] {
        let answer = world.over_tcp_with(method, PATHS[0], "If-None-Match: *\r\n").await;
        assert!(answer.starts_with("http/1.1 304 not modified\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");
        assert!(!answer.contains("content-length") && !answer.contains("transfer-encoding"), "{answer}");
    }
}

#[tokio::test]
async fn an_empty_file_has_no_parts() {
    let world = world(b"").await;
    for path in PATHS {
        for (range, status) in [("bytes=0-", 416), ("bytes=0-0", 416), ("bytes=-0", 416), ("bytes=-5", 200)] {
            let answer = world.ask("GET", path, &[("range", range)]).await;
            assert_eq!((answer.status.as_u16(), answer.body.len()), (status, 0), "{range}");
            assert_eq!(answer.header("content-range"), (status == 416).then_some("bytes */0"), "{range}");
            assert_eq!(answer.header("content-length"), Some("0"), "{range}");
        }
    }
}

#[tokio::test]
async fn parts_of_a_large_file_come_out_of_its_middle() {
    let file: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
    let world = world(&file).await;
    let plain = world.get(PATHS[0]).await;
    let answer = world.ask("GET", PATHS[0], &[("range", "bytes=100-1000099,1500000-1500000,-600000")]).await;
    assert_eq!(answer.status, StatusCode::PARTIAL_CONTENT);
    let parts = [(100, 1_000_099), (1_500_000, 1_500_000), (2_400_000, 2_999_999)];
    let expected = multipart("14.6", &answer, &plain, &parts);
    assert!(answer.body == expected, "the parts came out changed");
    assert_eq!(answer.header("content-length"), Some(&*expected.len().to_string()));
}

#[tokio::test]
async fn no_range_header_makes_an_answer_much_larger_than_the_file() {
    let file: Vec<u8> = (0..100_000u32).map(|n| (n % 251) as u8).collect();
    let world = world(&file).await;
    let join = |ranges: Vec<String>| format!("bytes={}", ranges.join(","));
    for header in [
        join((0..5000).map(|nth| format!("{nth}-{nth}")).collect()),
        join((0..5000).map(|_| "0-".to_owned()).collect()),
        join((0..256).map(|nth| format!("{}-", nth * 2)).collect()),
        join((0..256).map(|nth| format!("{0}-{0}", nth * 300)).collect()),
        join((0..256).rev().map(|nth| format!("{}-99999", nth * 300)).collect()),
    ] {
        let answer = world.ask("GET", PATHS[0], &[("range", &header)]).await;
        assert!(matches!(answer.status.as_u16(), 200 | 206), "{}", answer.status);
        assert!(answer.body.len() <= file.len(), "{} bytes for {}", answer.body.len(), &header[..60]);
    }
}
