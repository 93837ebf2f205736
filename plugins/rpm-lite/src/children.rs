//! What units refer to: advisories to packages and modules, environments and categories to groups, groups to packages, modules
//! to packages.

use std::collections::{BTreeMap, BTreeSet};

use pulpcore::db::one_of;
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
    let groups = groups_by_id(db, within(), groups).await?;
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
    let rows: Vec<Raw> = UpdateRecord::find()
        .select_only()
        .column(update_record::Column::Pkglist)
        .filter(one_of(db, update_record::Column::ContentPtrId, units.iter().copied()))
        .into_tuple()
        .all(db)
        .await?;
    let (mut packages, mut modules) = (BTreeSet::new(), BTreeSet::new());
    for row in rows {
        for collection in row.read::<Vec<Collection>>()? {
            packages.extend(collection.packages.into_iter().map(nevra));
            modules.extend(collection.module.map(nsvca));
        }
    }
    Ok((packages, modules))
}

/// The names of what is wanted, each once.
fn names(wanted: &BTreeSet<[String; 5]>) -> BTreeSet<&str> {
    wanted.iter().map(|[name, ..]| name.as_str()).collect()
}

async fn packages_by_nevra(
    db: &impl ConnectionTrait,
    within: SelectStatement,
    wanted: &BTreeSet<Nevra>,
) -> Result<Vec<Uuid>> {
    use package::Column as C;
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<(Uuid, String, String, String, String, String)> = Package::find()
        .select_only()
        .columns([C::ContentPtrId, C::Name, C::Epoch, C::Version, C::Release, C::Arch])
        .filter(one_of(db, C::Name, names(wanted)))
        .filter(C::ContentPtrId.in_subquery(within))
        .into_tuple()
        .all(db)
        .await?;
    let is_wanted = |(id, name, epoch, version, release, arch)| {
        wanted.contains(&[name, epoch, version, release, arch]).then_some(id)
    };
    Ok(rows.into_iter().filter_map(is_wanted).collect())
}

async fn modules_by_nsvca(
    db: &impl ConnectionTrait,
    within: SelectStatement,
    wanted: &BTreeSet<Nsvca>,
) -> Result<Vec<Uuid>> {
    use modulemd::Column as C;
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<(Uuid, String, String, String, String, String)> = Modulemd::find()
        .select_only()
        .columns([C::ContentPtrId, C::Name, C::Stream, C::Version, C::Context, C::Arch])
        .filter(one_of(db, C::Name, names(wanted)))
        .filter(C::ContentPtrId.in_subquery(within))
        .into_tuple()
        .all(db)
        .await?;
    let is_wanted = |(id, name, stream, version, context, arch)| {
        wanted.contains(&[name, stream, version, context, arch]).then_some(id)
    };
    Ok(rows.into_iter().filter_map(is_wanted).collect())
}

/// The ids of the groups that categories and environments name.
async fn groups_of_sets(db: &impl ConnectionTrait, units: &[Uuid]) -> Result<BTreeSet<String>> {
    use package_category::Column as C;
    use package_environment::Column as E;
    let select = PackageCategory::find().select_only().column(C::GroupIds);
    let select = select.filter(one_of(db, C::ContentPtrId, units.iter().copied()));
    let mut lists = select.into_tuple::<Raw>().all(db).await?;
    let select = PackageEnvironment::find().select_only().columns([E::GroupIds, E::OptionIds]);
    let select = select.filter(one_of(db, E::ContentPtrId, units.iter().copied()));
    for (groups, options) in select.into_tuple::<(Raw, Raw)>().all(db).await? {
        lists.extend([groups, options]);
    }
    let mut names = BTreeSet::new();
    for list in lists {
        names.extend(list.read::<Vec<Named>>()?.into_iter().map(|named| named.name));
    }
    Ok(names)
}

async fn groups_by_id(
    db: &impl ConnectionTrait,
    within: SelectStatement,
    ids: BTreeSet<String>,
) -> Result<Vec<package_group::Model>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let select = PackageGroup::find().filter(one_of(db, package_group::Column::Id, ids));
    Ok(select.filter(package_group::Column::ContentPtrId.in_subquery(within)).all(db).await?)
}

async fn groups_among(db: &impl ConnectionTrait, units: &[Uuid]) -> Result<Vec<package_group::Model>> {
    let among = one_of(db, package_group::Column::ContentPtrId, units.iter().copied());
    Ok(PackageGroup::find().filter(among).all(db).await?)
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
    let here = Package::find().select_only().column(C::Name);
    let here = here.filter(one_of(db, C::ContentPtrId, units.iter().copied())).into_tuple::<String>().all(db).await?;
    for name in here {
        names.remove(&name);
    }
    let rows: Vec<(Uuid, String, String, String)> = Package::find()
        .select_only()
        .columns([C::ContentPtrId, C::Name, C::Arch, C::Evr])
        .filter(one_of(db, C::Name, names))
        .filter(C::ContentPtrId.in_subquery(within))
        .into_tuple()
        .all(db)
        .await?;
    let mut newest: BTreeMap<(String, String), (String, Uuid)> = BTreeMap::new();
    for (id, name, arch, evr) in rows {
        let best = newest.entry((name, arch)).or_insert_with(|| (evr.clone(), id));
        if evr > best.0 {
            *best = (evr, id);
        }
    }
    Ok(newest.into_values().map(|(_, id)| id).collect())
}

async fn of_modules(db: &impl ConnectionTrait, units: &[Uuid]) -> Result<Vec<Uuid>> {
    use modulemd_packages::Column as C;
    let select = modulemd_packages::Entity::find().select_only().column(C::PackageId);
    Ok(select.filter(one_of(db, C::ModulemdId, units.iter().copied())).into_tuple().all(db).await?)
}
