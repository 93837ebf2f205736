//! Repository versions: what they hold, how one is made, how one is deleted.
//!
//! Membership is stored as ranges of version numbers ([`crate::models::repository_content`]), so a version costs as much
//! as it changes, whatever the repository's size. Everything is set-based SQL inside one transaction; no list of a
//! repository's content is ever held in memory.

mod delete;
mod modify;
mod new;
pub(crate) mod staging;
#[cfg(test)]
mod tests;
mod units;

use sea_orm::sea_query::{Expr, ExprTrait, Query, SelectStatement};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};
use uuid::Uuid;

pub(crate) use self::delete::{PROTECTED, retain};
pub use self::delete::{delete, protected};
pub use self::modify::{Modification, commit, created, finish, returns, units};
pub use self::new::NewVersion;
pub(crate) use self::new::version_zero;
pub use self::staging::Draft;
pub use self::units::find_or_make;
use crate::error::{Error, Result};
use crate::models::{repository_content as membership, repository_version};

impl repository_version::Model {
    /// The keys of the units that it holds, as a subquery: never a list.
    pub fn content_ids(&self) -> SelectStatement {
        content_ids(self.repository_id, self.number)
    }
}

/// The keys of the units in version `number` of a repository, as a subquery.
pub fn content_ids(repository: Uuid, number: i64) -> SelectStatement {
    Query::select()
        .column(membership::Column::ContentId)
        .from(membership::Entity)
        .and_where(membership::Column::RepositoryId.eq(repository))
        .and_where(membership::Column::VersionAdded.lte(number))
        .and_where(
            Expr::col(membership::Column::VersionRemoved).is_null().or(membership::Column::VersionRemoved.gt(number)),
        )
        .take()
}

/// The latest version of a repository.
///
/// # Errors
/// [`Error::NotFound`] if the repository is gone: each has one version at least.
pub async fn latest(db: &impl ConnectionTrait, repository: Uuid) -> Result<repository_version::Model> {
    repository_version::Entity::find()
        .filter(repository_version::Column::RepositoryId.eq(repository))
        .order_by_desc(repository_version::Column::Number)
        .one(db)
        .await?
        .ok_or_else(|| Error::NotFound("No Repository matches the given query.".to_owned()))
}
