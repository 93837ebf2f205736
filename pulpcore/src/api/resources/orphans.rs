//! Orphan cleanup: content that no repository version holds, artifacts that nothing uses, and files that no artifact has.

use std::sync::Arc;

use axum::http::Method;
use sea_orm::{FromQueryResult, Value};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{artifacts, uploads};
use crate::api::bodies::AsyncOperationResponse;
use crate::api::endpoint::{Described, Endpoint};
use crate::api::validate::{BodySchema, Mode};
use crate::app::App;
use crate::db::{comparable, exec, now, rows};
use crate::error::{Error, Result};
use crate::models::content;
use crate::plugin::{Locks, Ref, Task, TaskCx, TaskKind, register};
use crate::statistics;

/// Removes content that no repository version holds, and artifacts that nothing uses.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = core::OrphansCleanup)]
struct OrphanCleanup {
    /// Will delete specified content and associated Artifacts if they are orphans.
    #[serde(default)]
    #[schema(nullable = false, value_type = Option<Vec<String>>)]
    content_hrefs: Option<Vec<Ref<content::Entity>>>,
    /// The time in minutes for how long Pulp will hold orphan Content and Artifacts before they become candidates for
    /// deletion by this orphan cleanup task. If not specified, a default value is taken from the setting
    /// ORPHAN_PROTECTION_TIME.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 4_294_967_295_u32)]
    orphan_protection_time: Option<i64>,
    /// The domain that is cleaned.
    #[serde(default)]
    #[schema(read_only, value_type = Option<String>)]
    domain: Option<Uuid>,
}

/// What a client says to start it.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = OrphansCleanup)]
struct Body {
    /// Will delete specified content and associated Artifacts if they are orphans.
    #[schema(nullable = false, value_type = Option<Vec<String>>)]
    content_hrefs: Option<Vec<Ref<content::Entity>>>,
    /// The time in minutes for how long Pulp will hold orphan Content and Artifacts before they become candidates for
    /// deletion by this orphan cleanup task. This should ideally be longer than your longest running task otherwise any
    /// content created during that task could be cleaned up before the task finishes. If not specified, a default value
    /// is taken from the setting ORPHAN_PROTECTION_TIME.
    #[schema(minimum = 0, maximum = 4_294_967_295_u32)]
    orphan_protection_time: Option<i64>,
}

/// Rows in one transaction: others write in between.
const BATCH: usize = 1000;
/// How often a batch is tried whose rows come into use while it is deleted.
const TRIES: usize = 5;

impl Task for OrphanCleanup {
    const TYPE: &'static str = "core/orphan-cleanups";
    const NAME: &'static str = "pulpcore.app.tasks.orphan.orphan_cleanup";

    async fn prepare(&mut self, app: &App) -> Result<()> {
        self.domain = Some(app.domain);
        Ok(())
    }

    fn locks(&self) -> Locks {
        Locks::default().exclusive(format_args!("pdrn:{}:orphans", self.domain.unwrap_or_default()))
    }

    async fn run(self, cx: TaskCx) -> Result<()> {
        let settings = &cx.app().settings;
        let before = match self.orphan_protection_time {
            Some(minutes) => ago(minutes),
            None => ago(i64::try_from(settings.orphan_protection_time).map_err(Error::internal)?),
        };
        let unnamed_before = ago(i64::try_from(settings.stray_file_protection_time).map_err(Error::internal)?);
        let given = self.content_hrefs.map(|refs| refs.into_iter().map(|unit| unit.id).collect::<Vec<_>>());
        let cleanup = Cleanup { cx: &cx, before: comparable(before), domain: cx.domain() };

        let units = cx.progress("Clean up orphan Content", "clean-up.content");
        let mut done = 0;
        match given {
            Some(mut ids) => {
                ids.sort_unstable();
                ids.dedup();
                for ids in ids.chunks(BATCH) {
                    let deleted = cleanup.delete_content(ids).await?;
                    done += deleted;
                    units.increment(deleted).await?;
                }
            }
            None => {
                let mut after = Uuid::nil();
                while let Some(ids) = cleanup.candidates(CONTENT, after).await? {
                    after = ids.last().copied().unwrap_or(after);
                    let deleted = cleanup.delete_content(&ids).await?;
                    done += deleted;
                    units.increment(deleted).await?;
                }
            }
        }
        units.set_total(done);
        units.finish().await?;
        let gone = done;

        let files = cx.progress("Clean up orphan Artifacts", "clean-up.artifacts");
        let (mut done, mut after) = (0, Uuid::nil());
        let mut unnamed = Vec::new();
        while let Some(ids) = cleanup.candidates(ARTIFACTS, after).await? {
            after = ids.last().copied().unwrap_or(after);
            // The files of one batch go while the database has the next.
            let (deleted, _) =
                tokio::try_join!(cleanup.delete_artifacts(&ids), artifacts::remove_files(cx.app(), unnamed))?;
            let count = i64::try_from(deleted.len()).unwrap_or(i64::MAX);
            done += count;
            files.increment(count).await?;
            unnamed = deleted;
        }
        artifacts::remove_files(cx.app(), unnamed).await?;
        files.set_total(done);
        files.finish().await?;
        statistics::units_changed(cx.db(), gone.max(done));

        let stray = uploads::sweep(cx.app()).await?;
        if stray > 0 {
            tracing::info!(stray, "Bytes of uploads that are no more were removed.");
        }
        let stray = artifacts::sweep(cx.app(), before.min(unnamed_before)).await?;
        if stray > 0 {
            tracing::info!(stray, "Files that no artifact has were removed.");
        }
        Ok(())
    }
}

register!(TaskKind::of::<OrphanCleanup>());

/// So many minutes ago; before the calendar's beginning there is nothing.
fn ago(minutes: i64) -> OffsetDateTime {
    now().checked_sub(Duration::minutes(minutes)).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// `orphans/cleanup/`.
pub(super) fn endpoints() -> Vec<Endpoint> {
    let schema = BodySchema::cached::<Body>();
    vec![
        Endpoint::new(Method::POST, "orphans/cleanup/", "orphans_cleanup_cleanup", move |mut cx| {
            let schema = Arc::clone(&schema);
            async move {
                let body: Body = BodySchema::parse(cx.body(&schema, Mode::Create).await?)?;
                let Body { content_hrefs, orphan_protection_time } = body;
                cx.dispatch(OrphanCleanup { content_hrefs, orphan_protection_time, domain: None }).await
            }
        })
        .tagged("Orphans: Cleanup")
        .about("Remove orphans")
        .takes(Described::of::<Body>())
        .answers(202, Described::of::<AsyncOperationResponse>()),
    ]
}

/// A table, and what its orphans are like. `t` is the row; every statement that deletes asks the same again, so that what
/// came into use since the candidates were listed stays.
#[derive(Clone, Copy)]
struct Orphans {
    table: &'static str,
    unused: &'static str,
}

const CONTENT: Orphans = Orphans {
    table: "core_content",
    unused: "NOT EXISTS (SELECT 1 FROM core_repositorycontent m WHERE m.content_id = t.pulp_id) \
             AND NOT EXISTS (SELECT 1 FROM core_stagedcontent s WHERE s.content_id = t.pulp_id)",
};

const ARTIFACTS: Orphans = Orphans {
    table: "core_artifact",
    unused: "NOT EXISTS (SELECT 1 FROM core_contentartifact c WHERE c.artifact_id = t.pulp_id) \
             AND NOT EXISTS (SELECT 1 FROM core_publishedmetadata p WHERE p.artifact_id = t.pulp_id) \
             AND NOT EXISTS (SELECT 1 FROM core_profileartifact o WHERE o.artifact_id = t.pulp_id)",
};

/// One run's view of what may go.
struct Cleanup<'a> {
    cx: &'a TaskCx,
    /// What was used later than this is spared.
    before: OffsetDateTime,
    domain: Uuid,
}

#[derive(Debug, FromQueryResult)]
struct Id {
    pulp_id: Uuid,
}

#[derive(Debug, FromQueryResult)]
struct File {
    file: String,
}

impl Cleanup<'_> {
    /// The next orphans after a key; `None` if there are no more.
    async fn candidates(&self, of: Orphans, after: Uuid) -> Result<Option<Vec<Uuid>>> {
        let Orphans { table, unused } = of;
        let sql = format!(
            "SELECT t.pulp_id FROM {table} t WHERE t.pulp_id > $1 AND t.pulp_domain_id = $2 \
             AND t.timestamp_of_interest < $3 AND {unused} ORDER BY t.pulp_id LIMIT {BATCH}"
        );
        let values = vec![after.into(), self.domain.into(), self.before.into()];
        let found = rows::<Id>(self.cx.db().read(), &sql, values).await?;
        let ids: Vec<Uuid> = found.into_iter().map(|row| row.pulp_id).collect();
        Ok((!ids.is_empty()).then_some(ids))
    }

    /// Deletes those of the units that are orphans still; their details and files' names go with them.
    async fn delete_content(&self, ids: &[Uuid]) -> Result<i64> {
        let (sql, values) = self.statement(CONTENT, ids);
        let mut tries = 1;
        loop {
            let tx = self.cx.db().write().await?;
            match exec(&*tx, &sql, values.clone()).await {
                Ok(deleted) => {
                    tx.commit().await?;
                    return Ok(i64::try_from(deleted).unwrap_or(i64::MAX));
                }
                // On PostgreSQL a row can come into use between the look and the deletion; then the key protects it.
                Err(error) if tries == TRIES || !is_in_use(&error) => return Err(error),
                Err(_) => tx.rollback().await?,
            }
            tries += 1;
        }
    }

    /// Deletes those of the artifacts that are orphans still; their files are left to the caller.
    async fn delete_artifacts(&self, ids: &[Uuid]) -> Result<Vec<String>> {
        let (sql, values) = self.statement(ARTIFACTS, ids);
        let sql = format!("{sql} RETURNING file");
        let mut tries = 1;
        loop {
            let tx = self.cx.db().write().await?;
            match rows::<File>(&*tx, &sql, values.clone()).await {
                Ok(files) => {
                    tx.commit().await?;
                    return Ok(files.into_iter().map(|row| row.file).collect());
                }
                Err(error) if tries == TRIES || !is_in_use(&error) => return Err(error),
                Err(_) => tx.rollback().await?,
            }
            tries += 1;
        }
    }

    fn statement(&self, of: Orphans, ids: &[Uuid]) -> (String, Vec<Value>) {
        let Orphans { table, unused } = of;
        let places: Vec<String> = (3..3 + ids.len()).map(|place| format!("${place}")).collect();
        // PostgreSQL's `AS` is optional here and SQLite's is not.
        let sql = format!(
            "DELETE FROM {table} AS t WHERE t.pulp_domain_id = $1 AND t.timestamp_of_interest < $2 \
             AND t.pulp_id IN ({}) AND {unused}",
            places.join(", ")
        );
        let mut values: Vec<Value> = vec![self.domain.into(), self.before.into()];
        values.extend(ids.iter().map(|id| Value::from(*id)));
        (sql, values)
    }
}

/// Whether a deletion failed because something refers to the row.
fn is_in_use(error: &Error) -> bool {
    let Error::Internal(cause) = error else { return false };
    let error = cause.downcast_ref::<sea_orm::DbErr>().and_then(sea_orm::DbErr::sql_err);
    matches!(error, Some(sea_orm::SqlErr::ForeignKeyConstraintViolation(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cleanup_takes_minutes_within_bounds() {
        let schema = BodySchema::of::<Body>();
        let read = |body: serde_json::Value| {
            let serde_json::Value::Object(body) = body else { unreachable!() };
            schema.check(body, Mode::Create, crate::api::validate::Encoding::Json).map_err(|error| error.to_string())
        };
        read(serde_json::json!({})).unwrap();
        read(serde_json::json!({"orphan_protection_time": null})).unwrap();
        for wrong in [-1, 4_294_967_296_i64] {
            assert!(
                read(serde_json::json!({"orphan_protection_time": wrong}))
                    .unwrap_err()
                    .contains("orphan_protection_time")
            );
        }
    }

    #[test]
    fn the_lock_names_the_domain() {
        let task = OrphanCleanup { content_hrefs: None, orphan_protection_time: None, domain: Some(Uuid::nil()) };
        assert_eq!(task.locks().record(), [format!("pdrn:{}:orphans", Uuid::nil())]);
    }
}
