//! What is known of who needs and who provides what, as far as it was reached: packages, what is wanted of them, and the
//! rules between them, each under its number.

use std::collections::{BTreeSet, HashMap, HashSet};

use pulpcore::error::{Error, Result};
use uuid::Uuid;

use super::needs::{Need, Offer, Wanted};
use super::rich;
use crate::package::Dependency;

/// How much may be reached: beyond it, a copy fails.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Packages that may be copied because something needs them.
    pub(super) packages: usize,
    /// Different things that are needed, alone or together.
    pub(super) needs: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { packages: 250_000, needs: 1_000_000 }
    }
}

/// From where a package is copied: the number of the entry. None if the destination holds it already.
pub(super) type Origin = Option<usize>;

/// A package that may be copied, or that the destination holds and that may do instead.
#[derive(Debug)]
pub(super) struct Package {
    pub(super) origin: Origin,
    pub(super) id: Uuid,
    pub(super) name: String,
    pub(super) evr: String,
    pub(super) arch: usize,
    /// What it requires, once that was read.
    pub(super) rules: Option<Vec<usize>>,
}

/// Something that is wanted of a package, and who provides it.
#[derive(Debug)]
pub(super) struct Wish {
    pub(super) wanted: Wanted,
    /// Whether it is there whatever is chosen: a unit that is copied provides it, or a destination's package that will do.
    pub(super) is_there: bool,
    /// Whether a destination holds it.
    pub(super) is_held: bool,
    /// Whether something has that name, if in another version.
    pub(super) is_known: bool,
    /// The packages that provide it.
    pub(super) providers: Vec<usize>,
}

/// When all wishes of `when` are fulfilled, one of `any` must be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Rule {
    pub(super) when: Vec<usize>,
    pub(super) any: Vec<usize>,
}

/// A rule, and for whom it has to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Ask {
    pub(super) rule: usize,
    /// From where who asks is copied, and its architecture.
    pub(super) origin: usize,
    pub(super) arch: usize,
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Graph {
    pub(super) packages: Vec<Package>,
    pub(super) wishes: Vec<Wish>,
    pub(super) rules: Vec<Rule>,
    pub(super) archs: Vec<String>,
    /// What the units that are copied need.
    pub(super) asks: BTreeSet<Ask>,
    bounds: Bounds,
    package_numbers: HashMap<(Origin, Uuid), usize>,
    wish_numbers: HashMap<Wanted, usize>,
    rule_numbers: HashMap<Rule, usize>,
    /// The wishes for which nobody was asked yet.
    fresh: Vec<usize>,
    /// How many rules were looked at for packages whose own requirements count.
    followed: usize,
}

impl Graph {
    #[cfg(test)]
    pub(super) fn bounded(bounds: Bounds) -> Self {
        Self { bounds, ..Self::default() }
    }

    /// What a unit that is copied requires.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if too much is needed.
    pub(super) fn ask(&mut self, origin: usize, arch: &str, requires: &[Dependency]) -> Result<()> {
        let arch = self.arch(arch);
        let rules = self.rules_of(requires)?;
        self.asks.extend(rules.into_iter().map(|rule| Ask { rule, origin, arch }));
        Ok(())
    }

    /// What a package of the graph requires.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if too much is needed.
    pub(super) fn requires(&mut self, package: usize, requires: &[Dependency]) -> Result<()> {
        let rules = self.rules_of(requires)?;
        self.packages[package].rules = Some(rules);
        Ok(())
    }

    /// The number of an architecture.
    pub(super) fn arch(&mut self, arch: &str) -> usize {
        self.archs.iter().position(|known| known == arch).unwrap_or_else(|| {
            self.archs.push(arch.to_owned());
            self.archs.len() - 1
        })
    }

    /// The rules of a list of requirements. What rpm itself provides is not asked for, nor what cannot be read.
    fn rules_of(&mut self, requires: &[Dependency]) -> Result<Vec<usize>> {
        let mut numbers = BTreeSet::new();
        for dependency in requires.iter().filter(|dependency| !dependency.name.starts_with("rpmlib(")) {
            let rules = if dependency.name.starts_with('(') {
                rich::rules(&dependency.name).unwrap_or_default()
            } else {
                vec![rich::Rule { when: Vec::new(), any: vec![Wanted::Need(Need::from(dependency))] }]
            };
            for rule in rules {
                numbers.insert(self.rule(rule)?);
            }
        }
        Ok(numbers.into_iter().collect())
    }

    fn rule(&mut self, rule: rich::Rule) -> Result<usize> {
        let mut wishes = |all: Vec<Wanted>| all.into_iter().map(|wanted| self.wish(wanted)).collect();
        let rule = Rule { when: wishes(rule.when), any: wishes(rule.any) };
        if let Some(number) = self.rule_numbers.get(&rule) {
            return Ok(*number);
        }
        if self.rules.len() >= self.bounds.needs || self.wishes.len() > self.bounds.needs {
            let most = self.bounds.needs;
            return Err(Error::TooLarge(format!("What is copied needs more than {most} different things: copy less.")));
        }
        self.rules.push(rule.clone());
        self.rule_numbers.insert(rule, self.rules.len() - 1);
        Ok(self.rules.len() - 1)
    }

    fn wish(&mut self, wanted: Wanted) -> usize {
        if let Some(number) = self.wish_numbers.get(&wanted) {
            return *number;
        }
        let number = self.wishes.len();
        self.wish_numbers.insert(wanted.clone(), number);
        self.wishes.push(Wish { wanted, is_there: false, is_held: false, is_known: false, providers: Vec::new() });
        self.fresh.push(number);
        number
    }

    /// The wishes that came up since this was asked.
    pub(super) fn fresh(&mut self) -> Wishes {
        let mut wishes = Wishes::default();
        for number in std::mem::take(&mut self.fresh) {
            let wanted = &self.wishes[number].wanted;
            wishes.paths.extend(wanted.paths().into_iter().map(str::to_owned));
            for name in wanted.names() {
                wishes.by_name.entry(name.to_owned()).or_default().push(number);
            }
        }
        wishes
    }

    /// Which of some wishes a package fulfills that nothing fulfills yet that is there anyway. Remembers whether it has their name.
    pub(super) fn fulfilled(&mut self, wishes: &Wishes, offer: &Offer) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        let names = offer.provides.iter().map(|provided| &provided.name).chain(&offer.paths);
        for number in names.filter_map(|name| wishes.by_name.get(name)).flatten() {
            let wish = &mut self.wishes[*number];
            wish.is_known = true;
            if !wish.is_there && wish.wanted.is_met_by(offer) {
                found.insert(*number);
            }
        }
        found
    }

    /// Something that is there anyway fulfills these wishes.
    pub(super) fn are_there(&mut self, wishes: &BTreeSet<usize>) {
        wishes.iter().for_each(|wish| self.wishes[*wish].is_there = true);
    }

    /// A destination holds something that fulfills these wishes.
    pub(super) fn are_held(&mut self, wishes: &BTreeSet<usize>) {
        wishes.iter().for_each(|wish| self.wishes[*wish].is_held = true);
    }

    /// A package that provides something.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if there are too many.
    pub(super) fn provide(&mut self, package: Package, wishes: &BTreeSet<usize>) -> Result<()> {
        let key = (package.origin, package.id);
        let number = match self.package_numbers.get(&key) {
            Some(number) => *number,
            None => {
                if self.packages.len() >= self.bounds.packages {
                    let most = self.bounds.packages;
                    let text = format!("More than {most} packages provide what is needed: copy less.");
                    return Err(Error::TooLarge(text));
                }
                self.package_numbers.insert(key, self.packages.len());
                self.packages.push(package);
                self.packages.len() - 1
            }
        };
        for wish in wishes {
            self.wishes[*wish].providers.push(number);
        }
        Ok(())
    }

    /// Whether a rule asks for something that has to be chosen: not if something is there that will do, nor if nothing can
    /// make its condition true.
    fn has_to_be_chosen(&self, rule: &Rule) -> bool {
        let there = rule.any.iter().any(|wish| self.wishes[*wish].is_there);
        let possible = |wish: &usize| {
            let wish = &self.wishes[*wish];
            wish.is_there || wish.is_held || !wish.providers.is_empty()
        };
        !there && rule.when.iter().all(possible)
    }

    /// The packages for which the newest rules ask and whose own requirements were not read: from where they are copied, their
    /// keys and their numbers.
    pub(super) fn unread(&mut self) -> BTreeSet<(usize, Uuid, usize)> {
        let from = std::mem::replace(&mut self.followed, self.rules.len());
        let rules = self.rules[from..].iter().filter(|rule| self.has_to_be_chosen(rule));
        let providers: BTreeSet<usize> =
            rules.flat_map(|rule| &rule.any).flat_map(|wish| &self.wishes[*wish].providers).copied().collect();
        let unread = providers.into_iter().filter(|number| self.packages[*number].rules.is_none());
        unread.filter_map(|number| Some((self.packages[number].origin?, self.packages[number].id, number))).collect()
    }

    /// What a package asks for, if it is copied.
    pub(super) fn asks_of(&self, package: usize) -> impl Iterator<Item = Ask> {
        let Package { origin, arch, rules, .. } = &self.packages[package];
        let rules = origin
            .zip(rules.as_ref())
            .into_iter()
            .flat_map(|(origin, rules)| rules.iter().map(move |rule| (origin, rule)));
        rules.map(|(origin, rule)| Ask { rule: *rule, origin, arch: *arch })
    }
}

/// Wishes by the names of which a package must provide one.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    by_name: HashMap<String, Vec<usize>>,
    /// The files for which somebody asks.
    pub(super) paths: HashSet<String>,
}

impl Wishes {
    pub(super) fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }
}
