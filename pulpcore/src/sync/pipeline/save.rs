//! A batch: its bytes in the storage, then its rows in one transaction.
//!
//! Another process may save the same units and the same bytes at the same moment: whoever is second uses the rows of the
//! first. Rows go in sorted, so that two of them never wait for each other.

use std::collections::{BTreeMap, HashMap, HashSet};

use sea_orm::sea_query::{Expr, ExprTrait, OnConflict, SimpleExpr};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait, IntoActiveModel, QueryFilter};
use time::OffsetDateTime;
use uuid::Uuid;

use super::declared::{Bytes, File, Saved, Unit};
use super::{Parts, known, rows};
use crate::artifacts;
use crate::db::{WriteTx, bulk, now, one_of};
use crate::error::{Error, Result};
use crate::models::{Labels, artifact, content, content_artifact, remote_artifact};
use crate::plugin::{Content, key};
use crate::storage::{Algorithm, Kept};
use crate::versions::Draft;

/// Saves a batch; returns its units and how many files were downloaded for it.
pub(super) async fn save<C: Content>(
    parts: &Parts,
    draft: &Draft,
    units: Vec<Unit<C::Model>>,
) -> Result<(Vec<Saved<C::Model>>, i64)> {
    let mut units = sorted::<C>(units);
    let kept = take(&mut units, |bytes| if let Bytes::Kept(kept) = bytes { Ok(*kept) } else { Err(bytes) });
    let downloaded = i64::try_from(kept.len()).unwrap_or(i64::MAX);

    // The version is committed durably, and with it what it is made of.
    let tx = parts.cx.db().write_relaxed().await?;
    save_artifacts(&tx, parts, &mut units, kept).await?;
    let new = save_units::<C>(&tx, parts, &mut units).await?;
    save_files(&tx, &mut units, &new).await?;
    save_offers(&tx, parts, &units).await?;
    let ids: Vec<Uuid> = units.iter().filter_map(|unit| unit.id).collect();
    draft.add(&*tx, &ids).await?;
    tx.commit().await?;

    let saved = |unit: Unit<C::Model>| unit.id.map(|id| Saved { id, unit: unit.row, new: new.contains_key(&id) });
    Ok((units.into_iter().filter_map(saved).collect(), downloaded))
}

/// The units in the order of their keys, each once.
fn sorted<C: Content>(mut units: Vec<Unit<C::Model>>) -> Vec<Unit<C::Model>> {
    let mut seen = HashSet::with_capacity(units.len());
    units.retain(|unit| seen.insert(known::value::<C>(&unit.row)));
    units.sort_by_cached_key(|unit| format!("{:?}", known::value::<C>(&unit.row)));
    units
}

/// Which unit of a batch, and which of its files.
type Place = (usize, usize);

/// Bytes in a certain state, and what they are for.
fn take<M, T>(units: &mut [Unit<M>], wanted: impl Fn(Bytes) -> Result<T, Bytes>) -> Vec<(Place, T)> {
    let mut taken = Vec::new();
    for (u, unit) in units.iter_mut().enumerate() {
        for (f, file) in unit.files.iter_mut().enumerate() {
            match wanted(std::mem::replace(&mut file.bytes, Bytes::Missing)) {
                Ok(bytes) => taken.push(((u, f), bytes)),
                Err(bytes) => file.bytes = bytes,
            }
        }
    }
    taken
}

/// Names what was downloaded, durably: from here on a row may refer to it.
pub(super) async fn keep<M>(parts: &Parts, mut units: Vec<Unit<M>>) -> Result<Vec<Unit<M>>> {
    let received = |bytes| if let Bytes::Received(received) = bytes { Ok(*received) } else { Err(bytes) };
    let (places, bodies): (Vec<_>, Vec<_>) = take(&mut units, received).into_iter().unzip();
    for ((unit, file), kept) in places.into_iter().zip(parts.cx.storage().keep(bodies).await?) {
        units[unit].files[file].bytes = Bytes::Kept(Box::new(kept));
    }
    Ok(units)
}

/// Inserts artifacts and links the files that they are for.
async fn save_artifacts<M>(tx: &WriteTx, parts: &Parts, units: &mut [Unit<M>], kept: Vec<(Place, Kept)>) -> Result<()> {
    if kept.is_empty() {
        return Ok(());
    }
    let domain = parts.cx.domain();
    let mut rows = BTreeMap::new();
    let mut ids = HashMap::with_capacity(kept.len());
    let now = now();
    for (_, kept) in &kept {
        let sha256 = kept.digests.sha256();
        if !ids.contains_key(sha256) {
            let id = Uuid::now_v7();
            ids.insert(sha256.to_owned(), id);
            let row = artifact::ActiveModel {
                pulp_id: Set(id),
                pulp_created: Set(now),
                pulp_last_updated: Set(now),
                timestamp_of_interest: Set(now),
                ..artifacts::row(domain, kept)
            };
            rows.insert(sha256, row);
        }
    }
    let conflict =
        OnConflict::columns([artifact::Column::PulpDomainId, artifact::Column::Sha256]).do_nothing().to_owned();
    if bulk::insert(&**tx, rows.into_values().collect(), &conflict).await? < ids.len() as u64 {
        let digests: Vec<String> = ids.into_keys().collect();
        ids = rows::artifacts(&**tx, domain, &digests).await?;
    }
    for ((unit, file), kept) in kept {
        let id =
            ids.get(kept.digests.sha256()).ok_or_else(|| Error::internal("an artifact that was just saved is gone"))?;
        units[unit].files[file].bytes = Bytes::Stored(*id);
    }
    Ok(())
}

/// Whether a unit that was not known before was somebody else's in the meantime.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Ours,
    Theirs,
}

/// Inserts the units that are not known; returns their keys.
async fn save_units<C: Content>(
    tx: &WriteTx,
    parts: &Parts,
    units: &mut [Unit<C::Model>],
) -> Result<HashMap<Uuid, Origin>> {
    let mut new: Vec<_> = units.iter_mut().filter(|unit| unit.id.is_none()).collect();
    let ids: Vec<Uuid> = new.iter().map(|_| Uuid::now_v7()).collect();
    let now = now();
    let masters = ids.iter().map(|id| master::<C>(*id, parts.cx.domain(), now)).collect();
    // Keys are made up on the spot: nothing can be in their way.
    bulk::insert(&**tx, masters, None).await?;
    let details = new.iter().zip(&ids).map(|(unit, id)| detail::<C>(unit.row.clone(), *id)).collect();
    let conflict = OnConflict::columns(known::columns::<C>()).do_nothing().to_owned();
    let inserted = bulk::insert(&**tx, details, &conflict).await?;

    let mut winners = HashMap::new();
    if inserted < ids.len() as u64 {
        winners = known::find::<C>(&**tx, &new.iter().map(|unit| &unit.row).collect::<Vec<_>>()).await?;
    }
    let (mut origins, mut lost) = (HashMap::with_capacity(ids.len()), Vec::new());
    for (nth, (unit, id)) in new.iter_mut().zip(ids).enumerate() {
        let winner = winners.get(&nth).copied().unwrap_or(id);
        unit.id = Some(winner);
        if winner != id {
            lost.push(id);
        }
        origins.insert(winner, if winner == id { Origin::Ours } else { Origin::Theirs });
    }
    if !lost.is_empty() {
        let masters = one_of(&**tx, content::Column::PulpId, lost);
        content::Entity::delete_many().filter(masters).exec(&**tx).await?;
    }
    Ok(origins)
}

fn master<C: Content>(id: Uuid, domain: Uuid, now: OffsetDateTime) -> content::ActiveModel {
    content::ActiveModel {
        pulp_id: Set(id),
        pulp_created: Set(now),
        pulp_last_updated: Set(now),
        pulp_domain_id: Set(domain),
        pulp_type: Set(C::TYPE.to_owned()),
        timestamp_of_interest: Set(now),
        pulp_labels: Set(Labels::default()),
    }
}

fn detail<C: Content>(row: C::Model, id: Uuid) -> C::ActiveModel {
    let mut columns = row.into_active_model().reset_all();
    columns.set(key::<C>(), id.into());
    columns
}

/// Inserts the files of new units, and links bytes that known files did not have.
async fn save_files<M>(tx: &WriteTx, units: &mut [Unit<M>], new: &HashMap<Uuid, Origin>) -> Result<()> {
    let mut changed = Vec::new();
    let mut theirs = Vec::new();
    for unit in units.iter_mut() {
        let Some(content_id) = unit.id else { continue };
        let origin = new.get(&content_id);
        if origin == Some(&Origin::Theirs) {
            theirs.push(content_id);
        }
        for file in &mut unit.files {
            let artifact = if let Bytes::Stored(id) = file.bytes { Some(id) } else { None };
            if origin.is_none() && artifact.is_none() {
                continue;
            }
            let row = Uuid::now_v7();
            if origin == Some(&Origin::Ours) {
                file.content_artifact = Some(row);
            }
            changed.push(content_artifact::ActiveModel {
                pulp_id: Set(row),
                content_id: Set(content_id),
                artifact_id: Set(artifact),
                relative_path: Set(file.declared.relative_path.clone()),
            });
        }
    }
    // Bytes that are linked stay linked.
    let column = |table: &str| SimpleExpr::from(Expr::col((table.to_owned(), "artifact_id")));
    let artifact = column("core_contentartifact").if_null(column("excluded"));
    let conflict = OnConflict::columns([content_artifact::Column::ContentId, content_artifact::Column::RelativePath])
        .value(content_artifact::Column::ArtifactId, artifact)
        .to_owned();
    bulk::insert(&**tx, changed, &conflict).await?;
    if !theirs.is_empty() {
        let known = rows::files(&**tx, &theirs).await?;
        for unit in units.iter_mut().filter(|unit| unit.id.is_some_and(|id| theirs.contains(&id))) {
            let id = unit.id.unwrap_or_default();
            for file in &mut unit.files {
                file.content_artifact = known.get(&(id, file.declared.relative_path.clone())).map(|known| known.id);
            }
        }
    }
    Ok(())
}

/// Writes down where the remote offers the files, where that is news.
async fn save_offers<M>(tx: &WriteTx, parts: &Parts, units: &[Unit<M>]) -> Result<()> {
    use remote_artifact::Column as C;
    let news = units.iter().flat_map(|unit| &unit.files).filter(|file| !file.offered);
    let rows = news.filter_map(|file| Some(offer(parts, file.content_artifact?, file))).collect();
    let conflict = OnConflict::columns([C::ContentArtifactId, C::RemoteId])
        .update_columns([C::Url, C::Size, C::Md5, C::Sha1, C::Sha224, C::Sha256, C::Sha384, C::Sha512, C::FailedAt])
        .to_owned();
    bulk::insert(&**tx, rows, &conflict).await?;
    Ok(())
}

fn offer(parts: &Parts, content_artifact: Uuid, file: &File) -> remote_artifact::ActiveModel {
    let expected = &file.declared.expected;
    let digest = |algorithm| expected.digests.get(algorithm).map(str::to_owned);
    remote_artifact::ActiveModel {
        pulp_id: Set(Uuid::now_v7()),
        pulp_domain_id: Set(parts.cx.domain()),
        content_artifact_id: Set(content_artifact),
        remote_id: Set(parts.remote),
        url: Set(file.declared.url.clone()),
        size: Set(expected.size.and_then(|size| i64::try_from(size).ok())),
        md5: Set(digest(Algorithm::Md5)),
        sha1: Set(digest(Algorithm::Sha1)),
        sha224: Set(digest(Algorithm::Sha224)),
        sha256: Set(digest(Algorithm::Sha256)),
        sha384: Set(digest(Algorithm::Sha384)),
        sha512: Set(digest(Algorithm::Sha512)),
        failed_at: Set(None),
    }
}
