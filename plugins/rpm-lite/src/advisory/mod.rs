//! Two advisories with one name: which of them stays, or what becomes of both. The rules are Pulp's
//! (`resolve_advisory_conflict`): packages tell whether they speak of the same thing, dates and versions which is newer.

pub mod json;

use std::collections::BTreeSet;

use pulpcore::error::{Error, Result};
use time::format_description::well_known::Rfc3339;
use time::{Date, OffsetDateTime, PrimitiveDateTime, Time};

use crate::metadata::updateinfo::{Advisory, Collection, CollectionPackage};
use crate::nevra::Nevra;
use crate::version;

/// What becomes of two advisories with one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The one that is there stays.
    Keep,
    /// The newcomer takes its place.
    Replace,
    /// A third one holds the packages of both.
    Merge(Box<Advisory>),
}

/// Decides between an advisory that is there and a newcomer with the same name.
///
/// # Errors
/// [`Error::Conflict`] if neither can be right: they were made for different repositories.
pub fn resolve(there: &Advisory, newcomer: &Advisory) -> Result<Outcome> {
    let (old, new) = (packages(there), packages(newcomer));
    let shared = old.intersection(&new).next().is_some();
    let dates = date(there).cmp(&date(newcomer));
    let versions = version::compare(&there.version, &newcomer.version);
    // The date decides, and the version where it does not.
    let newer = if dates.is_lt() || (dates.is_eq() && versions.is_lt()) { Outcome::Replace } else { Outcome::Keep };
    let same_moment = dates.is_eq() && there.version == newcomer.version;
    match (same_moment, shared) {
        // Some of its words changed; nobody can tell which are newer, so the newcomer's are.
        (true, true) if old.is_subset(&new) => Ok(Outcome::Replace),
        (true, true) if new.is_subset(&old) => Ok(Outcome::Keep),
        (true, true) => Err(Error::Conflict(format!(
            "Incoming and existing advisories have the same id and timestamp but different and intersecting package \
             lists, and neither package list is a proper subset of the other. At least one of the advisories is wrong. \
             Advisory id: {}",
            there.id
        ))),
        (true, false) => Ok(Outcome::Merge(Box::new(merge(there, newcomer)))),
        (false, true) => Ok(newer),
        (false, false) => {
            let names: BTreeSet<&str> = old.iter().map(|package| package.name).collect();
            if new.iter().any(|package| names.contains(package.name)) {
                return Ok(newer);
            }
            Err(Error::Conflict(format!(
                "Incoming and existing advisories have the same id but different timestamps and non-intersecting package \
                 lists. It is likely that they are from two different incompatible remote repositories. E.g. RHELX-repo \
                 and RHELY-debuginfo repo. Ensure that you are adding content for the compatible repositories. Advisory \
                 id: {}",
                there.id
            )))
        }
    }
}

fn packages(advisory: &Advisory) -> BTreeSet<Nevra<'_>> {
    advisory.collections.iter().flat_map(|collection| &collection.packages).map(nevra).collect()
}

fn nevra(package: &CollectionPackage) -> Nevra<'_> {
    let CollectionPackage { name, epoch, version, release, arch, .. } = package;
    Nevra { name, epoch, version, release, arch }
}

/// When it was last changed, or issued. Publishers write dates, dates with times, and seconds.
fn date(row: &Advisory) -> Option<OffsetDateTime> {
    let text = row.updated_date.as_deref().filter(|text| !text.is_empty()).unwrap_or(&row.issued_date);
    moment(text.trim())
}

fn moment(text: &str) -> Option<OffsetDateTime> {
    if let Ok(moment) = OffsetDateTime::parse(text, &Rfc3339) {
        return Some(moment);
    }
    if let Ok(seconds) = text.parse() {
        return OffsetDateTime::from_unix_timestamp(seconds).ok();
    }
    let mut parts = text.splitn(2, [' ', 'T']);
    let mut day = parts.next()?.split('-');
    let (year, month, number) = (day.next()?.parse().ok()?, day.next()?.parse::<u8>().ok()?, day.next()?.parse().ok()?);
    let date = Date::from_calendar_date(year, time::Month::try_from(month).ok()?, number).ok()?;
    let mut clock = parts.next().unwrap_or_default().split([':', '.', '+', ' ', 'Z']);
    let mut part = || clock.next().and_then(|part| part.parse().ok()).unwrap_or_default();
    let time = Time::from_hms(part(), part(), part()).unwrap_or(Time::MIDNIGHT);
    Some(PrimitiveDateTime::new(date, time).assume_utc())
}

/// One with the collections of both; those without packages are left out, and no two have one name.
fn merge(there: &Advisory, newcomer: &Advisory) -> Advisory {
    let both = there.collections.iter().chain(&newcomer.collections);
    let mut collections: Vec<Collection> = both.filter(|collection| !collection.packages.is_empty()).cloned().collect();
    let mut seen = BTreeSet::new();
    for collection in &mut collections {
        let name = collection.name.clone().filter(|name| !name.is_empty()).unwrap_or_else(|| "collection".to_owned());
        let own = base(&name);
        let mut unique = [name.clone()].into_iter().chain((0..).map(|n| format!("{own}_{n}")));
        // There are fewer collections than numbers.
        collection.name = unique.find(|name| seen.insert(name.clone()));
    }
    Advisory { collections, ..there.clone() }
}

/// A name without the number that a merge before this one gave it.
fn base(name: &str) -> &str {
    match name.rsplit_once('_') {
        Some((base, number)) if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) => base,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advisory(date: &str, version: &str, packages: &[&str]) -> Advisory {
        let package = |text: &&str| {
            let (name, version) = text.split_once('=').unwrap();
            CollectionPackage { name: name.to_owned(), version: version.to_owned(), ..CollectionPackage::default() }
        };
        let collection = Collection {
            name: Some("main".to_owned()),
            packages: packages.iter().map(package).collect(),
            ..Collection::default()
        };
        Advisory {
            id: "A".to_owned(),
            updated_date: Some(date.to_owned()),
            version: version.to_owned(),
            collections: vec![collection],
            ..Advisory::default()
        }
    }

    #[test]
    fn the_newer_one_stays_if_they_speak_of_the_same() {
        let old = advisory("2026-01-01 00:00:00", "1", &["a=1", "b=1"]);
        for (newcomer, outcome) in [
            (advisory("2026-01-02", "1", &["a=1"]), Outcome::Replace),
            (advisory("2025-12-31 23:59:59", "9", &["a=1"]), Outcome::Keep),
            (advisory("2026-01-01 00:00:00", "2", &["a=1"]), Outcome::Replace),
            (advisory("2026-01-01 00:00:00", "0", &["a=1"]), Outcome::Keep),
            // Only the versions of their packages differ.
            (advisory("1767312000", "1", &["a=2"]), Outcome::Replace),
            (advisory("2026-01-01", "1", &["a=1", "b=1", "c=1"]), Outcome::Replace),
            (advisory("2026-01-01", "1", &["a=1"]), Outcome::Keep),
            (advisory("2026-01-01", "1", &["a=1", "b=1"]), Outcome::Replace),
        ] {
            assert_eq!(resolve(&old, &newcomer).unwrap(), outcome, "{newcomer:?}");
        }
    }

    #[test]
    fn what_cannot_both_be_right_is_refused() {
        let old = advisory("2026-01-01", "1", &["a=1", "b=1"]);
        for newcomer in [advisory("2026-01-01", "1", &["a=1", "c=1"]), advisory("2026-01-02", "1", &["x=1"])] {
            assert!(matches!(resolve(&old, &newcomer), Err(Error::Conflict(_))), "{newcomer:?}");
        }
    }

    #[test]
    fn the_same_advisory_for_other_packages_is_merged() {
        let base = advisory("2026-01-01", "1", &["a=1"]);
        let debug = advisory("2026-01-01", "1", &["a-debuginfo=1"]);
        let Outcome::Merge(merged) = resolve(&base, &debug).unwrap() else { panic!("not merged") };
        let third = advisory("2026-01-01", "1", &["a-source=1"]);
        let Outcome::Merge(merged) = resolve(&merged, &third).unwrap() else { panic!("not merged") };
        let names: Vec<_> = merged.collections.iter().map(|collection| collection.name.clone().unwrap()).collect();
        assert_eq!(names, ["main", "main_0", "main_1"]);
        assert_ne!(merged.digest(), base.digest());
    }

    #[test]
    fn dates_are_read_in_the_ways_in_which_they_are_written() {
        let same =
            ["2013-12-02 00:00:00", "2013-12-02", "1385942400", "2013-12-02T00:00:00Z", "2013-12-02 00:00:00 UTC"];
        for text in same {
            assert_eq!(moment(text).map(OffsetDateTime::unix_timestamp), Some(1_385_942_400), "{text}");
        }
        assert_eq!(moment("yesterday"), None);
    }
}
