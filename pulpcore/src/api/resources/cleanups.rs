//! What is tidied up without anybody asking for it: uploads that nobody finished, and temporary files of processes that
//! are gone. (Old tasks are purged by `tasks/purge.rs`.) The settings say whether, and how old things may get.

use std::time::Duration;

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::app::App;
use crate::db::{comparable, now, one_of};
use crate::error::{Error, Result};
use crate::models::{task_reservation, upload};
use crate::plugin::{Locks, Schedule, Scheduled, Task, TaskCx, TaskKind, register};
use crate::refs::prn;
use crate::settings::Settings;

/// Removes uploads that were not finished in time.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = core::UploadCleanup)]
struct UploadCleanup {
    /// The time in minutes for which an upload that nobody has touched is kept. If not specified, it is taken from the
    /// setting UPLOAD_PROTECTION_TIME.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 4_294_967_295_u32)]
    upload_protection_time: Option<i64>,
}

/// Removes temporary files that processes have left behind which are gone.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = core::TmpfileCleanup)]
struct TmpfileCleanup {}

/// Uploads in one transaction: others write in between.
const BATCH: u64 = 500;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How often to look for what is older than so many minutes: in such times, and daily at least. Without a time nothing is
/// ever too old.
pub(super) fn interval(minutes: u64) -> Option<Duration> {
    (minutes > 0).then(|| Duration::from_secs(minutes.saturating_mul(60)).min(DAY))
}

/// The point in time that lies so many minutes back.
pub(super) fn minutes_ago(minutes: u64) -> OffsetDateTime {
    let minutes = time::Duration::minutes(i64::try_from(minutes).unwrap_or(i64::MAX / 60));
    // Beyond the calendar's beginning there is nothing.
    comparable(now().checked_sub(minutes).unwrap_or(OffsetDateTime::UNIX_EPOCH))
}

impl Task for UploadCleanup {
    const TYPE: &'static str = "core/upload-cleanups";
    const NAME: &'static str = "pulpcore.app.tasks.orphan.upload_cleanup";

    async fn prepare(&mut self, app: &App) -> Result<()> {
        let minutes = app.settings.upload_protection_time;
        if self.upload_protection_time.is_none() {
            if minutes == 0 {
                let message = "This field is required: the settings keep uploads for ever.";
                return Err(Error::invalid("upload_protection_time", message));
            }
            self.upload_protection_time = Some(i64::try_from(minutes).unwrap_or(i64::MAX));
        }
        Ok(())
    }

    async fn run(self, cx: TaskCx) -> Result<()> {
        let before = minutes_ago(u64::try_from(self.upload_protection_time.unwrap_or_default()).unwrap_or_default());
        let progress = cx.progress("Clean up uploads", "clean-up.uploads");
        let mut after = Uuid::nil();
        while let Some(stale) = stale(&cx, before, after).await? {
            after = stale.last().copied().unwrap_or(after);
            progress.increment(remove(&cx, before, stale).await?).await?;
        }
        progress.finish_counted().await.map(drop)
    }
}

/// The next uploads after a key that nobody has touched since; `None` if there are no more.
async fn stale(cx: &TaskCx, before: OffsetDateTime, after: Uuid) -> Result<Option<Vec<Uuid>>> {
    let ids: Vec<Uuid> = upload::Entity::find()
        .select_only()
        .column(upload::Column::PulpId)
        .filter(upload::Column::PulpId.gt(after))
        .filter(upload::Column::PulpDomainId.eq(cx.domain()))
        .filter(upload::Column::PulpLastUpdated.lt(before))
        .order_by_asc(upload::Column::PulpId)
        .limit(BATCH)
        .into_tuple()
        .all(cx.db().read())
        .await?;
    Ok(Some(ids).filter(|ids| !ids.is_empty()))
}

async fn remove(cx: &TaskCx, before: OffsetDateTime, mut ids: Vec<Uuid>) -> Result<i64> {
    let tx = cx.db().write().await?;
    // Whoever commits an upload, or makes content of it, has its lock, if only since yesterday in a long queue.
    let in_use: Vec<String> = task_reservation::Entity::find()
        .select_only()
        .column(task_reservation::Column::Resource)
        .filter(one_of(&*tx, task_reservation::Column::Resource, ids.iter().map(|id| prn("core.upload", id))))
        .into_tuple()
        .all(&*tx)
        .await?;
    ids.retain(|id| !in_use.contains(&prn("core.upload", id)));
    let gone: Vec<upload::Model> = upload::Entity::delete_many()
        .filter(one_of(&*tx, upload::Column::PulpId, ids))
        .filter(upload::Column::PulpLastUpdated.lt(before))
        .exec_with_returning(&*tx)
        .await?;
    tx.commit().await?;
    for upload in &gone {
        cx.storage().discard_upload(upload.pulp_id).await?;
    }
    Ok(i64::try_from(gone.len()).unwrap_or(i64::MAX))
}

impl Scheduled for UploadCleanup {
    const SCHEDULE: &'static str = "Clean up stale uploads periodically";

    fn interval(settings: &Settings) -> Option<Duration> {
        interval(settings.upload_protection_time)
    }

    fn due(_: &App) -> Self {
        Self::default()
    }
}

impl Task for TmpfileCleanup {
    const TYPE: &'static str = "core/tmpfile-cleanups";
    const NAME: &'static str = "pulpcore.app.tasks.orphan.tmpfile_cleanup";

    fn locks(&self) -> Locks {
        // Two at a time would look at the same folders.
        Locks::default().exclusive("tmpfiles")
    }

    /// A file of a living process is in use, however old it is, and goes with whoever uses it.
    async fn run(self, cx: TaskCx) -> Result<()> {
        let removed = cx.storage().sweep_spool().await?;
        let progress = cx.progress("Clean up temporary files", "clean-up.tmpfiles");
        let removed = i64::try_from(removed).unwrap_or(i64::MAX);
        progress.set_total(removed);
        progress.done(removed).await
    }
}

impl Scheduled for TmpfileCleanup {
    const SCHEDULE: &'static str = "Clean up stale temporary files periodically";

    fn interval(settings: &Settings) -> Option<Duration> {
        interval(settings.tmpfile_protection_time)
    }

    fn due(_: &App) -> Self {
        Self::default()
    }
}

register!(TaskKind::of::<UploadCleanup>());
register!(TaskKind::of::<TmpfileCleanup>());
register!(Schedule::of::<UploadCleanup>());
register!(Schedule::of::<TmpfileCleanup>());

#[cfg(all(test, feature = "testkit", feature = "sqlite"))]
mod tests;
