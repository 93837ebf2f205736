//! Bodies on their way in and out, as a connection watches them.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::BoxError;
use axum::body::{Body, HttpBody};
use axum::http::{HeaderMap, HeaderValue, Request, Version, header};
use bytes::Bytes;
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep, sleep, timeout};

use super::pulse::Turn;

/// The body of an answer; with it ends the request's turn.
#[derive(Debug)]
pub(super) struct Answer {
    body: Body,
    turn: Turn,
}

impl Answer {
    pub(super) fn new(body: Body, mut turn: Turn) -> Self {
        turn.answers();
        Self { body, turn }
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        this.turn.polled(polled.is_pending());
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What is read of a body that nobody wants to have, in bytes, and for how long.
///
/// A request can be answered before its body has come: by whom it is not allowed, or because the body is too large. Whoever
/// closes the connection then takes the answer away from a client that is still sending (RFC 9112, 9.6).
const UNWANTED: u64 = 64 * 1024 * 1024;
const UNWANTED_TIME: Duration = Duration::from_secs(10);

/// The body of a request; most have none, and that costs nothing.
pub(super) fn incoming(request: Request<Incoming>, patience: Duration) -> (Request<Body>, Unwanted) {
    if request.body().is_end_stream() {
        return (request.map(|_| Body::empty()), Unwanted(None));
    }
    // HTTP/2 takes back a stream without its connection, and who asks before sending sends nothing after a refusal.
    let lingers = request.version() < Version::HTTP_2 && !request.headers().contains_key(header::EXPECT);
    let unwanted = Unwanted(lingers.then(Arc::default));
    let (sleep, told) = (Box::pin(sleep(patience)), unwanted.clone());
    let body = |body| Body::new(Patient { body: Some(body), patience, sleep, waits: false, unwanted: told });
    (request.map(body), unwanted)
}

/// Whether more of a request's body was given up than a connection reads for the sake of the next request.
#[derive(Clone)]
pub(super) struct Unwanted(Option<Arc<AtomicBool>>);

impl Unwanted {
    /// The client learns that no other request is answered on the connection.
    pub(super) fn tell(&self, answer: &mut HeaderMap) {
        if self.0.as_ref().is_some_and(|closes| closes.load(Ordering::Relaxed)) {
            answer.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }

    fn read(&self, body: Incoming) {
        let (Some(closes), Ok(runtime)) = (&self.0, Handle::try_current()) else { return };
        closes.store(body.size_hint().lower() > UNWANTED, Ordering::Relaxed);
        runtime.spawn(timeout(UNWANTED_TIME, async move {
            let (mut body, mut left) = (pin!(body), UNWANTED);
            while let Some(Ok(frame)) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
                let Some(rest) = left.checked_sub(frame.data_ref().map_or(0, Bytes::len) as u64) else { return };
                left = rest;
            }
        }));
    }
}

/// A body whose next piece is waited for, but not for ever.
struct Patient {
    /// Until it has ended or failed.
    body: Option<Incoming>,
    patience: Duration,
    sleep: Pin<Box<Sleep>>,
    waits: bool,
    unwanted: Unwanted,
}

impl Drop for Patient {
    fn drop(&mut self) {
        if let Some(body) = self.body.take() {
            self.unwanted.read(body);
        }
    }
}

impl HttpBody for Patient {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        if let Poll::Ready(frame) = Pin::new(body).poll_frame(cx) {
            this.waits = false;
            if !matches!(frame, Some(Ok(_))) {
                this.body = None;
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        if !this.waits {
            this.waits = true;
            this.sleep.as_mut().reset(Instant::now() + this.patience);
        }
        ready!(this.sleep.as_mut().poll(cx));
        this.body = None;
        Poll::Ready(Some(Err(io::Error::from(io::ErrorKind::TimedOut).into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}
