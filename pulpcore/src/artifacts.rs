//! From received bytes to an artifact's row: named, made durable, and only then committed.

use std::collections::HashMap;

use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, TryIntoModel};
use uuid::Uuid;

use crate::app::App;
use crate::db::{now, one_of};
use crate::error::{Error, Result};
use crate::models::artifact;
use crate::storage::{Algorithm, Kept, Received};

/// Keeps received bytes as an artifact; the one with the same digest if there is one. Says whether it is new.
///
/// # Errors
/// If the storage or the database fails; then at most a file without a row remains, which orphan cleanup removes when it
/// is an hour old.
pub async fn save(app: &App, received: Received) -> Result<(artifact::Model, bool)> {
    if let Some(found) = by_sha256(app.db.read(), app.domain, received.sha256()).await?
        && touch(app, found.pulp_id).await?
    {
        return Ok((found, false));
    }
    let kept = app.storage.keep_one(received).await?;
    app.saving.ask(kept, async |kept| insert(app, kept).await).await
}

/// Inserts the rows of what the storage keeps, in one transaction; says of each whether it is new. The bytes stay where
/// they are as long as somebody holds what is kept, which is until then.
async fn insert(app: &App, kept: Vec<Kept>) -> Result<Vec<(artifact::Model, bool)>> {
    let rows: Vec<_> = kept.iter().map(|kept| row(app.domain, kept)).collect();
    let new = rows.iter().map(|row| row.clone().try_into_model()).collect::<Result<Vec<_>, _>>()?;
    let digests: Vec<&str> = kept.iter().map(|kept| kept.digests.sha256()).collect();
    let tx = app.db.write().await?;
    let inserted = artifact::Entity::insert_many(rows)
        .on_conflict(
            OnConflict::columns([artifact::Column::PulpDomainId, artifact::Column::Sha256]).do_nothing().to_owned(),
        )
        .exec_without_returning(&*tx)
        .await?;
    if inserted == new.len() as u64 {
        tx.commit().await?;
        return Ok(new.into_iter().map(|row| (row, true)).collect());
    }
    // Somebody else was faster with the same bytes.
    let found = artifact::Entity::find()
        .filter(artifact::Column::PulpDomainId.eq(app.domain))
        .filter(one_of(&*tx, artifact::Column::Sha256, digests))
        .all(&*tx)
        .await?;
    tx.commit().await?;
    let found: HashMap<&str, &artifact::Model> = found.iter().map(|row| (row.sha256.as_str(), row)).collect();
    new.iter()
        .map(|row| {
            let found = found.get(row.sha256.as_str());
            let found = found.ok_or_else(|| Error::internal("an artifact that was just saved is gone"))?;
            Ok(((*found).clone(), found.pulp_id == row.pulp_id))
        })
        .collect()
}

/// The artifact with this digest.
pub async fn by_sha256(db: &impl ConnectionTrait, domain: Uuid, sha256: &str) -> Result<Option<artifact::Model>> {
    Ok(artifact::Entity::find()
        .filter(artifact::Column::PulpDomainId.eq(domain))
        .filter(artifact::Column::Sha256.eq(sha256))
        .one(db)
        .await?)
}

/// A new row for what the storage keeps.
pub fn row(domain: Uuid, kept: &Kept) -> artifact::ActiveModel {
    let now = now();
    let digest = |algorithm| kept.digests.get(algorithm).map(str::to_owned);
    artifact::ActiveModel {
        pulp_id: Set(Uuid::now_v7()),
        pulp_created: Set(now),
        pulp_last_updated: Set(now),
        pulp_domain_id: Set(domain),
        file: Set(kept.path.clone()),
        size: Set(i64::try_from(kept.size).unwrap_or(i64::MAX)),
        md5: Set(digest(Algorithm::Md5)),
        sha1: Set(digest(Algorithm::Sha1)),
        sha224: Set(digest(Algorithm::Sha224)),
        sha256: Set(kept.digests.sha256().to_owned()),
        sha384: Set(digest(Algorithm::Sha384)),
        sha512: Set(digest(Algorithm::Sha512)),
        timestamp_of_interest: Set(now),
    }
}

/// Spares an artifact from orphan cleanup for a while; says whether it is still there.
async fn touch(app: &App, id: Uuid) -> Result<bool> {
    let tx = app.db.write().await?;
    let touched = artifact::Entity::update_many()
        .col_expr(artifact::Column::TimestampOfInterest, sea_orm::sea_query::Expr::value(now()))
        .filter(artifact::Column::PulpId.eq(id))
        .exec(&*tx)
        .await?;
    tx.commit().await?;
    Ok(touched.rows_affected > 0)
}
