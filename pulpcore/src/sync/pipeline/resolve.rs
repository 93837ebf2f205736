//! What of a batch is known already.

use std::collections::{HashMap, HashSet};

use sea_orm::ModelTrait;
use uuid::Uuid;

use super::declared::{Bytes, Declared, Unit};
use super::{Parts, known, rows};
use crate::error::Result;
use crate::models::{artifact, content};
use crate::plugin::Content;
use crate::storage::Algorithm;

/// Looks up units and bytes. What is found is spared from orphan cleanup from now on.
pub(super) async fn resolve<C: Content>(
    parts: &Parts,
    declared: Vec<Declared<C::Model>>,
) -> Result<Vec<Unit<C::Model>>> {
    let mut units = distinct::<C>(parts, declared);
    let db = parts.cx.db().read();
    let wanted: Vec<_> = units.iter().map(|unit| &unit.row).collect();
    for (nth, id) in known::find::<C>(db, &wanted).await? {
        if let Some(unit) = units.get_mut(nth) {
            unit.id = Some(id);
        }
    }
    let here: Vec<Uuid> = units.iter().filter_map(|unit| unit.id).collect();
    if !here.is_empty() {
        let tx = parts.cx.db().write_relaxed().await?;
        let columns = (content::Column::PulpId, content::Column::TimestampOfInterest);
        rows::touch::<content::Entity>(&*tx, columns, &here).await?;
        tx.commit().await?;
        recall_files(parts, &mut units, &here).await?;
    }
    find_bytes(parts, &mut units).await?;
    Ok(units)
}

/// The units of a batch, each once, in this task's domain.
fn distinct<C: Content>(parts: &Parts, declared: Vec<Declared<C::Model>>) -> Vec<Unit<C::Model>> {
    let domain = known::domain::<C>();
    let mut seen = HashSet::with_capacity(declared.len());
    let mut units = Vec::with_capacity(declared.len());
    for mut declared in declared {
        if let Some(domain) = domain {
            declared.unit.set(domain, parts.cx.domain().into());
        }
        if seen.insert(known::value::<C>(&declared.unit)) {
            units.push(Unit::new(declared));
        }
    }
    units
}

/// What is known of the files of units that are here: their keys, whether their bytes are, and where the remote has them.
async fn recall_files<M>(parts: &Parts, units: &mut [Unit<M>], here: &[Uuid]) -> Result<()> {
    let db = parts.cx.db().read();
    let known = rows::files(db, here).await?;
    let ids: Vec<Uuid> = known.values().map(|file| file.id).collect();
    let offers = rows::offers(db, parts.remote, &ids).await?;
    for unit in units {
        let Some(id) = unit.id else { continue };
        // A unit is what it was when it was saved: files that it does not have are not added to it now.
        unit.files.retain_mut(|file| {
            let Some(known) = known.get(&(id, file.declared.relative_path.clone())) else { return false };
            file.content_artifact = Some(known.id);
            file.offered = offers.get(&known.id) == Some(&file.declared.url);
            if known.artifact.is_some() {
                file.bytes = Bytes::Linked;
            }
            true
        });
    }
    Ok(())
}

/// Finds bytes that are in the storage for another unit's sake.
async fn find_bytes<M>(parts: &Parts, units: &mut [Unit<M>]) -> Result<()> {
    let mut missing = HashMap::<&str, Vec<&mut Bytes>>::new();
    for file in units.iter_mut().flat_map(|unit| &mut unit.files) {
        if let (Bytes::Missing, Some(sha256)) = (&file.bytes, file.declared.expected.digests.get(Algorithm::Sha256)) {
            missing.entry(sha256).or_default().push(&mut file.bytes);
        }
    }
    let digests: Vec<String> = missing.keys().map(|sha256| (*sha256).to_owned()).collect();
    let stored = rows::artifacts(parts.cx.db().read(), parts.cx.domain(), &digests).await?;
    if stored.is_empty() {
        return Ok(());
    }
    for (sha256, id) in &stored {
        for bytes in missing.remove(sha256.as_str()).into_iter().flatten() {
            *bytes = Bytes::Stored(*id);
        }
    }
    let ids: Vec<Uuid> = stored.into_values().collect();
    let tx = parts.cx.db().write_relaxed().await?;
    let columns = (artifact::Column::PulpId, artifact::Column::TimestampOfInterest);
    rows::touch::<artifact::Entity>(&*tx, columns, &ids).await?;
    tx.commit().await
}
