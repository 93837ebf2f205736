//! In front of all routes: a file that is remembered and in memory is answered before anything else looks at the request.
//!
//! Finding the route, the span of the request and the tasks of an ordinary answer take longer than such an answer.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::future::RouteFuture;
use futures::future::Either;
use tower::Service;

use super::access;
use crate::content::Content;

/// The content service, and the routes behind it.
#[derive(Clone)]
pub(super) struct Front {
    content: Content,
    routes: Router,
}

impl Front {
    pub(super) fn of(content: Content, routes: Router) -> Router {
        Router::new().fallback_service(Self { content, routes })
    }
}

impl Service<Request> for Front {
    type Response = Response;
    type Error = Infallible;
    type Future = Either<Ready<Result<Response, Infallible>>, RouteFuture<Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let (parts, body) = request.into_parts();
        match self.content.answer_at_once(&parts) {
            Some(mut response) => {
                access::log_at_once(&parts, &mut response);
                Either::Left(ready(Ok(response)))
            }
            None => Either::Right(self.routes.call(Request::from_parts(parts, body))),
        }
    }
}
