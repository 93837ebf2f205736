//! Finds out who needs and who provides what, starting from the units that are copied.
//!
//! Each round walks over the packages page by page and remembers only who provides what came up in the round before, so that
//! memory grows with what can be reached and not with the repositories; there are as many rounds as the longest chain of
//! needs is long.

use std::collections::{BTreeMap, BTreeSet};

use pulpcore::db::one_of;
use pulpcore::error::Result;
use pulpcore::models::content;
use pulpcore::plugin::TaskCx;
use pulpcore::versions;
use sea_orm::sea_query::{Query, SelectStatement};
use uuid::Uuid;

use super::graph::{Graph, Package, Wishes};
use super::walk::{each_offer, each_requirement};
use crate::tasks::copy::Copied;

/// Finds all that can be reached. With `upgrade`, what a destination holds is one candidate among others.
///
/// # Errors
/// [`pulpcore::error::Error::TooLarge`] if it is too much; if the database fails.
pub(super) async fn gather(cx: &TaskCx, plan: &[Copied], upgrade: bool) -> Result<Graph> {
    let mut destinations = BTreeMap::new();
    for copied in plan {
        let base = match &copied.base {
            Some(base) => base.clone(),
            None => versions::latest(cx.db().read(), copied.destination).await?,
        };
        destinations.insert(base.pulp_id, base.content_ids());
    }
    let mut graph = Graph::default();
    for (origin, copied) in plan.iter().enumerate() {
        // All modules and packages of a source that is copied as a whole come anyway.
        let source = (!copied.whole).then_some(&copied.source);
        for units in copied_units(cx, copied) {
            each_requirement(cx, &units, source, |_, arch, requires| graph.ask(origin, arch, requires)).await?;
        }
    }
    loop {
        let wishes = graph.fresh();
        for units in destinations.values() {
            search(cx, &mut graph, &wishes, units, Place::Held { upgrade }).await?;
        }
        for units in plan.iter().flat_map(|copied| copied_units(cx, copied)) {
            search(cx, &mut graph, &wishes, &units, Place::Copied).await?;
        }
        for (origin, copied) in plan.iter().enumerate().filter(|(_, copied)| !copied.whole) {
            search(cx, &mut graph, &wishes, &copied.source.content_ids(), Place::Offered { origin }).await?;
        }
        let unread = graph.unread();
        if unread.is_empty() {
            return Ok(graph);
        }
        read(cx, plan, &mut graph, unread).await?;
    }
}

/// Where is searched.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// In what a destination holds.
    Held { upgrade: bool },
    /// Among the units that are copied.
    Copied,
    /// Among those that may be copied.
    Offered { origin: usize },
}

/// Finds who provides something.
async fn search(cx: &TaskCx, graph: &mut Graph, wishes: &Wishes, units: &SelectStatement, place: Place) -> Result<()> {
    if wishes.is_empty() {
        return Ok(());
    }
    each_offer(cx, units, &wishes.paths, |package, offer| {
        let found = graph.fulfilled(wishes, offer);
        let origin = match place {
            Place::Held { upgrade: true } => {
                graph.are_held(&found);
                None
            }
            Place::Held { upgrade: false } | Place::Copied => {
                graph.are_there(&found);
                return Ok(());
            }
            Place::Offered { origin } => Some(origin),
        };
        if found.is_empty() {
            return Ok(());
        }
        let arch = graph.arch(&package.arch);
        let package = Package { origin, id: package.id, name: package.name, evr: package.evr, arch, rules: None };
        graph.provide(package, &found)
    })
    .await
}

/// Reads what packages of the graph require.
async fn read(cx: &TaskCx, plan: &[Copied], graph: &mut Graph, unread: BTreeSet<(usize, Uuid, usize)>) -> Result<()> {
    for (origin, copied) in plan.iter().enumerate() {
        let of_this = unread.iter().filter(|(of, ..)| *of == origin);
        let numbers: BTreeMap<Uuid, usize> = of_this.map(|(_, id, number)| (*id, *number)).collect();
        for units in some(cx, &numbers.keys().copied().collect::<Vec<_>>()) {
            each_requirement(cx, &units, Some(&copied.source), |id, _, requires| {
                numbers.get(&id).map_or(Ok(()), |number| graph.requires(*number, requires))
            })
            .await?;
        }
    }
    Ok(())
}

/// Selections of the units that an entry copies.
fn copied_units(cx: &TaskCx, copied: &Copied) -> Vec<SelectStatement> {
    match copied.whole {
        true => vec![copied.source.content_ids()],
        false => some(cx, &copied.units.iter().copied().collect::<Vec<_>>()),
    }
}

/// Selections of some units: these keys go to the database again with each page that is read of them.
fn some(cx: &TaskCx, units: &[Uuid]) -> Vec<SelectStatement> {
    let select = |units: &[Uuid]| {
        let some = one_of(cx.db().read(), content::Column::PulpId, units.iter().copied());
        Query::select().column(content::Column::PulpId).from(content::Entity).and_where(some).take()
    };
    units.chunks(500).map(select).collect()
}
