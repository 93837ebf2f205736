//! Many at once, and pushes that end in the middle.

use futures::future::join_all;
use pulpcore::both_databases;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{CONFIG, ask, get, latest, manifest, push_blob, put, sha256};

both_databases!(of_32_pushes_at_once_none_fails_and_no_tag_is_lost, |pulp| {
    push_blob(pulp, "a/b", CONFIG).await;
    let pulp = &*pulp;
    let push = |n: usize| async move {
        let layer = format!("layer {n}");
        push_blob(pulp, "a/b", &layer).await;
        put(pulp, "a/b", &format!("tag-{n:02}"), &manifest(CONFIG, &[&layer])).await.expect(201);
    };
    join_all((0..32).map(push)).await;
    let tags: Vec<String> = (0..32).map(|n| format!("tag-{n:02}")).collect();
    assert_eq!(get(pulp, "/v2/a/b/tags/list").await.ok()["tags"], json!(tags));
    assert_eq!(latest(pulp, "a/b").await, 32, "each push is one version");
});

both_databases!(a_new_name_is_opened_once_however_many_push_to_it, |pulp| {
    let pulp = &*pulp;
    join_all((0..8).map(|_| async {
        ask(pulp, "POST", "/v2/new/name/blobs/uploads/", "", &[]).await.expect(202);
    }))
    .await;
    assert_eq!(pulp.get("repositories/container/container/").await.results().len(), 1);
    assert_eq!(pulp.get("distributions/container/container/").await.results().len(), 1);
});

both_databases!(a_push_that_is_cut_off_leaves_nothing_and_goes_on_where_it_was, |pulp| {
    let answer = ask(pulp, "POST", "/v2/a/b/blobs/uploads/", "", &[]).await.expect(202);
    let location = answer.header("location").to_owned();
    ask(pulp, "PATCH", &location, "first ", &[]).await.expect(202);
    let mut stream = TcpStream::connect(pulp.origin().trim_start_matches("http://")).await.unwrap();
    let head = format!(
        "PATCH {location} HTTP/1.1\r\nHost: a\r\nAuthorization: Basic YWRtaW46cGFzc3dvcmQ=\r\n\
         Content-Length: 1000\r\n\r\nhalf of"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    // Whatever is answered, or nothing: the connection ends.
    let _ = stream.read_to_end(&mut Vec::new()).await;

    assert_eq!(get(pulp, &location).await.expect(204).header("range"), "0-5");
    assert_eq!(get(pulp, "/v2/a/b/tags/list").await.ok()["tags"], json!([]));
    ask(pulp, "PATCH", &location, "second", &[("Content-Range", "6-11")]).await.expect(202);
    let digest = sha256("first second");
    ask(pulp, "PUT", &format!("{location}?digest={digest}"), "", &[]).await.expect(201);
    assert_eq!(get(pulp, &format!("/v2/a/b/blobs/{digest}")).await.expect(200).text(), "first second");
});
