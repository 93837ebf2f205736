//! What units refer to: advisories to packages and modules, environments and categories to groups, groups to packages, modules
//! to packages.

use std::collections::{BTreeMap, BTreeSet};

use pulpcore::db::rows_per_statement;
use pulpcore::error::Result;
use pulpcore::models::repository_version;
use sea_orm::sea_query::SelectStatement;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};
use serde::Deserialize;
use uuid::Uuid;

use crate::json::Raw;
use crate::metadata::updateinfo::{Collection, CollectionPackage, Module};
use crate::models::{
    Modulemd, Package, PackageCategory, PackageEnvironment, PackageGroup, UpdateRecord, modulemd, modulemd_packages,
    package, package_category, package_environment, package_group, update_record,
};

/// The keys of a list for one statement, beside those of a version.
fn some<T>(all: &[T]) -> std::slice::Chunks<'_, T> {
    all.chunks(rows_per_statement(1).saturating_sub(16).max(1))
}

/// What is named in a list of a unit.
#[derive(Debug, Deserialize)]
struct Named {
    name: String,
}

/// The units of a version that some of its units refer to, directly or through others.
///
/// # Errors
/// If the database fails.
pub(crate) async fn of(
    db: &impl ConnectionTrait,
    source: &repository_version::Model,
    units: &BTreeSet<Uuid>,
) -> Result<BTreeSet<Uuid>> {
    let units: Vec<Uuid> = units.iter().copied().collect();
    let within = || source.content_ids();
    let mut found = BTreeSet::new();
    let (packages, modules) = of_advisories(db, &units).await?;
    found.extend(packages_by_nevra(db, within(), &packages).await?);
    let mut held = modules_by_nsvca(db, within(), &modules).await?;
    found.extend(&held);

    let groups = groups_of_sets(db, &units).await?;
    let groups = groups_by_id(db, within(), &groups).await?;
    found.extend(groups.iter().map(|group| group.content_ptr_id));
    let mut names = BTreeSet::new();
    for group in groups.iter().chain(&groups_among(db, &units).await?) {
        names.extend(group.packages.read::<Vec<Named>>()?.into_iter().map(|named| named.name));
    }
    found.extend(newest_by_name(db, within(), names, &units).await?);

    held.extend(units);
    found.extend(of_modules(db, &held).await?);
    Ok(found)
}

type Nevra = [String; 5];
type Nsvca = [String; 5];

fn nevra(package: CollectionPackage) -> Nevra {
    [package.name, package.epoch, package.version, package.release, package.arch]
}

fn nsvca(module: Module) -> Nsvca {
    [module.name, module.stream, module.version.to_string(), module.context, module.arch]
}

async fn of_advisories(db: &impl ConnectionTrait, units: &[Uuid]) -> Result<(BTreeSet<Nevra>, BTreeSet<Nsvca>)> {
    let (mut packages, mut modules) = (BTreeSet::new(), BTreeSet::new());
    for units in some(units) {
        let rows: Vec<Raw> = UpdateRecord::find()
            .select_only()
            .column(update_record::Column::Pkglist)
            .filter(update_record::Column::ContentPtrId.is_in(units.iter().copied()))
            .into_tuple()
            .all(db)
            .await?;
        for row in rows {
            for collection in row.read::<Vec<Collection>>()? {
                packages.extend(collection.packages.into_iter().map(nevra));
                modules.extend(collection.module.map(nsvca));
            }
        }
    }
    Ok((packages, modules))
}

async fn packages_by_nevra(
    db: &impl ConnectionTrait,
    within: SelectStatement,
    wanted: &BTreeSet<Nevra>,
) -> Result<Vec<Uuid>> {
    use package::Column as C;
    let names: Vec<&String> = wanted.iter().map(|nevra| &nevra[0]).collect::<BTreeSet<_>>().into_iter().collect();
    let mut found = Vec::new();
    for names in some(&names) {
        let rows: Vec<(Uuid, String, String, String, String, String)> = Package::find()
            .select_only()
            .columns([C::ContentPtrId, C::Name, C::Epoch, C::Version, C::Release, C::Arch])
            .filter(C::Name.is_in(names.iter().map(|name| name.as_str())))
            .filter(C::ContentPtrId.in_subquery(within.clone()))
            .into_tuple()
            .all(db)
            .await?;
        let is_wanted = |(id, name, epoch, version, release, arch)| {
            wanted.contains(&[name, epoch, version, release, arch]).then_some(id)
        };
        found.extend(rows.into_iter().filter_map(is_wanted));
    }
    Ok(found)
}

async fn modules_by_nsvca(
    db: &impl ConnectionTrait,
    within: SelectStatement,
    wanted: &BTreeSet<Nsvca>,
) -> Result<Vec<Uuid>> {
    use modulemd::Column as C;
    let names: Vec<&String> = wanted.iter().map(|nsvca| &nsvca[0]).collect::<BTreeSet<_>>().into_iter().collect();
    let mut found = Vec::new();
    for names in some(&names) {
        let rows: Vec<(Uuid, String, String, String, String, String)> = Modulemd::find()
            .select_only()
            .columns([C::ContentPtrId, C::Name, C::Stream, C::Version, C::Context, C::Arch])
            .filter(C::Name.is_in(names.iter().map(|name| name.as_str())))
            .filter(C::ContentPtrId.in_subquery(within.clone()))
            .into_tuple()
            .all(db)
            .await?;
        let is_wanted = |(id, name, stream, version, context, arch)| {
            wanted.contains(&[name, stream, version, context, arch]).then_some(id)
        };
        found.extend(rows.into_iter().filter_map(is_wanted));
    }
    Ok(found)
}

/// The ids of the groups that categories and environments name.
async fn groups_of_sets(db: &impl ConnectionTrait, units: &[Uuid]) -> Result<Vec<String>> {
    use package_category::Column as C;
    use package_environment::Column as E;
    let mut lists: Vec<Raw> = Vec::new();
    for units in some(units) {
        let select = PackageCategory::find().select_only().column(C::GroupIds);
        let select = select.filter(C::ContentPtrId.is_in(units.iter().copied()));
        lists.extend(select.into_tuple::<Raw>().all(db).await?);
        let select = PackageEnvironment::find().select_only().columns([E::GroupIds, E::OptionIds]);
        let select = select.filter(E::ContentPtrId.is_in(units.iter().copied()));
        for (groups, options) in select.into_tuple::<(Raw, Raw)>().all(db).await? {
            lists.extend([groups, options]);
        }
    }
    let mut names = BTreeSet::new();
    for list in lists {
        names.extend(list.read::<Vec<Named>>()?.into_iter().map(|named| named.name));
    }
    Ok(names.into_iter().collect())
}

async fn groups_by_id(
    db: &impl ConnectionTrait,
    within: SelectStatement,
    ids: &[String],
) -> Result<Vec<package_group::Model>> {
    let mut found = Vec::new();
    for ids in some(ids) {
        let select = PackageGroup::find().filter(package_group::Column::Id.is_in(ids));
        let select = select.filter(package_group::Column::ContentPtrId.in_subquery(within.clone()));
        found.extend(select.all(db).await?);
    }
    Ok(found)
}

async fn groups_among(db: &impl ConnectionTrait, units: &[Uuid]) -> Result<Vec<package_group::Model>> {
    let mut found = Vec::new();
    for units in some(units) {
        let select = PackageGroup::find();
        found.extend(select.filter(package_group::Column::ContentPtrId.is_in(units.iter().copied())).all(db).await?);
    }
    Ok(found)
}

/// The newest packages of a version with these names, one an architecture. Names that units have already are left out.
async fn newest_by_name(
    db: &impl ConnectionTrait,
    within: SelectStatement,
    mut names: BTreeSet<String>,
    units: &[Uuid],
) -> Result<Vec<Uuid>> {
    use package::Column as C;
    if names.is_empty() {
        return Ok(Vec::new());
    }
    for units in some(units) {
        let select = Package::find().select_only().column(C::Name);
        let here: Vec<String> =
            select.filter(C::ContentPtrId.is_in(units.iter().copied())).into_tuple().all(db).await?;
        for name in here {
            names.remove(&name);
        }
    }
    let names: Vec<String> = names.into_iter().collect();
    let mut newest: BTreeMap<(String, String), (String, Uuid)> = BTreeMap::new();
    for names in some(&names) {
        let rows: Vec<(Uuid, String, String, String)> = Package::find()
            .select_only()
            .columns([C::ContentPtrId, C::Name, C::Arch, C::Evr])
            .filter(C::Name.is_in(names))
            .filter(C::ContentPtrId.in_subquery(within.clone()))
            .into_tuple()
            .all(db)
            .await?;
        for (id, name, arch, evr) in rows {
            let best = newest.entry((name, arch)).or_insert_with(|| (evr.clone(), id));
            if evr > best.0 {
                *best = (evr, id);
            }
        }
    }
    Ok(newest.into_values().map(|(_, id)| id).collect())
}

async fn of_modules(db: &impl ConnectionTrait, units: &[Uuid]) -> Result<Vec<Uuid>> {
    use modulemd_packages::Column as C;
    let mut found = Vec::new();
    for units in some(units) {
        let select = modulemd_packages::Entity::find().select_only().column(C::PackageId);
        let packages: Vec<Uuid> =
            select.filter(C::ModulemdId.is_in(units.iter().copied())).into_tuple().all(db).await?;
        found.extend(packages);
    }
    Ok(found)
}
