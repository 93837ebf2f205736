//! Events as clients get them, through a whole server.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use axum::http::Method;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait, QueryOrder};
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::api::bodies::Timestamp;
use crate::both_databases;
use crate::models::{state, task, task_event};
use crate::settings::LogFormat;
use crate::tasking::events::forget::forget_old;
use crate::testkit::{Events, TestPulp};

/// Lines of the log become events only where logging was started.
fn start_logging() {
    // Another test of this process may have done so.
    let _ = crate::telemetry::init(LogFormat::Text, "info");
}

impl TestPulp {
    /// Runs a task that writes so many lines; its href.
    async fn talk(&self, lines: u32) -> String {
        let ended = self.post("tasks/sample/talks/", json!({ "lines": lines })).await.accepted().await.completed();
        ended.body["pulp_href"].as_str().unwrap().to_owned()
    }

    /// All events in the table, as clients read them.
    async fn table(&self) -> Vec<Value> {
        let db = self.app().db.read();
        let names: HashMap<Uuid, String> =
            task::Entity::find().all(db).await.unwrap().into_iter().map(|row| (row.pulp_id, row.name)).collect();
        let events = task_event::Entity::find().order_by_asc(task_event::Column::Seq).all(db).await.unwrap();
        let shown = |event: task_event::Model| {
            json!({
                "seq": event.seq,
                "task": self.href(&format!("tasks/{}/", event.task_id)),
                "task_name": names[&event.task_id],
                "at": Timestamp(event.pulp_created).to_string(),
                "kind": event.kind,
                "body": event.body,
            })
        };
        events.into_iter().map(shown).collect()
    }

    async fn listen(&self, socket: bool, path: &str, last: Option<i64>) -> Events {
        match socket {
            true => self.socket_events(path, last).await,
            false => self.server_sent_events(path, last).await,
        }
    }

    /// Its task ended so many hours ago.
    async fn ended_before(&self, href: &str, hours: i64) {
        let id = Uuid::parse_str(href.trim_end_matches('/').rsplit('/').next().unwrap()).unwrap();
        let tx = self.app().db.write().await.unwrap();
        let past = OffsetDateTime::now_utc() - time::Duration::hours(hours);
        let old = task::ActiveModel { pulp_id: Set(id), finished_at: Set(Some(past)), ..Default::default() };
        old.update(&*tx).await.unwrap();
        let sql = "UPDATE core_taskevent SET pulp_created = $1 WHERE task_id = $2";
        crate::db::exec(&*tx, sql, vec![past.into(), id.into()]).await.unwrap();
        tx.commit().await.unwrap();
    }
}

fn seq(event: &Value) -> i64 {
    event["seq"].as_i64().unwrap()
}

fn is_final(event: &Value) -> bool {
    event["body"]["state"].as_str().is_some_and(|state| event["kind"] == "state" && state::FINAL.contains(&state))
}

both_databases!(a_task_is_told_from_its_beginning_to_its_last_state, |pulp| {
    start_logging();
    let (talk, path) = {
        let queued = pulp.post("tasks/sample/talks/", json!({ "lines": 3 })).await;
        let path = format!("{}events/", queued.body["pulp_href"].as_str().unwrap());
        (queued, path)
    };
    let mut streams = [pulp.server_sent_events(&path, None).await, pulp.socket_events(&path, None).await];
    for stream in &mut streams {
        let told = stream.rest().await;
        assert_eq!(told, pulp.table().await);
        let states: Vec<_> = told.iter().filter(|event| event["kind"] == "state").collect();
        assert_eq!((&states[0]["body"]["state"], states.len()), (&json!("waiting"), 3));
        assert!(is_final(told.last().unwrap()), "{told:#?}");
        let lines = told.iter().filter(|event| event["body"]["message"] == "Blah.").count();
        assert_eq!(lines, 3, "{told:#?}");
    }
    assert_eq!(streams[1].close_code(), Some(1000));
    talk.accepted().await.completed();

    // Also to those who come when it is over, wherever they begin.
    let last = seq(pulp.table().await.last().unwrap());
    for socket in [false, true] {
        assert_eq!(pulp.listen(socket, &path, None).await.rest().await, pulp.table().await);
        assert_eq!(pulp.listen(socket, &path, Some(last - 1)).await.rest().await.len(), 1);
        assert!(pulp.listen(socket, &path, Some(last)).await.rest().await.is_empty());
        let filtered = pulp.listen(socket, &format!("{path}?kind=log,progress"), None).await.rest().await;
        assert!(!filtered.is_empty() && filtered.iter().all(|event| event["kind"] != "state"));
    }
});

// Two clients start tasks; a reader of everything is cut off again and again, once with the server.
both_databases!(a_reader_that_was_cut_off_misses_and_repeats_nothing, |pulp| {
    start_logging();
    let mut seen = Vec::<Value>::new();
    for round in 0..2 {
        let this = &*pulp;
        let write = async || {
            for _ in 0..8 {
                this.talk(2).await;
            }
        };
        let all_told = |seen: &[Value]| seen.iter().filter(|event| is_final(event)).count() == 16 * (round + 1);
        let read = async {
            let mut socket = false;
            while !all_told(&seen) {
                let mut events = this.listen(socket, "events/", seen.last().map(seq)).await;
                for _ in 0..7 {
                    if !all_told(&seen) {
                        seen.push(events.next().await.expect("the stream goes on"));
                    }
                }
                socket = !socket;
            }
        };
        tokio::join!(write(), write(), read);
        pulp.restart().await;
    }
    let mut events = pulp.server_sent_events("events/", seen.last().map(seq)).await;
    let table = pulp.table().await;
    while seen.len() < table.len() {
        seen.push(events.next().await.expect("the stream goes on"));
    }
    assert_eq!(seen, table);
});

both_databases!(pages_follow_each_other, |pulp| {
    pulp.talk(2).await;
    let (mut seen, mut after) = (Vec::new(), json!(0));
    loop {
        let mut page = pulp.get(&format!("events/?limit=2&after={after}")).await.ok();
        after = page["next_after"].take();
        match page["results"].as_array_mut() {
            Some(results) if !results.is_empty() => seen.append(results),
            _ => break,
        }
    }
    assert_eq!(seen, pulp.table().await);
    assert_eq!(after, *seen.last().unwrap().get("seq").unwrap());
    let states = pulp.get("events/?kind=state").await.results();
    assert_eq!(states.len(), 3);
});

both_databases!(whoever_would_miss_what_was_deleted_is_told, |pulp| {
    let (old, young) = (pulp.talk(0).await, pulp.talk(0).await);
    let (first, last) = {
        let table = pulp.table().await;
        (seq(&table[0]), seq(table.last().unwrap()))
    };
    pulp.ended_before(&old, 7 * 24 + 1).await;
    pulp.ended_before(&young, 7 * 24 - 1).await;
    assert_eq!(forget_old(pulp.app()).await.unwrap(), 1);
    assert_eq!(forget_old(pulp.app()).await.unwrap(), 0);
    let left = pulp.table().await;
    assert!(!left.is_empty() && left.iter().all(|event| event["task"] == *young));

    for path in ["events/".to_owned(), format!("{old}events/")] {
        let address = format!("{path}?after={first}");
        let detail = pulp.get(&address).await.expect(410).body;
        assert!(detail["detail"].as_str().unwrap().contains("deleted"), "{detail}");
        let stream = pulp.request(Method::GET, &path).header("Accept", "text/event-stream");
        pulp.send(stream.header("Last-Event-ID", first)).await.expect(410);
    }
    assert_eq!(pulp.get("events/").await.results(), left);
    assert_eq!(pulp.get(&format!("events/?after={}", seq(&left[0]) - 1)).await.results(), left);
    assert!(pulp.get(&format!("events/?after={last}")).await.results().is_empty());
    assert_eq!(pulp.get(&format!("{young}events/?after={first}")).await.results(), left);
    assert!(pulp.server_sent_events(&format!("{old}events/"), None).await.rest().await.is_empty());

    // Who deletes a task does not want its events.
    pulp.delete(&young).await.gone();
    assert!(pulp.get(&format!("events/?after={}", seq(&left[0]))).await.results().is_empty());
    pulp.get(&format!("{young}events/")).await.missing();
});

both_databases!(streams_end_with_the_server, |pulp| {
    let (mut sent, mut socket) =
        (pulp.server_sent_events("events/", None).await, pulp.socket_events("events/", None).await);
    pulp.talk(0).await;
    sent.next().await.expect("the stream goes on");
    socket.next().await.expect("the stream goes on");
    let began = Instant::now();
    tokio::join!(sent.rest(), pulp.restart());
    socket.rest().await;
    assert_eq!(socket.close_code(), Some(1001));
    assert!(began.elapsed() < Duration::from_secs(15), "nobody waited for the streams to be cut");
});

both_databases!(what_cannot_be_asked_is_refused, |pulp| {
    let talk = pulp.talk(0).await;
    for path in ["events/".to_owned(), format!("{talk}events/")] {
        for bad in ["after=x", "after=-1", "kind=noise", "limit=x"] {
            pulp.get(&format!("{path}?{bad}")).await.refused();
        }
        let unknown = pulp.get(&format!("{path}?name=x")).await.refused();
        assert_eq!(unknown, json!({ "errors": ["Invalid Filter: 'name'"] }));
        let stream = |path: &str| pulp.request(Method::GET, path).header("Accept", "text/event-stream");
        pulp.send(stream(&format!("{path}?limit=5"))).await.refused();
        pulp.send(stream(&path).header("Last-Event-ID", "x")).await.refused();
        pulp.send(pulp.request(Method::GET, &path).header("Accept", "text/plain")).await.expect(406);
        pulp.send(pulp.anonymous(Method::GET, &path).header("Accept", "text/event-stream")).await.expect(401);
        let half = pulp.request(Method::GET, &path).header("Upgrade", "websocket").header("Connection", "upgrade");
        assert!(pulp.send(half).await.status.is_client_error());
    }
    pulp.send(pulp.request(Method::GET, "tasks/").header("Accept", "text/event-stream")).await.expect(406);
    pulp.get(&format!("tasks/{}/events/", Uuid::now_v7())).await.missing();
});
