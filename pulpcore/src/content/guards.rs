//! Whether a request may read what a distribution serves: its guard is asked, every time, before anything is looked up.
//!
//! What is answered may come from a cache; whether it may be answered never does. A guard's row is read and compiled once
//! and kept for a moment ([`FRESH`]), or until somebody says that it has changed ([`Guards::forget`]). While the database
//! is away, guards that are known go on as they were for a while ([`STALE`]); others cannot be asked, and what cannot be
//! asked stays shut: [`Error::Unavailable`].

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::http::request::Parts;
use moka::sync::Cache;
use sea_orm::{EntityTrait, QuerySelect};
use uuid::Uuid;

use crate::app::App;
use crate::db::{Change, Db, Hears};
use crate::error::{Error, Result};
use crate::models::content_guard;
use crate::plugin::{Compiled, Family, GuardRequest, Hooks};
use crate::registry;

/// How long a guard is taken to be what it was: the net below [`Guards::forget`].
const FRESH: Duration = Duration::from_secs(5);

/// How long a guard that cannot be read again is taken to be what it was.
const STALE: Duration = Duration::from_secs(600);

/// How many guards are kept.
const KEPT: u64 = 10_000;

/// Lets a request in, or says why not.
///
/// # Errors
/// [`Error::PermissionDenied`] or [`Error::Unauthenticated`] if the guard does not let it in, [`Error::Unavailable`] if
/// the guard cannot be asked.
pub(crate) async fn permit(app: &App, guard: Uuid, parts: &Parts) -> Result<()> {
    app.guards.ask(app, guard, &GuardRequest::new(parts)).await
}

/// The guards that were compiled. One a process.
pub(crate) struct Guards {
    known: Cache<Uuid, Known>,
    fresh: Duration,
    /// Counts what was forgotten.
    changes: AtomicU64,
}

impl Hears for Guards {
    fn changed(&self, changes: &[Change]) {
        if changes.iter().any(|change| matches!(change, Change::Guard(_) | Change::Everything)) {
            self.forget();
        }
    }

    /// Unheard changes are seen when a guard is looked at the next time, which is soon.
    fn hears(&self, _hears: bool) {}
}

#[derive(Clone)]
struct Known {
    compiled: Arc<dyn Compiled>,
    read: Instant,
    /// When to look at its row again.
    again: Instant,
}

impl Guards {
    /// They are read again when a change is made, or heard of.
    pub(crate) fn hearing(db: &Db) -> Arc<Self> {
        let guards = Arc::new(Self::looking_every(FRESH));
        let hears: Arc<dyn Hears> = Arc::<Self>::clone(&guards);
        db.changes().subscribe(Arc::downgrade(&hears));
        guards
    }

    fn looking_every(fresh: Duration) -> Self {
        Self {
            fresh,
            known: Cache::builder().max_capacity(KEPT).time_to_live(STALE).build(),
            changes: AtomicU64::new(0),
        }
    }

    /// Has all of them read again: one that has changed, or is gone, may be held by others.
    fn forget(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.known.invalidate_all();
    }

    /// Asks a guard. Asked twice about one request it has nothing more to say, so that guards which hold each other come
    /// to an end.
    pub(crate) async fn ask(&self, app: &App, guard: Uuid, request: &GuardRequest<'_>) -> Result<()> {
        if !request.asks(guard) {
            return Err(Error::PermissionDenied);
        }
        let answer = match self.compiled(app, guard).await {
            // Whoever still names a guard that is gone has not heard yet what becomes of what it guarded.
            Ok(None) => Err(Error::PermissionDenied),
            Ok(Some(compiled)) => compiled.permit(app, request).await,
            Err(error) => Err(error),
        };
        answer.map_err(|error| match error {
            Error::PermissionDenied | Error::Unauthenticated | Error::BadCredentials | Error::Unavailable(_) => error,
            error => {
                tracing::error!(%guard, "a content guard cannot be asked: {}", error.log());
                Error::Unavailable("the content guard cannot be asked".to_owned())
            }
        })
    }

    async fn compiled(&self, app: &App, guard: Uuid) -> Result<Option<Arc<dyn Compiled>>> {
        let now = Instant::now();
        let known = self.known.get(&guard);
        if let Some(known) = known.as_ref().filter(|known| now < known.again) {
            return Ok(Some(Arc::clone(&known.compiled)));
        }
        let changes = self.changes.load(Ordering::Acquire);
        match (read(app, guard).await, known) {
            (Ok(Some(compiled)), _) => {
                self.keep(
                    changes,
                    guard,
                    Known { compiled: Arc::clone(&compiled), read: now, again: now + self.fresh },
                );
                Ok(Some(compiled))
            }
            (Ok(None), _) => {
                self.known.invalidate(&guard);
                Ok(None)
            }
            (Err(error), Some(known)) if known.read.elapsed() < STALE => {
                tracing::warn!(%guard, "a content guard cannot be read again: {}", error.log());
                let compiled = Arc::clone(&known.compiled);
                self.keep(changes, guard, Known { again: Instant::now() + self.fresh, ..known });
                Ok(Some(compiled))
            }
            (Err(error), _) => Err(error),
        }
    }

    /// Not if something was forgotten in the meantime: nobody can tell whether it was read before or after.
    fn keep(&self, changes: u64, guard: Uuid, known: Known) {
        self.known.insert(guard, known);
        if self.changes.load(Ordering::Acquire) != changes {
            self.known.invalidate(&guard);
        }
    }
}

async fn read(app: &App, guard: Uuid) -> Result<Option<Arc<dyn Compiled>>> {
    let pulp_type: Option<String> = content_guard::Entity::find_by_id(guard)
        .select_only()
        .column(content_guard::Column::PulpType)
        .into_tuple()
        .one(app.db.read())
        .await?;
    let Some(pulp_type) = pulp_type else { return Ok(None) };
    match registry::get().noun(Family::ContentGuard, &pulp_type).map(|noun| &noun.hooks) {
        Some(Hooks::ContentGuard(hooks)) => (hooks.compile)(app, guard).await,
        _ => Err(registry::missing(&pulp_type)),
    }
}

impl fmt::Debug for Guards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guards")
    }
}

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use axum::http::Request;
    use sea_orm::{ActiveModelTrait, IntoActiveModel};

    use super::*;
    use crate::db::now;
    use crate::sample::Sample;

    async fn guard(app: &App, pulp_type: &str) -> Uuid {
        let id = Uuid::now_v7();
        let row = content_guard::Model {
            pulp_id: id,
            pulp_created: now(),
            pulp_last_updated: now(),
            pulp_domain_id: app.domain,
            pulp_type: pulp_type.to_owned(),
            name: id.to_string(),
            description: None,
        };
        let tx = app.db.write().await.unwrap();
        row.into_active_model().insert(&*tx).await.unwrap();
        if pulp_type == "core.composite" {
            let noun = registry::get().noun(Family::ContentGuard, pulp_type).unwrap();
            (noun.insert)(&tx, id, serde_json::Map::new()).await.unwrap();
        }
        tx.commit().await.unwrap();
        id
    }

    async fn ask(guards: &Guards, app: &App, guard: Uuid) -> Result<()> {
        let (parts, ()) = Request::get("/").body(()).unwrap().into_parts();
        guards.ask(app, guard, &GuardRequest::new(&parts)).await
    }

    #[tokio::test]
    async fn while_the_database_is_away_known_guards_go_on_and_others_stay_shut() {
        let sample = Sample::sqlite().await;
        let app = &sample.app;
        let (known, unknown) = (guard(app, "core.composite").await, guard(app, "core.composite").await);
        let guards = Guards::looking_every(Duration::ZERO);
        ask(&guards, app, known).await.unwrap();
        app.db.clone().close().await.unwrap();

        ask(&guards, app, known).await.unwrap();
        assert!(matches!(ask(&guards, app, unknown).await, Err(Error::Unavailable(_))));
        guards.forget();
        assert!(matches!(ask(&guards, app, known).await, Err(Error::Unavailable(_))), "it may have changed");
    }

    #[tokio::test]
    async fn a_guard_whose_plugin_is_not_in_this_build_stays_shut() {
        let sample = Sample::sqlite().await;
        let guard = guard(&sample.app, "elsewhere.door").await;
        assert!(matches!(ask(&sample.app.guards, &sample.app, guard).await, Err(Error::Unavailable(_))));
        let gone = ask(&sample.app.guards, &sample.app, Uuid::now_v7()).await;
        assert!(matches!(gone, Err(Error::PermissionDenied)));
    }
}
