//! What happens in the background, one task a file.

mod add;
mod comps;
pub mod copy;
pub mod prune;
pub mod publish;
mod synchronize;

use pulpcore::app::App;
use pulpcore::error::{Error, Result};
use pulpcore::models::repository;
use pulpcore::plugin::{Detail, Ref};
use sea_orm::EntityTrait;

pub use self::add::Change;
pub use self::comps::UploadComps;
pub use self::copy::Copy;
pub use self::prune::Prune;
pub use self::publish::Publish;
pub use self::synchronize::Synchronize;
use crate::models::RpmRepository;

/// What is said of a reference to nothing, in Pulp's words.
const MISSING: &str = "Invalid hyperlink - Object does not exist.";

/// The repository that a task is for.
async fn must_exist(app: &App, repository: &Ref<RpmRepository>) -> Result<repository::Model> {
    let row = repository::Entity::find_by_id(repository.id).one(app.db.read()).await?;
    row.filter(|row| row.pulp_type == RpmRepository::TYPE).ok_or_else(|| Error::invalid("repository", MISSING))
}
