//! What PostgreSQL believes about tables that have just changed a lot.
//!
//! It looks by itself within minutes. Until then it plans as if the tables were as before, and visits every row to see
//! whether it may be seen.

use sea_orm::ConnectionTrait;

use crate::db::Db;
use crate::plugin::Family;
use crate::registry;

/// How many units make so much of a difference.
const MANY: i64 = 1000;

/// So many units came or went: if that is many, the database looks at their tables again, beside whatever goes on.
pub(crate) fn units_changed(db: &Db, count: i64) {
    if db.is_sqlite() || count < MANY {
        return;
    }
    let db = db.clone();
    tokio::spawn(async move {
        let sql = format!("VACUUM (ANALYZE) {}", tables().join(", "));
        if let Err(error) = db.read().execute_unprepared(&sql).await {
            // A role that may write tables need not own them.
            tracing::debug!(%error, "The statistics of the database could not be brought up to date.");
        }
    });
}

/// The tables of units and their files, the plugins' among them.
fn tables() -> Vec<String> {
    let core =
        ["core_artifact", "core_content", "core_contentartifact", "core_remoteartifact", "core_repositorycontent"];
    let details = registry::get().family(Family::Content).map(|noun| (noun.table)().name);
    core.map(str::to_owned).into_iter().chain(details).map(|table| format!("\"{table}\"")).collect()
}
