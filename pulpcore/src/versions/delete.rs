//! Deleting versions: what they changed moves into the next one, so that every other version stays as it is.

use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    Value,
};
use uuid::Uuid;

use super::new::{changes_of, insert_counts};
use crate::db::{Change, WriteTx, exec, rows};
use crate::error::{Error, Result};
use crate::models::{repository, repository_version, repository_version_count as counts};
use crate::registry;

/// Why a protected version stays, in Pulp's words.
pub(crate) const PROTECTED: &str = "The repository version cannot be deleted because it (or its publications) are \
    currently being used to distribute content. Please update the necessary distributions first.";

/// Deletes a version and squashes its delta into the next.
///
/// # Errors
/// [`Error::Invalid`] if it is protected, or the only one.
pub async fn delete(tx: &WriteTx, version: &repository_version::Model) -> Result<()> {
    let all = repository_version::Entity::find()
        .filter(repository_version::Column::RepositoryId.eq(version.repository_id))
        .count(&**tx)
        .await?;
    if all <= 1 {
        return Err(Error::invalid_together(
            "Cannot delete repository version. Repositories must have at least one repository version.",
        ));
    }
    if protected(&**tx, version.repository_id).await?.contains(&version.pulp_id) {
        return Err(Error::invalid_together(PROTECTED));
    }
    squash(tx, version).await
}

/// Deletes the oldest versions beyond the repository's `retain_repo_versions`; protected ones stay.
pub(crate) async fn retain(tx: &WriteTx, repository: &repository::Model) -> Result<()> {
    let Some(keep) = repository.retain_repo_versions.and_then(|keep| u64::try_from(keep).ok()) else {
        return Ok(());
    };
    let old = repository_version::Entity::find()
        .filter(repository_version::Column::RepositoryId.eq(repository.pulp_id))
        .order_by_desc(repository_version::Column::Number)
        .offset(keep.max(1))
        .limit(i64::MAX as u64)
        .all(&**tx)
        .await?;
    if old.is_empty() {
        return Ok(());
    }
    let protected = protected(&**tx, repository.pulp_id).await?;
    for version in old.iter().filter(|version| !protected.contains(&version.pulp_id)) {
        squash(tx, version).await?;
    }
    Ok(())
}

#[derive(Debug, FromQueryResult)]
struct Id {
    id: Uuid,
}

/// The versions of a repository that must stay: distributed directly, through a publication, as what a distribution of the
/// repository serves (the latest published version, or the latest, as its kind has it), or as a distributed checkpoint.
pub async fn protected(db: &impl ConnectionTrait, repository: Uuid) -> Result<Vec<Uuid>> {
    let mut values: Vec<Value> = vec![repository.into()];
    let mut list = |types: Vec<&'static str>| {
        // A list is never empty, so that what is not in it is known to be not.
        let bound = types.into_iter().chain([""]).map(|name| {
            values.push(name.into());
            format!("${}", values.len())
        });
        bound.collect::<Vec<_>>().join(", ")
    };
    let (unpublished, version_less) = registry::get().distribution_types();
    let (unpublished, version_less) = (list(unpublished), list(version_less));
    let sql = format!(
        "WITH followers AS (SELECT d.pulp_type FROM core_distribution d WHERE d.repository_id = $1 AND NOT d.checkpoint), \
           published AS (SELECT MAX(w.number) AS number FROM core_repositoryversion w \
             JOIN core_publication p ON p.repository_version_id = w.pulp_id WHERE w.repository_id = $1 AND p.complete) \
         SELECT v.pulp_id AS id FROM core_repositoryversion v WHERE v.repository_id = $1 AND ( \
           EXISTS (SELECT 1 FROM core_distribution d WHERE d.repository_version_id = v.pulp_id) \
        OR EXISTS (SELECT 1 FROM core_publication p JOIN core_distribution d ON d.publication_id = p.pulp_id \
                   WHERE p.repository_version_id = v.pulp_id) \
        OR (EXISTS (SELECT 1 FROM core_distribution d WHERE d.repository_id = $1 AND d.checkpoint) \
            AND EXISTS (SELECT 1 FROM core_publication p WHERE p.repository_version_id = v.pulp_id AND p.checkpoint)) \
        OR (v.number = (SELECT number FROM published) \
            AND EXISTS (SELECT 1 FROM followers f WHERE f.pulp_type NOT IN ({unpublished}))) \
        OR (v.number = (SELECT MAX(number) FROM core_repositoryversion l WHERE l.repository_id = $1) \
            AND EXISTS (SELECT 1 FROM followers f WHERE f.pulp_type IN ({unpublished}) \
              OR (f.pulp_type NOT IN ({version_less}) AND (SELECT number FROM published) IS NULL))))"
    );
    Ok(rows::<Id>(db, &sql, values).await?.into_iter().map(|row| row.id).collect())
}

async fn squash(tx: &WriteTx, version: &repository_version::Model) -> Result<()> {
    let (repository, number) = (version.repository_id, version.number);
    tx.changes(Change::Repository(repository));
    let next = repository_version::Entity::find()
        .filter(repository_version::Column::RepositoryId.eq(repository))
        .filter(repository_version::Column::Number.gt(number))
        .order_by_asc(repository_version::Column::Number)
        .one(&**tx)
        .await?;
    match &next {
        None => forget(tx, repository, number).await?,
        Some(next) => {
            shift(tx, repository, number, next.number).await?;
            counts::Entity::delete_many()
                .filter(counts::Column::RepositoryVersionId.eq(next.pulp_id))
                .filter(counts::Column::CountType.is_in(["A", "R"]))
                .exec(&**tx)
                .await?;
            let changes = changes_of(tx, repository, next.number).await?;
            insert_counts(tx, next.pulp_id, [("A", changes.added), ("R", changes.removed)]).await?;
        }
    }
    repository_version::Entity::delete_by_id(version.pulp_id).exec(&**tx).await?;
    Ok(())
}

/// The newest version goes: what it added was never there, what it removed still is.
async fn forget(tx: &WriteTx, repository: Uuid, number: i64) -> Result<()> {
    for sql in [
        "DELETE FROM core_repositorycontent WHERE repository_id = $1 AND version_added = $2",
        "UPDATE core_repositorycontent SET version_removed = NULL WHERE repository_id = $1 AND version_removed = $2",
    ] {
        exec(&**tx, sql, vec![repository.into(), number.into()]).await?;
    }
    Ok(())
}

/// What changed at `number` now changes at `next`; what that undoes disappears.
async fn shift(tx: &WriteTx, repository: Uuid, number: i64, next: i64) -> Result<()> {
    let both = || vec![repository.into(), number.into(), next.into()];
    for (sql, values) in [
        // Came and went.
        (
            "DELETE FROM core_repositorycontent WHERE repository_id = $1 AND version_added = $2 AND version_removed = $3",
            both(),
        ),
        // Went and came back: the later row begins where the earlier one did, which goes. At no moment are there two
        // open rows of a unit, nor two with one beginning; a negative number is one that is not in place yet.
        (
            "UPDATE core_repositorycontent SET version_added = ( \
                 SELECT -1 - earlier.version_added FROM core_repositorycontent earlier WHERE earlier.repository_id = $1 \
                 AND earlier.content_id = core_repositorycontent.content_id AND earlier.version_removed = $2) \
             WHERE repository_id = $1 AND version_added = $3 AND content_id IN ( \
                 SELECT content_id FROM core_repositorycontent WHERE repository_id = $1 AND version_removed = $2)",
            both(),
        ),
        (
            "DELETE FROM core_repositorycontent WHERE repository_id = $1 AND version_removed = $2 AND content_id IN ( \
                 SELECT content_id FROM core_repositorycontent WHERE repository_id = $1 AND version_added < 0)",
            vec![repository.into(), number.into()],
        ),
        (
            "UPDATE core_repositorycontent SET version_added = -1 - version_added \
             WHERE repository_id = $1 AND version_added < 0",
            vec![repository.into()],
        ),
        (
            "UPDATE core_repositorycontent SET version_added = $3 WHERE repository_id = $1 AND version_added = $2",
            both(),
        ),
        (
            "UPDATE core_repositorycontent SET version_removed = $3 WHERE repository_id = $1 AND version_removed = $2",
            both(),
        ),
    ] {
        exec(&**tx, sql, values).await?;
    }
    Ok(())
}
