//! From a stream to a set: the keys of units that a task saves while it runs, kept in a table until its version is made.

use sea_orm::sea_query::{OnConflict, Query};
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};
use uuid::Uuid;

use crate::db::{bulk, one_of};
use crate::error::Result;
use crate::models::staged_content;

/// A set of units, in the database under a key of its own.
#[derive(Clone, Copy, Debug)]
pub struct Draft(Uuid);

impl Draft {
    /// An empty set. A task uses its own key, so that what a dead task left can be told from what a living one needs.
    pub const fn new(id: Uuid) -> Self {
        Self(id)
    }

    /// Adds units; one that is there already stays once.
    pub async fn add(&self, tx: &impl ConnectionTrait, units: &[Uuid]) -> Result<()> {
        let row = |unit: &Uuid| staged_content::ActiveModel { draft_id: Set(self.0), content_id: Set(*unit) };
        let once = OnConflict::columns([staged_content::Column::DraftId, staged_content::Column::ContentId])
            .do_nothing()
            .to_owned();
        bulk::insert(tx, units.iter().map(row).collect(), &once).await?;
        Ok(())
    }

    /// The keys, as a subquery.
    pub fn units(&self) -> sea_orm::sea_query::SelectStatement {
        Query::select()
            .column(staged_content::Column::ContentId)
            .from(staged_content::Entity)
            .and_where(staged_content::Column::DraftId.eq(self.0))
            .take()
    }

    /// Forgets the set.
    pub async fn clear(&self, tx: &impl ConnectionTrait) -> Result<()> {
        forget(tx, &[self.0]).await
    }
}

/// Forgets the sets of some tasks.
pub(crate) async fn forget(tx: &impl ConnectionTrait, tasks: &[Uuid]) -> Result<()> {
    let staged = one_of(tx, staged_content::Column::DraftId, tasks.iter().copied());
    staged_content::Entity::delete_many().filter(staged).exec(tx).await?;
    Ok(())
}
