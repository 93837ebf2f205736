//! All operations of this build, checked: what the router and the OpenAPI document are made from.
//!
//! Whatever two plugins could collide on (a route, an operation's id, a schema's name) is refused here at start-up, and in a
//! test, by name.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde_json::Value;

use super::endpoint::{Described, Endpoint};
use crate::error::{Error, Result};
use crate::registry::duplicates;
use crate::settings::Settings;

/// The API root that is always served, beside the one of the settings.
pub const SHORT_ROOT: &str = "/api/v3/";

/// The operations of this build, each method on each path once, and the schemas that they name.
#[derive(Debug)]
pub struct Catalog {
    endpoints: Vec<Endpoint>,
    schemas: BTreeMap<String, Value>,
}

impl Catalog {
    /// Collects and checks what core and the linked plugins declare.
    ///
    /// # Errors
    /// [`Error::Config`] with everything that collides, by name.
    pub fn collect() -> Result<Self> {
        let mut endpoints = super::families::endpoints();
        endpoints.extend(super::resources::endpoints());
        Self::of(endpoints)
    }

    pub(crate) fn of(mut endpoints: Vec<Endpoint>) -> Result<Self> {
        endpoints.sort_by(|a, b| (&a.path, rank(&a.method)).cmp(&(&b.path, rank(&b.method))));
        let mut problems = Vec::new();
        let routes = endpoints.iter().map(|endpoint| format!("{} {}", endpoint.method, shape(&endpoint.path)));
        duplicates("route", routes, &mut problems);
        duplicates("operation id", endpoints.iter().map(|endpoint| endpoint.id.clone()), &mut problems);
        for endpoint in &endpoints {
            // The root itself has no path.
            if endpoint.path.starts_with('/') || !(endpoint.path.is_empty() || endpoint.path.ends_with('/')) {
                problems.push(format!("the path '{}' must end with a slash and begin with none", endpoint.path));
            }
        }
        let mut schemas = BTreeMap::new();
        // From here on a name is enough: kept with each operation, the schemas would be half of an idle server's memory.
        let taken =
            endpoints.iter_mut().flat_map(described).flat_map(|described| std::mem::take(&mut described.schemas));
        for (name, schema) in taken {
            match schemas.entry(name) {
                Entry::Vacant(free) => drop(free.insert(schema)),
                Entry::Occupied(known) if *known.get() == schema => {}
                Entry::Occupied(known) => {
                    problems.push(format!("the schema name '{}' stands for two different schemas", known.key()));
                }
            }
        }
        problems.sort();
        problems.dedup();
        match problems.is_empty() {
            true => Ok(Self { endpoints, schemas }),
            false => Err(Error::Config(format!("the operations of this build collide: {}", problems.join("; ")))),
        }
    }

    /// The operations, by path, then method.
    pub(crate) fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// The schemas that the operations name.
    pub(crate) fn schemas(&self) -> &BTreeMap<String, Value> {
        &self.schemas
    }
}

/// The order of methods in lists of them.
pub(super) fn rank(method: &axum::http::Method) -> usize {
    ["GET", "POST", "PUT", "PATCH", "DELETE"].iter().position(|known| method == known).unwrap_or(usize::MAX)
}

/// Where the REST API is: the root that the settings name.
pub(crate) fn long_root(settings: &Settings) -> String {
    format!("{}api/v3/", settings.api_root)
}

/// All roots of the REST API: the one of the settings first.
pub(crate) fn roots(settings: &Settings) -> Vec<String> {
    let mut roots = vec![long_root(settings), SHORT_ROOT.to_owned()];
    roots.dedup();
    roots
}

/// The path with its parameters' names taken out: two paths that differ in those only are the same to a router.
fn shape(path: &str) -> String {
    path.split('/').map(|segment| if segment.starts_with('{') { "{}" } else { segment }).collect::<Vec<_>>().join("/")
}

fn described(endpoint: &mut Endpoint) -> impl Iterator<Item = &mut Described> {
    endpoint.body.iter_mut().chain(endpoint.responses.iter_mut().filter_map(|(_, body)| body.as_mut()))
}

#[cfg(test)]
mod tests {
    use axum::http::{Method, StatusCode};
    use axum::response::IntoResponse;
    use serde_json::json;

    use super::*;

    fn endpoint(method: Method, path: &str, id: &str) -> Endpoint {
        Endpoint::new(method, path, id, |_| async { Ok(StatusCode::OK.into_response()) })
    }

    fn refused(endpoints: Vec<Endpoint>) -> String {
        Catalog::of(endpoints).unwrap_err().to_string()
    }

    #[test]
    fn what_this_build_declares_does_not_collide() {
        Catalog::collect().unwrap();
    }

    #[test]
    fn a_route_or_an_id_that_is_taken_twice_is_named() {
        let said = refused(vec![
            endpoint(Method::GET, "a/{pulp_id}/", "a_read"),
            endpoint(Method::GET, "a/{name}/", "a_read"),
            endpoint(Method::POST, "a/{pulp_id}/", "a_sync"),
            endpoint(Method::GET, "/b", "b_list"),
        ]);
        assert!(said.contains("route 'GET a/{}/' is taken 2 times"), "{said}");
        assert!(said.contains("operation id 'a_read' is taken 2 times"), "{said}");
        assert!(said.contains("the path '/b' must end"), "{said}");
        assert!(!said.contains("a_sync"), "{said}");
    }

    #[test]
    fn a_schema_name_means_one_schema() {
        let schema = |text| Described::named("file.Thing", json!({ "description": text }), Vec::new());
        let same = vec![
            endpoint(Method::GET, "a/", "a").answers(200, schema("one")),
            endpoint(Method::GET, "b/", "b").answers(200, schema("one")),
        ];
        assert_eq!(Catalog::of(same).unwrap().schemas().len(), 1);
        let said = refused(vec![
            endpoint(Method::GET, "a/", "a").answers(200, schema("one")),
            endpoint(Method::GET, "b/", "b").takes(schema("two")),
        ]);
        assert!(said.contains("the schema name 'file.Thing' stands for two"), "{said}");
    }
}
