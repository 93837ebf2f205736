//! What a server answered, and what a test expects of it.

use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use serde_json::Value;
use uuid::Uuid;

use super::TestPulp;
use crate::app::App;

/// An answer. Methods that expect something give back what is worth having, and fail the test with the whole answer.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as JSON; `null` if it is none.
    pub body: Value,
    /// The body as it came.
    pub bytes: Bytes,
    asked: String,
    app: App,
    client: reqwest::Client,
    origin: String,
}

impl Answer {
    pub(super) async fn read(
        asked: String,
        response: reqwest::Response,
        app: App,
        client: reqwest::Client,
        origin: String,
    ) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = response.bytes().await.unwrap_or_else(|error| panic!("{asked}: {error}"));
        let body = serde_json::from_slice(&bytes).unwrap_or_default();
        Self { status, headers, body, bytes, asked, app, client, origin }
    }

    /// Expects a status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        let text: String = self.text().chars().take(2000).collect();
        assert_eq!(self.status.as_u16(), status, "{} gave {}:\n{text}", self.asked, self.status);
        self
    }

    /// 200; the body.
    #[track_caller]
    pub fn ok(self) -> Value {
        self.expect(200).body
    }

    /// 201; the body.
    #[track_caller]
    pub fn created(self) -> Value {
        self.expect(201).body
    }

    /// 204.
    #[track_caller]
    pub fn gone(self) {
        self.expect(204);
    }

    /// 400; the body, which says what was wrong.
    #[track_caller]
    pub fn refused(self) -> Value {
        self.expect(400).body
    }

    /// 404; the body.
    #[track_caller]
    pub fn missing(self) -> Value {
        self.expect(404).body
    }

    /// 202: the task that was started, once it has ended.
    ///
    /// # Panics
    /// If the answer is no 202, or its body is not exactly `{"task": href}` (or the task itself, which typed task
    /// endpoints answer).
    pub async fn accepted(self) -> Ended {
        let answer = self.expect(202);
        let href = match answer.body.as_object() {
            Some(body) if body.len() == 1 => body.get("task").and_then(Value::as_str),
            Some(body) => body.get("pulp_href").and_then(Value::as_str),
            None => None,
        };
        let href = href.unwrap_or_else(|| panic!("{} gave 202 without a task: {}", answer.asked, answer.body));
        let id = href.trim_end_matches('/').rsplit('/').next().and_then(|id| Uuid::parse_str(id).ok());
        let id = id.unwrap_or_else(|| panic!("{} gave 202 with the task {href:?}", answer.asked));
        let row = answer.app.queue.ended(id).await.unwrap_or_else(|error| panic!("the task {id}: {}", error.log()));
        let (name, password) = TestPulp::ADMIN;
        let request = answer.client.get(format!("{}{href}", answer.origin)).basic_auth(name, Some(password));
        let response = request.send().await.unwrap_or_else(|error| panic!("GET {href}: {error}"));
        assert_eq!(response.status(), StatusCode::OK, "GET {href}");
        let body = response.json().await.unwrap_or_else(|error| panic!("GET {href}: {error}"));
        Ended { asked: answer.asked, state: row.state, body }
    }

    /// The body as text.
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.bytes)
    }

    /// A header, empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The objects of a page.
    #[track_caller]
    pub fn results(self) -> Vec<Value> {
        let asked = self.asked.clone();
        match self.ok()["results"].take() {
            Value::Array(results) => results,
            other => panic!("{asked} is no list: {other}"),
        }
    }
}

/// A task that has ended.
#[derive(Debug)]
pub struct Ended {
    /// The task as clients read it.
    pub body: Value,
    state: String,
    asked: String,
}

impl Ended {
    /// Expects that it ended well.
    #[track_caller]
    pub fn completed(self) -> Self {
        assert_eq!(self.state, "completed", "the task of {}: {:#}", self.asked, self.body);
        self
    }

    /// Expects that it failed; the error's description.
    #[track_caller]
    pub fn failed(self) -> String {
        assert_eq!(self.state, "failed", "the task of {}: {:#}", self.asked, self.body);
        self.body["error"]["description"].as_str().unwrap_or_default().to_owned()
    }

    /// Expects that it was canceled.
    #[track_caller]
    pub fn canceled(self) -> Self {
        assert_eq!(self.state, "canceled", "the task of {}: {:#}", self.asked, self.body);
        self
    }

    /// The hrefs of what it made.
    pub fn created_resources(&self) -> Vec<String> {
        let hrefs = self.body["created_resources"].as_array().into_iter().flatten();
        hrefs.filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// The href of the only thing that it made.
    #[track_caller]
    pub fn created_resource(&self) -> String {
        let hrefs = self.created_resources();
        assert_eq!(hrefs.len(), 1, "the task of {} made {hrefs:?}", self.asked);
        hrefs.into_iter().next().unwrap_or_default()
    }
}
