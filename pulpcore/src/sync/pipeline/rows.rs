//! What is known of many rows, in few statements.

use std::collections::HashMap;

use sea_orm::sea_query::{Expr, ExprTrait, LockBehavior, LockType, Query};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use crate::db::{now, one_of};
use crate::error::Result;
use crate::models::{artifact, content_artifact, remote_artifact};

/// Says of rows that they are of use, which spares them from orphan cleanup. Of two syncs that say so of the same row,
/// one is enough: rows that somebody else holds are passed over, so that nobody waits and nobody deadlocks.
pub(super) async fn touch<E: EntityTrait>(
    tx: &impl ConnectionTrait,
    (key, time): (E::Column, E::Column),
    ids: &[Uuid],
) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let free = Query::select()
        .column(key)
        .from(E::default())
        .and_where(one_of(tx, key, ids.iter().copied()))
        .lock_with_behavior(LockType::NoKeyUpdate, LockBehavior::SkipLocked)
        .take();
    let update = Query::update()
        .table(E::default())
        .value(time, Expr::value(now()))
        .and_where(Expr::col(key).in_subquery(free))
        .take();
    tx.execute(&update).await?;
    Ok(())
}

/// The artifacts with these digests, by digest.
pub(super) async fn artifacts(
    db: &impl ConnectionTrait,
    domain: Uuid,
    digests: &[String],
) -> Result<HashMap<String, Uuid>> {
    if digests.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<(String, Uuid)> = artifact::Entity::find()
        .select_only()
        .columns([artifact::Column::Sha256, artifact::Column::PulpId])
        .filter(artifact::Column::PulpDomainId.eq(domain))
        .filter(one_of(db, artifact::Column::Sha256, digests))
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows.into_iter().collect())
}

/// A file of a unit, as it is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct KnownFile {
    pub(super) id: Uuid,
    pub(super) artifact: Option<Uuid>,
}

/// The files of units, by unit and path.
pub(super) async fn files(db: &impl ConnectionTrait, units: &[Uuid]) -> Result<HashMap<(Uuid, String), KnownFile>> {
    if units.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = content_artifact::Entity::find()
        .filter(one_of(db, content_artifact::Column::ContentId, units.iter().copied()))
        .all(db)
        .await?;
    let known = |row: content_artifact::Model| {
        ((row.content_id, row.relative_path), KnownFile { id: row.pulp_id, artifact: row.artifact_id })
    };
    Ok(rows.into_iter().map(known).collect())
}

/// Where a remote offers files, by the file's key.
pub(super) async fn offers(db: &impl ConnectionTrait, remote: Uuid, files: &[Uuid]) -> Result<HashMap<Uuid, String>> {
    use remote_artifact::Column as C;
    if files.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<(Uuid, String)> = remote_artifact::Entity::find()
        .select_only()
        .columns([C::ContentArtifactId, C::Url])
        .filter(C::RemoteId.eq(remote))
        .filter(one_of(db, C::ContentArtifactId, files.iter().copied()))
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows.into_iter().collect())
}
