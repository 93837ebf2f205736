//! An HTTP file server that plays a remote.
//!
//! It listens on the loopback interface, keeps small files in memory, makes large ones up while it sends them, counts
//! every request, and fails on command (see [`Fault`]). It speaks HTTP as a good static server does: `HEAD`,
//! `Range` and `If-Range`, `ETag`, `Last-Modified` and their conditions (RFC 9110 §13 and §14).
//!
//! The server runs on threads of its own, so that it answers whatever the test's runtime is doing, keeps real time in
//! tests that pause theirs, and is gone when it is dropped.
//!
//! ```
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! use pulpcore::testkit::{Fault, FixtureServer};
//! let files = FixtureServer::start().await;
//! files.put("small/a.txt", "hello");
//! files.generate("small/f{n}.bin", 3, 1024);
//! files.manifest("small/PULP_MANIFEST");
//! files.fault("small/f1.bin", Fault::Status(500).times(1));
//!
//! let manifest = reqwest::get(files.url("small/PULP_MANIFEST")).await.unwrap().text().await.unwrap();
//! assert_eq!(manifest.lines().count(), 4);
//! assert_eq!(files.count("small/PULP_MANIFEST"), 1);
//! # });
//! ```

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use tokio::net::{TcpListener, ToSocketAddrs};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Notify, watch};

use super::content::{Choice, Content, File};
use super::faults::{self, Cut, Door, Fault, Faults};

/// How many requests [`FixtureServer::requests`] remembers; older ones are forgotten, but stay counted.
const REMEMBERED: usize = 16_384;

/// How long [`FixtureServer::wait_for`] waits before it calls the test failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a path may not contain verbatim in a URL.
const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'<').add(b'>').add(b'?').add(b'`');

/// A running file server. Dropping it closes the port and all connections.
///
/// Paths are those of the URL, without the leading slash and without percent-encoding: `small/a.txt`.
#[derive(Debug)]
pub struct FixtureServer {
    remote: Arc<Remote>,
    address: SocketAddr,
    engine: Threads,
}

/// One request, as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The method.
    pub method: Method,
    /// The decoded path, without the leading slash.
    pub path: String,
    /// The query string as it was sent, without the question mark.
    pub query: Option<String>,
    /// All headers.
    pub headers: HeaderMap,
}

impl FixtureServer {
    /// Starts a server on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// When no port can be had, which fails the test with a reason.
    pub async fn start() -> Self {
        Self::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("the loopback interface has a free port")
    }

    /// Starts a server on an address of choice, for demos and benchmarks.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn bind(address: impl ToSocketAddrs + Send + 'static) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(2).thread_name("fixture").enable_all().build()?;
        let engine = Threads::of(runtime);
        let bound = engine.handle().spawn(async move { TcpListener::bind(address).await });
        let listener = bound.await.map_err(io::Error::other)??;
        let address = listener.local_addr()?;
        let remote = Arc::new(Remote::default());
        let app = Router::new().fallback(answer).with_state(remote.clone());
        let serve = axum::serve(Door(listener), app.into_make_service_with_connect_info::<Cut>());
        engine.handle().spawn(async move { serve.await });
        Ok(Self { remote, address, engine })
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of a path on this server.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{}", self.address, utf8_percent_encode(key(path), ESCAPED))
    }

    /// Offers a file; one that was there before is replaced.
    pub fn put(&self, path: &str, body: impl Into<Bytes>) {
        self.remote.store([(key(path).to_owned(), File::new(Content::Memory(body.into())))]);
    }

    /// Offers `count` files of `size` bytes each; `{n}` in the pattern becomes 0, 1, 2 and so on.
    ///
    /// Their bytes look random, follow from path and size alone (the same in every run), differ from file to file and
    /// are made while they are sent, so large files cost no memory.
    pub fn generate(&self, pattern: &str, count: usize, size: u64) {
        let files = (0..count).map(|n| {
            let path = key(pattern).replace("{n}", &n.to_string());
            let file = File::new(Content::generated(&path, size));
            (path, file)
        });
        self.remote.store(files);
    }

    /// Takes a file away; asking for it is a 404 again.
    pub fn remove(&self, path: &str) {
        self.remote.files.write().unwrap_or_else(PoisonError::into_inner).remove(key(path));
    }

    /// Writes a `PULP_MANIFEST` at `path` over everything in its folder and below, and returns its number of lines.
    ///
    /// A line is `path,sha256,size`, with the path relative to the manifest; lines are sorted by path.
    pub fn manifest(&self, path: &str) -> usize {
        let path = key(path);
        let folder = path.rfind('/').map_or("", |slash| &path[..=slash]);
        let mut listed: Vec<(String, Arc<File>)> = {
            let files = self.remote.files.read().unwrap_or_else(PoisonError::into_inner);
            let inside = files.iter().filter(|(name, _)| *name != path);
            inside.filter_map(|(name, file)| Some((name.strip_prefix(folder)?.to_owned(), file.clone()))).collect()
        };
        listed.sort_by(|(a, _), (b, _)| a.cmp(b));
        let line = |(name, file): &(String, Arc<File>)| format!("{name},{},{}\n", file.sha256(), file.content.size());
        let manifest: String = listed.iter().map(line).collect();
        self.put(path, manifest);
        listed.len()
    }

    /// The SHA-256 of a file that is offered, in hex.
    pub fn sha256(&self, path: &str) -> Option<String> {
        Some(self.remote.file(key(path))?.sha256().to_owned())
    }

    /// Makes a path fail from the next request on. The path need not exist; an earlier fault is replaced.
    pub fn fault(&self, path: &str, fault: Fault) {
        lock(&self.remote.faults).set(key(path).to_owned(), fault);
    }

    /// Ends a path's fault. Answers that are under way stay spoiled.
    pub fn heal(&self, path: &str) {
        lock(&self.remote.faults).heal(key(path));
    }

    /// Lets every stalled answer continue whose request has arrived by now (see [`Fault::Stall`]).
    pub fn release(&self) {
        self.remote.released.send_replace(());
    }

    /// From now on asks for these credentials by HTTP basic authentication; without them the answer is 401.
    pub fn require_basic_auth(&self, user: &str, password: &str) {
        let value = format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")));
        self.remote.demand(Demand { name: header::AUTHORIZATION, value, otherwise: StatusCode::UNAUTHORIZED });
    }

    /// From now on asks for this header with this value; without it the answer is 403.
    ///
    /// # Panics
    /// When `name` is not a header name.
    pub fn require_header(&self, name: &str, value: &str) {
        let name = name.parse().expect("a test asks for headers that exist");
        self.remote.demand(Demand { name, value: value.to_owned(), otherwise: StatusCode::FORBIDDEN });
    }

    /// The requests since the start or the last [`reset_counts`](Self::reset_counts), in order of arrival; at most the
    /// latest 16,384.
    pub fn requests(&self) -> Vec<Seen> {
        lock(&self.remote.log).latest.iter().cloned().collect()
    }

    /// How many requests for this path arrived, whatever their method and answer.
    pub fn count(&self, path: &str) -> usize {
        self.remote.count(key(path))
    }

    /// Forgets all requests.
    pub fn reset_counts(&self) {
        *lock(&self.remote.log) = Log::default();
    }

    /// Returns when the `n`-th request for this path has arrived (not yet: been answered).
    ///
    /// # Panics
    /// When that has not happened within 30 seconds.
    pub async fn wait_for(&self, path: &str, n: usize) {
        let (remote, wanted) = (self.remote.clone(), key(path).to_owned());
        // The server's runtime keeps real time even if the test's does not.
        let wait = async move { tokio::time::timeout(PATIENCE, remote.arrival(&wanted, n)).await };
        let arrived = self.engine.handle().spawn(wait).await;
        if !matches!(arrived, Ok(Ok(()))) {
            panic!("waited {PATIENCE:?} for request {n} of {path}; {} arrived", self.count(path));
        }
    }
}

/// The runtime that serves. It is stopped in the background, because runtimes must not block when they are dropped
/// within another one.
#[derive(Debug)]
pub(super) struct Threads(Option<Runtime>);

impl Threads {
    pub(super) fn of(runtime: Runtime) -> Self {
        Self(Some(runtime))
    }

    pub(super) fn handle(&self) -> &tokio::runtime::Handle {
        self.0.as_ref().expect("the runtime is only taken by drop").handle()
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// What the handlers share. Every lock is held for a look-up at most.
#[derive(Debug, Default)]
struct Remote {
    files: RwLock<HashMap<String, Arc<File>>>,
    faults: Mutex<Faults>,
    demands: RwLock<Vec<Demand>>,
    log: Mutex<Log>,
    arrived: Notify,
    released: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Log {
    latest: VecDeque<Seen>,
    counts: HashMap<String, usize>,
}

#[derive(Debug)]
struct Demand {
    name: HeaderName,
    value: String,
    otherwise: StatusCode,
}

impl Remote {
    fn store(&self, new: impl IntoIterator<Item = (String, File)>) {
        let new = new.into_iter().map(|(path, file)| (path, Arc::new(file)));
        self.files.write().unwrap_or_else(PoisonError::into_inner).extend(new);
    }

    fn file(&self, path: &str) -> Option<Arc<File>> {
        self.files.read().unwrap_or_else(PoisonError::into_inner).get(path).cloned()
    }

    fn demand(&self, demand: Demand) {
        let mut demands = self.demands.write().unwrap_or_else(PoisonError::into_inner);
        demands.retain(|old| old.name != demand.name);
        demands.push(demand);
    }

    fn unmet(&self, headers: &HeaderMap) -> Option<StatusCode> {
        let demands = self.demands.read().unwrap_or_else(PoisonError::into_inner);
        let met = |demand: &Demand| headers.get(&demand.name).is_some_and(|value| value == demand.value.as_str());
        demands.iter().find(|demand| !met(demand)).map(|demand| demand.otherwise)
    }

    fn record(&self, seen: Seen) {
        let mut log = lock(&self.log);
        match log.counts.get_mut(&seen.path) {
            Some(count) => *count += 1,
            None => {
                log.counts.insert(seen.path.clone(), 1);
            }
        }
        if log.latest.len() == REMEMBERED {
            log.latest.pop_front();
        }
        log.latest.push_back(seen);
        drop(log);
        self.arrived.notify_waiters();
    }

    fn count(&self, path: &str) -> usize {
        lock(&self.log).counts.get(path).copied().unwrap_or(0)
    }

    async fn arrival(&self, path: &str, n: usize) {
        loop {
            // Created before the count is read, so that no arrival falls between the two.
            let next = self.arrived.notified();
            if self.count(path) >= n {
                return;
            }
            next.await;
        }
    }
}

/// Plays a request: notes it, checks what is demanded, and answers, well or as the path's fault says.
async fn answer(State(remote): State<Arc<Remote>>, ConnectInfo(cut): ConnectInfo<Cut>, request: Request) -> Response {
    // Subscribed before the request is recorded: who saw it arrive may release it at once.
    let released = remote.released.subscribe();
    let (Parts { method, uri, headers, .. }, _) = request.into_parts();
    let path = percent_decode_str(key(uri.path())).decode_utf8_lossy().into_owned();
    let unmet = remote.unmet(&headers);
    let fault = if unmet.is_none() { lock(&remote.faults).take(&path) } else { None };
    let file = remote.file(&path);
    let choice = file.as_ref().map(|file| Choice::of(file, &headers));
    remote.record(Seen { method: method.clone(), path, query: uri.query().map(str::to_owned), headers });

    match (unmet, &fault) {
        (Some(StatusCode::UNAUTHORIZED), _) => {
            let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"fixture\"")];
            return (StatusCode::UNAUTHORIZED, challenge).into_response();
        }
        (Some(status), _) => return status.into_response(),
        (None, Some(Fault::Status(code))) => {
            let status = StatusCode::from_u16(*code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            return (status, "This path was told to fail.\n").into_response();
        }
        (None, Some(Fault::Redirect(to))) => return (StatusCode::FOUND, [(header::LOCATION, to)]).into_response(),
        (None, Some(Fault::RedirectLoop)) => {
            return (StatusCode::FOUND, [(header::LOCATION, uri.path())]).into_response();
        }
        (None, Some(Fault::Close)) => {
            cut.now();
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
        (None, _) => {}
    }
    if method != Method::GET && method != Method::HEAD {
        return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")]).into_response();
    }
    let (Some(file), Some(choice)) = (file, choice) else {
        return (StatusCode::NOT_FOUND, "Not here.\n").into_response();
    };
    let body = |range| match method {
        Method::HEAD => Body::empty(),
        _ => faults::body(&file.content, range, fault, cut, released),
    };
    choice.respond(&file, body)
}

/// The name under which a path is kept.
fn key(path: &str) -> &str {
    path.trim_start_matches('/')
}

/// A lock whose holders cannot leave anything half done, so that a panic elsewhere does not matter.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test is bounded by its runner")]
mod tests {
    use aws_lc_rs::digest;
    use reqwest::{Client, StatusCode};

    use super::*;

    async fn get(url: String, headers: &[(&str, &str)]) -> reqwest::Response {
        let request =
            headers.iter().fold(Client::new().get(url), |request, (name, value)| request.header(*name, *value));
        request.send().await.unwrap()
    }

    #[tokio::test]
    async fn serves_what_was_put_and_nothing_else() {
        let files = FixtureServer::start().await;
        files.put("small/a b%.txt", "hello");
        let response = get(files.url("small/a b%.txt"), &[]).await;
        assert_eq!(response.headers()["content-length"], "5");
        assert_eq!(response.text().await.unwrap(), "hello");
        files.remove("small/a b%.txt");
        assert_eq!(get(files.url("small/a b%.txt"), &[]).await.status(), StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn head_says_what_get_would_say() {
        let files = FixtureServer::start().await;
        files.generate("{n}.bin", 1, 100_000);
        let get = Client::new().get(files.url("0.bin")).send().await.unwrap();
        let head = Client::new().head(files.url("0.bin")).send().await.unwrap();
        for name in ["content-length", "etag", "last-modified", "accept-ranges"] {
            assert_eq!(head.headers()[name], get.headers()[name], "{name}");
        }
        assert_eq!(head.bytes().await.unwrap().len(), 0);
    }

    #[tokio::test]
    async fn ranges_are_cut_from_the_whole() {
        let files = FixtureServer::start().await;
        files.generate("{n}.bin", 1, 200_000);
        let whole = get(files.url("0.bin"), &[]).await.bytes().await.unwrap();
        assert_eq!(whole.len(), 200_000);
        for (range, bytes) in [
            ("bytes=0-0", 0..1),
            ("bytes=5-65536", 5..65_537),
            ("bytes=131071-", 131_071..200_000),
            ("bytes=-70000", 130_000..200_000),
            ("bytes=199999-999999", 199_999..200_000),
        ] {
            let response = get(files.url("0.bin"), &[("range", range)]).await;
            assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT, "{range}");
            let of = format!("bytes {}-{}/200000", bytes.start, bytes.end - 1);
            assert_eq!(response.headers()["content-range"], of);
            assert!(response.bytes().await.unwrap() == whole[bytes], "{range}");
        }
    }

    #[tokio::test]
    async fn impossible_ranges_are_refused_and_strange_ones_ignored() {
        let files = FixtureServer::start().await;
        files.put("a", "hello");
        let refused = get(files.url("a"), &[("range", "bytes=5-")]).await;
        assert_eq!(refused.status(), StatusCode::RANGE_NOT_SATISFIABLE);
        assert_eq!(refused.headers()["content-range"], "bytes */5");
        for range in ["bytes=3-2", "bytes=0-1,3-4", "lines=1-2", "bytes=x-y"] {
            assert_eq!(get(files.url("a"), &[("range", range)]).await.text().await.unwrap(), "hello", "{range}");
        }
    }

    #[tokio::test]
    async fn conditions_spare_the_body_while_nothing_changes() {
        let files = FixtureServer::start().await;
        files.put("a", "hello");
        let first = get(files.url("a"), &[]).await;
        let header = |name: &str| first.headers()[name].to_str().unwrap().to_owned();
        let (tag, date) = (header("etag"), header("last-modified"));
        assert_eq!(get(files.url("a"), &[("if-none-match", &tag)]).await.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(get(files.url("a"), &[("if-modified-since", &date)]).await.status(), StatusCode::NOT_MODIFIED);

        files.put("a", "other");
        let changed = get(files.url("a"), &[("if-none-match", &tag)]).await;
        assert_eq!(changed.text().await.unwrap(), "other");
        let resumed = get(files.url("a"), &[("range", "bytes=2-"), ("if-range", &tag)]).await;
        assert_eq!(resumed.status(), StatusCode::OK);
        assert_eq!(resumed.text().await.unwrap(), "other");
    }

    #[tokio::test]
    async fn a_manifest_lists_its_folder_with_the_digests_that_clients_compute() {
        let files = FixtureServer::start().await;
        files.put("small/sub/b.txt", "b");
        files.put("elsewhere.txt", "not listed");
        files.generate("small/f{n}.bin", 2, 70_000);
        assert_eq!(files.manifest("small/PULP_MANIFEST"), 3);
        // Made again, it does not list itself.
        assert_eq!(files.manifest("small/PULP_MANIFEST"), 3);

        let manifest = get(files.url("small/PULP_MANIFEST"), &[]).await.text().await.unwrap();
        let mut digests = Vec::new();
        for line in manifest.lines() {
            let [name, sha256, size] = line.split(',').collect::<Vec<_>>().try_into().unwrap();
            let body = get(files.url(&format!("small/{name}")), &[]).await.bytes().await.unwrap();
            assert_eq!(body.len().to_string(), size);
            assert_eq!(hex::encode(digest::digest(&digest::SHA256, &body)), sha256);
            digests.push(sha256.to_owned());
        }
        digests.dedup();
        assert_eq!(digests.len(), 3, "generated files differ");
    }

    #[tokio::test]
    async fn demands_are_made_of_every_request() {
        let files = FixtureServer::start().await;
        files.put("a", "secret");
        files.require_basic_auth("me", "pw");
        files.require_header("X-Token", "42");
        let anonymous = get(files.url("a"), &[("x-token", "42")]).await;
        assert_eq!(anonymous.status(), StatusCode::UNAUTHORIZED);
        assert!(anonymous.headers()["www-authenticate"].to_str().unwrap().starts_with("Basic "));
        let known = || Client::new().get(files.url("a")).basic_auth("me", Some("pw"));
        assert_eq!(known().send().await.unwrap().status(), StatusCode::FORBIDDEN);
        assert_eq!(known().header("x-token", "42").send().await.unwrap().text().await.unwrap(), "secret");
    }

    #[tokio::test]
    async fn requests_are_seen_counted_and_waited_for() {
        let files = FixtureServer::start().await;
        let url = files.url("late?page=2");
        assert!(url.ends_with("late%3Fpage=2"), "a path is a path");
        let url = format!("{}?page=2", files.url("late"));
        let client = tokio::spawn(async move {
            get(url.clone(), &[("user-agent", "first")]).await;
            get(url, &[("user-agent", "second")]).await;
        });
        files.wait_for("late", 2).await;
        client.await.unwrap();
        let seen: Vec<_> = files.requests().into_iter().map(|seen| (seen.path, seen.query, seen.headers)).collect();
        assert_eq!(seen.len(), 2);
        assert_eq!((seen[0].0.as_str(), seen[0].1.as_deref()), ("late", Some("page=2")));
        assert_eq!(seen[1].2["user-agent"], "second");
        assert_eq!((files.count("late"), files.count("other")), (2, 0));
        files.reset_counts();
        assert_eq!((files.count("late"), files.requests().len()), (0, 0));
    }

    #[tokio::test]
    async fn it_is_gone_when_dropped() {
        let files = FixtureServer::start().await;
        files.put("a", "hello");
        files.fault("a", Fault::StallAfter(1));
        let mut response = get(files.url("a"), &[]).await;
        response.chunk().await.unwrap();
        drop(files);
        response.chunk().await.unwrap_err();
    }
}
