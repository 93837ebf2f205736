//! The six families: what core knows of each, and the operations that only it has.

pub(crate) mod content;
pub(crate) mod content_guard;
pub(crate) mod distribution;
pub(crate) mod general;
pub(crate) mod network;
pub(crate) mod publication;
pub(crate) mod remote;
pub(crate) mod repository;
pub(crate) mod upload;
pub(crate) mod version;
pub(crate) mod writable;

use super::endpoint::{Endpoint, operation_id};
use crate::plugin::Family;
use crate::registry;

/// The operations of every noun that the plugins registered, and of the lists over all types.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let mut endpoints = vec![
        content::generic_list(),
        repository::generic_list(),
        remote::generic_list(),
        publication::generic_list(),
        distribution::generic_list(),
        content_guard::generic_list(),
        version::generic_list(),
    ];
    for noun in registry::get().nouns() {
        let mut family = match noun.family {
            Family::Content => content::endpoints(noun),
            Family::Repository => repository::endpoints(noun),
            Family::Remote => remote::endpoints(noun),
            Family::Publication => publication::endpoints(noun),
            Family::Distribution => distribution::endpoints(noun),
            Family::ContentGuard => content_guard::endpoints(noun),
        };
        let prefix = operation_id(noun, "");
        family.retain(|endpoint| !endpoint.id.strip_prefix(&prefix).is_some_and(|operation| noun.omits(operation)));
        endpoints.extend(family);
        endpoints.extend((noun.actions)());
    }
    endpoints
}
