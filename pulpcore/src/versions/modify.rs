//! Adding and removing units by name: the change behind `modify/`.

use sea_orm::{ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::NewVersion;
use crate::api::bodies::yes;
use crate::api::schema::markers::NonBlank;
use crate::app::App;
use crate::db::{WriteTx, one_of};
use crate::error::{Error, Result};
use crate::models::{content, repository, repository_version};
use crate::plugin::{Family, Hooks, TaskCx};
use crate::refs::{Target, VERSION_MODEL, VersionRef};
use crate::registry;

/// Units to remove and to add, in this order, and what to start from.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = RepositoryAddRemoveContent)]
pub struct Modification {
    /// A list of content units to add to a new repository version.
    #[serde(default)]
    #[schema(required = false, value_type = Vec<NonBlank>)]
    pub add_content_units: Vec<String>,
    /// A list of content units to remove from the latest repository version. You may also specify '*' as an entry to
    /// remove all content.
    #[serde(default)]
    #[schema(required = false, value_type = Vec<NonBlank>)]
    pub remove_content_units: Vec<String>,
    /// A repository version whose content will be used as the initial set of content for the new repository version.
    #[serde(default)]
    #[schema(nullable = false)]
    pub base_version: Option<VersionRef>,
    /// Whether a unit may replace another with the same repository key.
    #[serde(default = "yes")]
    #[schema(default = true, required = false)]
    pub overwrite: bool,
}

/// Stands for all units in `remove_content_units`.
const ALL: &str = "*";

impl Modification {
    /// Refuses units and versions that are not there.
    ///
    /// # Errors
    /// [`Error::Invalid`], naming the field and the units.
    pub async fn check(&self, app: &App) -> Result<()> {
        if self.removes_all() && self.remove_content_units.len() > 1 {
            return Err(Error::invalid("remove_content_units", "Cannot supply content units and '*'."));
        }
        for (field, units) in
            [("add_content_units", &self.add_content_units), ("remove_content_units", &self.remove_content_units)]
        {
            if field == "remove_content_units" && self.removes_all() {
                continue;
            }
            self::units(app, field, units).await?;
        }
        if let Some(base) = &self.base_version {
            base.find(app.db.read(), "base_version").await?;
        }
        Ok(())
    }

    /// Makes the version, in one transaction, and does what follows a new version.
    ///
    /// # Errors
    /// Whatever refuses the version; then there is none.
    pub async fn apply(&self, cx: &TaskCx, repository: Uuid) -> Result<Option<repository_version::Model>> {
        let add = ids("add_content_units", &self.add_content_units)?;
        let tx = cx.db().write().await?;
        let mut version = NewVersion::open(&tx, repository).await?;
        version.set_overwrite(self.overwrite);
        if let Some(base) = &self.base_version {
            let base = base.find(&*tx, "base_version").await?;
            version.start_from(&base).await?;
        }
        if self.removes_all() {
            version.remove_all().await?;
        } else if !self.remove_content_units.is_empty() {
            version.remove(&ids("remove_content_units", &self.remove_content_units)?).await?;
        }
        version.add(&add).await?;
        let Some(made) = version.complete().await? else {
            // Nothing is left of it, so nobody has to be asked or waited for.
            tx.rollback().await?;
            return Ok(None);
        };
        commit(cx, tx, Some(&made)).await?;
        created(cx, &made).await?;
        Ok(Some(made))
    }

    fn removes_all(&self) -> bool {
        self.remove_content_units.iter().any(|unit| unit == ALL)
    }
}

/// Ends the transaction that made a version, if it made one: as what the task has made, and if the task is still ours. That
/// is asked last, because whoever wants to cancel the task waits from then on.
///
/// # Errors
/// [`Error::Canceled`] if the task is over; if the database fails.
pub async fn commit(cx: &TaskCx, tx: WriteTx, made: Option<&repository_version::Model>) -> Result<()> {
    if let Some(version) = made {
        cx.record_in(&tx, VERSION_MODEL, version.pulp_id).await?;
    }
    cx.ensure_unfinished(&tx).await?;
    tx.commit().await
}

/// What follows a new version: the task returns it, and the plugin may go on (autopublish).
///
/// # Errors
/// Whatever the plugin's hook fails with.
pub async fn created(cx: &TaskCx, version: &repository_version::Model) -> Result<()> {
    let row = repository::Entity::find_by_id(version.repository_id).one(cx.db().read()).await?;
    let row = row.ok_or_else(|| crate::api::not_found("Repository"))?;
    match registry::get().noun(Family::Repository, &row.pulp_type).map(|noun| &noun.hooks) {
        Some(Hooks::Repository(hooks)) => (hooks.created)(cx, row.pulp_id, version).await?,
        _ => return Err(registry::missing(&row.pulp_type)),
    }
    // Whatever the plugin went on to make is among the created resources; the result is the version, as in Pulp.
    returns(cx, version).await
}

/// The task returns the version: clients read it as `result`.
///
/// # Errors
/// If the database fails.
pub async fn returns(cx: &TaskCx, version: &repository_version::Model) -> Result<()> {
    crate::api::families::version::returns(cx, version).await
}

/// Ends what made a version, or none: the transaction, and then what follows a new version.
///
/// # Errors
/// As [`commit`] and [`created`].
pub async fn finish(cx: &TaskCx, tx: WriteTx, made: Option<repository_version::Model>) -> Result<()> {
    commit(cx, tx, made.as_ref()).await?;
    match made {
        Some(version) => created(cx, &version).await,
        None => Ok(()),
    }
}

/// The keys of units that a client named, by href or PRN, in the same order.
///
/// # Errors
/// [`Error::Invalid`] on `field`, naming what is no unit or is not there.
pub async fn units(app: &App, field: &str, names: &[String]) -> Result<Vec<Uuid>> {
    let ids = ids(field, names)?;
    let found = existing(app.db.read(), &ids).await?;
    let missing: Vec<String> = names
        .iter()
        .zip(&ids)
        .filter(|(_, id)| found.binary_search(id).is_err())
        .map(|(text, _)| format!("'{text}'"))
        .collect();
    if missing.is_empty() {
        return Ok(ids);
    }
    let message = format!("Could not find the following content units: [{}]", missing.join(", "));
    Err(Error::invalid(field, message))
}

fn ids(field: &str, units: &[String]) -> Result<Vec<Uuid>> {
    let id = |text: &String| match Target::parse(text) {
        Some(Target::Object { model, id }) if is_content(model) => Ok(id),
        _ => Err(Error::invalid(field, format!("URI not valid: {text}"))),
    };
    units.iter().map(id).collect()
}

fn is_content(model: &str) -> bool {
    registry::get().noun_of_model(model).is_some_and(|noun| noun.family == Family::Content)
}

/// Which of these units are there, sorted.
async fn existing(db: &impl ConnectionTrait, ids: &[Uuid]) -> Result<Vec<Uuid>> {
    let mut found: Vec<Uuid> = content::Entity::find()
        .select_only()
        .column(content::Column::PulpId)
        .filter(one_of(db, content::Column::PulpId, ids.iter().copied()))
        .into_tuple()
        .all(db)
        .await?;
    found.sort_unstable();
    Ok(found)
}
