//! Everything that the linked plugins registered, in one place and in a fixed order.
//!
//! Registration happens at link time and promises no order, so everything is sorted by name before any use. What two
//! plugins could collide on is refused here, in `crate::claims` (URL space) or in [`crate::api::catalog`] (routes,
//! operations, schemas), by name.

use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;

use crate::api::collection::Collection;
use crate::claims;
use crate::error::{Error, Result};
use crate::plugin::{ContentReads, Hooks, LiveApi, Noun, Plugin, Schedule, TaskKind, WellKnown};

pub use crate::plugin::Family;

/// The registered plugins, nouns, tasks, schedules and live APIs.
#[derive(Debug)]
pub struct Registry {
    plugins: Vec<&'static Plugin>,
    nouns: Vec<&'static Noun>,
    by_model: HashMap<&'static str, &'static Noun>,
    models: HashMap<(Family, &'static str), &'static str>,
    collections: BTreeMap<&'static str, (&'static str, &'static Collection)>,
    tasks: BTreeMap<&'static str, &'static TaskKind>,
    live: Vec<&'static LiveApi>,
    schedules: BTreeMap<&'static str, &'static Schedule>,
}

/// The registry of this process.
pub fn get() -> &'static Registry {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    REGISTRY.get_or_init(Registry::collect)
}

/// The error for a row whose plugin is not part of this build.
pub(crate) fn missing(type_name: &str) -> Error {
    Error::Unavailable(format!("this build has no plugin for '{type_name}'"))
}

impl Registry {
    fn collect() -> Self {
        let mut plugins: Vec<_> = inventory::iter::<Plugin>().collect();
        plugins.sort_by_key(|plugin| plugin.label);
        let mut nouns: Vec<_> = inventory::iter::<Noun>().collect();
        nouns.sort_by_key(|noun| (noun.family, noun.type_name));
        let mut live: Vec<_> = inventory::iter::<LiveApi>().collect();
        live.sort_by_key(|api| (api.label, api.name));
        let (mut by_model, mut models) = (HashMap::new(), HashMap::new());
        for noun in &nouns {
            // Leaked once a noun, for the life of the process: names travel in references as plain `&'static str`.
            let name: &'static str = format!("{}.{}", noun.label(), noun.model.to_lowercase()).leak();
            by_model.insert(name, *noun);
            models.insert((noun.family, noun.type_name), name);
        }
        let named = |collection: &'static Collection| {
            let name: &'static str = format!("{}.{}", collection.label, collection.model.to_lowercase()).leak();
            (collection.path, (name, collection))
        };
        let collections = inventory::iter::<Collection>().map(named).collect();
        let tasks = inventory::iter::<TaskKind>().map(|kind| (kind.type_name, kind)).collect();
        let schedules = inventory::iter::<Schedule>().map(|schedule| (schedule.name, schedule)).collect();
        Self { plugins, nouns, by_model, models, collections, tasks, live, schedules }
    }

    /// The plugins, by label.
    pub fn plugins(&self) -> &[&'static Plugin] {
        &self.plugins
    }

    /// The live APIs.
    pub fn live(&self) -> &[&'static LiveApi] {
        &self.live
    }

    /// What clients may look for and this build lacks, by label.
    pub(crate) fn missing_plugins(&self) -> Vec<&'static WellKnown> {
        let linked = |label| self.plugins.iter().any(|plugin| plugin.label == label);
        let mut missing: Vec<_> = inventory::iter::<WellKnown>().filter(|known| !linked(known.label)).collect();
        missing.sort_by_key(|known| (known.label, known.name));
        missing
    }

    /// All nouns, by family and type.
    pub(crate) fn nouns(&self) -> &[&'static Noun] {
        &self.nouns
    }

    /// The nouns of one family.
    pub(crate) fn family(&self, family: Family) -> impl Iterator<Item = &'static Noun> + '_ {
        self.nouns.iter().copied().filter(move |noun| noun.family == family)
    }

    /// The noun of a `pulp_type`.
    pub(crate) fn noun(&self, family: Family, type_name: &str) -> Option<&'static Noun> {
        self.family(family).find(|noun| noun.type_name == type_name)
    }

    /// The types of distributions that serve no publications, and of those that serve nothing else. A type that this build
    /// does not know is in neither and served like any other: content outlives its plugin.
    pub(crate) fn distribution_types(&self) -> (Vec<&'static str>, Vec<&'static str>) {
        let (mut unpublished, mut version_less) = (Vec::new(), Vec::new());
        for noun in self.family(Family::Distribution) {
            if let Hooks::Distribution(hooks) = &noun.hooks {
                if hooks.publications.is_empty() {
                    unpublished.push(noun.type_name);
                }
                if !hooks.serves_versions {
                    version_less.push(noun.type_name);
                }
            }
        }
        (unpublished, version_less)
    }

    /// A noun's model name in PRNs.
    pub(crate) fn prn_model(&self, noun: &Noun) -> &'static str {
        self.models.get(&(noun.family, noun.type_name)).copied().unwrap_or_default()
    }

    /// The noun of a PRN's model name.
    pub(crate) fn noun_of_model(&self, model: &str) -> Option<&'static Noun> {
        self.by_model.get(model).copied()
    }

    /// The noun that answers below `<collection>/<label>/<endpoint>/`.
    pub(crate) fn noun_at(&self, collection: &str, label: &str, endpoint: &str) -> Option<&'static Noun> {
        self.nouns
            .iter()
            .copied()
            .find(|noun| noun.endpoint == endpoint && noun.label() == label && noun.family.collection() == collection)
    }

    /// The collections of plugins' own, by path.
    pub(crate) fn collections(&self) -> impl Iterator<Item = &'static Collection> + '_ {
        self.collections.values().map(|(_, collection)| *collection)
    }

    /// The collection at a path below the API root, with its model's name in PRNs.
    pub(crate) fn collection_at(&self, path: &str) -> Option<(&'static str, &'static Collection)> {
        self.collections.get(path).copied()
    }

    /// The collection of a PRN's model name, with that name.
    pub(crate) fn collection_of_model(&self, model: &str) -> Option<(&'static str, &'static Collection)> {
        self.collections.values().find(|(name, _)| *name == model).copied()
    }

    /// The task kinds, by type.
    pub(crate) fn tasks(&self) -> impl Iterator<Item = &'static TaskKind> + '_ {
        self.tasks.values().copied()
    }

    /// The task kind of a type.
    pub(crate) fn task(&self, type_name: &str) -> Option<&'static TaskKind> {
        self.tasks.get(type_name).copied()
    }

    /// The schedules, by name.
    pub(crate) fn schedules(&self) -> impl Iterator<Item = &'static Schedule> + '_ {
        self.schedules.values().copied()
    }

    /// Refuses a build whose plugins collide, and one in which a chosen plugin is missing.
    ///
    /// `chosen` are the labels of the features that this binary was built with.
    ///
    /// # Errors
    /// [`Error::Config`] with every collision, by name.
    pub fn check(&self, chosen: &[&str]) -> Result<()> {
        let mut problems = Vec::new();
        duplicates("plugin label", inventory::iter::<Plugin>().map(|plugin| plugin.label.to_owned()), &mut problems);
        duplicates(
            "type",
            self.nouns.iter().map(|noun| format!("{} {}", noun.family.collection(), noun.type_name)),
            &mut problems,
        );
        duplicates("model", self.nouns.iter().map(|noun| self.prn_model(noun).to_owned()), &mut problems);
        duplicates("route", self.nouns.iter().map(|noun| noun.path()), &mut problems);
        duplicates("task type", inventory::iter::<TaskKind>().map(|kind| kind.type_name.to_owned()), &mut problems);
        duplicates(
            "task name",
            inventory::iter::<TaskKind>().filter(|kind| kind.endpoint).map(|kind| kind.name.to_owned()),
            &mut problems,
        );
        duplicates("schedule", inventory::iter::<Schedule>().map(|schedule| schedule.name.to_owned()), &mut problems);
        for schedule in self.schedules.values().filter(|schedule| !self.tasks.contains_key(schedule.kind.type_name)) {
            let (name, task) = (schedule.name, schedule.kind.type_name);
            problems.push(format!("the schedule '{name}' is of the task type '{task}', which did not register"));
        }
        for label in chosen {
            if !self.plugins.iter().any(|plugin| plugin.label == *label) {
                problems.push(format!("the feature '{label}' was chosen, but its plugin did not register"));
            }
        }
        let known = |label: &str| label == "core" || self.plugins.iter().any(|plugin| plugin.label == label);
        for noun in &self.nouns {
            if !known(noun.label()) {
                problems.push(format!("the type '{}' belongs to no registered plugin", noun.type_name));
            }
        }
        for collection in inventory::iter::<Collection>().filter(|collection| !known(collection.label)) {
            problems.push(format!("the collection '{}' belongs to no registered plugin", collection.path));
        }
        duplicates(
            "collection",
            inventory::iter::<Collection>().map(|collection| collection.path.to_owned()),
            &mut problems,
        );
        for kind in self.tasks.values() {
            let label = kind.type_name.split('/').next().unwrap_or_default();
            if !known(label) {
                problems.push(format!("the task type '{}' belongs to no registered plugin", kind.type_name));
            }
        }
        for api in &self.live {
            if !known(api.label) {
                problems.push(format!("the live API '{}' belongs to no registered plugin", api.name));
            }
        }
        for reads in inventory::iter::<ContentReads>() {
            for table in reads.tables.iter().filter(|table| !table.starts_with(&format!("{}_", reads.label))) {
                problems.push(format!("the table '{table}' that '{}' reads is not its own", reads.label));
            }
        }
        claims::check(self, &mut problems);
        if problems.is_empty() {
            return Ok(());
        }
        problems.sort();
        Err(Error::Config(format!("the plugins of this build collide: {}", problems.join("; "))))
    }
}

/// Names every value that occurs twice.
pub(crate) fn duplicates(what: &str, values: impl Iterator<Item = String>, problems: &mut Vec<String>) {
    let mut seen = BTreeMap::<String, usize>::new();
    for value in values {
        *seen.entry(value).or_default() += 1;
    }
    problems.extend(
        seen.into_iter().filter(|(_, n)| *n > 1).map(|(value, n)| format!("{what} '{value}' is taken {n} times")),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicates_are_named() {
        let mut problems = Vec::new();
        duplicates("route", ["a/", "b/", "a/"].map(str::to_owned).into_iter(), &mut problems);
        assert_eq!(problems, ["route 'a/' is taken 2 times"]);
    }

    #[test]
    fn a_chosen_plugin_that_did_not_register_is_named() {
        let error = get().check(&["ghost"]).unwrap_err();
        assert!(error.to_string().contains("the feature 'ghost' was chosen"), "{error}");
    }
}
