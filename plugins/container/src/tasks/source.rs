//! Copies: what from, a repository's latest version or a version by name, and how.

use pulpcore::app::App;
use pulpcore::db::one_of;
use pulpcore::error::{Error, Result};
use pulpcore::models::{repository, repository_version};
use pulpcore::plugin::{NewVersion, Ref, TaskCx, VersionRef};
use pulpcore::versions;
use sea_orm::{EntityTrait, QueryFilter, QueryTrait, Select};

/// The version that [`resolve`] found.
///
/// # Errors
/// If it is gone.
pub(super) async fn version(cx: &TaskCx, resolved: Option<VersionRef>) -> Result<repository_version::Model> {
    let resolved = resolved.ok_or_else(|| Error::internal("a prepared task has its source"))?;
    resolved.find(cx.db().read(), "source_repository_version").await
}

/// Makes of what a client named the version that is meant, and its repository.
pub(super) async fn resolve(
    app: &App,
    repository: &mut Option<Ref<repository::Entity>>,
    version: &mut Option<VersionRef>,
) -> Result<()> {
    match (&*repository, &*version) {
        (None, None) => {
            Err(Error::invalid_together("Either the 'repository' or 'repository_version' needs to be specified"))
        }
        (Some(_), Some(_)) => Err(Error::invalid_together(
            "Either the 'repository' or 'repository_version' need to be specified but not both.",
        )),
        (Some(source), None) => {
            super::must_exist(app, "source_repository", source).await?;
            *version = Some(VersionRef::new(versions::latest(app.db.read(), source.id).await?.pulp_id));
            Ok(())
        }
        (None, Some(source)) => {
            let source = source.find(app.db.read(), "source_repository_version").await?;
            let row = repository::Entity::find_by_id(source.repository_id).one(app.db.read()).await?;
            let row = row.ok_or_else(|| Error::missing("source_repository_version"))?;
            let source = Ref::of(&row.pulp_type, row.pulp_id)?;
            super::must_exist(app, "source_repository_version", &source).await?;
            *repository = Some(source);
            Ok(())
        }
    }
}

/// Adds units of a repository to another, with everything that they refer to: one version. `held` selects their keys; of
/// these, if some are named, only those with one of these values in a column.
///
/// # Errors
/// If the database fails.
pub(super) async fn copy<E: EntityTrait>(
    cx: &TaskCx,
    repository: &Ref<repository::Entity>,
    held: Select<E>,
    (column, names): (E::Column, Option<Vec<String>>),
) -> Result<()> {
    let tx = cx.db().write().await?;
    let mut version = NewVersion::open(&tx, repository.id).await?;
    match names {
        None => version.add_selected(held.into_query()).await?,
        Some(names) => version.add_selected(held.filter(one_of(&*tx, column, names)).into_query()).await?,
    }
    let made = version.complete().await?;
    versions::finish(cx, tx, made).await
}
