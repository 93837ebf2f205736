//! Events as server-sent events (HTML standard, section 9.2): the id is the number, so a browser that lost the connection
//! goes on where it was by itself.

use std::convert::Infallible;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};

use super::{Told, number};
use crate::error::Result;
use crate::tasking::events::{Feed, Row};

const LAST_EVENT_ID: &str = "last-event-id";

/// Between two signs of life while nothing happens.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The number that the client saw last, if it says so in its header.
pub(super) fn last_seen(headers: &HeaderMap) -> Result<Option<i64>> {
    let given = headers.get(LAST_EVENT_ID).map(|value| value.to_str().unwrap_or("?")).filter(|text| !text.is_empty());
    given.map(|text| number("Last-Event-ID", text)).transpose()
}

/// Streams a feed to its end.
pub(super) fn respond(mut feed: Feed, root: String) -> Response {
    let events = async_stream::stream! {
        loop {
            match feed.next().await {
                Ok(Some(rows)) => {
                    for row in rows {
                        yield Ok::<_, Infallible>(event(&root, row));
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    // The client comes back, and is told then.
                    tracing::warn!(error = error.log(), "A stream of events breaks off.");
                    break;
                }
            }
        }
    };
    let mut response = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response();
    // nginx would keep events back until a buffer is full.
    let unbuffered = (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response.headers_mut().insert(unbuffered.0, unbuffered.1);
    response
}

fn event(root: &str, row: Row) -> Event {
    let event = Event::default().id(row.seq.to_string()).event(row.kind.clone());
    match serde_json::to_string(&Told::new(root, row)) {
        Ok(text) => event.data(text),
        Err(_) => event,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_id_is_a_number() {
        let seen = |text: &'static str| {
            last_seen(&HeaderMap::from_iter([(HeaderName::from_static(LAST_EVENT_ID), HeaderValue::from_static(text))]))
        };
        assert_eq!(last_seen(&HeaderMap::new()).unwrap(), None);
        assert_eq!(seen("").unwrap(), None);
        assert_eq!(seen("17").unwrap(), Some(17));
        for bad in ["x", "-1"] {
            assert!(seen(bad).unwrap_err().to_string().starts_with("Last-Event-ID"), "{bad}");
        }
    }
}
