//! How many tasks have ended in this process, and how long they took: counted since it started, for its metrics.
//!
//! A type that no plugin of this build registers is counted as [`OTHER`], so that labels cannot grow without bound.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::registry;

/// The label of all types that are not registered.
pub(crate) const OTHER: &str = "other";

/// From a task that does nothing to a sync of half a day, in seconds.
const BUCKETS: [f64; 12] = [0.01, 0.05, 0.25, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 43_200.0];

/// The count. Cheap to clone: clones count together.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    ended: Family<Ending, Counter>,
    durations: Family<OfType, Histogram>,
}

/// One type of task.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct OfType {
    /// As registered, or [`OTHER`].
    pub(crate) task_type: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ending {
    task_type: &'static str,
    state: &'static str,
}

impl Default for Tally {
    fn default() -> Self {
        Self { ended: Family::default(), durations: Family::new_with_constructor(|| Histogram::new(BUCKETS)) }
    }
}

impl Tally {
    /// Counts a task that has ended in this state; `ran` is how long it ran, if it ran here.
    pub(super) fn count(&self, task_type: &'static str, state: &'static str, ran: Option<Duration>) {
        self.ended.get_or_create(&Ending { task_type, state }).inc();
        if let Some(ran) = ran {
            self.durations.get_or_create(&OfType { task_type }).observe(ran.as_secs_f64());
        }
    }

    /// Makes it part of what is told.
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register("tasks_ended", "Tasks that this process ended, by their last state", self.ended.clone());
        let help = "How long tasks ran in this process until their end was written";
        registry.register("task_duration_seconds", help, self.durations.clone());
    }
}

/// The label of a type.
pub(crate) fn label(task_type: &str) -> &'static str {
    registry::get().task(task_type).map_or(OTHER, |kind| kind.type_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_that_nobody_registered_share_one_label() {
        assert_eq!(label("sample/chores"), "sample/chores");
        assert_eq!(label("gone/chores"), OTHER);
    }
}
