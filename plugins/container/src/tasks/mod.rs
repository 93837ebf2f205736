//! What happens in the background, one task a file.

mod add;
mod copy_manifests;
mod copy_tags;
mod fetch;
mod images;
mod migrate;
mod remove;
mod remove_image;
mod remove_signatures;
mod source;
mod synchronize;
mod tag;
mod untag;

use pulpcore::app::App;
use pulpcore::error::{Error, Result};
use pulpcore::models::{repository, repository_version};
use pulpcore::plugin::{Detail, NewVersion, Ref, TaskCx};
use pulpcore::versions;
use sea_orm::EntityTrait;
use sea_orm::sea_query::SelectStatement;

pub use self::add::RecursiveAdd;
pub use self::copy_manifests::CopyManifests;
pub use self::copy_tags::CopyTags;
pub use self::fetch::Fetch;
pub use self::migrate::MigratePushRepository;
pub use self::remove::RecursiveRemove;
pub use self::remove_image::RemoveImage;
pub use self::remove_signatures::RemoveSignatures;
pub use self::synchronize::Synchronize;
pub use self::tag::TagImage;
pub use self::untag::UntagImage;
use crate::models::{ContainerPushRepository, ContainerRepository};

/// The repository that a task is for, which holds images.
async fn must_exist(app: &App, field: &str, repository: &Ref<repository::Entity>) -> Result<repository::Model> {
    let row = repository::Entity::find_by_id(repository.id).one(app.db.read()).await?;
    let row = row.ok_or_else(|| Error::missing(field))?;
    let kinds = [<ContainerRepository as Detail>::TYPE, <ContainerPushRepository as Detail>::TYPE];
    match kinds.contains(&row.pulp_type.as_str()) {
        true => Ok(row),
        false => Err(Error::invalid(field, "Invalid hyperlink - Incorrect URL match.")),
    }
}

/// The same, with its latest version, and that version's name in Pulp's words.
async fn latest(app: &App, repository: &Ref<repository::Entity>) -> Result<(repository_version::Model, String)> {
    let row = must_exist(app, "repository", repository).await?;
    let version = versions::latest(app.db.read(), repository.id).await?;
    let name = format!("<Repository: {}; Version: {}>", row.name, version.number);
    Ok((version, name))
}

/// Removes units that a query selects from a repository: one version.
async fn remove_selected(cx: &TaskCx, repository: &Ref<repository::Entity>, units: SelectStatement) -> Result<()> {
    let tx = cx.db().write().await?;
    let mut version = NewVersion::open(&tx, repository.id).await?;
    version.remove_selected(units).await?;
    let made = version.complete().await?;
    versions::finish(cx, tx, made).await
}
