//! What happens to tasks, for clients: a page of it, or all of it as it happens.
//!
//! One address, three answers: JSON; server-sent events for whoever accepts `text/event-stream`; and messages over a
//! WebSocket for whoever asks to go on over one. Each begins behind the number that the client saw last.

mod socket;
mod sse;
#[cfg(all(test, feature = "testkit"))]
mod tests;

use axum::http::{Method, StatusCode};
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{HREF, ONE, TAG, find};
use crate::api::bodies::Timestamp;
use crate::api::cx::{Cx, json};
use crate::api::endpoint::{Described, Endpoint};
use crate::api::filters::Kind;
use crate::api::query::values;
use crate::api::router::wants_events;
use crate::api::schema::markers::AnyObject;
use crate::error::{Error, Result};
use crate::tasking::events::{self, Feed, KINDS, Row, Scope};

/// Something that happened to a task.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TaskEventResponse)]
struct Told {
    /// Its number. Later events have larger ones; some numbers are never used.
    seq: i64,
    /// The task.
    #[schema(format = "uri")]
    task: String,
    /// The name of the task.
    task_name: String,
    /// When it happened.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// What it is: 'state', 'progress' or 'log'.
    kind: String,
    /// What happened; depends on the kind.
    #[schema(value_type = AnyObject)]
    body: Value,
}

/// Some events.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TaskEventPageResponse)]
struct Page {
    results: Vec<Told>,
    /// What 'after' is for the next page.
    next_after: i64,
}

impl Told {
    fn new(root: &str, row: Row) -> Self {
        Self {
            seq: row.seq,
            task: format!("{root}tasks/{}/", row.task_id),
            task_name: row.name,
            at: Timestamp(row.pulp_created),
            kind: row.kind,
            body: row.body,
        }
    }
}

/// The events of one task, and those of all.
pub(super) fn endpoints() -> Vec<Endpoint> {
    let events = |endpoint: Endpoint| {
        endpoint
            .tagged(TAG)
            .streams()
            .parameter("after", Kind::Integer)
            .parameter("kind", Kind::List(Box::new(Kind::Choice(KINDS.map(str::to_owned).to_vec()))))
            .parameter("limit", Kind::Integer)
            .answers(200, Described::of::<Page>())
    };
    vec![
        events(Endpoint::new(Method::GET, format!("{ONE}events/"), "tasks_events_list", |cx| async move {
            let task = find(&cx).await?.pulp_id;
            answer(cx, Some(task)).await
        }))
        .of_object(ONE, HREF)
        .about("What happened to a task; also as server-sent events and over a WebSocket"),
        events(Endpoint::new(Method::GET, "events/", "events_list", |cx| answer(cx, None)))
            .about("What happened to all tasks; also as server-sent events and over a WebSocket"),
    ]
}

/// The most events of a page.
const MOST: i64 = 1000;

/// Events of a page, unless the client says otherwise.
const USUAL: i64 = 100;

/// What a client asks for.
#[derive(Debug)]
struct Asked {
    after: i64,
    kinds: Vec<&'static str>,
    limit: Option<i64>,
}

impl Asked {
    fn read(cx: &Cx) -> Result<Self> {
        let mut asked = Self { after: 0, kinds: KINDS.to_vec(), limit: None };
        for (name, value) in cx.query.pairs() {
            match name.as_str() {
                "after" | "kind" | "limit" if value.is_empty() => {}
                "after" => asked.after = number("after", value)?,
                "kind" => asked.kinds = values::list("kind", value, kind)?,
                "limit" => asked.limit = Some(values::integer("limit", value)?.clamp(1, MOST)),
                _ => return Err(Error::UnknownFilter(name.clone())),
            }
        }
        Ok(asked)
    }
}

fn number(name: &str, text: &str) -> Result<i64> {
    let number = values::integer(name, text)?;
    if number < 0 { Err(Error::invalid(name, "A number is not below zero.")) } else { Ok(number) }
}

fn kind(name: &str, text: &str) -> Result<&'static str> {
    let chosen = values::choice(name, text, &KINDS)?;
    KINDS.into_iter().find(|kind| *kind == chosen).ok_or_else(|| Error::internal("a choice is one of the choices"))
}

async fn answer(mut cx: Cx, task: Option<Uuid>) -> Result<Response> {
    let asked = Asked::read(&cx)?;
    let scope = Scope { task, kinds: asked.kinds };
    let socket = cx.socket.take();
    if socket.is_none() && !wants_events(&cx.headers) {
        return page(&cx, scope, asked.after, asked.limit.unwrap_or(USUAL)).await;
    }
    if asked.limit.is_some() {
        return Err(Error::invalid("limit", "A stream has no limit."));
    }
    let after = sse::last_seen(&cx.headers)?.unwrap_or(asked.after);
    let feed = Feed::open(&cx.app, scope, after).await?;
    Ok(match socket {
        Some(socket) => socket::respond(socket, feed, cx.root),
        None => sse::respond(feed, cx.root),
    })
}

async fn page(cx: &Cx, scope: Scope, after: i64, limit: i64) -> Result<Response> {
    let settled = cx.app.feeds.settled(&cx.app.db).await?;
    let limit = usize::try_from(limit).unwrap_or_default();
    let after = events::lost(&cx.app.db, &scope, after).await?;
    let rows = events::read(&cx.app.db, &scope, after, settled, limit).await?;
    // What was deleted while the page was read is told like what was deleted before.
    events::lost(&cx.app.db, &scope, after).await?;
    let next_after = match rows.last() {
        Some(last) if rows.len() == limit => last.seq,
        _ => after.max(settled),
    };
    let results = rows.into_iter().map(|row| Told::new(&cx.root, row)).collect();
    Ok(json(StatusCode::OK, &Page { results, next_after }))
}
