//! The search on small worlds that stand in a line of text each, without a database.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;

use pulpcore::error::{Error, Result};
use uuid::Uuid;

use super::graph::{Bounds, Graph, Package};
use super::needs::Offer;
use super::state::{Solution, solve};
use crate::noise::{Noise, rounds};
use crate::package::Dependency;
use crate::version::sort_key;

/// `name-version.arch`, what it requires, and what it provides besides itself.
#[derive(Debug)]
struct Unit {
    title: String,
    name: String,
    version: String,
    arch: String,
    requires: Vec<Dependency>,
    offer: Offer,
}

/// `bees`, `bees >= 2`, `(a or b)`.
fn dependency(text: &str) -> Dependency {
    let parts: Vec<&str> = text.split(' ').collect();
    let name = || parts[0].to_owned();
    match (text.starts_with('('), &parts[..]) {
        (false, [_, sign, version]) => {
            let signs = [("=", "EQ"), ("<", "LT"), ("<=", "LE"), (">", "GT"), (">=", "GE")];
            let flags = signs.iter().find(|(written, _)| written == sign).map(|(_, flags)| (*flags).to_owned());
            let version = Some((*version).to_owned());
            Dependency { name: name(), flags, epoch: Some("0".into()), version, ..Dependency::default() }
        }
        _ => Dependency { name: text.to_owned(), ..Dependency::default() },
    }
}

/// `honey-1: bees = 2, (a or b)`; what follows `+` is provided. The architecture is `noarch`, unless the name says another.
fn unit(text: &str) -> Unit {
    let (text, provides) = text.split_once(" + ").unwrap_or((text, ""));
    let (title, requires) = text.split_once(": ").unwrap_or((text, ""));
    let (rest, arch) = title.split_once('.').unwrap_or((title, "noarch"));
    let (name, version) = rest.split_once('-').expect("name-version");
    let list = |text: &str| text.split(", ").filter(|text| !text.is_empty()).map(dependency).collect::<Vec<_>>();
    let mut provided = list(provides);
    let paths = provided.iter().map(|provided| provided.name.clone()).filter(|name| name.starts_with('/')).collect();
    provided.push(dependency(&format!("{name} = {version}")));
    Unit {
        title: title.to_owned(),
        name: name.to_owned(),
        version: version.to_owned(),
        arch: arch.to_owned(),
        requires: list(requires),
        offer: Offer { provides: provided, paths },
    }
}

/// Some sources, of which the first packages are copied, and what a destination holds.
struct World {
    sources: Vec<Vec<Unit>>,
    copied: usize,
    held: Vec<Unit>,
    upgrade: bool,
    bounds: Bounds,
}

fn world(source: &[&str]) -> World {
    let sources = vec![source.iter().map(|text| unit(text)).collect()];
    World { sources, copied: 1, held: Vec::new(), upgrade: false, bounds: Bounds::default() }
}

impl World {
    fn copying(self, copied: usize) -> Self {
        Self { copied, ..self }
    }

    fn holding(self, held: &[&str]) -> Self {
        Self { held: held.iter().map(|text| unit(text)).collect(), ..self }
    }

    fn beside(mut self, source: &[&str]) -> Self {
        self.sources.push(source.iter().map(|text| unit(text)).collect());
        self
    }

    fn upgraded(self) -> Self {
        Self { upgrade: true, ..self }
    }

    /// What is gathered.
    fn graph(&self) -> Result<Graph> {
        let key = |source: usize, nth: usize| Uuid::from_u64_pair(source as u64, nth as u64);
        let package = |graph: &mut Graph, origin, id, unit: &Unit| Package {
            origin,
            id,
            name: unit.name.clone(),
            evr: hex::encode(sort_key("0", &unit.version, "")),
            arch: graph.arch(&unit.arch),
            rules: None,
        };
        let mut graph = Graph::bounded(self.bounds);
        for unit in &self.sources[0][..self.copied] {
            graph.ask(0, &unit.arch, &unit.requires)?;
        }
        loop {
            let wishes = graph.fresh();
            for (nth, unit) in self.held.iter().enumerate() {
                let found = graph.fulfilled(&wishes, &unit.offer);
                if self.upgrade {
                    graph.are_held(&found);
                    let package = package(&mut graph, None, key(99, nth), unit);
                    graph.provide(package, &found)?;
                } else {
                    graph.are_there(&found);
                }
            }
            for unit in &self.sources[0][..self.copied] {
                let found = graph.fulfilled(&wishes, &unit.offer);
                graph.are_there(&found);
            }
            for (source, units) in self.sources.iter().enumerate() {
                for (nth, unit) in units.iter().enumerate() {
                    let found = graph.fulfilled(&wishes, &unit.offer);
                    if !found.is_empty() {
                        let package = package(&mut graph, Some(source), key(source, nth), unit);
                        graph.provide(package, &found)?;
                    }
                }
            }
            let unread = graph.unread();
            if unread.is_empty() {
                return Ok(graph);
            }
            for (source, id, number) in unread {
                let nth = id.as_u64_pair().1 as usize;
                graph.requires(number, &self.sources[source][nth].requires)?;
            }
        }
    }

    fn solved(&self) -> Solution {
        solve(&self.graph().expect("it is in bounds"), &AtomicBool::new(false)).expect("it is solved")
    }

    /// The chosen packages, those of another source with its number, and what is open.
    fn chosen(&self) -> (Vec<String>, Vec<String>) {
        let solution = self.solved();
        let title = |(source, id): (usize, Uuid)| {
            let title = &self.sources[source][id.as_u64_pair().1 as usize].title;
            if source == 0 { title.clone() } else { format!("{title}@{source}") }
        };
        let mut chosen: Vec<String> = solution.chosen.into_iter().map(title).collect();
        chosen.sort();
        (chosen, solution.open.into_iter().collect())
    }

    #[track_caller]
    fn takes(&self, expected: &[&str]) {
        self.takes_but_for(expected, &[]);
    }

    #[track_caller]
    fn takes_but_for(&self, expected: &[&str], open: &[&str]) {
        let (chosen, left) = self.chosen();
        assert_eq!((chosen, left), (owned(expected), owned(open)));
    }
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

#[test]
fn the_newest_is_taken_unless_what_it_needs_is_missing_steps_away() {
    world(&["bear-1: honey", "honey-1", "honey-2"]).takes(&["honey-2"]);
    world(&["bear-1: honey", "honey-1", "honey-2: bees", "bees-1: hive", "hive-1: wood", "bees-0: straw"])
        .takes(&["honey-1"]);
    world(&["bear-1: honey", "honey-1", "honey-2: bees", "bees-2: hive >= 2", "bees-1", "hive-1"])
        .takes(&["bees-1", "honey-2"]);
}

#[test]
fn two_versions_are_chosen_where_two_are_needed() {
    world(&["bear-1: honey = 1, cub", "cub-1: honey >= 2", "honey-1", "honey-2"])
        .takes(&["cub-1", "honey-1", "honey-2"]);
    world(&["bear-1: honey", "bear-2: honey = 2", "honey-1", "honey-2", "honey-3"]).copying(2).takes(&["honey-2"]);
}

#[test]
fn what_is_there_will_do_unless_an_upgrade_is_wanted() {
    let source = ["bear-1: honey, cub", "honey-1", "honey-2", "cub-1: honey"];
    world(&source).holding(&["honey-1"]).takes(&["cub-1"]);
    world(&source).holding(&["honey-1"]).upgraded().takes(&["cub-1", "honey-2"]);
    world(&source).holding(&["honey-2", "cub-3"]).upgraded().takes(&[]);
    world(&["bear-1: honey", "honey-1", "honey-2"]).copying(2).takes(&[]);
    world(&["bear-1: honey = 1"]).holding(&["honey-1"]).upgraded().takes(&[]);
}

#[test]
fn cycles_are_no_obstacle() {
    world(&["bear-1: honey", "honey-1: bees", "bees-1: honey, flowers", "flowers-1: bees"]).takes(&[
        "bees-1",
        "flowers-1",
        "honey-1",
    ]);
    world(&["bear-1: honey", "honey-2: bees = 2", "bees-2: honey = 2, sun", "honey-1"]).takes(&["honey-1"]);
}

#[test]
fn rich_dependencies_count() {
    world(&["bear-1: (honey or fish)", "honey-1", "fish-1"]).takes(&["honey-1"]);
    world(&["bear-1: (honey or fish)", "honey-1: bees", "fish-1"]).takes(&["fish-1"]);
    world(&["bear-1: (honey or fish)", "honey-1", "fish-1"]).holding(&["fish-1"]).takes(&[]);
    world(&["bear-1: (honey and fish)", "honey-1", "fish-1"]).takes(&["fish-1", "honey-1"]);
    world(&["bear-1: (honey if cub)", "honey-1"]).takes(&[]);
    world(&["bear-1: (honey if cub)", "honey-1", "cub-1"]).takes(&[]);
    world(&["bear-1: (honey if cub)", "honey-1", "cub-1"]).holding(&["cub-1"]).takes(&["honey-1"]);
    world(&["bear-1: (honey if cub)", "cub-1", "honey-1"]).copying(2).takes(&["honey-1"]);
    world(&["bear-1: den, (honey if cub)", "honey-1", "den-1: cub", "cub-1"]).takes(&["cub-1", "den-1", "honey-1"]);
    world(&["bear-1: den", "den-1: cub, (honey if cub)", "honey-1", "cub-1", "cub-2"])
        .takes(&["cub-2", "den-1", "honey-1"]);
    world(&["bear-1: (honey if cub else fish)", "honey-1", "fish-1"]).takes(&["fish-1"]);
    world(&["bear-1: (honey >= 1 with honey < 3)", "honey-1", "honey-2", "honey-3"]).takes(&["honey-2"]);
    world(&["bear-1: (food without honey)", "honey-1 + food", "fish-1 + food"]).takes(&["fish-1"]);
}

#[test]
fn a_condition_that_cannot_be_met_is_not_made_true() {
    world(&["bear-1: den, (honey = 9 if cub)", "den-2: cub", "den-1", "cub-1", "honey-1"]).takes(&["den-1"]);
    world(&["bear-1: den", "den-2: cub, (honey = 9 if cub)", "den-1", "cub-1", "honey-1"]).takes(&["den-1"]);
}

#[test]
fn what_nobody_provides_is_left_open_and_the_rest_is_completed() {
    world(&["bear-1: honey, moon", "honey-1: sun, bees", "bees-1"])
        .takes_but_for(&["bees-1", "honey-1"], &["moon", "sun"]);
    // What nobody has in any version comes from elsewhere; what is only there in other versions is broken.
    world(&["bear-1: honey", "honey-2: libc, bees = 9", "honey-1: libc, bees", "bees-1: libc"])
        .takes_but_for(&["bees-1", "honey-1"], &["libc"]);
    world(&["bear-1: honey", "honey-2: bees = 9", "honey-1: bees = 8", "bees-1"])
        .takes_but_for(&["honey-2"], &["bees = 9"]);
    world(&["bear-1: (honey or fish)"]).takes_but_for(&[], &["honey or fish"]);
    world(&["bear-1: rpmlib(X), (nonsense"]).takes(&[]);
}

#[test]
fn paths_are_provided_by_files() {
    world(&["bear-1: /bin/eat", "jaw-1 + /bin/eat", "eat-2"]).takes(&["jaw-1"]);
}

#[test]
fn the_own_source_the_architecture_and_the_name_come_before_the_version() {
    world(&["bear-1: honey", "honey-1"]).beside(&["honey-2"]).takes(&["honey-1"]);
    world(&["bear-1: honey"]).beside(&["honey-2: bees", "bees-1"]).takes(&["bees-1@1", "honey-2@1"]);
    world(&["bear-1.x86_64: honey", "honey-2.i686", "honey-1.x86_64"]).takes(&["honey-1.x86_64"]);
    world(&["bear-1.x86_64: honey", "honey-2.i686"]).takes(&["honey-2.i686"]);
    world(&["bear-1: honey", "syrup-9 + honey", "honey-1"]).takes(&["honey-1"]);
}

#[test]
fn too_much_is_refused_and_nobody_waits_for_what_is_stopped() {
    let few = |packages, needs| World {
        bounds: Bounds { packages, needs },
        ..world(&["bear-1: honey, fish, cub", "honey-1", "fish-1", "cub-1"])
    };
    assert!(few(3, 3).graph().is_ok());
    for bounded in [few(2, 3), few(3, 2)] {
        let error = bounded.graph().expect_err("it is too much");
        assert!(matches!(&error, Error::TooLarge(text) if text.contains("copy less")), "{error}");
    }
    let stopped = solve(&few(3, 3).graph().expect("it is in bounds"), &AtomicBool::new(true));
    assert!(matches!(stopped, Err(Error::Canceled)), "{stopped:?}");
}

/// Packages at random, that need each other.
fn random(noise: &mut Noise) -> World {
    let count = noise.below(30) + 3;
    let name = |noise: &mut Noise| char::from(b'a' + noise.below(8) as u8).to_string();
    let mut texts = BTreeSet::new();
    for _ in 0..count {
        let mut needs = Vec::new();
        for _ in 0..noise.below(4) {
            let (one, other, third, version) = (name(noise), name(noise), name(noise), noise.below(4));
            needs.push(match noise.below(12) {
                0 => format!("({one} or {other})"),
                1 => format!("({one} if {other})"),
                2 => format!("({one} if ({other} or {third}))"),
                3 => format!("({one} if {other} else {third})"),
                4 => format!("{one} = {version}"),
                5 => format!("{one} >= {version}"),
                _ => one,
            });
        }
        texts.insert(format!("{}-{}: {}", name(noise), noise.below(4), needs.join(", ")));
    }
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    world(&texts)
}

#[test]
fn the_same_world_has_the_same_solution_in_which_nothing_is_open_that_need_not_be() {
    let mut noise = Noise::new(0x50_1e5);
    for round in rounds(400) {
        let world = random(&mut noise);
        let first = world.solved();
        assert_eq!(world.solved(), first, "round {round}");
        // Without conditions, whatever can be complete is: what is left when packages go that cannot be.
        let units = &world.sources[0];
        let rich = units.iter().flat_map(|unit| &unit.requires).any(|needed| needed.name.contains(" if "));
        if !rich && can_be_complete(units) {
            assert_eq!(first.open, BTreeSet::new(), "round {round}: {units:?}");
        }
    }
}

fn can_be_complete(units: &[Unit]) -> bool {
    let rules = |unit: &Unit| -> Vec<super::rich::Rule> {
        let one = |needed: &Dependency| {
            super::rich::rules(&needed.name).unwrap_or_else(|| {
                let any = vec![super::needs::Wanted::Need(needed.into())];
                vec![super::rich::Rule { when: Vec::new(), any }]
            })
        };
        unit.requires.iter().flat_map(one).collect()
    };
    let rules: Vec<_> = units.iter().map(rules).collect();
    let mut left: Vec<usize> = (0..units.len()).collect();
    loop {
        let is_complete = |nth: &usize| {
            let provided =
                |wanted: &super::needs::Wanted| left.iter().any(|other| wanted.is_met_by(&units[*other].offer));
            rules[*nth].iter().all(|rule| rule.any.iter().any(provided))
        };
        let complete: Vec<usize> = left.iter().copied().filter(is_complete).collect();
        if complete.len() == left.len() {
            return left.contains(&0);
        }
        left = complete;
    }
}
