//! An S3 server for one test, with one bucket.
//!
//! It speaks the real protocol: `s3s` checks every request's signature (SigV4, in the header or in a signed URL), and
//! `s3s-fs` keeps the objects in a folder: conditional and multipart uploads, lists, batches of deletions, ranges. Before it
//! stands a gate at which requests are counted, refused and held up. Like the other servers of the kit it runs on threads of
//! its own and is gone when it is dropped.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::watch;

use super::fixture::Threads;
use crate::settings::{Secret, StorageKind, StorageSettings};

/// The server's one bucket.
const BUCKET: &str = "pulp";

/// The one key that it knows.
const KEY: (&str, &str) = ("test-key", "test-secret-0123456789");

/// How long a test waits for a request before it counts as failed.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is answered.
    Pass,
    /// It is refused with this status.
    Refuse(u16),
    /// It is not answered.
    Hold,
}

/// A request to the object store, as it came.
#[derive(Clone, Debug)]
pub struct S3Request {
    /// The method.
    pub method: Method,
    /// The key of the object; empty for a request to the bucket.
    pub key: String,
    /// The query, as it was sent.
    pub query: String,
}

type Rule = Box<dyn Fn(&S3Request) -> Verdict + Send + Sync>;

/// A running S3 server.
pub struct S3Server {
    gate: Arc<Gate>,
    address: SocketAddr,
    folder: TempDir,
    _engine: Threads,
}

struct Gate {
    service: S3Service,
    rule: Mutex<Rule>,
    arrived: Log,
    answered: Log,
}

/// Requests, in order.
struct Log(watch::Sender<Vec<S3Request>>);

impl Log {
    fn new() -> Self {
        Self(watch::Sender::new(Vec::new()))
    }

    fn add(&self, request: S3Request) {
        self.0.send_modify(|requests| requests.push(request));
    }

    async fn wait_for(&self, wanted: impl Fn(&S3Request) -> bool) {
        let mut requests = self.0.subscribe();
        let come = requests.wait_for(|requests| requests.iter().any(&wanted));
        let waited = tokio::time::timeout(PATIENCE, come).await;
        assert!(waited.is_ok(), "waited {PATIENCE:?} in vain for a request");
    }
}

impl S3Server {
    /// Starts a server on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// When no port or folder can be had, which fails the test with a reason.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        std::fs::create_dir(folder.path().join(BUCKET)).expect("a bucket can be made");
        let mut builder = S3ServiceBuilder::new(FileSystem::new(folder.path()).expect("a folder can hold buckets"));
        builder.set_auth(SimpleAuth::from_single(KEY.0, KEY.1));
        let gate = Arc::new(Gate {
            service: builder.build(),
            rule: Mutex::new(Box::new(|_| Verdict::Pass)),
            arrived: Log::new(),
            answered: Log::new(),
        });
        let runtime = Builder::new_multi_thread().worker_threads(2).thread_name("s3").enable_all().build();
        let engine = Threads::of(runtime.expect("threads can be started"));
        let bound = engine.handle().spawn(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).await;
        let listener = bound.expect("a listener is made").expect("the loopback interface has a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let router = Router::new().fallback(answer).with_state(Arc::clone(&gate));
        engine.handle().spawn(async move { axum::serve(listener, router).await });
        Self { gate, address, folder, _engine: engine }
    }

    /// The section `[storage]` of a server that keeps its artifacts here.
    pub fn settings(&self) -> StorageSettings {
        StorageSettings {
            kind: StorageKind::S3,
            bucket: Some(BUCKET.to_owned()),
            endpoint: Some(self.origin()),
            region: Some("eu-test-1".to_owned()),
            access_key_id: Some(KEY.0.to_owned()),
            secret_access_key: Some(Secret::new(KEY.1)),
            allow_http: true,
            // A test does not want to wait for a store that it has told to fail.
            retries: 1,
            ..StorageSettings::default()
        }
    }

    /// `http://127.0.0.1:<port>`.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The keys of all objects, sorted.
    pub fn keys(&self) -> Vec<String> {
        let bucket = self.folder.path().join(BUCKET);
        let mut keys: Vec<String> = files(&bucket)
            .iter()
            .filter_map(|file| Some(file.strip_prefix(&bucket).ok()?.to_str()?.to_owned()))
            .collect();
        keys.sort();
        keys
    }

    /// How many parts of uploads lie here that were not put together.
    ///
    /// # Panics
    /// If the folder cannot be read.
    pub fn unfinished(&self) -> usize {
        let entries = std::fs::read_dir(self.folder.path()).expect("the server's folder can be read");
        let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| name.starts_with(".upload_id") || name.starts_with(".upload-")).count()
    }

    /// Loses an object.
    ///
    /// # Panics
    /// If there is none.
    pub fn lose(&self, key: &str) {
        std::fs::remove_file(self.folder.path().join(BUCKET).join(key)).expect("there is such an object");
    }

    /// Writes over an object, as a disk does that forgets.
    ///
    /// # Panics
    /// If there is none.
    pub fn ruin(&self, key: &str, bytes: &[u8]) {
        let path = self.folder.path().join(BUCKET).join(key);
        assert!(path.exists(), "there is no object {key}");
        std::fs::write(path, bytes).expect("an object can be written over");
    }

    /// From now on requests fare as `rule` says.
    pub fn rule(&self, rule: impl Fn(&S3Request) -> Verdict + Send + Sync + 'static) {
        *self.gate.rule.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(rule);
    }

    /// From now on all requests are answered.
    pub fn recover(&self) {
        self.rule(|_| Verdict::Pass);
    }

    /// The requests that have come since the start, or since they were last taken.
    pub fn take_requests(&self) -> Vec<S3Request> {
        self.gate.answered.0.send_replace(Vec::new());
        self.gate.arrived.0.send_replace(Vec::new())
    }

    /// Returns once such a request has come (not yet: been answered).
    ///
    /// # Panics
    /// When that has not happened within 30 seconds.
    pub async fn arrival(&self, wanted: impl Fn(&S3Request) -> bool) {
        self.gate.arrived.wait_for(wanted).await;
    }

    /// Returns once such a request has been answered.
    ///
    /// # Panics
    /// When that has not happened within 30 seconds.
    pub async fn answer(&self, wanted: impl Fn(&S3Request) -> bool) {
        self.gate.answered.wait_for(wanted).await;
    }
}

impl fmt::Debug for S3Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Server").field("address", &self.address).finish_non_exhaustive()
    }
}

async fn answer(State(gate): State<Arc<Gate>>, request: Request) -> Response {
    let key = request.uri().path().trim_start_matches('/').strip_prefix(BUCKET).unwrap_or_default();
    let seen = S3Request {
        method: request.method().clone(),
        key: key.trim_start_matches('/').to_owned(),
        query: request.uri().query().unwrap_or_default().to_owned(),
    };
    let verdict = gate.rule.lock().unwrap_or_else(PoisonError::into_inner)(&seen);
    gate.arrived.add(seen.clone());
    let response = match verdict {
        Verdict::Refuse(status) => {
            StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR).into_response()
        }
        Verdict::Hold => std::future::pending().await,
        Verdict::Pass => match gate.service.call(request.map(s3s::Body::http_body_unsync)).await {
            Ok(response) => response.map(Body::new),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:?}")).into_response(),
        },
    };
    gate.answered.add(seen);
    response
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files.extend(self::files(&entry.path())),
            _ => files.push(entry.path()),
        }
    }
    files
}
