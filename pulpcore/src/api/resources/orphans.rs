//! Orphan cleanup: content that no repository version holds, artifacts that nothing uses, and files that no artifact has.

use std::sync::Arc;

use axum::http::Method;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use sea_orm::{ColumnTrait, EntityTrait, FromQueryResult, QueryFilter, QuerySelect, Value};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{artifacts, uploads};
use crate::api::bodies::AsyncOperationResponse;
use crate::api::endpoint::{Described, Endpoint};
use crate::api::validate::{BodySchema, Mode};
use crate::app::App;
use crate::db::{among, comparable, exec, is_deadlock, keys, now, one_of, rows, tried_again};
use crate::error::{Error, Result};
use crate::models::{content, content_artifact};
use crate::plugin::{Locks, Ref, Task, TaskCx, TaskKind, register};
use crate::statistics;
use crate::tasking::Progress;

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
/// How many batches go at a time: while the files of one are removed, the database has others, on PostgreSQL each by a
/// connection of its own.
const AT_ONCE: usize = 3;

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
        let files = cx.progress("Clean up orphan Artifacts", "clean-up.artifacts");
        let given = given.map(|mut ids| {
            ids.sort_unstable();
            ids.dedup();
            stream::iter(ids).chunks(BATCH).map(Ok)
        });
        let candidates = match given {
            Some(given) => given.left_stream(),
            None => cleanup.candidates(CONTENT).right_stream(),
        };
        // Each batch is seen to its end by itself: a stage that waited for another would leave that one in the middle of
        // its transaction.
        candidates.try_for_each_concurrent(AT_ONCE, |ids| cleanup.delete_units(ids, &units, &files)).await?;
        // What no unit has had for some time, or ever.
        let unused = cleanup.candidates(ARTIFACTS);
        unused.try_for_each_concurrent(AT_ONCE, |ids| cleanup.delete_unused(ids, &files)).await?;
        let (gone, unused) = (units.finish_counted().await?, files.finish_counted().await?);
        statistics::units_changed(cx.db(), gone.max(unused));

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
    /// What may be an orphan, by key, a batch at a time.
    fn candidates(&self, of: Orphans) -> impl Stream<Item = Result<Vec<Uuid>>> {
        stream::try_unfold(Uuid::nil(), move |after| async move {
            let ids = self.next(of, after).await?;
            Ok(ids.last().copied().map(|last| (ids, last)))
        })
    }

    /// The next candidates after a key.
    async fn next(&self, of: Orphans, after: Uuid) -> Result<Vec<Uuid>> {
        let Orphans { table, unused } = of;
        let sql = format!(
            "SELECT t.pulp_id FROM {table} t WHERE t.pulp_id > $1 AND t.pulp_domain_id = $2 \
             AND t.timestamp_of_interest < $3 AND {unused} ORDER BY t.pulp_id LIMIT {BATCH}"
        );
        let values = vec![after.into(), self.domain.into(), self.before.into()];
        let found = rows::<Id>(self.cx.db().read(), &sql, values).await?;
        Ok(found.into_iter().map(|row| row.pulp_id).collect())
    }

    /// Deletes a batch of units, and of their artifacts those that nothing else uses.
    async fn delete_units(&self, ids: Vec<Uuid>, units: &Progress, files: &Progress) -> Result<()> {
        let artifacts = self.artifacts_of(&ids).await?;
        units.increment(self.delete_content(&ids).await?).await?;
        for artifacts in artifacts.chunks(BATCH) {
            self.delete_unused(artifacts.to_vec(), files).await?;
        }
        Ok(())
    }

    /// Deletes those of the artifacts that are orphans still, and then their files.
    async fn delete_unused(&self, artifacts: Vec<Uuid>, files: &Progress) -> Result<()> {
        let unnamed = self.delete_artifacts(&artifacts).await?;
        let deleted = i64::try_from(unnamed.len()).map_err(Error::internal)?;
        artifacts::remove_files(self.cx.app(), unnamed).await?;
        files.increment(deleted).await
    }

    /// The artifacts of units, as far as they are here.
    async fn artifacts_of(&self, units: &[Uuid]) -> Result<Vec<Uuid>> {
        let db = self.cx.db().read();
        let used = content_artifact::Entity::find()
            .select_only()
            .distinct()
            .column(content_artifact::Column::ArtifactId)
            .filter(one_of(db, content_artifact::Column::ContentId, units.iter().copied()))
            .filter(content_artifact::Column::ArtifactId.is_not_null())
            .into_tuple()
            .all(db)
            .await?;
        Ok(used)
    }

    /// Deletes those of the units that are orphans still; their details and files' names go with them.
    async fn delete_content(&self, ids: &[Uuid]) -> Result<i64> {
        let (sql, values) = &self.statement(CONTENT, ids);
        let once = || async move {
            let tx = self.cx.db().write().await?;
            let deleted = exec(&*tx, sql, values.clone()).await?;
            tx.commit().await?;
            i64::try_from(deleted).map_err(Error::internal)
        };
        tried_again(is_passing, once).await
    }

    /// Deletes those of the artifacts that are orphans still; gives the names of their files.
    async fn delete_artifacts(&self, ids: &[Uuid]) -> Result<Vec<String>> {
        let (sql, values) = self.statement(ARTIFACTS, ids);
        let (sql, values) = (&format!("{sql} RETURNING file"), &values);
        let once = || async move {
            let tx = self.cx.db().write().await?;
            let files = rows::<File>(&*tx, sql, values.clone()).await?;
            tx.commit().await?;
            Ok(files.into_iter().map(|row| row.file).collect())
        };
        tried_again(is_passing, once).await
    }

    fn statement(&self, of: Orphans, ids: &[Uuid]) -> (String, Vec<Value>) {
        let Orphans { table, unused } = of;
        let backend = self.cx.db().backend();
        // PostgreSQL's `AS` is optional here and SQLite's is not.
        let sql = format!(
            "DELETE FROM {table} AS t WHERE t.pulp_domain_id = $1 AND t.timestamp_of_interest < $2 AND {} AND {unused}",
            among(backend, "t.pulp_id", "$3")
        );
        (sql, vec![self.domain.into(), self.before.into(), keys(backend, ids.iter().copied()).into()])
    }
}

/// Whether a deletion failed for what may be over when it is tried again. On PostgreSQL a row can come into use between the
/// look and the deletion; then the key protects it. And two batches can meet in rows that go with both, in no order.
fn is_passing(error: &Error) -> bool {
    let Error::Internal(cause) = error else { return false };
    let cause = cause.downcast_ref::<sea_orm::DbErr>().and_then(sea_orm::DbErr::sql_err);
    matches!(cause, Some(sea_orm::SqlErr::ForeignKeyConstraintViolation(_))) || is_deadlock(error)
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
