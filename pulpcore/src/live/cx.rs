//! A request to a live API, as a route sees it.

use std::sync::{Mutex, PoisonError};

use axum::body::Body;
use axum::extract::Request;
use axum::http::header;
use axum::http::request::Parts;
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt};

use super::pattern::Params;
use crate::api::query::Query;
use crate::app::App;
use crate::auth::Refused;
use crate::content::{Content, Offer};
use crate::error::{Error, Result};
use crate::models::{task, user};
use crate::plugin::{Distribution, Task};
use crate::tasking::{Dispatch, inline};

/// A request to a live API: who asks, where, with what; and what a live API needs of the server.
///
/// ```
/// use axum::response::Response;
/// use pulpcore::error::{Error, Result};
/// use pulpcore::plugin::{Distribution, LiveCx};
///
/// /// Serves a page of a book that is distributed as a `D`.
/// async fn page<D: Distribution>(cx: LiveCx) -> Result<Response> {
///     let nothing = || Error::NotFound("There is no such page.".to_owned());
///     let offer = cx.offer::<D>(cx.param("book")).await?.ok_or_else(nothing)?;
///     offer.file(&cx, cx.param("page")).await?.ok_or_else(nothing)
/// }
/// ```
#[derive(Debug)]
pub struct LiveCx {
    /// The process: database, storage, settings.
    pub app: App,
    /// The id by which the log knows the request.
    pub correlation_id: String,
    /// The head of the request: method, address as it was sent, headers.
    pub parts: Parts,
    pub(crate) content: Content,
    params: Params,
    query: Query,
    /// Behind a lock that nobody ever waits for: it makes the whole shareable between threads, which a body is not.
    body: Mutex<Body>,
}

impl LiveCx {
    pub(super) fn new(app: App, content: Content, correlation_id: &str, params: Params, request: Request) -> Self {
        let (parts, body) = request.into_parts();
        Self {
            app,
            correlation_id: correlation_id.to_owned(),
            // More parameters than a query may have are none.
            query: Query::parse(parts.uri.query()).unwrap_or_default(),
            parts,
            content,
            params,
            body: Mutex::new(body),
        }
    }

    /// What the path has where the route's pattern has this name; empty if the pattern has no such name.
    pub fn param(&self, name: &str) -> &str {
        self.params.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value.as_str())
    }

    /// A parameter of the query; the last one of that name.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.get(name)
    }

    /// The body as it comes, for a file of any size: [`crate::storage::Storage::receive`] takes it. It can be taken once.
    ///
    /// # Errors
    /// [`Error::TooLarge`] at once for a body that is announced as larger than `most` bytes, and within the stream for one
    /// that turns out to be.
    pub fn body(&mut self, most: u64) -> Result<impl Stream<Item = Result<Bytes>> + Send + Unpin + use<>> {
        let too_large = move || Error::TooLarge(format!("The body has more than {most} bytes."));
        let announced: Option<u64> =
            self.parts.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        if announced.is_some_and(|size| size > most) {
            return Err(too_large());
        }
        let body = std::mem::take(self.body.get_mut().unwrap_or_else(PoisonError::into_inner));
        let mut left = most;
        Ok(body.into_data_stream().map(move |piece| -> Result<Bytes> {
            let piece = piece.map_err(|_| Error::Malformed("The body ended before its end.".to_owned()))?;
            left = left.checked_sub(piece.len() as u64).ok_or_else(too_large)?;
            Ok(piece)
        }))
    }

    /// The whole body, for a message of a few bytes.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if it has more than `most` bytes.
    pub async fn bytes(&mut self, most: usize) -> Result<Bytes> {
        let mut stream = self.body(most as u64)?;
        let mut bytes = BytesMut::new();
        while let Some(piece) = stream.next().await {
            bytes.extend_from_slice(&piece?);
        }
        Ok(bytes.freeze())
    }

    /// Whoever sends the request, by the credentials in it (basic authentication).
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] without credentials, [`Error::BadCredentials`] with wrong ones.
    pub async fn user(&self) -> Result<user::Model> {
        self.app.credentials.user(&self.app.db, &self.parts.headers).await.map_err(|refused| match refused {
            Refused::Error(error) => error,
            // What cannot be read fits nobody.
            Refused::Header(_) => Error::BadCredentials,
        })
    }

    /// What a distribution of the kind `D` offers at a path: the distribution is the one whose base path the path is, or
    /// begins with ([`Offer::rest`] is what follows). `None` if there is none.
    ///
    /// # Errors
    /// [`Error::PermissionDenied`] if its content guard does not let the request in.
    pub async fn offer<D: Distribution>(&self, path: &str) -> Result<Option<Offer>> {
        self.content.offer(self, path, D::TYPE).await
    }

    /// Queues a task, in the name of `user`. An immediate one has ended when this returns, unless something is in its way;
    /// `app.queue.ended(id)` waits for others.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the task refuses its parameters.
    pub async fn dispatch<T: Task>(&self, mut task: T, user: Option<&user::Model>) -> Result<task::Model> {
        task.prepare(&self.app).await?;
        let dispatch = Dispatch::new(&task)?.correlated(&self.correlation_id).in_domain(self.app.domain);
        inline::dispatch(&self.app, dispatch.by(user.map(|user| user.id))).await
    }
}
