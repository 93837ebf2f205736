//! After a crash: tasks whose worker is gone are failed, their locks freed.

use sea_orm::{ColumnTrait, EntityTrait, FromQueryResult, QueryFilter};
use uuid::Uuid;

use super::queue::{Ended, end};
use super::worker::failure;
use crate::app::App;
use crate::db::{now, rows};
use crate::error::Result;
use crate::models::{app_status, task};

#[derive(Debug, FromQueryResult)]
struct Gone {
    pulp_id: Uuid,
}

/// Removes workers that are gone and fails what they were running.
///
/// On SQLite there is one process, so at its start every worker in the table is gone. On PostgreSQL those are gone that
/// have been silent for longer than their TTL.
pub(crate) async fn fail_orphans(app: &App) -> Result<usize> {
    let tx = app.db.write().await?;
    if app.db.is_sqlite() {
        app_status::Entity::delete_many().exec(&*tx).await?;
    } else {
        let now = now();
        for row in app_status::Entity::find().all(&*tx).await? {
            if row.last_heartbeat + time::Duration::seconds(row.ttl_seconds) < now {
                // Unless it speaks in this moment.
                app_status::Entity::delete_many()
                    .filter(app_status::Column::PulpId.eq(row.pulp_id))
                    .filter(app_status::Column::LastHeartbeat.eq(row.last_heartbeat))
                    .exec(&*tx)
                    .await?;
            }
        }
    }
    let sql = "SELECT t.pulp_id FROM core_task t WHERE t.state IN ('running', 'canceling') \
         AND NOT EXISTS (SELECT 1 FROM core_appstatus w WHERE w.pulp_id = t.worker_id)";
    let orphans = rows::<Gone>(&*tx, sql, Vec::new()).await?;
    for orphan in &orphans {
        let row = task::Entity::find_by_id(orphan.pulp_id).one(&*tx).await?;
        let canceling = row.is_some_and(|row| row.state == crate::models::state::CANCELING);
        let ended = if canceling { Ended::Canceled } else { Ended::Failed(failure("Worker has gone missing.")) };
        end(&tx, orphan.pulp_id, ended).await?;
        tracing::warn!(task = %orphan.pulp_id, "The worker of a running task is gone; the task is failed.");
    }
    tx.commit().await?;
    app.queue.changed();
    Ok(orphans.len())
}
