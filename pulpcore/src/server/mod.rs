//! The server: roles on one listener, from settings to the first request, and down again.
//!
//! [`start`] is the whole start-up sequence; what it gives is stopped by [`Running::stop`]. The command line and the tests
//! use the same two.

mod access;
mod front;
mod health;
mod lock;
mod routes;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) use self::lock::{Lock, database_file};
use crate::api::catalog::{self, Catalog};
use crate::app::App;
use crate::error::{Error, Result};
use crate::settings::{Role, Secret, Settings};
use crate::tasking::Worker;
use crate::tasking::events;
use crate::tasking::life::{self, Listed};
use crate::tasking::schedule;
use crate::{auth, migrate, registry};

/// How long connections may go on after the server was told to stop.
const LAST_ANSWERS: Duration = Duration::from_secs(20);

/// A server that runs. Dropping it leaves the server running; [`Running::stop`] ends it.
#[derive(Debug)]
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// The process behind it.
    pub app: App,
    /// The password that was made up for the first administrator, if this start made that user: to be told once.
    pub new_admin_password: Option<String>,
    stop: CancellationToken,
    listening: JoinHandle<()>,
    working: Option<JoinHandle<()>>,
    signs_of_life: Vec<(Listed, JoinHandle<()>)>,
    /// What goes on until the end: wake-ups from and to other processes; events written, followed, forgotten.
    background: Vec<JoinHandle<()>>,
    #[cfg(feature = "otel")]
    exporting: Option<crate::metrics::otel::Exporting>,
    _lock: Option<Lock>,
}

/// Starts a server. `chosen` are the labels of the plugins that the binary was built with.
///
/// # Errors
/// [`Error::Config`] with a sentence for whoever starts it: plugins that collide, a database that another process uses
/// or a newer build has written, an address that is taken.
pub async fn start(mut settings: Settings, chosen: &[&str]) -> Result<Running> {
    settings.check()?;
    registry::get().check(chosen)?;
    catalog::check_claims(&settings)?;
    let catalog = Arc::new(Catalog::collect()?);

    let lock = Lock::take(&settings)?;
    let db = connect(&settings).await?;
    bring_up_to_date(&db).await?;

    let address = settings.bind;
    let unusable = |error| Error::Config(format!("cannot listen on {address}: {error}"));
    let listener = TcpListener::bind(address).await.map_err(unusable)?;
    let address = listener.local_addr().map_err(unusable)?;
    settings.bind = address;

    let app = App::with(settings, db).await?;
    app.storage.sweep_spool().await?;
    let is = |role| app.settings.has_role(role);
    let mut new_admin_password = None;
    if is(Role::Worker) {
        life::fail_orphans(&app).await?;
    }
    if is(Role::Api) {
        let password = app.settings.admin_password.as_ref().map(Secret::expose);
        new_admin_password = auth::ensure_admin(&app.db, password).await?;
    }

    #[cfg(feature = "otel")]
    let exporting = crate::metrics::otel::Exporting::from_environment(&app)?;

    // Streams of events end when the server is told to stop, or they would hold it up.
    let stop = app.feeds.stop();
    let (mut signs_of_life, mut watching) = (Vec::new(), None);
    for (role, name) in [(Role::Api, "api"), (Role::Content, "content")] {
        if is(role) {
            let listed = announce(&app, name).await;
            if let (Role::Api, Some((listed, _))) = (role, &listed) {
                app.queue.runs_inline(listed);
                watching = Some(tokio::spawn(listed.clone().watch(app.clone())));
            }
            signs_of_life.extend(listed);
        }
    }
    let mut background = tell_events(&app);
    background.extend(carry_wake_ups(&app).into_iter().chain(carry_changes(&app)).chain(watching));
    let working = is(Role::Worker).then(|| tokio::spawn(work(app.clone(), stop.clone())));
    let router = routes::all(&app, catalog);
    let listener = listener.tap_io(|connection| {
        // Answers of two parts would wait for the client's delayed acknowledgement of the first.
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY could not be set.");
        }
    });
    let serving = axum::serve(listener, router).with_graceful_shutdown(stop.clone().cancelled_owned());
    let listening = tokio::spawn(async move {
        if let Err(error) = serving.await {
            tracing::error!(%error, "The listener failed.");
        }
    });
    let roles: Vec<String> = app.settings.roles.iter().map(ToString::to_string).collect();
    tracing::info!(roles = roles.join(","), "listening on http://{address}");
    Ok(Running {
        address,
        app,
        new_admin_password,
        stop,
        listening,
        working,
        signs_of_life,
        background,
        #[cfg(feature = "otel")]
        exporting,
        _lock: lock,
    })
}

impl Running {
    /// Waits until the server stops by itself, which it does only when it cannot go on.
    pub async fn ended(&self) {
        self.stop.cancelled().await;
    }

    /// Stops: takes no more connections and no more tasks, lets what runs come to its end (tasks for as long as the
    /// settings' `task_grace_interval`), signs off and closes the database.
    ///
    /// # Errors
    /// Only if the database cannot be closed.
    pub async fn stop(self) -> Result<()> {
        tracing::info!("The server stops.");
        self.stop.cancel();
        let mut listening = self.listening;
        if tokio::time::timeout(LAST_ANSWERS, &mut listening).await.is_err() {
            tracing::warn!("Connections that did not end are cut.");
            listening.abort();
        }
        self.app.queue.inline.close().await;
        if let Some(working) = self.working {
            // It tells of its end by itself.
            let _ = working.await;
        }
        for (listed, heart) in self.signs_of_life {
            heart.abort();
            // Its last beat must not come after the end.
            let _ = heart.await;
            if let Err(error) = listed.retire(&self.app).await {
                tracing::warn!(error = error.log(), "The process could not sign off.");
            }
        }
        for task in self.background {
            task.abort();
            let _ = task.await;
        }
        #[cfg(feature = "postgres")]
        if let Err(error) = crate::content::heard::tell_rest(&self.app.db).await {
            tracing::warn!(error = error.log(), "Other processes do not know what has changed.");
        }
        #[cfg(feature = "otel")]
        if let Some(exporting) = self.exporting {
            exporting.stop().await;
        }
        self.app.db.clone().close().await
    }
}

/// Connects to the settings' database; the folder of a SQLite file is made.
pub(crate) async fn connect(settings: &Settings) -> Result<crate::db::Db> {
    if let Some(folder) = database_file(settings).as_deref().and_then(std::path::Path::parent) {
        std::fs::create_dir_all(folder)
            .map_err(|error| Error::Config(format!("the folder {} cannot be made: {error}", folder.display())))?;
    }
    App::connect(settings).await.map_err(|error| match error {
        Error::Internal(cause) => Error::Config(format!("the database cannot be reached: {cause}")),
        other => other,
    })
}

/// Applies the migrations that are pending. A database that is up to date is only read: a role that may not change the
/// schema can use it.
pub(crate) async fn bring_up_to_date(db: &crate::db::Db) -> Result<migrate::Report> {
    if migrate::check(db, apps()).await?.is_empty() {
        return Ok(migrate::Report { applied: Vec::new(), absent: migrate::absent_apps(db, apps()).await? });
    }
    let report = migrate::up(db, apps()).await?;
    tracing::info!(applied = report.applied.join(", "), "The database is up to date.");
    if !report.absent.is_empty() {
        tracing::warn!(labels = report.absent.join(", "), "The database holds data of plugins that this build lacks.");
    }
    Ok(report)
}

/// The linked plugins as owners of tables.
pub(crate) fn apps() -> Vec<migrate::App> {
    let plugins = registry::get().plugins().iter();
    plugins.map(|plugin| migrate::App { label: plugin.label, migrations: plugin.migrations }).collect()
}

/// A process that may not write (a content role with a database role of its own) serves without being listed.
async fn announce(app: &App, name: &str) -> Option<(Listed, JoinHandle<()>)> {
    match Listed::announce(app, name, 1).await {
        Ok(listed) => Some((listed.clone(), tokio::spawn(listed.live(app.clone())))),
        Err(error) => {
            tracing::warn!(error = error.log(), "This process is not listed in status/.");
            None
        }
    }
}

/// Runs tasks, dispatches what is due, and looks after tasks whose worker is gone.
async fn work(app: App, stop: CancellationToken) {
    let watch = (!app.db.is_sqlite()).then(|| tokio::spawn(life::look_after_others(app.clone())));
    // It ends with the signal to stop: what is due while the last tasks end is for the others.
    tokio::spawn(stop.clone().run_until_cancelled_owned(schedule::keep(app.clone())));
    match tokio::spawn(Worker::new(app).run(stop.clone())).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(error = error.log(), "The workers cannot go on; the server stops."),
        Err(error) => tracing::error!(%error, "The workers' loop panicked; the server stops."),
    }
    stop.cancel();
    if let Some(watch) = watch {
        watch.abort();
    }
}

/// What there is to do about the events of tasks, by the process's roles.
fn tell_events(app: &App) -> Vec<JoinHandle<()>> {
    let mut telling = Vec::new();
    if app.settings.has_role(Role::Api) || app.settings.has_role(Role::Worker) {
        telling.push(tokio::spawn(events::flush_for_ever(app.queue.clone())));
    }
    if app.settings.has_role(Role::Api) {
        telling.push(tokio::spawn(events::follow(app.clone())));
    }
    if app.settings.has_role(Role::Worker) {
        telling.push(tokio::spawn(events::forget_hourly(app.clone())));
    }
    telling
}

#[cfg(feature = "postgres")]
fn carry_wake_ups(app: &App) -> Option<JoinHandle<()>> {
    (!app.db.is_sqlite()).then(|| tokio::spawn(crate::tasking::wake::carry(app.queue.clone())))
}

/// What changes of what distributions serve, to and from other processes.
#[cfg(feature = "postgres")]
fn carry_changes(app: &App) -> Option<JoinHandle<()>> {
    let carry = || crate::content::heard::carry(app.db.clone(), app.settings.has_role(Role::Content));
    (!app.db.is_sqlite()).then(|| tokio::spawn(carry()))
}

#[cfg(not(feature = "postgres"))]
fn carry_changes(_app: &App) -> Option<JoinHandle<()>> {
    None
}

#[cfg(not(feature = "postgres"))]
fn carry_wake_ups(_app: &App) -> Option<JoinHandle<()>> {
    None
}

#[cfg(all(test, feature = "testkit", feature = "sqlite"))]
mod tests;
