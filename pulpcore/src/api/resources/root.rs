//! The list of all collections, for whoever comes to the API's root without knowing it.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::{Method, StatusCode};
use serde_json::json;

use crate::api::cx;
use crate::api::endpoint::{Described, Endpoint};
use crate::registry;

/// Core's own collections.
const OWN: &[&str] = &["artifacts", "claims", "domains", "tasks", "uploads", "users", "workers"];

/// `GET` on the root.
pub(super) fn endpoints() -> Vec<Endpoint> {
    let schema = json!({ "type": "object", "additionalProperties": { "type": "string", "format": "uri" } });
    vec![
        Endpoint::new(Method::GET, "", "root_read", |cx| async move {
            let root = cx.url();
            let links: BTreeMap<String, String> =
                collections().into_iter().map(|name| (name.clone(), format!("{root}{name}/"))).collect();
            Ok(cx::json(StatusCode::OK, &links))
        })
        .tagged("Root")
        .about("List the collections of this API")
        .answers(200, Described::named("RootResponse", schema, Vec::new()))
        .public(),
    ]
}

/// The path of every collection, without the final slash.
fn collections() -> BTreeSet<String> {
    let nouns = registry::get().nouns();
    let families = ["content", "distributions", "publications", "remotes", "repositories"];
    let paths = nouns.iter().map(|noun| noun.path().trim_end_matches('/').to_owned());
    OWN.iter().chain(&families).map(|name| (*name).to_owned()).chain(paths).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_own_collections_are_named() {
        let names = collections();
        assert!(OWN.iter().all(|name| names.contains(*name)) && names.contains("repositories"));
    }
}
