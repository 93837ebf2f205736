//! Modules, as packages that need and provide something.
//!
//! As in Pulp, a package of a module needs its module, which needs the streams of other modules that it names, all of them
//! except for the platform, and its packages, because these come with it.

use std::collections::BTreeMap;

use pulpcore::db::one_of;
use pulpcore::error::Result;
use pulpcore::models::repository_version;
use pulpcore::plugin::TaskCx;
use sea_orm::sea_query::SelectStatement;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::needs::Offer;
use super::walk::Found;
use crate::json::Raw;
use crate::metadata::modules::Dependencies;
use crate::models::modulemd::{Column as C, Entity};
use crate::models::modulemd_packages;
use crate::package::Dependency;
use crate::sql::page;

/// What a package provides under its key, which is how modules name their packages.
pub(super) fn package_key(id: Uuid) -> Dependency {
    Dependency { name: format!("package:{id}"), ..Dependency::default() }
}

fn module_key(id: Uuid) -> String {
    format!("module:{id}")
}

/// Walks over modules and what they provide.
pub(super) async fn walk(
    cx: &TaskCx,
    units: &SelectStatement,
    see: &mut impl FnMut(Found, &Offer) -> Result<()>,
) -> Result<()> {
    let mut after = Uuid::nil();
    loop {
        let page: Vec<(Uuid, String, String, String, String)> = page::<Entity>(C::ContentPtrId, units, after)
            .columns([C::Name, C::Stream, C::Version, C::Arch])
            .into_tuple()
            .all(cx.db().read())
            .await?;
        let Some((last, ..)) = page.last() else { return Ok(()) };
        after = *last;
        for (id, module, stream, version, arch) in page {
            let name = format!("module({module}:{stream})");
            let provides = [format!("module({module})"), name.clone(), module_key(id)];
            let provides = provides.map(|name| Dependency { name, ..Dependency::default() }).to_vec();
            // Numbers, as texts that sort as they do.
            let evr = format!("{version:0>20}");
            see(Found { id, name, evr, arch }, &Offer { provides, ..Offer::default() })?;
        }
    }
}

/// Reads what modules require: other modules, and their packages, as far as `source` holds them.
pub(super) async fn each_requirement(
    cx: &TaskCx,
    units: &SelectStatement,
    source: Option<&repository_version::Model>,
    see: &mut impl FnMut(Uuid, &str, &[Dependency]) -> Result<()>,
) -> Result<()> {
    let mut after = Uuid::nil();
    loop {
        let page: Vec<(Uuid, String, Raw)> = page::<Entity>(C::ContentPtrId, units, after)
            .columns([C::Arch, C::Dependencies])
            .into_tuple()
            .all(cx.db().read())
            .await?;
        let Some((last, ..)) = page.last() else { return Ok(()) };
        after = *last;
        let modules: Vec<Uuid> = page.iter().map(|(id, ..)| *id).collect();
        let mut packages: BTreeMap<Uuid, Vec<Uuid>> = BTreeMap::new();
        if let Some(source) = source {
            use modulemd_packages::Column as L;
            for (module, package) in links(cx, L::ModulemdId, &modules, L::PackageId, source).await? {
                packages.entry(module).or_default().push(package);
            }
        }
        for (id, arch, dependencies) in page {
            let mut requires = required(&dependencies);
            requires.extend(packages.remove(&id).into_iter().flatten().map(package_key));
            see(id, &arch, &requires)?;
        }
    }
}

/// The modules that packages belong to, as what they require: one of those that `source` holds.
pub(super) async fn of_packages(
    cx: &TaskCx,
    packages: &[Uuid],
    source: &repository_version::Model,
) -> Result<BTreeMap<Uuid, Dependency>> {
    use modulemd_packages::Column as L;
    let mut modules: BTreeMap<Uuid, Vec<String>> = BTreeMap::new();
    for (module, package) in links(cx, L::PackageId, packages, L::ModulemdId, source).await? {
        modules.entry(package).or_default().push(module_key(module));
    }
    let any_of = |names: Vec<String>| Dependency { name: format!("({})", names.join(" or ")), ..Dependency::default() };
    Ok(modules.into_iter().map(|(package, names)| (package, any_of(names))).collect())
}

/// Modules and packages that belong together, found by one of both; the other one is in `source`.
async fn links(
    cx: &TaskCx,
    by: modulemd_packages::Column,
    keys: &[Uuid],
    other: modulemd_packages::Column,
    source: &repository_version::Model,
) -> Result<Vec<(Uuid, Uuid)>> {
    use modulemd_packages::Column as L;
    let db = cx.db().read();
    let links = modulemd_packages::Entity::find()
        .select_only()
        .columns([L::ModulemdId, L::PackageId])
        .filter(one_of(db, by, keys.iter().copied()))
        .filter(other.in_subquery(source.content_ids()))
        .order_by_asc(L::ModulemdId)
        .order_by_asc(L::PackageId)
        .into_tuple()
        .all(db)
        .await?;
    Ok(links)
}

/// The modules that a module needs, as rich dependencies. No stream is any stream; a stream with a minus is any other one.
/// Clients may have written anything, which then needs nothing.
fn required(dependencies: &Raw) -> Vec<Dependency> {
    let mut required = Vec::new();
    for alternative in dependencies.read::<Vec<Dependencies>>().into_iter().flatten() {
        for (name, streams) in alternative.requires.into_iter().flatten().filter(|(name, _)| name != "platform") {
            let (without, with): (Vec<&String>, Vec<&String>) =
                streams.iter().partition(|stream| stream.starts_with('-'));
            let any_of = |streams: Vec<&String>| {
                let stream = |stream: &String| format!("module({name}:{})", stream.trim_start_matches('-'));
                streams.into_iter().map(stream).collect::<Vec<_>>().join(" or ")
            };
            let name = match (with.is_empty(), without.is_empty()) {
                (false, _) => format!("({})", any_of(with)),
                (true, false) => format!("(module({name}) without ({}))", any_of(without)),
                (true, true) => format!("module({name})"),
            };
            required.push(Dependency { name, ..Dependency::default() });
        }
    }
    required
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_needs_streams_of_others() {
        for (dependencies, expected) in [
            (
                r#"[{"requires":{"platform":["el8"],"perl":["5.26","5.30"]}}]"#,
                &["(module(perl:5.26) or module(perl:5.30))"][..],
            ),
            (r#"[{"requires":{"perl":[]}}]"#, &["module(perl)"]),
            (r#"[{"requires":{"perl":["-5.24"]}}]"#, &["(module(perl) without (module(perl:5.24)))"]),
            (r#"[{"buildrequires":{"perl":["1"]}}]"#, &[]),
            ("[]", &[]),
            ("null", &[]),
            (r#"{"perl":"5"}"#, &[]),
        ] {
            let found = required(&Raw(dependencies.to_owned()));
            assert_eq!(found.iter().map(|needed| needed.name.as_str()).collect::<Vec<_>>(), expected, "{dependencies}");
            let rich = found.iter().filter(|needed| needed.name.starts_with('('));
            assert!(rich.map(|needed| super::super::rich::rules(&needed.name)).all(|rules| rules.is_some()));
        }
    }
}
