//! What is copied from: a repository's latest version, or a version by name.

use pulpcore::app::App;
use pulpcore::error::{Error, Result};
use pulpcore::models::{repository, repository_version};
use pulpcore::plugin::{Ref, TaskCx, VersionRef};
use pulpcore::versions;
use sea_orm::EntityTrait;

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
            let row = row.ok_or_else(|| Error::invalid("source_repository_version", super::MISSING))?;
            let source = Ref::of(&row.pulp_type, row.pulp_id)?;
            super::must_exist(app, "source_repository_version", &source).await?;
            *repository = Some(source);
            Ok(())
        }
    }
}
