//! Who is there: processes list themselves, say regularly that they are alive, and give up those that do not.

use std::time::{Duration, Instant};

use sea_orm::sea_query::{Expr, OnConflict, SimpleExpr};
use sea_orm::{ActiveModelTrait, EntityTrait, FromQueryResult, IntoActiveModel, QueryFilter};
use uuid::Uuid;

use super::end::{Ended, end, failure};
use super::queue::Queue;
use super::tally;
use crate::app::App;
use crate::db::{Change, Db, WriteTx, now, one_of, rows};
use crate::error::{Error, Result};
use crate::models::{Versions, app_status, state};
use crate::registry;

/// The entries of a process in the table of those that are up.
#[derive(Clone, Debug)]
pub(crate) struct Listed(Vec<app_status::Model>);

impl Listed {
    /// Lists this process under `slots` names.
    pub(crate) async fn announce(app: &App, app_type: &str, slots: usize) -> Result<Self> {
        let now = now();
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let versions = registry::get().plugins().iter().map(|p| (p.label.to_owned(), p.version.to_owned()));
        let versions = Versions(versions.chain([("core".to_owned(), crate::CORE_VERSION.to_owned())]).collect());
        let listed = |names: Vec<String>| {
            let row = |name| app_status::Model {
                pulp_id: Uuid::now_v7(),
                pulp_created: now,
                pulp_last_updated: now,
                name,
                app_type: app_type.to_owned(),
                versions: versions.clone(),
                ttl_seconds: i64::try_from(app.settings.worker_ttl).unwrap_or(30),
                last_heartbeat: now,
            };
            Self(names.into_iter().map(row).collect())
        };
        let mut listed_as = listed(names(None, &host, slots));
        if !listed_as.list(app).await? {
            // In a container every process has the same number. One that was killed stays listed until it is missed, and
            // another host of the same name may be up.
            listed_as = listed(names(Some(Uuid::now_v7()), &host, slots));
            if !listed_as.list(app).await? {
                return Err(Error::internal("two processes are listed under one random name"));
            }
        }
        app.queue.pulse.beats(app_type, true);
        Ok(listed_as)
    }

    /// Inserts the entries; none if one of the names is taken.
    async fn list(&self, app: &App) -> Result<bool> {
        let tx = app.db.write().await?;
        let rows = self.0.iter().map(|row| row.clone().into_active_model().reset_all());
        let taken =
            OnConflict::columns([app_status::Column::Name, app_status::Column::AppType]).do_nothing().to_owned();
        let listed = app_status::Entity::insert_many(rows).on_conflict(taken).exec_without_returning(&*tx).await?;
        if listed < self.0.len() as u64 {
            tx.rollback().await?;
            return Ok(false);
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Their keys.
    pub(crate) fn ids(&self) -> Vec<Uuid> {
        self.0.iter().map(|row| row.pulp_id).collect()
    }

    #[cfg(test)]
    pub(super) fn names(&self) -> Vec<String> {
        self.0.iter().map(|row| row.name.clone()).collect()
    }

    /// Says that the process is alive; if others gave it up, because it was silent for too long, it is listed again.
    pub(crate) async fn beat(&self, db: &Db) -> Result<()> {
        let tx = db.write().await?;
        let beats = app_status::Entity::update_many()
            .col_expr(app_status::Column::LastHeartbeat, clock(&tx))
            .filter(one_of(&*tx, app_status::Column::PulpId, self.ids()))
            .exec(&*tx)
            .await?;
        if beats.rows_affected < self.0.len() as u64 {
            let rows = self
                .0
                .iter()
                .map(|row| app_status::Model { last_heartbeat: now(), ..row.clone() }.into_active_model().reset_all());
            app_status::Entity::insert_many(rows)
                .on_conflict(OnConflict::new().do_nothing().to_owned())
                .exec_without_returning(&*tx)
                .await?;
        }
        tx.commit().await
    }

    /// Beats for ever. A process that cannot say so for as long as others wait stops its tasks: others may run them. (On
    /// SQLite there are no others.)
    pub(crate) async fn live(self, app: App) {
        let ttl = Duration::from_secs(app.settings.worker_ttl.max(1));
        let mut last = Instant::now();
        // Tasks may hold all other connections.
        let db = app.db.apart();
        loop {
            tokio::time::sleep(ttl / 5).await;
            let beat = tokio::time::timeout(ttl / 5, self.beat(&db)).await;
            if let Some(row) = self.0.first() {
                app.queue.pulse.beats(&row.app_type, matches!(beat, Ok(Ok(()))));
            }
            match beat {
                Ok(Ok(())) => last = Instant::now(),
                Ok(Err(error)) => tracing::warn!(error = error.log(), "The heartbeat could not be written."),
                Err(_) => tracing::warn!("The database did not take the heartbeat in time."),
            }
            if !db.is_sqlite() && last.elapsed() > patience(ttl) {
                tracing::error!("Nobody knows that this process is alive; its tasks are stopped.");
                app.queue.interrupt_all();
            }
        }
    }

    /// Looks for ever whether what runs here should, and whether what should run here does.
    pub(crate) async fn watch(self, app: App) {
        for nth in 0_u64.. {
            tokio::time::sleep(LOOK).await;
            let mut looked = app.queue.look().await;
            if looked.is_ok() && nth.is_multiple_of(RECONCILE) {
                looked = app.queue.reconcile(&self.ids()).await;
            }
            if let Err(error) = looked {
                tracing::warn!(error = error.log(), "The states of running tasks could not be read.");
            }
        }
    }

    /// Takes the process out of the table.
    pub(crate) async fn retire(&self, app: &App) -> Result<()> {
        let tx = app.db.write().await?;
        let gone = app_status::Entity::delete_many().filter(one_of(&*tx, app_status::Column::PulpId, self.ids()));
        gone.exec(&*tx).await?;
        tx.commit().await
    }
}

/// `number@host`, the others `number-slot@host`.
fn names(apart: Option<Uuid>, host: &str, slots: usize) -> Vec<String> {
    let process = std::process::id();
    let apart = apart.map(|id| format!("-{}", id.simple())).unwrap_or_default();
    let name = |slot| match slot {
        0 => format!("{process}{apart}@{host}"),
        slot => format!("{process}-{slot}{apart}@{host}"),
    };
    (0..slots).map(name).collect()
}

/// One clock for all hosts, where there may be several.
fn clock(tx: &WriteTx) -> SimpleExpr {
    match tx.is_sqlite() {
        true => Expr::value(now()),
        false => Expr::cust("clock_timestamp()"),
    }
}

/// How often is looked whether another process has ended what runs here.
const LOOK: Duration = Duration::from_secs(1);

/// Every how many looks it is asked what the database says that runs here.
const RECONCILE: u64 = 10;

/// A silence after which a process is given up: its tasks are to be free again within its TTL.
fn patience(ttl: Duration) -> Duration {
    ttl * 4 / 5
}

/// Looks for processes that are gone, for ever.
pub(crate) async fn look_after_others(app: App) {
    let pause = Duration::from_secs(app.settings.worker_ttl.max(1)) / 10;
    loop {
        tokio::time::sleep(pause.min(Duration::from_secs(2))).await;
        if let Err(error) = fail_orphans(&app).await {
            tracing::warn!(error = error.log(), "Workers that are gone could not be looked for.");
        }
    }
}

#[derive(FromQueryResult)]
struct Orphan {
    pulp_id: Uuid,
    task_type: String,
    state: String,
}

/// Removes processes that are gone and fails what they were running; returns how many tasks that was.
///
/// On SQLite there is one process, so at its start every one in the table is gone. On PostgreSQL those are gone that have
/// been silent for too long.
pub(crate) async fn fail_orphans(app: &App) -> Result<usize> {
    let orphans = "SELECT t.pulp_id, t.task_type, t.state FROM core_task t WHERE t.state IN ('running', 'canceling') \
         AND NOT EXISTS (SELECT 1 FROM core_appstatus w WHERE w.pulp_id = t.worker_id)";
    let silent = "extract(epoch FROM clock_timestamp() - last_heartbeat) > ttl_seconds * 0.8";
    if !app.db.is_sqlite() {
        // A look first: almost always everybody is there.
        #[derive(FromQueryResult)]
        struct Any {
            any: bool,
        }
        let sql = format!("SELECT EXISTS (SELECT 1 FROM core_appstatus WHERE {silent}) OR EXISTS ({orphans}) AS any");
        if !rows::<Any>(app.db.read(), &sql, Vec::new()).await?.iter().any(|row| row.any) {
            return Ok(0);
        }
    }
    let mut gone = app_status::Entity::delete_many();
    if !app.db.is_sqlite() {
        gone = gone.filter(Expr::cust(silent));
    }
    // On its own: who is awake again ends its tasks in the other order, first the tasks and then itself.
    let tx = app.db.write().await?;
    gone.exec(&*tx).await?;
    // A process that dies may have changed what is served and not have told.
    tx.changes(Change::Everything);
    tx.commit().await?;
    let tx = app.db.write().await?;
    let orphans = rows::<Orphan>(&*tx, orphans, Vec::new()).await?;
    let ended = |orphan: &Orphan| match orphan.state == state::CANCELING {
        true => (orphan.pulp_id, Ended::Canceled),
        false => (orphan.pulp_id, Ended::Failed(failure("Worker has gone missing."))),
    };
    let ended: Vec<_> = orphans.iter().map(ended).collect();
    let freed = end(&tx, &ended, &[state::RUNNING, state::CANCELING]).await?;
    tx.commit().await?;
    for orphan in &orphans {
        tracing::warn!(task = %orphan.pulp_id, "The worker of a running task is gone; the task is failed.");
    }
    for (id, state) in &freed.states {
        if let Some(orphan) = orphans.iter().find(|orphan| orphan.pulp_id == *id) {
            app.queue.tally.count(tally::label(&orphan.task_type), state, None);
        }
    }
    told(&app.queue, freed.ended(), freed.ready);
    Ok(freed.ended())
}

fn told(queue: &Queue, ended: usize, ready: usize) {
    if ready > 0 {
        queue.wakes.ready();
    }
    if ended > 0 {
        queue.wakes.news();
    }
}
