//! The OpenAPI document: what every client of the API reads first.
//!
//! Clients of the original have no URLs of their own; they call operations by the ids in this document. So it is made
//! in the original's style: a path that leads to one thing is that thing's href and what follows it
//! (`{file_file_repository_href}sync/`), unless `pk_path` asks for ordinary paths.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use moka::sync::Cache;
use serde_json::{Map, Value, json};

use super::catalog::{Catalog, long_root};
use super::endpoint::{Endpoint, Parameter};
use super::filters::Kind;
use super::schema::{REF, dialect};
use crate::error::{Error, Result};
use crate::registry;

/// Documents kept at most; each is some hundred KiB.
const KEPT: u64 = 16;

/// What stands in a stored document where the address of the server belongs.
const ORIGIN: &str = "http://origin.invalid/";

/// Operation ids that the original gives by hand, in the bindings' flavour too.
const HAND_SET: &[&str] = &["livez_read", "login_read", "status_read", "task_groups_cancel", "tasks_cancel"];

/// Which document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Variant {
    /// The API root, such as `/pulp/api/v3/`.
    pub root: String,
    /// Only these plugins' operations, and `core`'s if it is named; all if empty.
    pub components: BTreeSet<String>,
    /// Ordinary paths with keys in them in place of hrefs.
    pub pk_path: bool,
    /// Operation ids without the path: `sync`, as the generators of client bindings want them.
    pub bindings: bool,
    /// YAML in place of JSON.
    pub yaml: bool,
}

/// The documents of this process, each made once.
pub struct Documents {
    catalog: Arc<Catalog>,
    made: Cache<Variant, Arc<str>>,
}

impl Documents {
    pub(crate) fn new(catalog: Arc<Catalog>) -> Self {
        Self { catalog, made: Cache::new(KEPT) }
    }

    /// A document as text, for a server at this address (`http://host:port/`).
    pub(crate) fn text(&self, mut variant: Variant, origin: &str) -> Result<Bytes> {
        // Names that mean nothing must not fill the cache.
        let known = versions();
        variant.components.retain(|label| known.contains_key(label));
        let make = || render(&document(&self.catalog, &variant), variant.yaml).map(Arc::from);
        let text = self.made.try_get_with_by_ref(&variant, make).map_err(|error| Error::internal(error.to_string()))?;
        let quoted = Value::from(origin).to_string();
        Ok(text.replace(ORIGIN, quoted.trim_matches('"')).into())
    }
}

impl fmt::Debug for Documents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Documents")
    }
}

/// The document of one variant as text, for a server at the given address. For the command line.
///
/// # Errors
/// Only if it cannot be written as YAML.
pub fn text(catalog: &Catalog, variant: &Variant, origin: &str) -> Result<String> {
    Ok(render(&document(catalog, variant), variant.yaml)?.replace(ORIGIN, origin))
}

/// The root that the settings name, as a variant.
pub fn variant_of(settings: &crate::settings::Settings) -> Variant {
    Variant { root: long_root(settings), ..Variant::default() }
}

fn render(document: &Value, yaml: bool) -> Result<String> {
    match yaml {
        true => serde_yaml_ng::to_string(document).map_err(Error::internal),
        false => Ok(document.to_string()),
    }
}

fn document(catalog: &Catalog, variant: &Variant) -> Value {
    let mut paths = BTreeMap::<String, Map<String, Value>>::new();
    for endpoint in catalog.endpoints().iter().filter(|endpoint| variant.includes(endpoint)) {
        let operation = variant.operation(endpoint);
        paths.entry(variant.path(endpoint)).or_default().insert(endpoint.method.as_str().to_lowercase(), operation);
    }
    let schemas = reachable(&json!(paths), catalog.schemas());
    let mut versions = versions();
    versions.retain(|label, _| variant.wants(label));
    let mut document = json!({
        "openapi": dialect::VERSION,
        "info": {
            "title": "Pulp 3 API",
            "version": "v3",
            "description": "Fetch, Upload, Organize, and Distribute Software Packages",
            "license": { "name": "MIT OR Apache-2.0" },
            "x-pulp-app-versions": versions,
            "x-pulp-domain-enabled": false,
        },
        "servers": [{ "url": ORIGIN }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": { "basicAuth": { "type": "http", "scheme": "basic" } },
        },
    });
    dialect::document(&mut document);
    document
}

/// What `status/` and the document say of this build: label to version.
pub(crate) fn versions() -> BTreeMap<String, String> {
    let plugins = registry::get().plugins().iter().map(|plugin| (plugin.label.to_owned(), plugin.version.to_owned()));
    plugins.chain([("core".to_owned(), crate::CORE_VERSION.to_owned())]).collect()
}

impl Variant {
    fn wants(&self, label: &str) -> bool {
        self.components.is_empty() || self.components.contains(label)
    }

    fn includes(&self, endpoint: &Endpoint) -> bool {
        let plugins = registry::get().plugins();
        let label = endpoint.path.split('/').take(2).find(|part| plugins.iter().any(|plugin| plugin.label == *part));
        self.wants(label.unwrap_or("core"))
    }

    fn path(&self, endpoint: &Endpoint) -> String {
        if let Some(object) = endpoint.object.as_ref().filter(|_| !self.pk_path)
            && let Some(rest) = endpoint.path.strip_prefix(&object.prefix)
        {
            return format!("{{{}}}{rest}", object.href);
        }
        format!("{}{}", self.root, nested(&endpoint.path))
    }

    fn operation(&self, endpoint: &Endpoint) -> Value {
        let mut operation = Map::new();
        operation.insert("operationId".into(), if self.bindings { bare(endpoint) } else { &endpoint.id }.into());
        if !endpoint.summary.is_empty() {
            operation.insert("summary".into(), endpoint.summary.as_str().into());
        }
        operation.insert("tags".into(), json!([endpoint.tag]));
        operation.insert("parameters".into(), self.parameters(endpoint));
        if let Some(body) = &endpoint.body {
            let media = json!({ "schema": { "$ref": format!("{REF}{}", body.name) } });
            let content: Map<String, Value> =
                endpoint.content_types.iter().map(|name| ((*name).to_owned(), media.clone())).collect();
            operation.insert("requestBody".into(), json!({ "content": content, "required": true }));
        }
        if !endpoint.public {
            operation.insert("security".into(), json!([{ "basicAuth": [] }]));
        }
        let mut responses = Map::new();
        for (status, body) in &endpoint.responses {
            let response = match body {
                None => json!({ "description": "No response body" }),
                Some(body) => {
                    let schema = json!({ "$ref": format!("{REF}{}", body.name) });
                    json!({ "content": { "application/json": { "schema": schema } }, "description": "" })
                }
            };
            responses.insert(status.to_string(), response);
        }
        if responses.is_empty() {
            responses.insert("200".into(), json!({ "description": "No response body" }));
        }
        operation.insert("responses".into(), responses.into());
        Value::Object(operation)
    }

    fn parameters(&self, endpoint: &Endpoint) -> Value {
        let mut parameters = vec![json!({
            "in": "header",
            "name": super::cx::DIAGNOSTICS,
            "description": "List of profilers to use on tasks.",
            "schema": { "type": "array", "items": { "type": "string" } },
        })];
        parameters.extend(endpoint.headers.iter().map(
            |header| json!({ "in": "header", "name": header.name, "required": true, "schema": kind(&header.kind) }),
        ));
        for name in names_in(&self.path(endpoint)) {
            let schema = match name.as_str() {
                "number" | "id" => json!({ "type": "integer", "format": "int64" }),
                "pulp_id" | "repository_pk" => json!({ "type": "string", "format": "uuid" }),
                _ => json!({ "type": "string" }),
            };
            parameters.push(json!({ "in": "path", "name": name, "required": true, "schema": schema }));
        }
        parameters.extend(endpoint.parameters.iter().map(query_parameter));
        Value::Array(parameters)
    }
}

fn query_parameter(parameter: &Parameter) -> Value {
    let mut described = json!({ "in": "query", "name": parameter.name, "schema": kind(&parameter.kind) });
    // These two alone may be repeated, as well as hold commas.
    let repeated = matches!(parameter.name.as_str(), "fields" | "exclude_fields");
    if matches!(parameter.kind, Kind::List(_)) && !repeated {
        described["explode"] = false.into();
        described["style"] = "form".into();
    }
    described
}

fn kind(kind: &Kind) -> Value {
    match kind {
        Kind::Text => json!({ "type": "string" }),
        Kind::Integer => json!({ "type": "integer" }),
        Kind::Number => json!({ "type": "number" }),
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::DateTime => json!({ "type": "string", "format": "date-time" }),
        Kind::Uuid => json!({ "type": "string", "format": "uuid" }),
        Kind::Choice(values) => json!({ "type": "string", "enum": values }),
        Kind::List(of) => json!({ "type": "array", "items": self::kind(of) }),
    }
}

/// The parameter of an outer thing is named after it where an inner one has a name of its own.
fn nested(path: &str) -> String {
    path.replace("{pulp_id}/versions/", "{repository_pk}/versions/")
}

fn names_in(path: &str) -> Vec<String> {
    path.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name.to_owned()).collect()
}

/// The operation's id without what its path says already.
fn bare(endpoint: &Endpoint) -> &str {
    if HAND_SET.contains(&endpoint.id.as_str()) {
        return &endpoint.id;
    }
    let mut words: Vec<&str> =
        endpoint.path.split('/').filter(|part| !part.is_empty() && !part.contains('{')).collect();
    while !words.is_empty() {
        let prefix = words.join("_").replace('-', "_");
        if let Some(rest) = endpoint.id.strip_prefix(&prefix).and_then(|rest| rest.strip_prefix('_')) {
            return rest;
        }
        words.pop();
    }
    &endpoint.id
}

/// The schemas that these paths refer to, and those that they refer to in turn.
fn reachable(paths: &Value, all: &BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    let mut open = vec![paths];
    while let Some(node) = open.pop() {
        match node {
            Value::Array(items) => open.extend(items),
            Value::Object(object) => {
                let name = object.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix(REF));
                if let Some((name, schema)) = name.and_then(|name| all.get_key_value(name))
                    && found.insert(name.clone(), schema.clone()).is_none()
                {
                    open.push(schema);
                }
                open.extend(object.values());
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use axum::http::{Method, StatusCode};
    use axum::response::IntoResponse;

    use super::super::endpoint::Described;
    use super::*;

    fn endpoint(method: Method, path: &str, id: &str) -> Endpoint {
        Endpoint::new(method, path, id, |_| async { Ok(StatusCode::OK.into_response()) })
    }

    fn catalog() -> Catalog {
        let href = "file_file_repository_href";
        let prefix = "repositories/file/file/{pulp_id}/";
        let inner = json!({ "type": "object", "properties": {} });
        let outer = json!({ "type": "object", "properties": { "inner": { "$ref": format!("{REF}Inner") } } });
        let unused = json!({ "type": "object" });
        let body = Described::named("Outer", outer, vec![("Inner".into(), inner), ("Unused".into(), unused)]);
        Catalog::of(vec![
            endpoint(Method::GET, "status/", "status_read").public(),
            endpoint(Method::POST, &format!("{prefix}sync/"), "repositories_file_file_sync")
                .of_object(prefix, href)
                .takes(body),
            endpoint(Method::GET, &format!("{prefix}versions/{{number}}/"), "repositories_file_file_versions_read")
                .of_object(format!("{prefix}versions/{{number}}/"), "file_file_repository_version_href"),
            endpoint(Method::POST, "orphans/cleanup/", "orphans_cleanup_cleanup"),
        ])
        .unwrap()
    }

    fn made(variant: Variant) -> Value {
        document(&catalog(), &Variant { root: "/pulp/api/v3/".into(), ..variant })
    }

    #[test]
    fn one_things_path_is_its_href() {
        let document = made(Variant::default());
        let paths: Vec<_> = document["paths"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(
            paths,
            [
                "/pulp/api/v3/orphans/cleanup/",
                "/pulp/api/v3/status/",
                "{file_file_repository_href}sync/",
                "{file_file_repository_version_href}",
            ]
        );
        let sync = &document["paths"]["{file_file_repository_href}sync/"]["post"];
        assert_eq!(sync["operationId"], "repositories_file_file_sync");
        assert_eq!(sync["parameters"][1]["name"], "file_file_repository_href");
        assert_eq!(sync["security"], json!([{ "basicAuth": [] }]));
        assert_eq!(document["paths"]["/pulp/api/v3/status/"]["get"].get("security"), None);
    }

    #[test]
    fn ordinary_paths_name_the_outer_thing() {
        let document = made(Variant { pk_path: true, ..Variant::default() });
        let path = "/pulp/api/v3/repositories/file/file/{repository_pk}/versions/{number}/";
        let names: Vec<_> = document["paths"][path]["get"]["parameters"].as_array().unwrap()[1..]
            .iter()
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["repository_pk", "number"]);
    }

    #[test]
    fn bindings_get_the_bare_action() {
        let document = made(Variant { bindings: true, ..Variant::default() });
        let mut ids: Vec<_> = document["paths"]
            .as_object()
            .unwrap()
            .values()
            .flat_map(|path| path.as_object().unwrap().values())
            .map(|operation| operation["operationId"].as_str().unwrap())
            .collect();
        ids.sort_unstable();
        assert_eq!(ids, ["cleanup", "read", "status_read", "sync"]);
    }

    #[test]
    fn schemas_that_nothing_refers_to_are_left_out() {
        let document = made(Variant::default());
        let names: Vec<_> = document["components"]["schemas"].as_object().unwrap().keys().collect();
        assert_eq!(names, ["Inner", "Outer"]);
    }

    #[test]
    fn unknown_components_make_no_new_document() {
        let documents = Documents::new(Arc::new(catalog()));
        for name in ["nobody", "nothing"] {
            let variant = Variant { components: [name.to_owned()].into(), ..Variant::default() };
            let text = documents.text(variant, "http://pulp.test/").unwrap();
            let document: Value = serde_json::from_slice(&text).unwrap();
            assert_eq!(document["servers"], json!([{ "url": "http://pulp.test/" }]));
        }
        documents.made.run_pending_tasks();
        assert_eq!(documents.made.entry_count(), 1);
    }
}
