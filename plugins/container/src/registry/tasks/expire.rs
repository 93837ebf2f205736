//! Uploads that nobody finishes (distribution specification 1.1, "Cancel a blob upload": the server should let them go).

use std::time::Duration;

use pulpcore::app::App;
use pulpcore::db::{comparable, now};
use pulpcore::error::Result;
use pulpcore::plugin::{Schedule, Scheduled, Task, TaskCx, TaskKind, register};
use pulpcore::settings::Settings;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::models::upload;

/// Removes uploads to the registry that nobody went on with for the setting `upload_protection_time`. Their chunks are
/// orphans from then on.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = container::ExpireUploads)]
pub struct ExpireUploads {}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Task for ExpireUploads {
    const TYPE: &'static str = "container/upload-cleanups";
    const NAME: &'static str = "pulp_container.app.tasks.expire_uploads";
    const ENDPOINT: bool = false;

    async fn run(self, cx: TaskCx) -> Result<()> {
        let minutes = cx.app().settings.upload_protection_time;
        if minutes == 0 {
            return Ok(());
        }
        let age = time::Duration::minutes(i64::try_from(minutes).unwrap_or(i64::MAX / 60));
        let Some(before) = now().checked_sub(age) else { return Ok(()) };
        let progress = cx.progress("Clean up uploads", "clean-up.uploads");
        let tx = cx.db().write().await?;
        let old = upload::Entity::delete_many().filter(upload::Column::PulpLastUpdated.lt(comparable(before)));
        let removed = i64::try_from(old.exec(&*tx).await?.rows_affected).unwrap_or(i64::MAX);
        tx.commit().await?;
        progress.increment(removed).await?;
        progress.finish_counted().await.map(drop)
    }
}

impl Scheduled for ExpireUploads {
    const SCHEDULE: &'static str = "Clean up stale uploads to the registry periodically";

    fn interval(settings: &Settings) -> Option<Duration> {
        let minutes = settings.upload_protection_time;
        (minutes > 0).then(|| Duration::from_secs(minutes.saturating_mul(60)).min(DAY))
    }

    fn due(_: &App) -> Self {
        Self::default()
    }
}

register!(TaskKind::of::<ExpireUploads>());
register!(Schedule::of::<ExpireUploads>());
