//! A request, as an operation sees it.

use axum::body::Body;
use axum::extract::ws::WebSocketUpgrade;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use sea_orm::{EntityTrait, sea_query::Query as Select};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::input::{self, Input};
use super::query::{FieldSelection, Query};
use super::reader::Reader;
use super::validate::{BodySchema, Mode};
use crate::app::App;
use crate::error::{Error, Result};
use crate::models::{task, user};
use crate::plugin::{Prepared, Task};
use crate::registry;
use crate::tasking::{Dispatch, diagnostics, group, inline};

/// What is to be observed of the tasks that a request dispatches.
pub(crate) const DIAGNOSTICS: &str = "X-Task-Diagnostics";

/// A request: who asks, where, with what.
#[derive(Debug)]
pub struct Cx {
    /// The process.
    pub app: App,
    /// The API root that the request used, such as `/pulp/api/v3/`: hrefs in the answer begin with it.
    pub root: String,
    /// Who asks. Only operations that need no credentials see none.
    pub user: Option<user::Model>,
    /// The correlation id.
    pub correlation_id: String,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) params: Vec<(String, String)>,
    pub(crate) query: Query,
    /// Behind a lock that nobody ever waits for: it makes the whole shareable between threads, which a body is not.
    pub(crate) input: std::sync::Mutex<Body>,
    /// The client wants to go on over a WebSocket. Only operations that stream see one.
    pub(crate) socket: Option<WebSocketUpgrade>,
}

impl Cx {
    /// The key in the path.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it is not a UUID: then nothing has it.
    pub fn id(&self) -> Result<Uuid> {
        self.param("pulp_id")
            .and_then(|id| Uuid::parse_str(id).ok())
            .ok_or_else(|| Error::NotFound("Not found.".to_owned()))
    }

    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Renders rows for the answer.
    pub(crate) fn reader(&self) -> Reader {
        Reader { app: self.app.clone(), root: self.root.clone() }
    }

    /// An href under the root that the request used.
    pub fn href(&self, path: impl std::fmt::Display) -> String {
        format!("{}{path}", self.root)
    }

    /// Queues a task and answers 202 with its href.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the task refuses its parameters.
    pub async fn dispatch<T: Task>(&self, mut task: T) -> Result<Response> {
        task.prepare(&self.app).await?;
        let row = inline::dispatch(&self.app, self.on_behalf(Dispatch::new(&task)?)).await?;
        Ok(self.accepted(&row))
    }

    /// Queues a task as the first of a new group, which it may dispatch others into and has to finish
    /// ([`TaskCx::own_group`](crate::plugin::TaskCx::own_group)); answers 202 with the group's href.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the task refuses its parameters.
    pub async fn dispatch_group<T: Task>(&self, description: &str, mut task: T) -> Result<Response> {
        task.prepare(&self.app).await?;
        let group = group::open(&self.app.db, self.app.domain, description).await?;
        inline::dispatch(&self.app, self.on_behalf(Dispatch::new(&task)?).in_group(Some(group))).await?;
        let task_group = self.href(format_args!("task-groups/{group}/"));
        Ok(json(StatusCode::ACCEPTED, &super::bodies::TaskGroupOperationResponse { task_group }))
    }

    /// Queues a task whose type is only known by name.
    pub(crate) async fn dispatch_prepared(&self, type_name: &str, prepared: Prepared) -> Result<task::Model> {
        let kind = registry::get().task(type_name).ok_or_else(|| registry::missing(type_name))?;
        inline::dispatch(&self.app, self.on_behalf(Dispatch::of(kind, prepared))).await
    }

    fn on_behalf(&self, dispatch: Dispatch) -> Dispatch {
        let user = self.user.as_ref().map(|user| user.id);
        let headers = self.headers.get_all(DIAGNOSTICS).iter().filter_map(|value| value.to_str().ok());
        let observed = diagnostics::known(headers.flat_map(|value| value.split(',')));
        dispatch.correlated(&self.correlation_id).by(user).in_domain(self.app.domain).observed(observed)
    }

    /// 202 with exactly one key, `task`.
    pub(crate) fn accepted(&self, task: &task::Model) -> Response {
        let href = self.href(format_args!("tasks/{}/", task.pulp_id));
        json(StatusCode::ACCEPTED, &super::bodies::AsyncOperationResponse { task: href })
    }

    /// Reads the body and checks it against a schema.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::Invalid`], [`Error::TooLarge`].
    pub(crate) async fn body(&mut self, schema: &BodySchema, mode: Mode) -> Result<Map<String, Value>> {
        let input = self.input().await?;
        schema.check(input.fields, mode, input.encoding)
    }

    /// Reads the body, with its files.
    pub(crate) async fn input(&mut self) -> Result<Input> {
        let body = self.take_input();
        input::read(&self.app, &self.headers, body).await
    }

    /// The body as it comes, for operations that read it in their own way.
    pub(crate) fn take_input(&mut self) -> Body {
        std::mem::take(self.input.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// `fields` and `exclude_fields`.
    pub(crate) fn selection(&self) -> FieldSelection {
        FieldSelection::parse(&self.query)
    }

    /// An answer of one object, cut to the fields that were asked for.
    pub(crate) fn object(&self, status: StatusCode, mut object: Map<String, Value>) -> Response {
        self.selection().apply(&mut object);
        json(status, &object)
    }

    /// The same of an object that is JSON already.
    pub(crate) fn whole(&self, status: StatusCode, object: &RawValue) -> Result<Response> {
        if self.selection().is_everything() {
            return Ok(json(status, &object));
        }
        Ok(self.object(status, serde_json::from_str(object.get())?))
    }

    /// 201 with the object's address.
    pub(crate) fn created(&self, object: Map<String, Value>) -> Response {
        let location = object.get("pulp_href").and_then(Value::as_str).map(str::to_owned);
        let mut response = self.object(StatusCode::CREATED, object);
        if let Some(location) = location.and_then(|location| location.parse().ok()) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        response
    }

    /// The address of the request without its query, as the client wrote it: what `next` and `previous` begin with.
    pub(crate) fn url(&self) -> String {
        let header = |name: &str| self.headers.get(name).and_then(|value| value.to_str().ok());
        let scheme = header("x-forwarded-proto").unwrap_or("http");
        let host = header("host").map_or_else(|| self.app.settings.bind.to_string(), str::to_owned);
        format!("{scheme}://{host}{}", self.uri.path())
    }

    /// Whether a row with this key is there.
    pub(crate) async fn exists<E: EntityTrait>(&self, key: E::Column, id: Uuid) -> Result<bool> {
        use sea_orm::{ColumnTrait, ConnectionTrait};
        let select = Select::select().column(key).from(E::default()).and_where(key.eq(id)).limit(1).take();
        Ok(self.app.db.read().query_one(&select).await?.is_some())
    }
}

/// A JSON answer with exactly the content type that clients compare.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => (status, [(header::CONTENT_TYPE, "application/json")], Bytes::from(bytes)).into_response(),
        Err(error) => super::render::respond(&Error::internal(error), ""),
    }
}

/// 204.
pub(crate) fn no_content() -> Response {
    StatusCode::NO_CONTENT.into_response()
}
