//! Bodies that are as long as was promised, or end in an error.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::stream::{BoxStream, Stream, StreamExt};

use crate::error::{Error, Result, Upstream};

/// Why a body stops before its end.
#[derive(Debug)]
pub(super) enum Broken {
    /// The other side closed the connection in the middle.
    Ended,
    /// Anything else.
    Failed(Upstream),
}

/// Counts the bytes of `source`, which was announced to have `expected`, and names `url` in its errors.
pub(super) fn measured<S>(url: String, expected: Option<u64>, source: S) -> BoxStream<'static, Result<Bytes>>
where
    S: Stream<Item = Result<Bytes, Broken>> + Send + Unpin + 'static,
{
    Measured { url, expected, actual: 0, source: Some(source) }.boxed()
}

struct Measured<S> {
    url: String,
    expected: Option<u64>,
    actual: u64,
    /// Gone after the end or the first error, and with it the connection.
    source: Option<S>,
}

impl<S> Measured<S> {
    fn problem(&self, broken: Broken) -> Upstream {
        match (broken, self.expected) {
            (Broken::Failed(problem), _) => problem,
            (Broken::Ended, Some(expected)) => Upstream::Size { expected, actual: self.actual },
            (Broken::Ended, None) => {
                Upstream::Connection(format!("connection closed in the middle, after {} bytes", self.actual))
            }
        }
    }
}

impl<S: Stream<Item = Result<Bytes, Broken>> + Unpin> Stream for Measured<S> {
    type Item = Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let Some(source) = &mut this.source else { return Poll::Ready(None) };
        let broken = match std::task::ready!(source.poll_next_unpin(cx)) {
            Some(Ok(chunk)) => {
                this.actual += chunk.len() as u64;
                if this.expected.is_none_or(|expected| this.actual <= expected) {
                    return Poll::Ready(Some(Ok(chunk)));
                }
                Broken::Ended
            }
            Some(Err(broken)) => broken,
            None if this.expected.is_none_or(|expected| this.actual == expected) => {
                this.source = None;
                return Poll::Ready(None);
            }
            None => Broken::Ended,
        };
        this.source = None;
        Poll::Ready(Some(Err(Error::upstream(&this.url, this.problem(broken)))))
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    async fn read(expected: Option<u64>, chunks: Vec<Result<Bytes, Broken>>) -> (usize, Option<String>) {
        let mut body = measured("http://example.test/a".into(), expected, stream::iter(chunks));
        let mut length = 0;
        while let Some(chunk) = body.next().await {
            match chunk {
                Ok(chunk) => length += chunk.len(),
                Err(error) => {
                    assert!(body.next().await.is_none(), "an error is the end");
                    return (length, Some(error.to_string()));
                }
            }
        }
        (length, None)
    }

    fn abc() -> Result<Bytes, Broken> {
        Ok(Bytes::from_static(b"abc"))
    }

    #[tokio::test]
    async fn a_body_has_the_length_that_was_announced() {
        assert_eq!(read(None, vec![abc(), abc()]).await, (6, None));
        assert_eq!(read(Some(6), vec![abc(), abc()]).await, (6, None));
        let short = "http://example.test/a: got 3 bytes, expected 6";
        assert_eq!(read(Some(6), vec![abc()]).await, (3, Some(short.into())));
        assert_eq!(read(Some(6), vec![abc(), Err(Broken::Ended)]).await, (3, Some(short.into())));
        let long = "http://example.test/a: got 6 bytes, expected 4";
        assert_eq!(read(Some(4), vec![abc(), abc()]).await, (3, Some(long.into())));
        let closed = "http://example.test/a: connection closed in the middle, after 3 bytes";
        assert_eq!(read(None, vec![abc(), Err(Broken::Ended)]).await, (3, Some(closed.into())));
    }
}
