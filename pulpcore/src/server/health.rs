//! Whether this process is alive, and whether it can do its work: for whoever supervises it, without credentials.
//!
//! `live` asks nobody: a process whose database is gone is alive, and starting it anew would not help. `ready` asks the
//! database and the file system, each for a bounded time. The answer names what was checked for each role that this
//! process has, and what is wrong, in the words of the draft for health checks (`draft-inadarei-api-health-check`). What
//! exactly failed is in the log, not in the answer.
//!
//! A process that was told to stop is not ready from that moment on. One that only serves content and has lost its database
//! is, as long as it can serve what it remembers: all of them lose it at once, and somebody has to be asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sea_orm::ConnectionTrait;
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::apps;
use super::edge::Reason;
use crate::app::App;
use crate::error::Error;
use crate::migrate;
use crate::settings::{OnDemand, Role};
use crate::storage::{Obstacle, Storage};
use crate::tasking::pulse::Workers;

/// How long a check may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// For how long applied migrations are taken as applied.
const REMEMBERED: Duration = Duration::from_secs(30);

const HANGS: &str = "The media folder's file system does not answer.";

/// The workers' loop looks for tasks every few seconds by itself, however short the time to live is.
const LEAST_TTL: Duration = Duration::from_secs(10);

/// `/health/live` and `/health/ready`.
pub(super) fn router(app: &App) -> Router {
    Router::new().route("/health/live", get(live)).route("/health/ready", get(ready)).with_state(Arc::new(Health {
        app: app.clone(),
        migrated: Mutex::default(),
        looking: Arc::new(Semaphore::new(1)),
    }))
}

/// The same for a process that serves nothing yet; whoever asks for something else is told to come again.
pub(super) fn meanwhile(reason: Reason) -> Router {
    let alive = || Report::of([(Role::Content, BTreeMap::new())].into_iter());
    let ready = move || {
        let reason = *reason.lock().unwrap_or_else(PoisonError::into_inner);
        Report::of([(Role::Content, BTreeMap::from([("database", Check::fail(reason))]))].into_iter())
    };
    let later = || {
        let headers = [(header::RETRY_AFTER, "5"), (header::CACHE_CONTROL, "no-store")];
        (StatusCode::SERVICE_UNAVAILABLE, headers, "503: Service Unavailable")
    };
    Router::new()
        .route("/health/live", get(async move || alive()))
        .route("/health/ready", get(async move || ready()))
        .fallback(async move || later())
}

struct Health {
    app: App,
    /// When the migrations were last seen to be applied.
    migrated: Mutex<Option<Instant>>,
    /// One look at the file system at a time: a network file system may hang for ever.
    looking: Arc<Semaphore>,
}

/// Better first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    #[default]
    Pass,
    /// Something should be looked at; the work goes on.
    Warn,
    Fail,
}

#[derive(Debug, Default, Serialize)]
struct Report {
    status: Status,
    roles: BTreeMap<Role, Checks>,
}

#[derive(Debug, Default, Serialize)]
struct Checks {
    status: Status,
    checks: BTreeMap<&'static str, Check>,
}

#[derive(Clone, Debug, Default, Serialize)]
struct Check {
    status: Status,
    /// What is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<String>,
}

impl Check {
    fn warn(output: impl Into<String>) -> Self {
        Self { status: Status::Warn, output: Some(output.into()) }
    }

    fn fail(output: impl Into<String>) -> Self {
        Self { status: Status::Fail, output: Some(output.into()) }
    }

    fn pass_unless(output: Option<String>) -> Self {
        output.map_or_else(Self::default, Self::fail)
    }
}

impl Report {
    fn of(roles: impl Iterator<Item = (Role, BTreeMap<&'static str, Check>)>) -> Self {
        let mut report = Self::default();
        for (role, checks) in roles {
            let status = checks.values().map(|check| check.status).max().unwrap_or_default();
            report.status = report.status.max(status);
            report.roles.insert(role, Checks { status, checks });
        }
        report
    }
}

impl IntoResponse for Report {
    fn into_response(self) -> Response {
        let code = if self.status == Status::Fail { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
        match serde_json::to_string(&self) {
            Ok(body) => {
                let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
                // A terminal wants the end of the line.
                (code, headers, body + "\n").into_response()
            }
            Err(error) => {
                tracing::error!(%error, "The health could not be written.");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}

async fn live(State(health): State<Arc<Health>>) -> Report {
    let app = &health.app;
    Report::of(app.settings.roles.iter().map(|role| {
        let mut checks = BTreeMap::new();
        if *role == Role::Worker {
            checks.insert("heart", heart(app, Instant::now()));
            checks.insert("loop", workers_loop(app, Instant::now(), Question::Live));
        }
        (*role, checks)
    }))
}

async fn ready(State(health): State<Arc<Health>>) -> Report {
    let app = &health.app;
    let now = Instant::now();
    let writes_any = app.settings.roles.iter().any(|role| writes(app, *role));
    let reads_any = app.settings.roles.iter().any(|role| !writes(app, *role));
    let database = health.database();
    let media = async { if writes_any { health.media().await } else { Check::default() } };
    let storage = async { if reads_any { health.storage().await } else { Check::default() } };
    let (database, media, storage) = tokio::join!(database, media, storage);
    // What was not answered cannot be told.
    let migrations = if database.status == Status::Pass { Some(health.migrations().await) } else { None };
    Report::of(app.settings.roles.iter().map(|role| {
        let mut checks = BTreeMap::from([("database", database.clone())]);
        if *role == Role::Content && database.status == Status::Fail && app.traffic.is_remembered() {
            let still = "What was served before is served from memory.";
            let said = database.output.as_deref().unwrap_or_default();
            checks.insert("database", Check::warn(format!("{said} {still}")));
        }
        if app.draining.is_cancelled() {
            checks.insert("stopping", Check::fail("The server was told to stop."));
        }
        checks.extend(migrations.clone().map(|check| ("migrations", check)));
        checks.insert("media", if writes(app, *role) { media.clone() } else { storage.clone() });
        if *role != Role::Content && !app.db.is_sqlite() {
            checks.insert("wake_ups", wake_ups(app));
        }
        checks.extend(heartbeat(app, *role, now).map(|check| ("heartbeat", check)));
        if *role == Role::Worker {
            checks.insert("loop", workers_loop(app, now, Question::Ready));
        }
        (*role, checks)
    }))
}

/// Whether a role stores artifacts, or only reads them.
fn writes(app: &App, role: Role) -> bool {
    role != Role::Content || app.settings.on_demand == OnDemand::Save
}

impl Health {
    async fn database(&self) -> Check {
        match timeout(PATIENCE, self.app.db.read().execute_unprepared("SELECT 1")).await {
            Ok(Ok(_)) => Check::default(),
            Ok(Err(error)) => {
                tracing::warn!(%error, "The database does not answer.");
                Check::fail("The database does not answer.")
            }
            Err(_) => Check::fail(format!("The database does not answer within {} seconds.", PATIENCE.as_secs())),
        }
    }

    async fn migrations(&self) -> Check {
        let remembered = || self.migrated.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered().is_some_and(|seen| seen.elapsed() < REMEMBERED) {
            return Check::default();
        }
        match timeout(PATIENCE, migrate::check(&self.app.db, apps())).await {
            Ok(Ok(pending)) if pending.is_empty() => {
                *remembered() = Some(Instant::now());
                Check::default()
            }
            Ok(Ok(pending)) => Check::fail(format!("Migrations are pending: {}.", pending.len())),
            // This build goes on with what it knows, as it does while others are being replaced.
            Ok(Err(Error::Config(_))) => Check::warn("A newer build has changed the database."),
            Ok(Err(error)) => {
                tracing::warn!(error = error.log(), "The migrations could not be looked at.");
                Check::fail("The migrations could not be looked at.")
            }
            Err(_) => Check::fail("The migrations could not be looked at in time."),
        }
    }

    async fn media(&self) -> Check {
        match self.look(|storage| storage.obstacle()).await {
            Some(None) => self.objects().await,
            Some(Some(Obstacle::Media)) => Check::fail("The media folder cannot be written."),
            Some(Some(Obstacle::Full)) => Check::fail("The media folder's file system is full."),
            Some(Some(Obstacle::Spool)) => Check::fail("The folder for temporary files cannot be written."),
            None => Check::fail(HANGS),
        }
    }

    async fn storage(&self) -> Check {
        match self.look(|storage| storage.is_readable()).await {
            Some(true) => self.objects().await,
            Some(false) => Check::fail("The media folder cannot be read."),
            None => Check::fail(HANGS),
        }
    }

    /// What the file system says, unless it takes too long to say it.
    async fn look<T: Send + 'static>(&self, ask: fn(&Storage) -> T) -> Option<T> {
        let (storage, looking) = (self.app.storage.clone(), Arc::clone(&self.looking));
        let look = async {
            let turn = looking.acquire_owned().await;
            let look = move || {
                let said = ask(&storage);
                drop(turn);
                said
            };
            tokio::task::spawn_blocking(look).await
        };
        timeout(PATIENCE, look).await.ok()?.ok()
    }

    /// The object store, if that is where artifacts lie.
    async fn objects(&self) -> Check {
        match timeout(PATIENCE, self.app.storage.answers()).await {
            Ok(Ok(())) => Check::default(),
            Ok(Err(_)) => Check::fail("The object storage cannot be used."),
            Err(_) => Check::fail(format!("The object storage does not answer within {} seconds.", PATIENCE.as_secs())),
        }
    }
}

/// Who asks after the workers' loop: a supervisor that would kill the process, or one that would send it no work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    Live,
    Ready,
}

fn ttl(app: &App) -> Duration {
    Duration::from_secs(app.settings.worker_ttl)
}

/// Whether the workers' heart beats; that nobody writes it down is not its fault.
fn heart(app: &App, now: Instant) -> Check {
    let silent = app.queue.pulse.heart("worker").map(|heart| now.saturating_duration_since(heart.beat));
    let silent = silent.filter(|silent| *silent > ttl(app));
    Check::pass_unless(
        silent.map(|silent| format!("The workers' heart has stood still for {} seconds.", silent.as_secs())),
    )
}

/// Whether others know that this process is there. One that may not write is not listed, and says nothing here.
fn heartbeat(app: &App, role: Role, now: Instant) -> Option<Check> {
    let Some(heart) = app.queue.pulse.heart(&role.to_string()) else {
        return (role == Role::Worker).then(|| Check::fail("The workers are not listed yet."));
    };
    let silent = now.saturating_duration_since(heart.written);
    let late = (silent > ttl(app)).then(|| format!("The last heartbeat was written {} seconds ago.", silent.as_secs()));
    Some(Check::pass_unless(late))
}

fn workers_loop(app: &App, now: Instant, question: Question) -> Check {
    let bound = ttl(app).max(LEAST_TTL);
    let late = |since: Instant| now.saturating_duration_since(since) > bound;
    let seconds = bound.as_secs();
    Check::pass_unless(match app.queue.pulse.workers() {
        Workers::Died => Some("The workers' loop has died.".to_owned()),
        Workers::Looking(since) if late(since) => {
            Some(format!("The workers have not looked for tasks for more than {seconds} seconds."))
        }
        // A database that hangs is no reason to kill the process.
        Workers::Turning(since) if question == Question::Ready && late(since) => {
            Some(format!("The workers have been asking the queue for more than {seconds} seconds."))
        }
        Workers::Unstarted if question == Question::Ready => Some("The workers have not begun yet.".to_owned()),
        Workers::Unstarted | Workers::Turning(_) | Workers::Looking(_) | Workers::Busy => None,
    })
}

fn wake_ups(app: &App) -> Check {
    match app.queue.pulse.is_hearing() {
        true => Check::default(),
        false => Check::warn("Other processes cannot wake this one; it looks every few seconds by itself."),
    }
}

#[cfg(test)]
mod tests;
