//! An answer on its way to the client: small ones are counted as they leave, large ones as they go.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::response::Response;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

use super::Counted;

/// Bodies up to this size leave in one piece.
const SMALL: u64 = 256 * 1024;

/// Counts an answer when it has ended.
pub(super) fn watch(counted: Counted, response: Response) -> Response {
    let size = if counted.is_head { Some(0) } else { response.body().size_hint().exact() };
    match size {
        Some(size) if size <= SMALL => {
            counted.sent(size);
            response
        }
        _ => response.map(|body| Body::new(Passing { body, counted })),
    }
}

/// A body whose bytes are counted.
struct Passing {
    body: Body,
    counted: Counted,
}

impl HttpBody for Passing {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(bytes) = frame.data_ref()
        {
            this.counted.sent(bytes.len() as u64);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
