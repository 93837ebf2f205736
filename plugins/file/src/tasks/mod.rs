//! What happens in the background, one task a file.

mod add;
pub mod publish;
mod synchronize;
#[cfg(test)]
mod tests;

use pulpcore::app::App;
use pulpcore::error::{Error, Result};
use pulpcore::models::repository;
use pulpcore::plugin::Ref;
use sea_orm::EntityTrait;

pub use self::add::Change;
pub use self::publish::Publish;
pub use self::synchronize::Synchronize;
use crate::models::FileRepository;

/// What is said of a reference to nothing, in Pulp's words.
const MISSING: &str = "Invalid hyperlink - Object does not exist.";

/// The repository that a task is for.
async fn must_exist(app: &App, repository: &Ref<FileRepository>) -> Result<repository::Model> {
    let row = repository::Entity::find_by_id(repository.id).one(app.db.read()).await?;
    row.ok_or_else(|| Error::invalid("repository", MISSING))
}
