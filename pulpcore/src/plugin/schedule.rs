//! Background work that is dispatched again and again.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use super::task::{Prepared, Task, TaskKind};
use crate::app::App;
use crate::error::Result;
use crate::settings::Settings;

/// A [`Task`] that is dispatched again and again, without anybody asking for it.
///
/// Of all processes that run workers, one dispatches it each time. While the last one has not ended there is no next one.
///
/// ```
/// use std::time::Duration;
///
/// use pulpcore::app::App;
/// use pulpcore::error::Result;
/// use pulpcore::plugin::{Schedule, Scheduled, Task, TaskCx, TaskKind, register};
/// use pulpcore::settings::Settings;
///
/// /// Dusts the shelves.
/// #[derive(serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
/// #[schema(as = doc::Dusting)]
/// struct Dusting {}
///
/// impl Task for Dusting {
///     const TYPE: &'static str = "doc/dustings";
///     const NAME: &'static str = "pulp_doc.app.tasks.dust";
///     async fn run(self, _: TaskCx) -> Result<()> {
///         Ok(())
///     }
/// }
///
/// impl Scheduled for Dusting {
///     const SCHEDULE: &'static str = "Dust the shelves every night";
///     fn interval(_: &Settings) -> Option<Duration> {
///         Some(Duration::from_secs(24 * 60 * 60))
///     }
///     fn due(_: &App) -> Self {
///         Self {}
///     }
/// }
///
/// register!(TaskKind::of::<Dusting>());
/// register!(Schedule::of::<Dusting>());
/// # fn main() {}
/// ```
pub trait Scheduled: Task {
    /// The schedule's name in `task-schedules/`; no other schedule has it.
    const SCHEDULE: &'static str;

    /// How long it is from one dispatch to the next, in whole seconds. Without one it is not dispatched.
    fn interval(settings: &Settings) -> Option<Duration>;

    /// The task that is due; [`Task::prepare`] completes it.
    fn due(app: &App) -> Self;
}

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A registered [`Scheduled`], its type erased.
///
/// ```
/// # use std::time::Duration;
/// # use pulpcore::plugin::{Scheduled, Task, TaskCx, TaskKind};
/// use pulpcore::plugin::{Schedule, register};
/// # #[derive(serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
/// # #[schema(as = doc::Airing)]
/// # struct Airing {}
/// # impl Task for Airing {
/// #     const TYPE: &'static str = "doc/airings";
/// #     const NAME: &'static str = "pulp_doc.app.tasks.air";
/// #     async fn run(self, _: TaskCx) -> pulpcore::error::Result<()> {
/// #         Ok(())
/// #     }
/// # }
/// # impl Scheduled for Airing {
/// #     const SCHEDULE: &'static str = "Air the room";
/// #     fn interval(_: &pulpcore::settings::Settings) -> Option<Duration> {
/// #         None
/// #     }
/// #     fn due(_: &pulpcore::app::App) -> Self {
/// #         Self {}
/// #     }
/// # }
/// # register!(TaskKind::of::<Airing>());
/// register!(Schedule::of::<Airing>());
/// # fn main() {}
/// ```
pub struct Schedule {
    pub(crate) name: &'static str,
    pub(crate) kind: TaskKind,
    pub(crate) interval: fn(&Settings) -> Option<Duration>,
    pub(crate) due: fn(App) -> BoxFuture<Result<Prepared>>,
}

impl Schedule {
    /// The schedule of the given task.
    pub const fn of<T: Scheduled>() -> Self {
        Self {
            name: T::SCHEDULE,
            kind: TaskKind::of::<T>(),
            interval: T::interval,
            due: |app| {
                Box::pin(async move {
                    let mut task = T::due(&app);
                    task.prepare(&app).await?;
                    Prepared::new(&task)
                })
            },
        }
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schedule").field("name", &self.name).field("kind", &self.kind).finish_non_exhaustive()
    }
}
