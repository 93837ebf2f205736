//! What is needed of one package, and whether a package has it: names with versions, paths, and what has to hold of one
//! package together (`with`, `without`).

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;

use crate::package::Dependency;
use crate::version::compare_all;

/// A name that something must provide, perhaps in some versions only, or a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Need {
    pub(super) name: String,
    /// `EQ`, `LT`, …, and what it is compared with.
    pub(super) bound: Option<(String, Version)>,
}

/// Epoch, version, release; a release that is not said is not compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Version {
    pub(super) epoch: String,
    pub(super) version: String,
    pub(super) release: Option<String>,
}

/// What has to be true of one package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Wanted {
    /// It provides this.
    Need(Need),
    /// It is both.
    With(Box<Wanted>, Box<Wanted>),
    /// It is the first and not the second.
    Without(Box<Wanted>, Box<Wanted>),
    /// It is one of them.
    Or(Box<Wanted>, Box<Wanted>),
}

/// A package, as it is searched.
#[derive(Debug, Default)]
pub(super) struct Offer {
    pub(super) provides: Vec<Dependency>,
    /// Those of its files for which somebody asks.
    pub(super) paths: BTreeSet<String>,
}

impl From<&Dependency> for Need {
    fn from(dependency: &Dependency) -> Self {
        let Dependency { name, flags, epoch, version, release, .. } = dependency;
        let bound = flags.clone().zip(version.clone()).map(|(flags, version)| {
            let epoch = epoch.clone().unwrap_or_else(|| "0".to_owned());
            (flags, Version { epoch, version, release: release.clone() })
        });
        Self { name: name.clone(), bound }
    }
}

impl Need {
    /// Whether a package provides it.
    fn is_met_by(&self, offer: &Offer) -> bool {
        let is_file = self.name.starts_with('/') && offer.paths.contains(&self.name);
        is_file || offer.provides.iter().any(|provided| provided.name == self.name && self.takes(provided))
    }

    /// Whether what is provided under its name has a version that will do.
    fn takes(&self, provided: &Dependency) -> bool {
        let Some((wanted, bound)) = &self.bound else { return true };
        // As dnf sees it: something without a version is not enough.
        let (Some(flags), Some(version)) = (&provided.flags, &provided.version) else { return false };
        let releases = provided.release.as_deref().zip(bound.release.as_deref());
        let epoch = provided.epoch.as_deref().unwrap_or("0");
        let own = (epoch, version.as_str(), releases.map_or("", |(own, _)| own));
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
}

impl Wanted {
    /// Whether a package will do.
    pub(super) fn is_met_by(&self, offer: &Offer) -> bool {
        match self {
            Self::Need(need) => need.is_met_by(offer),
            Self::With(one, other) => one.is_met_by(offer) && other.is_met_by(offer),
            Self::Without(one, other) => one.is_met_by(offer) && !other.is_met_by(offer),
            Self::Or(one, other) => one.is_met_by(offer) || other.is_met_by(offer),
        }
    }

    /// The names of which a package must provide one to be looked at, the foremost first.
    pub(super) fn names(&self) -> Vec<&str> {
        match self {
            Self::Need(need) => vec![&need.name],
            Self::With(one, _) | Self::Without(one, _) => one.names(),
            Self::Or(one, other) => one.names().into_iter().chain(other.names()).collect(),
        }
    }

    /// The paths of which it has to be known whether a package has them.
    pub(super) fn paths(&self) -> Vec<&str> {
        match self {
            Self::Need(need) if need.name.starts_with('/') => vec![&need.name],
            Self::Need(_) => Vec::new(),
            Self::With(one, other) | Self::Without(one, other) | Self::Or(one, other) => {
                one.paths().into_iter().chain(other.paths()).collect()
            }
        }
    }
}

/// As rpm writes it: `bees >= 2-1`.
impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)?;
        let Some((flags, Version { epoch, version, release })) = &self.bound else { return Ok(()) };
        let sign = match flags.as_str() {
            "LT" => "<",
            "LE" => "<=",
            "GE" => ">=",
            "GT" => ">",
            _ => "=",
        };
        write!(f, " {sign} ")?;
        if epoch != "0" {
            write!(f, "{epoch}:")?;
        }
        write!(f, "{version}")?;
        release.as_ref().map_or(Ok(()), |release| write!(f, "-{release}"))
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Need(need) => write!(f, "{need}"),
            Self::With(one, other) => write!(f, "({one} with {other})"),
            Self::Without(one, other) => write!(f, "({one} without {other})"),
            Self::Or(one, other) => write!(f, "({one} or {other})"),
        }
    }
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
        let epoch = version.as_ref().map(|_| "0".to_owned());
        Dependency { name, flags, epoch, version, release, pre: false }
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
            let need = Need::from(&dependency(wanted));
            assert_eq!(need.takes(&dependency(provided)), will_do, "{wanted} by {provided}");
        }
    }

    #[test]
    fn what_goes_together_is_asked_of_one_package() {
        let need = |text| Box::new(Wanted::Need(Need::from(&dependency(text))));
        let offer = Offer {
            provides: vec![dependency("a EQ 3"), dependency("b")],
            paths: BTreeSet::from(["/bin/a".to_owned()]),
        };
        for (wanted, will_do) in [
            (Wanted::With(need("a GE 2"), need("a LT 4")), true),
            (Wanted::With(need("a GE 2"), need("a LT 3")), false),
            (Wanted::Without(need("a"), need("b")), false),
            (Wanted::Without(need("b"), need("a LT 3")), true),
            (Wanted::Or(need("c"), need("/bin/a")), true),
        ] {
            assert_eq!(wanted.is_met_by(&offer), will_do, "{wanted}");
        }
    }

    #[test]
    fn needs_are_written_as_rpm_writes_them() {
        for (need, text) in [("a", "a"), ("a GE 2-1", "a >= 2-1"), ("/bin/sh", "/bin/sh"), ("a EQ 1", "a = 1")] {
            assert_eq!(Need::from(&dependency(need)).to_string(), text);
        }
    }
}
