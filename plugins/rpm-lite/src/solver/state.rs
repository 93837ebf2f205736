//! What is chosen so far, and what that leaves to be done.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;

use pulpcore::error::Result;
use uuid::Uuid;

use super::graph::{Ask, Graph};
use super::order::candidates;
use super::provider::choose;

/// What came of a search.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Solution {
    /// The packages, each with the number of the entry that copies it.
    pub(super) chosen: BTreeSet<(usize, Uuid)>,
    /// What nothing provides that is there now.
    pub(super) open: BTreeSet<String>,
}

/// Finds the packages that are needed.
///
/// What can be solved completely is. Of the rest, that is solved which only lacks what nobody provides in any version: it
/// comes from a repository of which nothing is copied. Where this does not help either, the best package is taken as it is,
/// and what it needs is solved in its turn.
///
/// # Errors
/// [`pulpcore::error::Error::Canceled`] when `stop` is set, [`pulpcore::error::Error::TooLarge`] if it takes too long.
pub(super) fn solve(graph: &Graph, stop: &AtomicBool) -> Result<Solution> {
    let mut state = State::new(graph);
    loop {
        for tolerant in [false, true] {
            if !state.asks.iter().any(|ask| state.is_due(*ask)) {
                break;
            }
            let asks: Vec<Ask> = state.asks.iter().copied().filter(|ask| state.counts(*ask)).collect();
            let chosen = choose(&state, &asks, tolerant, stop)?;
            chosen.into_iter().for_each(|package| state.take(package));
        }
        if !state.take_the_best() {
            return Ok(state.solution());
        }
    }
}

/// The graph, with what is chosen of it.
#[derive(Debug)]
pub(super) struct State<'a> {
    pub(super) graph: &'a Graph,
    asks: BTreeSet<Ask>,
    /// By package.
    taken: Vec<bool>,
    /// By wish: whether something that is there provides it.
    fulfilled: Vec<bool>,
    /// The wishes that each package fulfills.
    wishes: Vec<Vec<usize>>,
}

impl<'a> State<'a> {
    fn new(graph: &'a Graph) -> Self {
        let mut wishes = vec![Vec::new(); graph.packages.len()];
        for (number, wish) in graph.wishes.iter().enumerate() {
            wish.providers.iter().for_each(|package| wishes[*package].push(number));
        }
        let fulfilled = graph.wishes.iter().map(|wish| wish.is_there).collect();
        Self { graph, asks: graph.asks.clone(), taken: vec![false; graph.packages.len()], fulfilled, wishes }
    }

    pub(super) fn is_fulfilled(&self, wish: usize) -> bool {
        self.fulfilled[wish]
    }

    /// Whether it holds as a condition: that a destination holds it is enough.
    pub(super) fn is_true(&self, wish: usize) -> bool {
        self.fulfilled[wish] || self.graph.wishes[wish].is_held
    }

    fn take(&mut self, package: usize) {
        if !std::mem::replace(&mut self.taken[package], true) {
            self.wishes[package].iter().for_each(|wish| self.fulfilled[*wish] = true);
            self.asks.extend(self.graph.asks_of(package));
        }
    }

    /// Whether nothing that is there fulfills it, and it has to be.
    pub(super) fn is_open(&self, ask: Ask) -> bool {
        let rule = &self.graph.rules[ask.rule];
        !rule.any.iter().any(|wish| self.fulfilled[*wish]) && rule.when.iter().all(|wish| self.is_true(*wish))
    }

    /// Whether it is open and something can be done about it.
    fn is_due(&self, ask: Ask) -> bool {
        let any = &self.graph.rules[ask.rule].any;
        self.is_open(ask) && any.iter().any(|wish| !self.graph.wishes[*wish].providers.is_empty())
    }

    /// Whether it is due, or would be open if something made its condition true.
    fn counts(&self, ask: Ask) -> bool {
        let rule = &self.graph.rules[ask.rule];
        let waits = !rule.when.iter().all(|wish| self.is_true(*wish));
        waits && !rule.any.iter().any(|wish| self.fulfilled[*wish]) || self.is_due(ask)
    }

    /// Takes the best package for each ask that is due. Whether there was one.
    fn take_the_best(&mut self) -> bool {
        let due: Vec<Ask> = self.asks.iter().copied().filter(|ask| self.is_due(*ask)).collect();
        for ask in &due {
            if self.is_due(*ask)
                && let Some(best) = candidates(self.graph, *ask).first()
            {
                self.take(*best);
            }
        }
        !due.is_empty()
    }

    fn solution(&self) -> Solution {
        let taken = self.graph.packages.iter().zip(&self.taken).filter(|(_, taken)| **taken);
        let chosen = taken.filter_map(|(package, _)| Some((package.origin?, package.id))).collect();
        let open = self.asks.iter().filter(|ask| self.is_open(**ask)).map(|ask| {
            let any = &self.graph.rules[ask.rule].any;
            any.iter().map(|wish| self.graph.wishes[*wish].wanted.to_string()).collect::<Vec<_>>().join(" or ")
        });
        Solution { chosen, open: open.collect() }
    }
}
