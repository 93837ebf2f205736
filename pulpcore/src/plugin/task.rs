//! Background work.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use crate::api::endpoint::Described;
use crate::api::validate::BodySchema;
use crate::app::App;
use crate::error::Result;
use crate::tasking::cx::TaskCx;

/// A unit of background work. The struct is its own parameters, its own schema and its own endpoint.
///
/// ```
/// use pulpcore::error::Result;
/// use pulpcore::plugin::{Locks, Task, TaskCx, TaskKind, register};
///
/// /// Says hello.
/// #[derive(serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
/// #[schema(as = doc::Greeting)]
/// struct Greeting {
///     whom: String,
/// }
///
/// impl Task for Greeting {
///     const TYPE: &'static str = "doc/greetings";
///     const NAME: &'static str = "pulp_doc.app.tasks.greet";
///     async fn run(self, cx: TaskCx) -> Result<()> {
///         cx.progress("Greeting", "greeting").done(1).await
///     }
/// }
///
/// register!(TaskKind::of::<Greeting>());
/// # fn main() {}
/// ```
pub trait Task: Serialize + DeserializeOwned + ToSchema + Send + Sync + 'static {
    /// `<label>/<nouns>`: the last part of its URL, `tasks/file/syncs/`.
    const TYPE: &'static str;
    /// The name on the wire, a dotted path that Pulp's clients filter on.
    const NAME: &'static str;
    /// Whether clients may start it at `tasks/<type>/`. Only tasks whose parameters are checked elsewhere say no.
    const ENDPOINT: bool = true;
    /// Whether it is short: never waits for the network, ends within seconds.
    const IMMEDIATE: bool = false;

    /// Completes and checks the parameters that a client gave, before the task is queued.
    ///
    /// # Errors
    /// [`crate::error::Error::Invalid`], naming the field.
    fn prepare(&mut self, _app: &App) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }

    /// What it must not share, and with whom it shares.
    fn locks(&self) -> Locks {
        Locks::default()
    }

    /// Does the work. It is canceled by dropping the future.
    ///
    /// # Errors
    /// Fail the task; the message is what the user reads.
    fn run(self, cx: TaskCx) -> impl Future<Output = Result<()>> + Send;
}

/// The locks of a task.
///
/// ```
/// use pulpcore::plugin::Locks;
/// let locks = Locks::default().exclusive("prn:doc.shelf:1").shared("prn:doc.shelf:1");
/// assert_eq!(locks.record(), ["prn:doc.shelf:1"], "the stronger lock is enough");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Locks(Vec<Lock>);

/// One lock: a resource (usually a PRN) and whether it is shared.
///
/// ```
/// use pulpcore::plugin::{Lock, Locks};
/// let locks = Locks::default().shared("prn:doc.reader:2");
/// assert_eq!(locks.iter().next(), Some(&Lock { resource: "prn:doc.reader:2".to_owned(), exclusive: false }));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    /// What is locked.
    pub resource: String,
    /// Whether nobody else may have it at the same time.
    pub exclusive: bool,
}

impl Locks {
    /// Adds a resource that nobody else may use meanwhile.
    ///
    /// ```
    /// use pulpcore::plugin::Locks;
    /// let locks = Locks::default().exclusive("prn:doc.shelf:1").shared("prn:doc.reader:2");
    /// assert_eq!(locks.record(), ["prn:doc.shelf:1", "shared:prn:doc.reader:2"]);
    /// ```
    #[must_use]
    pub fn exclusive(mut self, resource: impl fmt::Display) -> Self {
        let resource = resource.to_string();
        self.0.retain(|lock| lock.resource != resource);
        self.0.push(Lock { resource, exclusive: true });
        self
    }

    /// Adds a resource that others may use as well, but nobody exclusively.
    #[must_use]
    pub fn shared(mut self, resource: impl fmt::Display) -> Self {
        let resource = resource.to_string();
        if self.0.iter().all(|lock| lock.resource != resource) {
            self.0.push(Lock { resource, exclusive: false });
        }
        self
    }

    /// The locks, each resource once.
    pub fn iter(&self) -> impl Iterator<Item = &Lock> {
        self.0.iter()
    }

    /// As it stands in `reserved_resources_record`: exclusive resources first.
    pub fn record(&self) -> Vec<String> {
        let exclusive = self.0.iter().filter(|lock| lock.exclusive).map(|lock| lock.resource.clone());
        let shared = self.0.iter().filter(|lock| !lock.exclusive).map(|lock| format!("shared:{}", lock.resource));
        exclusive.chain(shared).collect()
    }
}

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A registered [`Task`], its type erased.
///
/// ```
/// # use pulpcore::error::Result;
/// # use pulpcore::plugin::{Task, TaskCx};
/// use pulpcore::plugin::{TaskKind, register};
/// # #[derive(serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
/// # #[schema(as = doc::Dusting)]
/// # struct Dusting {}
/// # impl Task for Dusting {
/// #     const TYPE: &'static str = "doc/dustings";
/// #     const NAME: &'static str = "pulp_doc.app.tasks.dust";
/// #     async fn run(self, _: TaskCx) -> Result<()> {
/// #         Ok(())
/// #     }
/// # }
/// register!(TaskKind::of::<Dusting>());
/// # fn main() {}
/// ```
pub struct TaskKind {
    pub(crate) type_name: &'static str,
    pub(crate) name: &'static str,
    pub(crate) endpoint: bool,
    pub(crate) immediate: bool,
    pub(crate) schema: fn() -> BodySchema,
    pub(crate) described: fn() -> Described,
    pub(crate) prepare: fn(App, serde_json::Map<String, serde_json::Value>) -> BoxFuture<Result<Prepared>>,
    pub(crate) run: fn(serde_json::Value, TaskCx) -> BoxFuture<Result<()>>,
}

/// A task that is ready to be queued.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) args: serde_json::Value,
    pub(crate) locks: Locks,
}

impl TaskKind {
    /// The kind of the given task.
    pub const fn of<T: Task>() -> Self {
        Self {
            type_name: T::TYPE,
            name: T::NAME,
            endpoint: T::ENDPOINT,
            immediate: T::IMMEDIATE,
            schema: BodySchema::of::<T>,
            described: Described::of::<T>,
            prepare: |app, body| {
                Box::pin(async move {
                    let mut task: T = BodySchema::parse(body)?;
                    task.prepare(&app).await?;
                    Prepared::new(&task)
                })
            },
            run: |args, cx| {
                Box::pin(async move {
                    let task: T = serde_json::from_value(args)?;
                    task.run(cx).await
                })
            },
        }
    }
}

impl Prepared {
    pub(crate) fn new<T: Task>(task: &T) -> Result<Self> {
        Ok(Self { args: serde_json::to_value(task)?, locks: task.locks() })
    }
}

impl fmt::Debug for TaskKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskKind").field("type_name", &self.type_name).field("name", &self.name).finish_non_exhaustive()
    }
}
