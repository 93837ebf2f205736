//! What the content service of this process did, counted while it answers.
//!
//! Thousands of requests a second pass here, so counting is a few atomic additions: no lock is taken for writing, nothing is
//! put on the heap for a small answer. What is told is put together when somebody asks.
//!
//! A distribution is named by its base path. Clients cannot make names up, and an operator with many distributions sees the
//! first [`DISTRIBUTIONS`] that were asked for; the others share a name.

mod durations;
mod passing;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use axum::response::Response;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use self::durations::Durations;
use crate::tasking::tally::OTHER;

/// How many distributions are told apart.
const DISTRIBUTIONS: usize = 200;

/// The classes of status codes.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// The count. Cheap to clone: clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traffic(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    running: AtomicI64,
    /// Whether something could be served without the database.
    remembered: AtomicBool,
    latency: Durations,
    upstream: Durations,
    cache: [AtomicU64; 3],
    /// Requests that led into no distribution,
    nowhere: Arc<Series>,
    /// into one of these,
    distributions: RwLock<HashMap<String, Arc<Series>>>,
    /// or into one more.
    others: Arc<Series>,
    #[cfg(feature = "otel")]
    exported: OnceLock<super::otel::Durations>,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            running: AtomicI64::new(0),
            remembered: AtomicBool::new(false),
            latency: Durations::default(),
            upstream: Durations::default(),
            cache: Default::default(),
            nowhere: Arc::default(),
            distributions: RwLock::default(),
            others: Arc::default(),
            #[cfg(feature = "otel")]
            exported: OnceLock::new(),
        }
    }
}

/// What was asked of one distribution.
#[derive(Debug, Default)]
pub(crate) struct Series {
    requests: [AtomicU64; CLASSES.len()],
    bytes: AtomicU64,
}

/// What a look into the cache of the content service gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// What is there now.
    Hit,
    /// Nothing: the database was asked.
    Miss,
    /// What was there before the database went away.
    Stale,
}

const LOOKS: [&str; 3] = ["hit", "miss", "stale"];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Of {
    distribution: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    distribution: String,
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Looked {
    result: &'static str,
}

impl Traffic {
    /// A request has come.
    pub(crate) fn begins(&self) -> Counted {
        self.0.running.fetch_add(1, Relaxed);
        Counted { traffic: self.clone(), series: OnceLock::new(), began: Instant::now(), is_head: false, status: None }
    }

    /// The cache was looked into.
    pub(crate) fn looked(&self, look: Look) {
        self.0.cache[look as usize].fetch_add(1, Relaxed);
    }

    /// The cache says whether it could serve something without the database.
    pub(crate) fn remembers(&self, remembered: bool) {
        self.0.remembered.store(remembered, Relaxed);
    }

    /// Whether something could be served without the database.
    pub(crate) fn is_remembered(&self) -> bool {
        self.0.remembered.load(Relaxed)
    }

    /// A remote took so long to begin its answer, or not to.
    pub(crate) fn upstream(&self, took: Duration) {
        self.0.upstream.observe(took);
        #[cfg(feature = "otel")]
        if let Some(exported) = self.0.exported.get() {
            exported.upstream(took);
        }
    }

    /// Where requests for a distribution are counted.
    pub(crate) fn distribution(&self, base_path: &str) -> Arc<Series> {
        if let Some(found) = self.0.distributions.read().unwrap_or_else(PoisonError::into_inner).get(base_path) {
            return Arc::clone(found);
        }
        let mut all = self.0.distributions.write().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= DISTRIBUTIONS && !all.contains_key(base_path) {
            return Arc::clone(&self.0.others);
        }
        Arc::clone(all.entry(base_path.to_owned()).or_default())
    }

    /// Every series with its name, those without a request left out.
    pub(super) fn series(&self) -> Vec<(String, Arc<Series>)> {
        let all = self.0.distributions.read().unwrap_or_else(PoisonError::into_inner);
        let named = all.iter().map(|(name, series)| (name.clone(), Arc::clone(series)));
        let unnamed = [(String::new(), Arc::clone(&self.0.nowhere)), (OTHER.to_owned(), Arc::clone(&self.0.others))];
        named.chain(unnamed.into_iter().filter(|(_, series)| series.classes().next().is_some())).collect()
    }

    /// How often a look into the cache gave what.
    pub(super) fn looks(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        LOOKS.into_iter().zip(self.0.cache.iter().map(|count| count.load(Relaxed)))
    }

    /// From now on, durations are exported as well.
    #[cfg(feature = "otel")]
    pub(super) fn export(&self, durations: super::otel::Durations) {
        // A second exporter in one process is a test's.
        let _ = self.0.exported.set(durations);
    }

    /// Makes it part of what is told.
    pub(super) fn register(&self, registry: &mut Registry) {
        let (requests, bytes) = (Family::<Answered, Counter>::default(), Family::<Of, Counter>::default());
        for (distribution, series) in self.series() {
            for (status, count) in series.classes() {
                requests.get_or_create(&Answered { distribution: distribution.clone(), status }).inc_by(count);
            }
            bytes.get_or_create(&Of { distribution }).inc_by(series.bytes());
        }
        registry.register("content_requests", "Requests that the content service answered", requests);
        registry.register("content_sent_bytes", "Bytes of their answers' bodies", bytes);
        let looks = Family::<Looked, Counter>::default();
        for (result, count) in self.looks() {
            looks.get_or_create(&Looked { result }).inc_by(count);
        }
        registry.register("content_cache_looks", "Looks into the cache of paths, by what they gave", looks);
        let running = ConstGauge::new(self.0.running.load(Relaxed));
        registry.register("content_requests_running", "Requests that are being answered", running);
        let help = "How long answers took, from the request to their last byte";
        registry.register("content_request_duration_seconds", help, self.0.latency.now());
        let help = "How long remotes took to begin their answers";
        registry.register("content_upstream_duration_seconds", help, self.0.upstream.now());
        let help = "Requests to remotes on behalf of clients";
        registry.register("content_upstream_requests", help, ConstCounter::new(self.0.upstream.count()));
    }
}

impl Series {
    /// How many requests ended in which class, as far as there are any.
    pub(super) fn classes(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let counts = self.requests.iter().map(|count| count.load(Relaxed));
        CLASSES.into_iter().zip(counts).filter(|(_, count)| *count > 0)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }
}

/// One request. It is counted when its answer has ended; one whose client left before it began is not.
#[derive(Debug)]
pub(crate) struct Counted {
    traffic: Traffic,
    series: OnceLock<Arc<Series>>,
    began: Instant,
    is_head: bool,
    status: Option<StatusCode>,
}

impl Counted {
    /// It led into this distribution.
    pub(crate) fn leads_to(&self, base_path: &str) {
        self.series.get_or_init(|| self.traffic.distribution(base_path));
    }

    /// It is answered so.
    pub(crate) fn answered(mut self, response: Response, is_head: bool) -> Response {
        self.status = Some(response.status());
        self.is_head = is_head;
        passing::watch(self, response)
    }

    fn sent(&self, bytes: u64) {
        self.series.get().unwrap_or(&self.traffic.0.nowhere).bytes.fetch_add(bytes, Relaxed);
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let counts = &self.traffic.0;
        counts.running.fetch_sub(1, Relaxed);
        let Some(status) = self.status else { return };
        let class = usize::from(status.as_u16() / 100).clamp(1, CLASSES.len()) - 1;
        self.series.get().unwrap_or(&counts.nowhere).requests[class].fetch_add(1, Relaxed);
        let took = self.began.elapsed();
        counts.latency.observe(took);
        #[cfg(feature = "otel")]
        if let Some(exported) = counts.exported.get() {
            exported.request(took, if self.is_head { "HEAD" } else { "GET" }, CLASSES[class]);
        }
    }
}
