//! Which packages of `primary` are taken: a first walk over it decides, before anything is saved.
//!
//! What stays of a package between the walks is its name with its version, so that memory grows with the number of packages
//! by some hundred bytes each, and not with what is in them.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use pulpcore::error::{Error, Result};

use super::metadata::{leads_out, not_mirrorable};
use crate::models::package::nevra;
use crate::package::Package;
use crate::version::sort_key;

/// How packages are chosen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    /// Whether source packages are left out.
    pub(crate) skip_sources: bool,
    /// How many versions of a package are taken; all if it is 0.
    pub(crate) keep_versions: usize,
    /// Packages of modules, which are taken however old they are.
    pub(crate) modular: HashSet<String>,
    /// Whether the metadata is mirrored, which not every metadata can be.
    pub(crate) mirrored: bool,
}

/// How a version is sorted, and the package's full name.
type Version = (Vec<u8>, String);

/// What the first walk found.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    /// The time of building of the package that is taken of those with one name: the latest, as dnf does.
    built: HashMap<String, i64>,
    left_out: HashSet<String>,
    /// By architecture and name.
    versions: HashMap<(String, String), Vec<Version>>,
    /// How many packages there are.
    pub(crate) total: i64,
    /// How many of them are left out.
    pub(crate) skipped: i64,
}

impl Selection {
    /// Looks at a package.
    ///
    /// # Errors
    /// [`Error::Upstream`] if the metadata is to be mirrored and cannot be.
    pub(crate) fn see(&mut self, package: &Package, rules: &Rules, url: &str) -> Result<(), Error> {
        self.total += 1;
        if rules.mirrored && (!package.location_base.is_empty() || leads_out(&package.location_href)) {
            return Err(not_mirrorable(url));
        }
        let name = nevra(&package.name, &package.epoch, &package.version, &package.release, &package.arch);
        if rules.skip_sources && package.is_source() {
            self.left_out.insert(name);
            self.skipped += 1;
            return Ok(());
        }
        if rules.keep_versions > 0 && !rules.modular.contains(&name) && !self.built.contains_key(&name) {
            let version = sort_key(&package.epoch, &package.version, &package.release);
            let key = (package.arch.clone(), package.name.clone());
            self.versions.entry(key).or_default().push((version, name.clone()));
        }
        match self.built.get_mut(&name) {
            Some(latest) => {
                self.skipped += 1;
                *latest = package.time_build.max(*latest);
            }
            None => drop(self.built.insert(name, package.time_build)),
        }
        Ok(())
    }

    /// Decides which versions are too old.
    pub(crate) fn close(&mut self, rules: &Rules) {
        for (_, mut versions) in self.versions.drain() {
            versions.sort_unstable_by_key(|(version, _)| Reverse(version.clone()));
            versions.dedup_by(|one, other| one.0 == other.0);
            for (_, name) in versions.into_iter().skip(rules.keep_versions) {
                self.skipped += 1;
                self.left_out.insert(name);
            }
        }
    }

    /// Whether a package is taken, in the second walk; of several that are the same, the first one.
    pub(crate) fn takes(&mut self, package: &Package) -> bool {
        let name = nevra(&package.name, &package.epoch, &package.version, &package.release, &package.arch);
        if self.left_out.contains(&name) || self.built.get(&name) != Some(&package.time_build) {
            return false;
        }
        self.built.remove(&name).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, version: &str, arch: &str, built: i64) -> Package {
        Package {
            name: name.into(),
            epoch: "0".into(),
            version: version.into(),
            release: "1".into(),
            arch: arch.into(),
            time_build: built,
            location_href: "a.rpm".into(),
            ..Package::default()
        }
    }

    fn taken(packages: &[Package], rules: &Rules) -> Vec<usize> {
        let mut selection = Selection::default();
        for package in packages {
            selection.see(package, rules, "url").unwrap();
        }
        selection.close(rules);
        let taken: Vec<usize> = (0..packages.len()).filter(|n| selection.takes(&packages[*n])).collect();
        assert_eq!(usize::try_from(selection.total - selection.skipped), Ok(taken.len()));
        taken
    }

    #[test]
    fn of_packages_with_one_name_the_latest_is_taken_once() {
        let packages = [package("a", "1", "noarch", 1), package("a", "1", "noarch", 3), package("a", "1", "noarch", 3)];
        assert_eq!(taken(&packages, &Rules::default()), [1]);
    }

    #[test]
    fn sources_are_left_out_if_nobody_wants_them() {
        let packages = [package("a", "1", "src", 1), package("a", "1", "noarch", 1)];
        assert_eq!(taken(&packages, &Rules { skip_sources: true, ..Rules::default() }), [1]);
    }

    #[test]
    fn the_newest_versions_are_kept_an_architecture_and_those_of_modules() {
        let packages = [
            package("a", "1", "noarch", 1),
            package("a", "10", "noarch", 1),
            package("a", "9", "noarch", 1),
            package("a", "1", "x86_64", 1),
            package("a", "0", "noarch", 1),
        ];
        let modular = HashSet::from(["a-0:0-1.noarch".to_owned()]);
        assert_eq!(taken(&packages, &Rules { keep_versions: 2, modular, ..Rules::default() }), [1, 2, 3, 4]);
    }

    #[test]
    fn what_leads_out_of_the_repository_cannot_be_mirrored() {
        let rules = Rules { mirrored: true, ..Rules::default() };
        for (base, href) in [("", "../a.rpm"), ("http://b.test", "a.rpm"), ("", "/a.rpm")] {
            let mut package = package("a", "1", "noarch", 1);
            (package.location_base, package.location_href) = (base.into(), href.into());
            assert!(Selection::default().see(&package, &rules, "url").is_err(), "{base} {href}");
        }
    }
}
