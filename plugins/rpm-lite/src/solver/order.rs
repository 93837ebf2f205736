//! Which package is taken rather than another, where several provide what is needed.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::graph::{Ask, Graph};

/// The packages that may be chosen for a rule, the best first: those that provide what its first alternative wants, then
/// those for the second, and so on. Among these, rather
///
/// 1. of the source that whoever needs it is copied from, or held already;
/// 2. of an architecture that goes with whoever needs it;
/// 3. called what is needed;
/// 4. the newest;
/// 5. of the very same architecture, and held already.
///
/// The last word has the name, so that there is always the same order.
pub(super) fn candidates(graph: &Graph, ask: Ask) -> Vec<usize> {
    let mut known = BTreeSet::new();
    let mut all = Vec::new();
    for wish in &graph.rules[ask.rule].any {
        let wish = &graph.wishes[*wish];
        let names = wish.wanted.names();
        let mut providers: Vec<usize> = wish.providers.iter().copied().filter(|number| known.insert(*number)).collect();
        providers.sort_by_cached_key(|number| {
            let package = &graph.packages[*number];
            let noarch = |arch: usize| graph.archs[arch] == "noarch";
            let same = package.arch == ask.arch;
            Reverse((
                package.origin.is_none_or(|origin| origin == ask.origin),
                same || noarch(package.arch) || noarch(ask.arch),
                names.contains(&package.name.as_str()),
                package.evr.clone(),
                same,
                package.origin.is_none(),
                Reverse((package.name.clone(), package.id, package.origin)),
            ))
        });
        all.extend(providers);
    }
    all
}
