//! What a package needs, offers and contradicts, as createrepo_c reads it: without what rpm itself must be able to do, without
//! files of its own, each once, and of the many versions of libc's symbols the newest.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use super::index::Header;
use super::{BadPackage, tags};
use crate::package::{Dependency, Package};
use crate::version;

/// Bits of a dependency's flags: which comparison.
const LESS: u64 = 1 << 1;
const GREATER: u64 = 1 << 2;
const EQUAL: u64 = 1 << 3;
/// Bits of a dependency's flags: when it is needed (`rpmsenseFlags`: posttrans, prereq, pretrans, pre, post).
const PRE: u64 = 1 << 5 | 1 << 6 | 1 << 7 | 1 << 9 | 1 << 10;
/// It is only recommended.
const MISSING_OK: u64 = 1 << 19;
/// Of old weak dependencies, the stronger.
const STRONG: u64 = 1 << 27;

/// The three entries of one kind of dependencies.
struct Tags {
    names: u32,
    flags: u32,
    versions: u32,
}

const PROVIDES: Tags = Tags { names: tags::PROVIDE_NAME, flags: tags::PROVIDE_FLAGS, versions: tags::PROVIDE_VERSION };
const CONFLICTS: Tags =
    Tags { names: tags::CONFLICT_NAME, flags: tags::CONFLICT_FLAGS, versions: tags::CONFLICT_VERSION };
const OBSOLETES: Tags =
    Tags { names: tags::OBSOLETE_NAME, flags: tags::OBSOLETE_FLAGS, versions: tags::OBSOLETE_VERSION };
const REQUIRES: Tags = Tags { names: tags::REQUIRE_NAME, flags: tags::REQUIRE_FLAGS, versions: tags::REQUIRE_VERSION };
const SUGGESTS: Tags = Tags { names: tags::SUGGEST_NAME, flags: tags::SUGGEST_FLAGS, versions: tags::SUGGEST_VERSION };
const ENHANCES: Tags = Tags { names: tags::ENHANCE_NAME, flags: tags::ENHANCE_FLAGS, versions: tags::ENHANCE_VERSION };
const RECOMMENDS: Tags =
    Tags { names: tags::RECOMMEND_NAME, flags: tags::RECOMMEND_FLAGS, versions: tags::RECOMMEND_VERSION };
const SUPPLEMENTS: Tags =
    Tags { names: tags::SUPPLEMENT_NAME, flags: tags::SUPPLEMENT_FLAGS, versions: tags::SUPPLEMENT_VERSION };
const OLD_SUGGESTS: Tags =
    Tags { names: tags::OLD_SUGGESTS_NAME, flags: tags::OLD_SUGGESTS_FLAGS, versions: tags::OLD_SUGGESTS_VERSION };
const OLD_ENHANCES: Tags =
    Tags { names: tags::OLD_ENHANCES_NAME, flags: tags::OLD_ENHANCES_FLAGS, versions: tags::OLD_ENHANCES_VERSION };

/// One, as it is in the header.
struct Raw {
    name: String,
    flags: u64,
    version: String,
}

/// Fills all lists of a package, whose files are known already.
pub(super) fn read(header: &Header, package: &mut Package) -> Result<(), BadPackage> {
    let provides = known(header, &PROVIDES)?;
    let provided = provides.iter().map(|(raw, _)| whole(raw)).collect();
    package.provides = plain(provides);
    package.conflicts = plain(known(header, &CONFLICTS)?);
    package.obsoletes = plain(known(header, &OBSOLETES)?);
    package.suggests = plain(known(header, &SUGGESTS)?);
    package.enhances = plain(known(header, &ENHANCES)?);
    package.supplements = plain(known(header, &SUPPLEMENTS)?);
    requires(known(header, &REQUIRES)?, &provided, package);
    package.recommends.extend(plain(known(header, &RECOMMENDS)?));
    for (raw, dependency) in known(header, &OLD_SUGGESTS)? {
        let list = if raw.flags & STRONG == 0 { &mut package.suggests } else { &mut package.recommends };
        list.push(dependency);
    }
    for (raw, dependency) in known(header, &OLD_ENHANCES)? {
        let list = if raw.flags & STRONG == 0 { &mut package.enhances } else { &mut package.supplements };
        list.push(dependency);
    }
    Ok(())
}

/// The dependencies of one kind; without those of a version whose epoch is no number, which nobody could compare.
fn known(header: &Header, tags: &Tags) -> Result<Vec<(Raw, Dependency)>, BadPackage> {
    let names = header.strings(tags.names)?;
    let flags = header.numbers(tags.flags)?;
    let versions = header.strings(tags.versions)?;
    let all = names.into_iter().zip(flags).zip(versions);
    let all = all.map(|((name, flags), version)| Raw { name, flags, version });
    Ok(all.filter_map(|raw| parse(&raw).map(|dependency| (raw, dependency))).collect())
}

fn plain(known: Vec<(Raw, Dependency)>) -> Vec<Dependency> {
    known.into_iter().map(|(_, dependency)| dependency).collect()
}

fn comparison(flags: u64) -> Option<&'static str> {
    match flags & 0xf {
        LESS => Some("LT"),
        GREATER => Some("GT"),
        EQUAL => Some("EQ"),
        both if both == LESS | EQUAL => Some("LE"),
        both if both == GREATER | EQUAL => Some("GE"),
        _ => None,
    }
}

/// What tells two dependencies apart.
fn whole(raw: &Raw) -> String {
    format!("{}{}{}", raw.name, comparison(raw.flags).unwrap_or_default(), raw.version)
}

/// `None` for a version whose epoch is no number.
fn parse(raw: &Raw) -> Option<Dependency> {
    let mut dependency =
        Dependency { name: raw.name.clone(), flags: comparison(raw.flags).map(str::to_owned), ..Dependency::default() };
    if raw.version.is_empty() {
        return Some(dependency);
    }
    let (epoch, rest) = raw.version.split_once(':').unwrap_or(("0", &raw.version));
    if !epoch.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (version, release) = rest.split_once('-').map_or((rest, None), |(version, release)| (version, Some(release)));
    dependency.epoch = Some(if epoch.is_empty() { "0" } else { epoch }.to_owned());
    dependency.version = Some(version.to_owned());
    dependency.release = release.filter(|release| !release.is_empty()).map(str::to_owned);
    Some(dependency)
}

fn requires(all: Vec<(Raw, Dependency)>, provided: &HashSet<String>, package: &mut Package) {
    let own: HashSet<String> = package
        .files
        .iter()
        .filter(|file| file.is_primary())
        .map(|file| format!("{}{}", file.folder, file.name))
        .collect();
    let mut seen: HashMap<String, (Option<&'static str>, String, bool)> = HashMap::new();
    let mut libc: Option<Dependency> = None;
    for (raw, dependency) in all {
        if raw.name.starts_with("rpmlib(") || own.contains(&raw.name) || provided.contains(&whole(&raw)) {
            continue;
        }
        let pre = raw.flags & PRE != 0;
        let said = (comparison(raw.flags), raw.version.clone(), pre);
        if seen.get(&raw.name) == Some(&said) {
            continue;
        }
        if raw.flags & MISSING_OK != 0 {
            package.recommends.push(dependency);
            continue;
        }
        let dependency = Dependency { pre, ..dependency };
        if dependency.name.starts_with("libc.so.6") {
            let newer = libc.as_ref().is_none_or(|libc| is_newer(&dependency.name, &libc.name));
            if newer {
                libc = Some(dependency);
            }
            continue;
        }
        seen.insert(raw.name, said);
        package.requires.push(dependency);
    }
    package.requires.extend(libc);
}

/// Whether the first names a newer version of libc's symbols: `libc.so.6()`, then `libc.so.6(GLIBC_2.3)`, then
/// `libc.so.6(GLIBC_2.4)(64bit)`.
fn is_newer(name: &str, than: &str) -> bool {
    let symbol = |name: &str| -> Option<(bool, String)> {
        let (_, rest) = name.split_once('(')?;
        let Some((symbol, _)) = rest.split_once(')') else { return Some((false, String::new())) };
        let digits = symbol.find(|character: char| character.is_ascii_digit());
        Some((!symbol.is_empty(), digits.map(|at| symbol[at..].to_owned()).unwrap_or_default()))
    };
    match (symbol(name), symbol(than)) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some((named, version)), Some((other_named, other))) => match named.cmp(&other_named) {
            Ordering::Equal => version::compare(&version, &other) == Ordering::Greater,
            order => order == Ordering::Greater,
        },
    }
}

/// Adds that the package provides itself, unless that is said.
pub(super) fn provide_itself(package: &mut Package) {
    let Package { name, epoch, version, release, .. } = &*package;
    let itself = Dependency {
        name: name.clone(),
        flags: Some("EQ".to_owned()),
        epoch: Some(epoch.clone()),
        version: Some(version.clone()),
        release: Some(release.clone()),
        pre: false,
    };
    if !package.provides.contains(&itself) {
        package.provides.push(itself);
    }
}
