//! Trying again.

use std::time::{Duration, SystemTime};

use axum::http::HeaderMap;
use axum::http::header::RETRY_AFTER;

use super::{Download, Downloader, Request};
use crate::error::{Error, Result, Upstream};

/// No pause is longer, whatever the server asks for.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How often and at what pace a failed download is tried again.
#[derive(Debug, Clone, Copy)]
pub struct Retry {
    /// How many attempts may follow the first.
    pub max_retries: u32,
    /// The pause before the first of them; it doubles with each further one. What is really waited is between half of
    /// that and one and a half, so that many downloads that failed together do not return together.
    pub pause: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self { max_retries: 3, pause: Duration::from_millis(500) }
    }
}

impl Retry {
    /// The pause after the failed attempt `attempt`, counted from 0.
    fn pause(&self, attempt: u32, asked_for: Option<Duration>) -> Duration {
        let pause = self.pause.saturating_mul(1 << attempt.min(16)).min(LONGEST_PAUSE);
        pause.mul_f64(rand::random_range(0.5..1.5)).max(asked_for.unwrap_or_default()).min(LONGEST_PAUSE)
    }
}

/// Fetches `request` into whatever `sink` makes of it, and tries the whole again if it fails in a way that may pass:
/// no connection, a timeout, 429, 500, 502, 503, 504, a body that ends early. A wrong digest, or more bytes than
/// promised, which `sink` finds, gets one second chance. A server's `Retry-After` is kept to, up to a minute.
///
/// `sink` must be able to begin anew: it is called once per attempt. Dropping the future ends everything.
///
/// # Errors
/// What the last attempt ended in: [`Error::Upstream`], or whatever else `sink` says, which is not tried again.
pub async fn fetch<T, F, Fut>(downloader: &dyn Downloader, request: Request, mut sink: F) -> Result<T>
where
    F: FnMut(Download) -> Fut,
    Fut: Future<Output = Result<T>>,
{
    let retry = downloader.retry();
    let mut attempt = 0;
    let mut mismatches = 0;
    loop {
        let (error, asked_for) = match downloader.get(request.clone()).await {
            Ok(download) => match sink(download).await {
                Ok(value) => return Ok(value),
                Err(error) => (error, None),
            },
            Err(failure) => (failure.error, failure.headers.as_deref().and_then(retry_after)),
        };
        let again = match hope(&error) {
            Hope::Passing => true,
            Hope::Mismatch => {
                mismatches += 1;
                mismatches == 1
            }
            Hope::None => false,
        };
        if !again || attempt >= retry.max_retries {
            return Err(error);
        }
        let pause = retry.pause(attempt, asked_for);
        attempt += 1;
        tracing::info!(%error, attempt, ?pause, "a download failed and is tried again");
        tokio::time::sleep(pause).await;
    }
}

/// What another attempt may bring.
enum Hope {
    /// The failure may pass.
    Passing,
    /// What came is wrong: a broken transfer, or a file that is wrong at its source and stays so.
    Mismatch,
    /// The same again.
    None,
}

fn hope(error: &Error) -> Hope {
    let Error::Upstream { problem, .. } = error else { return Hope::None };
    match problem {
        Upstream::Connection(_) | Upstream::Timeout(_) | Upstream::Status(429 | 500 | 502 | 503 | 504) => Hope::Passing,
        Upstream::Size { expected, actual } if actual < expected => Hope::Passing,
        Upstream::Size { .. } | Upstream::Digest { .. } => Hope::Mismatch,
        Upstream::Status(_) | Upstream::Content(_) => Hope::None,
    }
}

/// Seconds, or a date (RFC 9110, section 10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(SystemTime::now()).ok(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex;

    use async_trait::async_trait;
    use bytes::Bytes;
    use futures::{StreamExt, stream};
    use tokio::time::Instant;

    use super::super::Failure;
    use super::*;

    /// Answers from a list, and with a body when that is empty.
    struct Scripted(Mutex<VecDeque<Failure>>, Retry);

    fn scripted(failures: impl IntoIterator<Item = Failure>) -> Scripted {
        Scripted(Mutex::new(failures.into_iter().collect()), Retry::default())
    }

    fn status(code: u16) -> Failure {
        Failure::upstream("http://example.test/a", Upstream::Status(code))
    }

    #[async_trait]
    impl Downloader for Scripted {
        async fn get(&self, request: Request) -> Result<Download, Failure> {
            match self.0.lock().unwrap().pop_front() {
                Some(failure) => Err(failure),
                None => {
                    let body = stream::iter([Ok(Bytes::from_static(b"abc"))]).boxed();
                    Ok(Download::new(&request, HeaderMap::new(), body))
                }
            }
        }

        fn concurrency(&self) -> usize {
            1
        }

        fn retry(&self) -> Retry {
            self.1
        }
    }

    async fn get(downloader: &Scripted) -> Result<Bytes> {
        fetch(downloader, Request::get("http://example.test/a"), |download| download.bytes(10)).await
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_pass_is_tried_again_with_growing_pauses() {
        let start = Instant::now();
        assert_eq!(get(&scripted([status(500), status(429), status(504)])).await.unwrap(), "abc");
        // Half a second, one and two: each by half either way.
        let elapsed = start.elapsed().as_secs_f64();
        assert!((1.75..5.3).contains(&elapsed), "{elapsed}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_attempt_is_the_answer() {
        let error = get(&scripted([500, 500, 500, 503, 500].map(status))).await.unwrap_err();
        assert_eq!(error.to_string(), "http://example.test/a: the server answered 503");
    }

    #[tokio::test(start_paused = true)]
    async fn what_will_not_pass_is_not_tried_again() {
        for code in [304, 400, 401, 403, 404, 410, 501] {
            let start = Instant::now();
            assert!(get(&scripted([status(code)])).await.is_err(), "{code}");
            assert_eq!(start.elapsed(), Duration::ZERO);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_may_ask_for_a_longer_pause_within_bounds() {
        for (asked, seconds) in [("7", 7), ("86400", 60), ("Sun, 06 Nov 2039 08:49:37 GMT", 60)] {
            let mut busy = status(503);
            busy.headers = Some(Box::new(HeaderMap::from_iter([(RETRY_AFTER, asked.parse().unwrap())])));
            let start = Instant::now();
            get(&scripted([busy])).await.unwrap();
            assert_eq!(start.elapsed().as_secs(), seconds, "{asked}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_wrong_body_gets_one_second_chance_and_a_short_one_all() {
        let size = |actual| Upstream::Size { expected: 3, actual };
        let digest = || Upstream::Digest { digest: "sha256", expected: "00".into(), actual: "01".into() };
        for (body, expected) in [("long", 2), ("wrong", 2), ("short", 4)] {
            let mut calls = 0;
            let result: Result<()> = fetch(&scripted([]), Request::get("http://example.test/a"), |download| {
                calls += 1;
                let problem = match body {
                    "long" => size(4),
                    "short" => size(2),
                    _ => digest(),
                };
                let error = Error::upstream(download.url, problem);
                async { Err(error) }
            })
            .await;
            assert!(result.is_err());
            assert_eq!(calls, expected, "{body}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_sink_cannot_do_is_not_the_servers_fault() {
        let mut calls = 0;
        let result: Result<()> = fetch(&scripted([]), Request::get("http://example.test/a"), |_| {
            calls += 1;
            async { Err(Error::internal("disk full")) }
        })
        .await;
        assert!(matches!(result, Err(Error::Internal(_))));
        assert_eq!(calls, 1);
    }
}
