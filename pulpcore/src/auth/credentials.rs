//! Checking credentials, and remembering those that were found right.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_lc_rs::hmac;
use axum::http::HeaderMap;
use moka::sync::Cache;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use tokio::sync::Semaphore;

use super::basic::{self, Basic, Refused};
use super::password::{NOBODY, verify};
use crate::db::Db;
use crate::error::{Error, Result};
use crate::models::user;

/// How many credentials are remembered at most.
const REMEMBERED: u64 = 10_000;

/// For how long a user who was let in is let in without a look at the database. What this process changes is effective at
/// once ([`Credentials::forget`]), what another one changes after this time.
const FRESH: Duration = Duration::from_secs(1);

/// How many requests may wait for a password check: more would wait for longer than clients do.
const WAITING: usize = 256;

/// The longest password that is checked, in bytes.
const LONGEST: usize = 4096;

/// Checks names and passwords. One a process.
pub struct Credentials {
    /// The key under which credentials are remembered: a dump of the memory of another process says nothing.
    key: hmac::Key,
    /// From a keyed hash of name and password to the stored password that they fit.
    verified: Option<Cache<[u8; 32], Arc<str>>>,
    /// From the same to the user, for as long as that is surely so.
    fresh: Cache<[u8; 32], user::Model>,
    /// Counts the changes of users.
    changes: AtomicU64,
    /// A check takes some 20 MiB and a core: as many at once as there are cores.
    checks: Semaphore,
    queue: Semaphore,
}

impl Credentials {
    /// Remembers what was verified for so many seconds; with 0, every request is verified.
    pub fn new(cache_seconds: u64) -> Self {
        let seed: [u8; 32] = rand::random();
        let lasting = Duration::from_secs(cache_seconds);
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &seed),
            verified: (!lasting.is_zero()).then(|| remember(lasting)),
            fresh: remember(lasting.min(FRESH)),
            changes: AtomicU64::new(0),
            checks: Semaphore::new(std::thread::available_parallelism().map_or(2, usize::from)),
            queue: Semaphore::new(WAITING),
        }
    }

    /// The user whose credentials a request carries.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] without credentials, [`Error::BadCredentials`] if they fit no user who may log in,
    /// a sentence of its own for a header that cannot be read.
    pub(crate) async fn user(&self, db: &Db, headers: &HeaderMap) -> Result<user::Model, Refused> {
        let basic = basic::read(headers)?;
        let key = self.remembered_as(&basic);
        if let Some(user) = self.fresh.get(&key) {
            return Ok(user);
        }
        let changes = self.changes.load(Ordering::Acquire);
        let user = user::Entity::find().filter(user::Column::Username.eq(&basic.username)).one(db.read()).await;
        let user = user.map_err(Error::from)?;
        let stored = user.as_ref().map_or(NOBODY.as_str(), |user| &user.password);
        let fits = self.fits(key, &basic, stored).await?;
        let user = user.filter(|user| fits && user.is_active).ok_or(Error::BadCredentials)?;
        self.fresh.insert(key, user.clone());
        // A change while the row was being read: nobody can tell which of the two was first.
        if self.changes.load(Ordering::Acquire) != changes {
            self.fresh.invalidate(&key);
        }
        Ok(user)
    }

    /// Has every user looked up again, because one of them has changed.
    pub(crate) fn forget(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.fresh.invalidate_all();
    }

    async fn fits(&self, key: [u8; 32], basic: &Basic, stored: &str) -> Result<bool> {
        if basic.password.len() > LONGEST {
            return Ok(false);
        }
        let known = || self.verified.as_ref().and_then(|cache| cache.get(&key)).is_some_and(|known| &*known == stored);
        if known() {
            return Ok(true);
        }
        let busy = || Error::Unavailable("too many passwords are being checked".to_owned());
        let _place = self.queue.try_acquire().map_err(|_| busy())?;
        let _turn = self.checks.acquire().await.map_err(|_| busy())?;
        // Whoever had the turn before may have asked the same.
        if known() {
            return Ok(true);
        }
        let (password, against) = (basic.password.clone(), stored.to_owned());
        let fits = tokio::task::spawn_blocking(move || verify(&password, &against)).await.map_err(Error::internal)?;
        if fits && let Some(cache) = &self.verified {
            cache.insert(key, stored.into());
        }
        Ok(fits)
    }

    /// The length of the name parts the two unmistakably.
    fn remembered_as(&self, basic: &Basic) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&(basic.username.len() as u64).to_be_bytes());
        context.update(basic.username.as_bytes());
        context.update(basic.password.as_bytes());
        let mut key = [0; 32];
        key.copy_from_slice(context.sign().as_ref());
        key
    }
}

fn remember<V: Clone + Send + Sync + 'static>(lasting: Duration) -> Cache<[u8; 32], V> {
    // A cache whose entries live for no time at all is one that holds none.
    let most = if lasting.is_zero() { 0 } else { REMEMBERED };
    Cache::builder().max_capacity(most).time_to_live(lasting).build()
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use axum::http::header;
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;
    use sea_orm::sea_query::Expr;

    use super::*;
    use crate::auth::{ensure_admin, set_password};
    use crate::db::DbConfig;

    async fn database(folder: &tempfile::TempDir) -> Db {
        let url = format!("sqlite://{}?mode=rwc", folder.path().join("pulp.sqlite3").display());
        let db = Db::connect(&DbConfig { url, pool_size: 4, durable: false }).await.unwrap();
        crate::migrate::up(&db, Vec::new()).await.unwrap();
        ensure_admin(&db, Some("password")).await.unwrap();
        db
    }

    fn basic(username: &str, password: &str) -> HeaderMap {
        let token = BASE64_STANDARD.encode(format!("{username}:{password}"));
        HeaderMap::from_iter([(header::AUTHORIZATION, format!("Basic {token}").parse().unwrap())])
    }

    fn is_bad(answer: Result<user::Model, Refused>) -> bool {
        matches!(answer, Err(Refused::Error(Error::BadCredentials)))
    }

    #[tokio::test]
    async fn the_right_password_is_remembered_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let db = database(&folder).await;
        let credentials = Credentials::new(60);
        assert_eq!(credentials.user(&db, &basic("admin", "password")).await.unwrap().username, "admin");
        assert_eq!(credentials.verified.as_ref().unwrap().iter().count(), 1);
        assert!(is_bad(credentials.user(&db, &basic("admin", "wrong")).await));
        assert!(is_bad(credentials.user(&db, &basic("adminp", "assword")).await));
        assert!(is_bad(credentials.user(&db, &basic("nobody", "password")).await));
        assert_eq!(credentials.verified.as_ref().unwrap().iter().count(), 1);

        let forgetful = Credentials::new(0);
        assert!(forgetful.user(&db, &basic("admin", "password")).await.is_ok());
        assert!(forgetful.verified.is_none());
    }

    #[tokio::test]
    async fn a_change_is_effective_at_once_though_the_old_password_is_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let db = database(&folder).await;
        let credentials = Credentials::new(60);
        credentials.user(&db, &basic("admin", "password")).await.unwrap();

        set_password(&db, "admin", "another").await.unwrap();
        credentials.forget();
        assert!(is_bad(credentials.user(&db, &basic("admin", "password")).await));
        credentials.user(&db, &basic("admin", "another")).await.unwrap();

        let tx = db.write().await.unwrap();
        let leave = user::Entity::update_many().col_expr(user::Column::IsActive, Expr::value(false));
        leave.exec(&*tx).await.unwrap();
        tx.commit().await.unwrap();
        credentials.forget();
        assert!(is_bad(credentials.user(&db, &basic("admin", "another")).await));
    }

    #[tokio::test]
    async fn requests_that_come_together_cost_one_check_and_all_are_let_in() {
        let folder = tempfile::tempdir().unwrap();
        let db = database(&folder).await;
        let credentials = Credentials::new(60);
        let headers = basic("admin", "password");
        let all = futures::future::join_all((0..32).map(|_| credentials.user(&db, &headers))).await;
        assert!(all.iter().all(Result::is_ok));
    }
}
