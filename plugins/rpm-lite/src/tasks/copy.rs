//! Copying units from repositories to others, with what they refer to.

use std::collections::BTreeSet;

use pulpcore::api::bodies::yes;
use pulpcore::app::App;
use pulpcore::db::one_of;
use pulpcore::error::{Error, Result};
use pulpcore::models::{content, repository_version};
use pulpcore::plugin::{Locks, NewVersion, Ref, Task, TaskCx, TaskKind, VersionRef, register};
use pulpcore::versions;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::children;
use crate::models::RpmRepository;
use crate::solver;

/// Copies units.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = rpm::Copying)]
pub struct Copy {
    /// What is copied from where to where.
    pub config: Vec<Entry>,
    /// Whether what the units need comes along.
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub dependency_solving: bool,
    /// Whether what they need comes in its newest version, also where the destination has one that will do.
    #[serde(default)]
    #[schema(default = false)]
    pub dependency_upgrade: bool,
}

/// What is copied from one repository to another.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = rpm::CopyEntry)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The version to copy from.
    pub source_repo_version: VersionRef,
    /// The repository to copy to.
    #[schema(value_type = String, format = "uri")]
    pub dest_repo: Ref<RpmRepository>,
    /// The number of its version to begin with, instead of the latest.
    #[serde(default)]
    #[schema(nullable = false)]
    pub dest_base_version: Option<i64>,
    /// The units; all of them if there is no list.
    #[serde(default)]
    #[schema(nullable = false)]
    pub content: Option<Vec<String>>,
}

impl Task for Copy {
    const TYPE: &'static str = "rpm/copies";
    const NAME: &'static str = "pulp_rpm.app.tasks.copy.copy_content";

    async fn prepare(&mut self, app: &App) -> Result<()> {
        if self.config.is_empty() {
            return Err(Error::invalid("config", "Provided copy criteria is invalid: [] is too short"));
        }
        for entry in &mut self.config {
            let version = entry.source_repo_version.find(app.db.read(), "config").await?;
            entry.source_repo_version = VersionRef::new(version.pulp_id);
            entry.dest_repo.find(app.db.read(), "config").await?;
            base(app, entry).await?;
            if let Some(units) = &entry.content {
                versions::units(app, "config", units).await?;
            }
        }
        Ok(())
    }

    fn locks(&self) -> Locks {
        // A version does not change: what is copied from needs no lock, unless it may be deleted meanwhile, and then the
        // task says so.
        self.config.iter().fold(Locks::default(), |locks, entry| locks.exclusive(&entry.dest_repo))
    }

    async fn run(self, cx: TaskCx) -> Result<()> {
        let mut plan = Vec::with_capacity(self.config.len());
        for entry in &self.config {
            let source = entry.source_repo_version.find(cx.db().read(), "config").await?;
            let mut units = BTreeSet::new();
            if let Some(named) = &entry.content {
                let named = versions::units(cx.app(), "config", named).await?;
                units.extend(held(&cx, &source, &named).await?);
                units.extend(children::of(cx.db().read(), &source, &units).await?);
            }
            let base = base(cx.app(), entry).await?;
            let whole = entry.content.is_none();
            plan.push(Copied { source, destination: entry.dest_repo.id, base, whole, units });
        }
        if self.dependency_solving {
            solver::complete(&cx, &mut plan, self.dependency_upgrade).await?;
        }
        for copied in plan {
            let tx = cx.db().write().await?;
            let mut version = NewVersion::open(&tx, copied.destination).await?;
            if let Some(base) = &copied.base {
                version.start_from(base).await?;
            }
            if copied.whole {
                version.add_selected(copied.source.content_ids()).await?;
            }
            version.add(&copied.units.into_iter().collect::<Vec<_>>()).await?;
            let made = version.complete().await?;
            versions::finish(&cx, tx, made).await?;
        }
        Ok(())
    }
}

register!(TaskKind::of::<Copy>());

/// What is copied, as it is known so far.
#[derive(Debug)]
pub(crate) struct Copied {
    /// From where.
    pub(crate) source: repository_version::Model,
    /// To which repository.
    pub(crate) destination: Uuid,
    /// With which version of it the copy begins, if not with the latest.
    pub(crate) base: Option<repository_version::Model>,
    /// Whether everything is.
    pub(crate) whole: bool,
    /// The units, if not everything is.
    pub(crate) units: BTreeSet<Uuid>,
}

/// The version to begin with, if it is not the latest.
async fn base(app: &App, entry: &Entry) -> Result<Option<repository_version::Model>> {
    let Some(number) = entry.dest_base_version else { return Ok(None) };
    let row = repository_version::Entity::find()
        .filter(repository_version::Column::RepositoryId.eq(entry.dest_repo.id))
        .filter(repository_version::Column::Number.eq(number))
        .one(app.db.read())
        .await?;
    let missing = || Error::invalid("config", format!("The destination has no version {number}."));
    row.map(Some).ok_or_else(missing)
}

/// Those of some units that a version holds.
async fn held(cx: &TaskCx, source: &repository_version::Model, units: &[Uuid]) -> Result<Vec<Uuid>> {
    let db = cx.db().read();
    let held = content::Entity::find()
        .select_only()
        .column(content::Column::PulpId)
        .filter(one_of(db, content::Column::PulpId, units.iter().copied()))
        .filter(content::Column::PulpId.in_subquery(source.content_ids()))
        .into_tuple()
        .all(db)
        .await?;
    Ok(held)
}
