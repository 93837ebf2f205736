//! What units need: the packages that those which are copied require, and what these require, and so on.
//!
//! The rules, in the manner of `dnf install` into the destination, but without its search for the best of all solutions:
//!
//! - `requires` count, with their versions; weak dependencies, conflicts and obsoletes do not, and neither do conditions in
//!   parentheses (`(a if b)`) nor what rpm itself provides (`rpmlib(…)`).
//! - What a destination has already will do, unless an upgrade is wanted. What is copied anyway will do.
//! - Otherwise the newest package that provides it is taken, rather of the same repository and architecture, and goes where
//!   its repository's packages go.
//! - What nobody provides is left open, as it is where it comes from.
//!
//! Each round walks over the packages page by page and remembers only who provides what is still needed, so that memory
//! does not grow with the repositories; there are as many rounds as the longest chain of needs is long.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use pulpcore::db::rows_per_statement;
use pulpcore::error::Result;
use pulpcore::models::repository_version;
use pulpcore::plugin::TaskCx;
use pulpcore::versions;
use sea_orm::sea_query::SelectStatement;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use crate::json::Raw;
use crate::models::{Package, package};
use crate::tasks::copy::Copied;
use crate::version::compare_all;

/// How many packages are looked at together.
const PAGE: u64 = 500;

/// No chain of needs is longer.
const ROUNDS: usize = 100;

/// `[name, flags, epoch, version, release, pre]`, as packages have it.
type Dependency = (String, Option<String>, Option<String>, Option<String>, Option<String>, bool);

/// Something that is needed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Need {
    name: String,
    /// `EQ`, `LT`, …, and what it is compared with.
    bound: Option<(String, Version)>,
    /// The architecture of whoever needs it.
    arch: String,
}

/// Epoch, version, release; a release that is not said is not compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version {
    epoch: String,
    version: String,
    release: Option<String>,
}

/// Who provides something.
#[derive(Clone, Debug)]
struct Candidate {
    plan: usize,
    id: Uuid,
    evr: String,
    arch: String,
}

/// Adds what the units of a plan need.
///
/// # Errors
/// If the database fails.
pub(crate) async fn complete(cx: &TaskCx, plan: &mut [Copied], upgrade: bool) -> Result<()> {
    let mut destinations = Vec::with_capacity(plan.len());
    for copied in plan.iter() {
        destinations.push(versions::latest(cx.db().read(), copied.destination).await?);
    }
    let mut asked: BTreeSet<Need> = BTreeSet::new();
    let mut fresh: Vec<BTreeSet<Uuid>> = plan.iter().map(|copied| copied.units.clone()).collect();
    for round in 0..ROUNDS {
        let mut needs = BTreeMap::new();
        for (nth, copied) in plan.iter().enumerate() {
            let all = (round == 0 && copied.whole).then(|| copied.source.content_ids());
            for need in required(cx, all, &fresh[nth]).await? {
                if asked.insert(need.clone()) {
                    needs.entry(need).or_insert(nth);
                }
            }
        }
        if needs.is_empty() {
            break;
        }
        if !upgrade {
            for destination in &destinations {
                drop_provided(cx, destination.content_ids(), &mut needs).await?;
            }
        }
        for copied in plan.iter() {
            if copied.whole {
                drop_provided(cx, copied.source.content_ids(), &mut needs).await?;
            } else {
                drop_provided_by(cx, &copied.units, &mut needs).await?;
            }
        }
        fresh = vec![BTreeSet::new(); plan.len()];
        for (nth, id) in chosen(cx, plan, &needs).await? {
            if plan[nth].units.insert(id) {
                fresh[nth].insert(id);
            }
        }
    }
    Ok(())
}

/// What some packages require.
async fn required(cx: &TaskCx, all: Option<SelectStatement>, units: &BTreeSet<Uuid>) -> Result<BTreeSet<Need>> {
    use package::Column as C;
    let mut needs = BTreeSet::new();
    let mut add = |arch: &str, requires: &Raw| -> Result<()> {
        needs.extend(requires.read::<Vec<Dependency>>()?.into_iter().filter_map(|requirement| need(requirement, arch)));
        Ok(())
    };
    let select = || Package::find().select_only().columns([C::Arch, C::Requires]);
    if let Some(all) = all {
        let mut after = Uuid::nil();
        loop {
            let page: Vec<(Uuid, String, Raw)> = Package::find()
                .select_only()
                .columns([C::ContentPtrId, C::Arch, C::Requires])
                .filter(C::ContentPtrId.gt(after))
                .filter(C::ContentPtrId.in_subquery(all.clone()))
                .order_by_asc(C::ContentPtrId)
                .limit(PAGE)
                .into_tuple()
                .all(cx.db().read())
                .await?;
            let Some((last, ..)) = page.last() else { break };
            after = *last;
            for (_, arch, requires) in &page {
                add(arch, requires)?;
            }
        }
    }
    let units: Vec<Uuid> = units.iter().copied().collect();
    for units in units.chunks(rows_per_statement(1).min(500)) {
        let rows: Vec<(String, Raw)> =
            select().filter(C::ContentPtrId.is_in(units.iter().copied())).into_tuple().all(cx.db().read()).await?;
        for (arch, requires) in &rows {
            add(arch, requires)?;
        }
    }
    Ok(needs)
}

fn need((name, flags, epoch, version, release, _): Dependency, arch: &str) -> Option<Need> {
    if name.starts_with('(') || name.starts_with("rpmlib(") {
        return None;
    }
    let bound = flags
        .zip(version)
        .map(|(flags, version)| (flags, Version { epoch: epoch.unwrap_or_else(|| "0".to_owned()), version, release }));
    Some(Need { name, bound, arch: arch.to_owned() })
}

/// A package, as it is searched.
struct Offer {
    id: Uuid,
    evr: String,
    arch: String,
    provides: Vec<Dependency>,
    paths: BTreeSet<String>,
}

impl Offer {
    fn meets(&self, need: &Need) -> bool {
        if need.name.starts_with('/') && self.paths.contains(&need.name) {
            return true;
        }
        self.provides.iter().any(|provided| provided.0 == need.name && meets(need, provided))
    }
}

/// Whether what is provided under the name of a need has a version that will do.
fn meets(need: &Need, (_, flags, epoch, version, release, _): &Dependency) -> bool {
    let Some((wanted, bound)) = &need.bound else { return true };
    // As dnf sees it: something without a version is not enough.
    let (Some(flags), Some(version)) = (flags, version) else { return false };
    let releases = release.as_deref().zip(bound.release.as_deref());
    let own = (epoch.as_deref().unwrap_or("0"), version.as_str(), releases.map_or("", |(own, _)| own));
    let order = compare_all(own, (&bound.epoch, &bound.version, releases.map_or("", |(_, wanted)| wanted)));
    match order {
        // Both reach to this version itself.
        Ordering::Equal => {
            let includes = |flags: &str| matches!(flags, "EQ" | "LE" | "GE");
            let same_side = wanted.chars().next() == flags.chars().next();
            (includes(wanted) && includes(flags)) || (same_side && wanted != "EQ")
        }
        Ordering::Less => wanted.starts_with('L') || flags.starts_with('G'),
        Ordering::Greater => wanted.starts_with('G') || flags.starts_with('L'),
    }
}

/// Walks over packages, as far as they may meet needs.
async fn walk(cx: &TaskCx, units: SelectStatement, paths: bool, mut see: impl FnMut(&Offer)) -> Result<()> {
    use package::Column as C;
    let mut after = Uuid::nil();
    loop {
        let mut select = Package::find().select_only().columns([C::ContentPtrId, C::Evr, C::Arch, C::Provides]);
        // The files of packages are long: they are read only if somebody asks for one.
        select = if paths {
            select.column(C::Files)
        } else {
            select.expr_as(sea_orm::sea_query::Expr::cust("'[]'"), "files")
        };
        let page: Vec<(Uuid, String, String, Raw, Raw)> = select
            .filter(C::ContentPtrId.gt(after))
            .filter(C::ContentPtrId.in_subquery(units.clone()))
            .order_by_asc(C::ContentPtrId)
            .limit(PAGE)
            .into_tuple()
            .all(cx.db().read())
            .await?;
        let Some((last, ..)) = page.last() else { return Ok(()) };
        after = *last;
        for (id, evr, arch, provides, files) in page {
            let path = |(_, folder, name): (Option<String>, String, String)| folder + &name;
            let files: Vec<(Option<String>, String, String)> = files.read()?;
            let paths = files.into_iter().map(path).collect();
            see(&Offer { id, evr, arch, provides: provides.read()?, paths });
        }
    }
}

fn any_path<T>(needs: &BTreeMap<Need, T>) -> bool {
    needs.keys().any(|need| need.name.starts_with('/'))
}

async fn drop_provided(cx: &TaskCx, units: SelectStatement, needs: &mut BTreeMap<Need, usize>) -> Result<()> {
    if needs.is_empty() {
        return Ok(());
    }
    let paths = any_path(needs);
    walk(cx, units, paths, |offer| needs.retain(|need, _| !offer.meets(need))).await
}

async fn drop_provided_by(cx: &TaskCx, units: &BTreeSet<Uuid>, needs: &mut BTreeMap<Need, usize>) -> Result<()> {
    let units: Vec<Uuid> = units.iter().copied().collect();
    for units in units.chunks(rows_per_statement(1).min(500)) {
        let some = package::Column::ContentPtrId.is_in(units.iter().copied());
        let select = sea_orm::sea_query::Query::select()
            .column(package::Column::ContentPtrId)
            .from(package::Entity)
            .and_where(some)
            .take();
        drop_provided(cx, select, needs).await?;
    }
    Ok(())
}

/// The best package for each need, and by which entry of the plan it is copied.
async fn chosen(cx: &TaskCx, plan: &[Copied], needs: &BTreeMap<Need, usize>) -> Result<BTreeSet<(usize, Uuid)>> {
    let mut best: BTreeMap<&Need, Candidate> = BTreeMap::new();
    let paths = any_path(needs);
    for (nth, copied) in plan.iter().enumerate() {
        if needs.is_empty() {
            break;
        }
        let source: &repository_version::Model = &copied.source;
        walk(cx, source.content_ids(), paths, |offer| {
            for (need, origin) in needs.iter().filter(|(need, _)| offer.meets(need)) {
                let candidate = Candidate { plan: nth, id: offer.id, evr: offer.evr.clone(), arch: offer.arch.clone() };
                let rank = |candidate: &Candidate| {
                    let fits = candidate.arch == need.arch || candidate.arch == "noarch" || need.arch == "noarch";
                    (candidate.plan == *origin, fits, candidate.evr.clone(), candidate.arch == need.arch)
                };
                match best.get_mut(need) {
                    Some(known) if rank(known) >= rank(&candidate) => {}
                    Some(known) => *known = candidate,
                    None => drop(best.insert(need, candidate)),
                }
            }
        })
        .await?;
    }
    Ok(best.into_values().map(|candidate| (candidate.plan, candidate.id)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dependency(text: &str) -> Dependency {
        let mut parts = text.split(' ');
        let name = parts.next().unwrap_or_default().to_owned();
        let flags = parts.next().map(str::to_owned);
        let (version, release) = match parts.next().map(|version| version.split_once('-').unwrap_or((version, ""))) {
            Some((version, "")) => (Some(version.to_owned()), None),
            Some((version, release)) => (Some(version.to_owned()), Some(release.to_owned())),
            None => (None, None),
        };
        (name, flags, version.as_ref().map(|_| "0".to_owned()), version, release, false)
    }

    #[test]
    fn versions_decide_whether_something_will_do() {
        for (wanted, provided, will_do) in [
            ("a", "a", true),
            ("a", "a EQ 1", true),
            ("a EQ 1", "a", false),
            ("a EQ 1", "a EQ 1-1", true),
            ("a EQ 1-2", "a EQ 1-1", false),
            ("a GE 1", "a EQ 1-1", true),
            ("a GE 2", "a EQ 1-1", false),
            ("a GT 1-1", "a EQ 1-1", false),
            ("a GT 1", "a EQ 2", true),
            ("a LT 2", "a EQ 1.9", true),
            ("a LT 2", "a EQ 2", false),
            ("a LE 2", "a EQ 2", true),
            ("a EQ 3", "a GE 1", true),
            ("a EQ 1", "a GE 2", false),
            ("a EQ 1", "a LT 2", true),
            ("a LT 1", "a GT 2", false),
            ("a GT 1", "a GT 1", true),
        ] {
            let need = need(dependency(wanted), "x86_64").expect("a need");
            assert_eq!(meets(&need, &dependency(provided)), will_do, "{wanted} by {provided}");
        }
    }

    #[test]
    fn what_rpm_provides_and_conditions_are_no_needs() {
        for text in ["rpmlib(FileDigests) LE 4.6.0-1", "(a if b)"] {
            assert_eq!(need(dependency(text), "noarch"), None);
        }
    }
}
