//! Between processes PostgreSQL carries what has changed of what distributions serve, on a channel of its own.
//!
//! It is told after the commit and never in it (a `NOTIFY` in a transaction makes all commits of a database wait for each
//! other), again and again until it is told. Whoever has lost the connection on which it listens says so: then nothing
//! that is remembered counts as fresh. What a process had not told when it died is told, as
//! everything, by whoever finds that it is gone.

use std::convert::Infallible;
use std::time::Duration;

use sea_orm::sqlx;
use sea_orm::sqlx::postgres::PgListener;
use serde_json::Value;
use tokio::time::{sleep, timeout};

use crate::db::{Change, Changes, Db, exec};
use crate::error::Result;

const CHANNEL: &str = "pulp_content";

/// Between two messages of one process: what comes closer together is told together.
const PAUSE: Duration = Duration::from_millis(5);

/// Before what failed is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// After so long without news the connection is asked whether it is still there, and given so long to answer.
const QUIET: Duration = Duration::from_secs(3);
const PATIENCE: Duration = Duration::from_secs(2);

/// Tells other processes what this one changes, for ever, and, if it `listens`, hears what they change.
pub(crate) async fn carry(db: Db, listens: bool) {
    let hearing = async {
        if listens {
            listen(&db).await;
        }
    };
    tokio::join!(tell(&db), hearing);
}

/// Tells now what has not been told yet, before the process ends.
///
/// # Errors
/// If the database fails.
pub(crate) async fn tell_rest(db: &Db) -> Result<()> {
    post(db).await
}

async fn tell(db: &Db) {
    loop {
        db.changes().to_tell().await;
        if let Err(error) = post(db).await {
            tracing::warn!("Other processes do not know yet what has changed: {}", error.log());
            sleep(AGAIN).await;
        }
        sleep(PAUSE).await;
    }
}

async fn post(db: &Db) -> Result<()> {
    let told = db.changes().take();
    if told.is_empty() {
        return Ok(());
    }
    let name = db.changes().process();
    let messages: Vec<Value> = told.iter().map(|change| format!("{name} {change}").into()).collect();
    let sql = "SELECT pg_notify($1, value) FROM jsonb_array_elements_text($2)";
    exec(db.read(), sql, vec![CHANNEL.into(), Value::Array(messages).into()]).await?;
    told.done();
    Ok(())
}

async fn listen(db: &Db) {
    loop {
        let Err(error) = hear(db).await;
        tracing::warn!(%error, "Changes made by other processes are not heard.");
        sleep(AGAIN).await;
    }
}

/// Ends with the connection.
async fn hear(db: &Db) -> Result<Infallible, sqlx::Error> {
    // A connection of its own: it would block one of the pool's for ever.
    let apart = db.apart();
    let late = |_| sqlx::Error::PoolTimedOut;
    let connecting = PgListener::connect_with(apart.read().get_postgres_connection_pool());
    let mut listener = timeout(PATIENCE, connecting).await.map_err(late)??;
    // It would say that the connection was lost only when there is another.
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    let hearing = Hearing::begin(db.changes());
    loop {
        match timeout(QUIET, listener.try_recv()).await {
            Ok(Ok(Some(message))) => hearing.hear(message.payload()),
            Ok(Ok(None)) => return Err(std::io::Error::from(std::io::ErrorKind::ConnectionAborted).into()),
            Ok(Err(error)) => return Err(error),
            Err(_) => {
                let asked = sqlx::Executor::execute(&mut listener, "SELECT 1");
                timeout(PATIENCE, asked).await.map_err(late)??;
            }
        }
    }
}

/// While this lives, changes are heard.
struct Hearing<'a>(&'a Changes);

impl<'a> Hearing<'a> {
    fn begin(changes: &'a Changes) -> Self {
        changes.hears(true);
        Self(changes)
    }

    fn hear(&self, message: &str) {
        let (process, change) = message.split_once(' ').unwrap_or_default();
        // What this process says has been heard here before.
        if process != self.0.process() {
            let Ok::<Change, Infallible>(change) = change.parse();
            self.0.heard(&[change]);
        }
    }
}

impl Drop for Hearing<'_> {
    fn drop(&mut self) {
        self.0.hears(false);
    }
}
