//! The graph as `resolvo` sees it.
//!
//! A repository may hold many packages with one name, so every package is a name of its own here, with one candidate: itself.
//! What has to be solved now may be left open as well, by a candidate that stands behind all packages: so there is always a
//! solution. What has to be solved only if something else is chosen may not: then that is not chosen.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};

use pulpcore::error::{Error, Result};
use resolvo::{
    Candidates, Condition, ConditionId, ConditionalRequirement, DenseIndex, Dependencies, DependencyProvider,
    HintDependenciesAvailable, Interner, KnownDependencies, LogicalOperator, NameId, Problem, Requirement, SolvableId,
    Solver, SolverCache, StringId, UnsolvableOrCancelled, VersionSetId, VersionSetUnionId,
};

use super::graph::Ask;
use super::order::candidates;
use super::state::State;

/// How many steps a search may take.
const MOST_STEPS: u64 = 20_000_000;

/// How many combinations of packages that make a condition true are told apart; a condition with more of them is looked at
/// when it has come true.
const MOST_COMBINATIONS: usize = 4096;

/// Chooses packages so that as many of these asks as possible are fulfilled, with all that the chosen packages need.
/// `tolerant` leaves what nobody provides in any version out of account.
///
/// # Errors
/// [`Error::Canceled`] when `stop` is set, [`Error::TooLarge`] if the search takes too long.
pub(super) fn choose(state: &State, asks: &[Ask], tolerant: bool, stop: &AtomicBool) -> Result<Vec<usize>> {
    let provider = Provider {
        state,
        tolerant,
        stop,
        steps: Cell::new(0),
        unions: RefCell::default(),
        union_numbers: RefCell::default(),
        conditions: RefCell::default(),
    };
    let packages = state.graph.packages.len();
    // Where there is least to choose comes first: what is taken there may do for the others.
    let mut asks = asks.to_vec();
    asks.sort_by_cached_key(|ask| {
        let any = state.graph.rules[ask.rule].any.iter();
        (any.map(|wish| state.graph.wishes[*wish].providers.len()).sum::<usize>(), *ask)
    });
    let requirements = asks.iter().enumerate().filter_map(|(nth, ask)| {
        let open = state.is_open(*ask).then(|| VersionSetId::from_index(packages + 1 + nth));
        provider.requirement(*ask, open)
    });
    let requirements = requirements.collect();
    let mut solver = Solver::new(provider);
    match solver.solve(Problem::new().requirements(requirements)) {
        Ok(chosen) => Ok(chosen.into_iter().map(DenseIndex::to_index).filter(|number| *number < packages).collect()),
        Err(UnsolvableOrCancelled::Cancelled(why)) => Err(why.downcast::<Error>().map_or(Error::Canceled, |why| *why)),
        Err(UnsolvableOrCancelled::Unsolvable(_)) => Err(Error::internal("what may be left open has a solution")),
    }
}

/// Packages have their own numbers, as names, candidates and sets of versions. The next number stands for nobody, and those
/// behind it for leaving something open.
struct Provider<'a> {
    state: &'a State<'a>,
    tolerant: bool,
    stop: &'a AtomicBool,
    steps: Cell<u64>,
    unions: RefCell<Vec<Vec<VersionSetId>>>,
    union_numbers: RefCell<HashMap<Ask, Requirement>>,
    conditions: RefCell<Vec<Condition>>,
}

impl Provider<'_> {
    /// What an ask requires, unless it is fulfilled or does not count.
    fn requirement(&self, ask: Ask, open: Option<VersionSetId>) -> Option<ConditionalRequirement> {
        let graph = self.state.graph;
        let rule = &graph.rules[ask.rule];
        let unknown = |wish: &usize| !graph.wishes[*wish].is_known;
        if rule.any.iter().any(|wish| self.state.is_fulfilled(*wish)) || self.tolerant && rule.any.iter().all(unknown) {
            return None;
        }
        let condition = self.condition(&rule.when)?;
        Some(ConditionalRequirement { condition, requirement: self.any_of(ask, open) })
    }

    fn any_of(&self, ask: Ask, open: Option<VersionSetId>) -> Requirement {
        if let (None, Some(known)) = (open, self.union_numbers.borrow().get(&ask)) {
            return *known;
        }
        let packages = candidates(self.state.graph, ask).into_iter().map(VersionSetId::from_index);
        let union: Vec<VersionSetId> = packages.chain(open).collect();
        let requirement = match union[..] {
            [] => Requirement::Single(VersionSetId::from_index(self.nobody())),
            [one] => Requirement::Single(one),
            _ => {
                let mut unions = self.unions.borrow_mut();
                unions.push(union);
                Requirement::Union(VersionSetUnionId::from_index(unions.len() - 1))
            }
        };
        if open.is_none() {
            self.union_numbers.borrow_mut().insert(ask, requirement);
        }
        requirement
    }

    /// The condition that all these wishes are fulfilled; the outer none if it cannot come true, or is not looked at yet.
    fn condition(&self, when: &[usize]) -> Option<Option<ConditionId>> {
        let mut combinations = 1_usize;
        let mut all = Vec::new();
        for wish in when.iter().filter(|wish| !self.state.is_true(**wish)) {
            let providers = &self.state.graph.wishes[*wish].providers;
            combinations = combinations.saturating_mul(providers.len());
            if combinations == 0 || combinations > MOST_COMBINATIONS {
                return None;
            }
            let one = |number: &usize| self.intern(Condition::Requirement(VersionSetId::from_index(*number)));
            all.extend(self.tree(LogicalOperator::Or, &providers.iter().map(one).collect::<Vec<_>>()));
        }
        Some(self.tree(LogicalOperator::And, &all))
    }

    /// A balanced one, because it is walked over by recursion.
    fn tree(&self, operator: LogicalOperator, conditions: &[ConditionId]) -> Option<ConditionId> {
        match conditions {
            [] => None,
            [one] => Some(*one),
            more => {
                let (left, right) = more.split_at(more.len() / 2);
                let (left, right) = (self.tree(operator, left)?, self.tree(operator, right)?);
                Some(self.intern(Condition::Binary(operator, left, right)))
            }
        }
    }

    fn intern(&self, condition: Condition) -> ConditionId {
        let mut conditions = self.conditions.borrow_mut();
        conditions.push(condition);
        ConditionId::from_index(conditions.len() - 1)
    }

    fn nobody(&self) -> usize {
        self.state.graph.packages.len()
    }

    fn title(&self, number: usize) -> &str {
        self.state.graph.packages.get(number).map_or("nothing", |package| &package.name)
    }
}

impl Interner for Provider<'_> {
    type NameId = NameId;
    type SolvableId = SolvableId;

    fn display_solvable(&self, solvable: SolvableId) -> impl Display + '_ {
        self.title(solvable.to_index())
    }

    fn display_name(&self, name: NameId) -> impl Display + '_ {
        self.title(name.to_index())
    }

    fn display_version_set(&self, _version_set: VersionSetId) -> impl Display + '_ {
        "*"
    }

    fn display_string(&self, _string_id: StringId) -> impl Display + '_ {
        ""
    }

    fn version_set_name(&self, version_set: VersionSetId) -> NameId {
        NameId::from_index(version_set.to_index())
    }

    fn solvable_name(&self, solvable: SolvableId) -> NameId {
        NameId::from_index(solvable.to_index())
    }

    fn version_sets_in_union(&self, union: VersionSetUnionId) -> impl Iterator<Item = VersionSetId> {
        self.unions.borrow()[union.to_index()].clone().into_iter()
    }

    fn resolve_condition(&self, condition: ConditionId) -> Condition {
        self.conditions.borrow()[condition.to_index()].clone()
    }
}

impl DependencyProvider for Provider<'_> {
    async fn filter_candidates(
        &self,
        all: &[SolvableId],
        _version_set: VersionSetId,
        inverse: bool,
    ) -> Vec<SolvableId> {
        if inverse { Vec::new() } else { all.to_vec() }
    }

    async fn get_candidates(&self, name: NameId) -> Option<Candidates> {
        let candidates = vec![SolvableId::from_index(name.to_index())];
        // Everything is known: what cannot be chosen is found before anything is tried.
        let hint_dependencies_available = HintDependenciesAvailable::All;
        let exists = name.to_index() != self.nobody();
        exists.then(|| Candidates { candidates, hint_dependencies_available, ..Candidates::default() })
    }

    async fn sort_candidates(&self, _solver: &SolverCache<Self>, _solvables: &mut [SolvableId]) {}

    async fn get_dependencies(&self, solvable: SolvableId) -> Dependencies {
        let number = solvable.to_index();
        let mut known = KnownDependencies::default();
        if number < self.nobody() {
            let asks = self.state.graph.asks_of(number);
            known.requirements = asks.filter_map(|ask| self.requirement(ask, None)).collect();
        }
        Dependencies::Known(known)
    }

    fn should_cancel_with_value(&self) -> Option<Box<dyn Any>> {
        self.steps.set(self.steps.get() + 1);
        if self.stop.load(Ordering::Relaxed) {
            return Some(Box::new(Error::Canceled));
        }
        let text = "What is copied needs too much to be solved: copy less, or without dependency_solving.";
        (self.steps.get() > MOST_STEPS).then(|| Box::new(Error::TooLarge(text.to_owned())) as Box<dyn Any>)
    }
}
