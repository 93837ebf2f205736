//! The server: roles on one listener, from settings to the first request, and down again.
//!
//! [`start`] is the whole start-up sequence; what it gives is stopped by [`Running::stop`]. The command line and the tests
//! use the same two.

mod access;
mod edge;
mod front;
mod grants;
mod health;
mod listen;
mod lock;
mod routes;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) use self::grants::{Grants, grants};
use self::listen::{Listener, Serving};
pub(crate) use self::lock::{Lock, database_file};
use crate::api::catalog::Catalog;
use crate::app::App;
use crate::claims::{self, Claims};
use crate::error::{Error, Result};
use crate::settings::{Role, Secret, Settings};
use crate::tasking::Worker;
use crate::tasking::events;
use crate::tasking::life::{self, Listed};
use crate::tasking::schedule;
use crate::{auth, migrate, registry};

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
    serving: Serving,
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
    Claims::of(&settings)?;
    let catalog = Arc::new(Catalog::collect()?);

    let lock = Lock::take(&settings)?;
    let (app, listener) = if settings.is_edge() {
        let listener = Listener::bind(&settings).await?;
        settings.bind = listener.address();
        (edge::open(&settings, &listener).await?, listener)
    } else {
        let db = connect(&settings).await?;
        bring_up_to_date(&db).await?;
        let listener = Listener::bind(&settings).await?;
        settings.bind = listener.address();
        let app = App::with(settings, db).await?;
        app.storage.open_spool().await?;
        app.storage.sweep_spool().await?;
        (app, listener)
    };
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
    claims::warn(&app).await;
    let address = listener.address();
    listener.announce(&app.settings);
    let serving = listener.serve(routes::all(&app, catalog), stop.clone());
    Ok(Running {
        address,
        app,
        new_admin_password,
        stop,
        serving,
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

    /// Stops: says for `drain_delay` that it is not ready, then takes no more connections and no more tasks, lets what runs
    /// come to its end (answers for `drain_timeout`, tasks for `task_grace_interval`), signs off and closes the database.
    ///
    /// # Errors
    /// Only if the database cannot be closed.
    pub async fn stop(self) -> Result<()> {
        tracing::info!("The server stops.");
        self.app.draining.cancel();
        let settings = &self.app.settings;
        // What cannot go on need not be waited for.
        if settings.drain_delay > 0 {
            let _ = tokio::time::timeout(Duration::from_secs(settings.drain_delay), self.stop.cancelled()).await;
        }
        self.stop.cancel();
        self.serving.ended(Duration::from_secs(settings.drain_timeout)).await;
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
    if app.settings.is_edge() && !edge::may_be_listed(&app.db).await.unwrap_or(false) {
        tracing::info!("This process may only read, so it is not listed in status/.");
        return None;
    }
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
    (!app.db.is_sqlite() && app.settings.reads_queue())
        .then(|| tokio::spawn(crate::tasking::wake::carry(app.queue.clone())))
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
