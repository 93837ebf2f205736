//! The tasks behind create, update and delete, for every noun of every plugin.
//!
//! They are the one place where a body travels through the queue as JSON: it was checked against its noun's schema before
//! it was queued, and which struct it is depends on the noun.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::writable::{self, Writable};
use crate::api::family::{View, object};
use crate::api::reader::Reader;
use crate::api::shape;
use crate::api::validate::{Encoding, Mode};
use crate::error::{Error, Result};
use crate::models::{distribution, remote, repository};
use crate::plugin::{Family, Locks, Noun, Task, TaskCx, TaskKind, register};
use crate::refs::prn;
use crate::registry;

/// Creates a thing of any noun.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = core::GeneralCreate)]
pub(crate) struct GeneralCreate {
    /// The noun's PRN name, such as `file.filedistribution`.
    noun: String,
    /// The body that the client posted, as its noun's schema allows it.
    #[schema(value_type = Object)]
    body: Map<String, Value>,
}

/// Changes a thing of any noun.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = core::GeneralUpdate)]
pub(crate) struct GeneralUpdate {
    /// The noun's PRN name.
    noun: String,
    /// Which thing.
    id: Uuid,
    /// The fields to change.
    #[schema(value_type = Object)]
    given: Map<String, Value>,
}

/// Deletes a thing of any noun, with what belongs to it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = core::GeneralDelete)]
pub(crate) struct GeneralDelete {
    /// The noun's PRN name.
    noun: String,
    /// Which thing.
    id: Uuid,
}

impl GeneralCreate {
    pub(crate) fn new(noun: &Noun, body: Map<String, Value>) -> Self {
        Self { noun: noun.prn_model().to_owned(), body }
    }
}

impl GeneralUpdate {
    pub(crate) fn new<M: Writable>(noun: &Noun, id: Uuid, given: Map<String, Value>) -> Self {
        Self { noun: noun.prn_model().to_owned(), id, given }
    }
}

impl GeneralDelete {
    pub(crate) fn new(noun: &Noun, id: Uuid) -> Self {
        Self { noun: noun.prn_model().to_owned(), id }
    }
}

impl Task for GeneralCreate {
    const TYPE: &'static str = "core/creates";
    const NAME: &'static str = "pulpcore.app.tasks.base.general_create";
    const ENDPOINT: bool = false;
    const IMMEDIATE: bool = true;

    /// Two distributions at once could each miss the other's path.
    fn locks(&self) -> Locks {
        match noun(&self.noun).map(|noun| noun.family) {
            Ok(Family::Distribution) => Locks::default().exclusive("/api/v3/distributions/"),
            _ => Locks::default(),
        }
    }

    async fn run(self, cx: TaskCx) -> Result<()> {
        let noun = noun(&self.noun)?;
        match noun.family {
            Family::Repository => create::<repository::Entity>(&cx, noun, self.body).await,
            Family::Remote => create::<remote::Entity>(&cx, noun, self.body).await,
            Family::Distribution => create::<distribution::Entity>(&cx, noun, self.body).await,
            Family::Content | Family::Publication | Family::ContentGuard => Err(not_general(noun)),
        }
    }
}

impl Task for GeneralUpdate {
    const TYPE: &'static str = "core/updates";
    const NAME: &'static str = "pulpcore.app.tasks.base.ageneral_update";
    const ENDPOINT: bool = false;
    const IMMEDIATE: bool = true;

    fn locks(&self) -> Locks {
        let locks = Locks::default().exclusive(prn(&self.noun, self.id));
        match noun(&self.noun).map(|noun| noun.family) {
            Ok(Family::Distribution) => locks.exclusive("/api/v3/distributions/"),
            _ => locks,
        }
    }

    async fn run(self, cx: TaskCx) -> Result<()> {
        let noun = noun(&self.noun)?;
        match noun.family {
            Family::Repository => change::<repository::Entity>(&cx, noun, self.id, self.given).await,
            Family::Remote => change::<remote::Entity>(&cx, noun, self.id, self.given).await,
            Family::Distribution => change::<distribution::Entity>(&cx, noun, self.id, self.given).await,
            Family::Content | Family::Publication | Family::ContentGuard => Err(not_general(noun)),
        }
    }
}

impl Task for GeneralDelete {
    const TYPE: &'static str = "core/deletes";
    const NAME: &'static str = "pulpcore.app.tasks.base.ageneral_delete";
    const ENDPOINT: bool = false;
    const IMMEDIATE: bool = true;

    fn locks(&self) -> Locks {
        Locks::default().exclusive(prn(&self.noun, self.id))
    }

    async fn run(self, cx: TaskCx) -> Result<()> {
        let noun = noun(&self.noun)?;
        match noun.family {
            Family::Repository => writable::delete::<repository::Entity>(cx.app(), self.id).await,
            Family::Remote => writable::delete::<remote::Entity>(cx.app(), self.id).await,
            Family::Distribution => writable::delete::<distribution::Entity>(cx.app(), self.id).await,
            Family::Content | Family::Publication | Family::ContentGuard => Err(not_general(noun)),
        }
    }
}

register!(TaskKind::of::<GeneralCreate>());
register!(TaskKind::of::<GeneralUpdate>());
register!(TaskKind::of::<GeneralDelete>());

fn noun(model: &str) -> Result<&'static Noun> {
    registry::get().noun_of_model(model).ok_or_else(|| registry::missing(model))
}

fn not_general(noun: &Noun) -> Error {
    Error::internal(format!("'{}' is not made by the general tasks", noun.type_name))
}

async fn create<M: Writable>(cx: &TaskCx, noun: &Noun, body: Map<String, Value>) -> Result<()> {
    let id = insert::<M>(cx, noun, body).await?;
    returns::<M>(cx, noun, id).await
}

async fn insert<M: Writable>(cx: &TaskCx, noun: &Noun, body: Map<String, Value>) -> Result<Uuid> {
    writable::check::<M>(cx.app(), noun, None, &body).await?;
    let tx = cx.db().write().await?;
    let id = writable::insert::<M>(&tx, cx.app(), noun, body).await?;
    cx.record_in(&tx, noun.prn_model(), id).await?;
    tx.commit().await?;
    Ok(id)
}

/// Makes a thing for a task of a plugin, from the fields that a client would give.
pub(crate) async fn make(cx: &TaskCx, noun: &Noun, fields: Map<String, Value>) -> Result<Uuid> {
    match noun.family {
        Family::Repository => {
            insert::<repository::Entity>(cx, noun, checked::<repository::Entity>(noun, fields)?).await
        }
        Family::Remote => insert::<remote::Entity>(cx, noun, checked::<remote::Entity>(noun, fields)?).await,
        Family::Distribution => {
            insert::<distribution::Entity>(cx, noun, checked::<distribution::Entity>(noun, fields)?).await
        }
        Family::Content | Family::Publication | Family::ContentGuard => Err(not_general(noun)),
    }
}

fn checked<M: Writable>(noun: &Noun, fields: Map<String, Value>) -> Result<Map<String, Value>> {
    shape::checker::<M::Body>(noun).check(fields, Mode::Create, Encoding::Json)
}

async fn change<M: Writable>(cx: &TaskCx, noun: &Noun, id: Uuid, given: Map<String, Value>) -> Result<()> {
    writable::update::<M>(cx.app(), noun, id, given).await?;
    returns::<M>(cx, noun, id).await
}

/// The task returns the object as it is now.
pub(crate) async fn returns<M: View>(cx: &TaskCx, noun: &Noun, id: Uuid) -> Result<()> {
    match object::<M>(&Reader::of_task(cx.app()), noun, id).await? {
        Some(object) => cx.returns(object),
        None => Ok(()),
    }
}
