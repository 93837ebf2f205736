//! Bodies on their way in and out, as a connection watches them.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::BoxError;
use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

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

/// The body of a request; most have none, and that costs nothing.
pub(super) fn incoming(body: Incoming, patience: Duration) -> Body {
    match body.is_end_stream() {
        true => Body::empty(),
        false => Body::new(Patient { body, patience, sleep: Box::pin(sleep(patience)), waits: false }),
    }
}

/// A body whose next piece is waited for, but not for ever.
struct Patient {
    body: Incoming,
    patience: Duration,
    sleep: Pin<Box<Sleep>>,
    waits: bool,
}

impl HttpBody for Patient {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            this.waits = false;
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        if !this.waits {
            this.waits = true;
            this.sleep.as_mut().reset(Instant::now() + this.patience);
        }
        ready!(this.sleep.as_mut().poll(cx));
        Poll::Ready(Some(Err(io::Error::from(io::ErrorKind::TimedOut).into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
