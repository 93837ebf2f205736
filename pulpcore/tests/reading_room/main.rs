//! A plugin with a live API, written against what plugins may use and nothing else: a reading room that serves books by
//! URLs of its own, draws its own errors, and takes gifts.

#![expect(unreachable_pub, reason = "a plugin's types are public; this one is never published")]

mod escape;
mod plugin;
mod roles;
mod room;
mod space;

use pulpcore::both_databases;
use pulpcore::models::distribution;
use pulpcore::testkit::{Answer, TestPulp};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A shelf with `moby` on it, shown in the window `at`.
async fn furnish(pulp: &TestPulp, at: &str) -> String {
    let shelf = pulp.post("repositories/room/shelf/", json!({ "name": at })).await.created();
    let shelf = shelf["pulp_href"].as_str().unwrap().to_owned();
    let fields = [("title", "moby"), ("repository", shelf.as_str())];
    pulp.upload("content/room/books/", "Call me Ishmael.", &fields).await.accepted().await.completed();
    show(pulp, "window", at, &shelf).await;
    shelf
}

async fn show(pulp: &TestPulp, kind: &str, at: &str, shelf: &str) {
    let name = format!("{kind} {at}");
    let body = json!({ "name": name, "base_path": at, "repository": shelf });
    pulp.post(&format!("distributions/room/{kind}/"), body).await.accepted().await.completed();
}

async fn ask(pulp: &TestPulp, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let request = pulp.anonymous(method.parse().unwrap(), path);
    pulp.send(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
}

/// Sends a request as it is written; whatever comes back.
async fn wire(pulp: &TestPulp, request: String) -> String {
    let stream = TcpStream::connect(pulp.origin().trim_start_matches("http://")).await.unwrap();
    let (mut from, mut to) = stream.into_split();
    let sending = tokio::spawn(async move {
        // Whoever refuses a body need not read all of it.
        let _ = to.write_all(request.as_bytes()).await;
        to
    });
    let mut answer = Vec::new();
    let _ = from.read_to_end(&mut answer).await;
    drop(sending.await);
    String::from_utf8_lossy(&answer).into_owned()
}

/// Expects a refusal in the room's own shape; what it says.
#[track_caller]
fn sorry(answer: Answer, status: u16) -> String {
    let answer = answer.expect(status);
    assert_eq!(answer.header("x-room"), "reading");
    assert_eq!(answer.body["ticket"], Value::from(answer.header("correlation-id")), "{}", answer.body);
    answer.body["sorry"].as_str().unwrap().to_owned()
}

fn sha256(text: &str) -> String {
    hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes()))
}

both_databases!(a_distributed_book_is_read_by_its_own_url_as_the_content_service_would_send_it, |pulp| {
    furnish(pulp, "north/wing").await;
    let book = "/read/north/wing/books/moby";
    let answer = ask(pulp, "GET", book, &[]).await.expect(200);
    assert_eq!((&*answer.text(), answer.header("x-room")), ("Call me Ishmael.", "reading"));
    let tag = format!("\"{}\"", sha256("Call me Ishmael."));
    assert_eq!((answer.header("etag"), answer.header("accept-ranges")), (tag.as_str(), "bytes"));

    assert_eq!(ask(pulp, "GET", book, &[("Range", "bytes=8-14")]).await.expect(206).text(), "Ishmael");
    ask(pulp, "GET", book, &[("If-None-Match", &tag)]).await.expect(304);
    ask(pulp, "GET", book, &[("Range", "bytes=99-")]).await.expect(416);
    let head = ask(pulp, "HEAD", book, &[]).await.expect(200);
    assert_eq!((head.header("content-length"), &*head.text()), ("16", ""));

    let by_digest = format!("/read/north/wing/digests/{}", sha256("Call me Ishmael."));
    let answer = ask(pulp, "GET", &by_digest, &[("Range", "bytes=0-3")]).await.expect(206);
    assert_eq!((&*answer.text(), answer.header("content-type")), ("Call", "application/x-book"));
});

both_databases!(what_the_room_keeps_beside_the_shelves_is_sent_in_the_same_way, |pulp| {
    furnish(pulp, "north").await;
    pulp.upload("artifacts/", "A gift.", &[]).await.created();
    let gift = format!("/read/north/unshelved/{}", sha256("A gift."));
    let answer = ask(pulp, "GET", &gift, &[("Range", "bytes=2-5")]).await.expect(206);
    assert_eq!((&*answer.text(), answer.header("content-type")), ("gift", "text/plain"));
    sorry(ask(pulp, "GET", &format!("/read/north/unshelved/{}", sha256("No gift.")), &[]).await, 404);
    sorry(ask(pulp, "GET", &gift.replace("north", "south"), &[]).await, 404);
});

both_databases!(what_no_window_shows_is_not_there, |pulp| {
    let shelf = furnish(pulp, "north").await;
    show(pulp, "door", "cellar", &shelf).await;
    let digest = sha256("Another book.");
    pulp.upload("content/room/books/", "Another book.", &[("title", "hidden")]).await.accepted().await.completed();
    for path in [
        "/read/north/books/hidden",
        "/read/south/books/moby",
        // A distribution of another kind.
        "/read/cellar/books/moby",
        // Below a distribution, where the room looks for none.
        "/read/north/attic/books/moby",
        &format!("/read/north/digests/{digest}"),
    ] {
        assert_eq!(sorry(ask(pulp, "GET", path, &[]).await, 404), "There is no such book.", "{path}");
    }

    let versions = format!("{shelf}modify/");
    pulp.post(&versions, json!({ "remove_content_units": ["*"] })).await.accepted().await.completed();
    sorry(ask(pulp, "GET", "/read/north/books/moby", &[]).await, 404);
    sorry(ask(pulp, "GET", &format!("/read/north/digests/{}", sha256("Call me Ishmael.")), &[]).await, 404);
});

both_databases!(what_is_guarded_stays_shut, |pulp| {
    furnish(pulp, "north").await;
    let guard = json!({ "name": "door", "header_name": "x-word", "header_value": "sesame" });
    let guard = pulp.post("contentguards/core/header/", guard).await.created();
    let (_, guard) = guard["prn"].as_str().unwrap().rsplit_once(':').unwrap();
    let guard = Expr::value(guard.parse::<uuid::Uuid>().unwrap());
    let tx = pulp.app().db.write().await.unwrap();
    let guarded = distribution::Entity::update_many().col_expr(distribution::Column::ContentGuardId, guard);
    guarded.filter(distribution::Column::BasePath.eq("north")).exec(&*tx).await.unwrap();
    tx.commit().await.unwrap();
    let said = sorry(ask(pulp, "GET", "/read/north/books/moby", &[]).await, 403);
    assert_eq!(said, "You do not have permission to perform this action.");
});

both_databases!(a_gift_streams_in_and_is_on_the_shelf_when_the_donor_is_thanked, |pulp| {
    furnish(pulp, "north/wing").await;
    let book = "/read/north/wing/books/ulysses";
    let text = "yes I said yes I will Yes. ".repeat(20_000);
    let answer = ask(pulp, "PUT", book, &[]).await;
    assert_eq!(answer.header("www-authenticate"), "Basic realm=\"api\"");
    assert_eq!(sorry(answer, 401), "Authentication credentials were not provided.");
    for wrong in ["Basic YWRtaW46d3Jvbmc=", "Basic ***"] {
        sorry(ask(pulp, "PUT", book, &[("Authorization", wrong)]).await, 401);
    }
    sorry(ask(pulp, "GET", book, &[]).await, 404);

    let put = |path: &str, body: String| pulp.request("PUT".parse().unwrap(), path).body(body);
    pulp.send(put(book, text.clone())).await.expect(201);
    pulp.send(put(book, text.clone())).await.expect(201);
    // Passed on as it is, which may be without passing through this process, and read on the way.
    for way in ["books", "copies", "books"] {
        let read = ask(pulp, "GET", &book.replace("books", way), &[]).await.expect(200);
        assert!(read.text() == text, "the book is the one that was given");
    }

    let head =
        format!("PUT {book} HTTP/1.1\r\nHost: a\r\nAuthorization: Basic YWRtaW46cGFzc3dvcmQ=\r\nConnection: close\r\n");
    let announced = format!("{head}Content-Length: {}\r\n\r\n", room::LARGEST + 1);
    let chunk = format!("186a0\r\n{}\r\n", "x".repeat(100_000));
    let unannounced = format!("{head}Transfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n", chunk.repeat(7));
    for request in [announced, unannounced] {
        let answer = wire(pulp, request).await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        assert!(answer.contains("{\"sorry\":\"The body has more than 600000 bytes.\""), "{answer}");
    }
    assert!(ask(pulp, "GET", book, &[]).await.expect(200).text() == text, "and it still is");
});

both_databases!(whatever_goes_wrong_is_said_in_the_rooms_own_shape, |pulp| {
    furnish(pulp, "north").await;
    let book = "/read/north/books/moby";
    assert_eq!(sorry(ask(pulp, "GET", "/read/a/b", &[]).await, 404), "There is nothing at this address.");
    sorry(ask(pulp, "GET", "/read", &[]).await, 404);
    sorry(ask(pulp, "GET", "/desk/v2/", &[("Accept", "text/html")]).await, 404);
    let answer = ask(pulp, "DELETE", book, &[]).await;
    assert_eq!(answer.header("allow"), "GET, HEAD, PUT");
    assert_eq!(sorry(answer, 405), "Method \"DELETE\" not allowed.");
    let answer = ask(pulp, "OPTIONS", "/read/", &[]).await;
    assert_eq!(answer.header("allow"), "GET, HEAD");
    sorry(answer, 405);

    let answer = ask(pulp, "GET", "/read/north/trap", &[("Correlation-ID", "c-1")]).await;
    assert!(!answer.text().contains("secret"), "{}", answer.text());
    assert_eq!(answer.header("correlation-id"), "c-1");
    assert_eq!(sorry(answer, 500), "Internal server error.");
    let head = ask(pulp, "HEAD", "/read/a/b", &[]).await.expect(404);
    assert_eq!((head.header("x-room"), &*head.text()), ("reading", ""));
});
