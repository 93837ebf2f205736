//! The wire as clients of Pulp know it: our OpenAPI document against what a running Pulp 3.123 said of the same operations.
//!
//! Both documents are reduced to facts by the same code: one line for each operation, parameter, body, answer and field,
//! with its type and its bounds. `wire/pulp-3.123.json` holds Pulp's facts about the operations that we have. Where we
//! differ on purpose, [`KNOWN`] says why; a difference that is not listed fails, and so does a listed one that is gone.
//!
//! After implementing another operation of Pulp, write the facts anew from a document of Pulp itself
//! (`curl "$PULP/pulp/api/v3/docs/api.json?pk_path=1&component=core,file"`):
//! `PULP_ORIGINAL=api.json cargo test --test wire`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::{Map, Value};

/// Places where we differ (`*` stands for anything), and why.
const KNOWN: &[(&[&str], &str)] = &[
    (
        &[
            "events_list",
            "root_read",
            "tasks_clones_create",
            "tasks_container_*",
            "tasks_core_*",
            "tasks_events_list",
            "tasks_file_*",
            "tasks_rpm_*",
            "tasks_profile_artifacts_read",
        ],
        "Ours alone: the map of the API, typed endpoints for tasks, their events, and what was observed of them.",
    ),
    (
        &["TaskInTheWayResponse.*", "TaskResponse.x_waiting_for", "TaskWaitingForResponse.*"],
        "A waiting task says what it waits for, under a name that Pulp will not take.",
    ),
    (
        &[
            "*_list ?ordering=*password",
            "remotes_*list ?ordering=client_key",
            "remotes_*list ?ordering=*username",
            "tasks_list ?ordering=enc_args",
            "tasks_list ?ordering=enc_kwargs",
        ],
        "Who may not read a secret must not learn about it from an order.",
    ),
    (
        &[
            "content_container_*_list ?ordering=data",
            "content_*_list ?ordering=upstream_id",
            "*versions_list ?ordering=complete",
            "*versions_list ?ordering=content_ids",
            "*versions_list ?ordering=info",
            "task_schedules_list ?ordering=task_args",
            "task_schedules_list ?ordering=task_kwargs",
            "tasks_list ?ordering=deferred",
            "tasks_list ?ordering=profile_options",
            "tasks_list ?ordering=pulp_api_version",
            "tasks_list ?ordering=versions",
        ],
        "Columns of the original's tables that ours lack: they say nothing to a client.",
    ),
    (
        &["content_list ?ordering=pulp_*", "content_list ?ordering=timestamp_of_interest"],
        "The list over all types of content can be sorted like those of one type.",
    ),
    (
        &[
            "*_list ?pulp_type*=core.*",
            "*_list ?pulp_type*=rpm.*",
            "remotes_list ?pulp_type*=file.git",
            "contentguards_list ?pulp_type*=certguard.rhsm",
        ],
        "Types that this build has no plugin for.",
    ),
    (
        &["*container.Container*Distribution*.content_guard"],
        "Nothing of a registry is below the content prefix, so its distributions need no guard there.",
    ),
    (
        &["*container.ContainerPullThroughDistribution*.distributions"],
        "Pulling makes them: they are listed, not written.",
    ),
    (
        &["ManifestCopy.digests", "RecursiveManage.content_units", "TagCopy.names"],
        "An href, a digest, the name of a tag are text.",
    ),
    (&["container.BlobResponse.artifact"], "It is among core's fields of units with a file."),
    (
        &["RemoveSignaturesResponse.*", "repositories_container_container_push_remove_signatures 20*"],
        "The original answers with a task, too, and says something else.",
    ),
    (&["claims_list"], "Who answers in which part of the URL space."),
    (&["distributions*_list ?content_guard*"], "Which distributions a guard protects is worth a question."),
    (&["*file.FileDistribution*.remote"], "Files can be pulled through; Pulp's file plugin does not offer that."),
    (&["*User.password"], "The text that is hashed has a bound."),
    (
        &["*Remote*.max_retries"],
        "The original fails with 500 on a negative number of retries; here the client is told what is wrong.",
    ),
    (&["*Remote*.headers"], "A header is text. Where none are set null is read, so null may be written."),
    (&["OrphansCleanup.content_hrefs"], "An href is text."),
    (&["file.FileRepositoryResponse.last_sync_details"], "It is always an object, so it is said to be one."),
    (&["content_rpm_*_list ?ordering=*"], "The original sorts some lists by `pk` only; here all are sorted alike."),
    (
        &["*rpm.RpmRepository*.osv_config", "rpm.EcosystemConfig.*"],
        "Scans are refused, whatever the ecosystem is called.",
    ),
    (&["rpm.Package.relative_path"], "A path that is not given is null."),
    (
        &["rpm.Rpm*Response.metadata_checksum_type", "rpm.Rpm*Response.package_checksum_type"],
        "That the original removed them is said in words.",
    ),
    (
        &["rpm.PackageResponse.*s", "rpm.Rpm*Response.sqlite_metadata"],
        "What can only be read is given by nobody, so that it has no default.",
    ),
    (&["rpm.PackageResponse.signing_keys"], "A key's id is as long as it is."),
    (&["*rpm.RpmRemote*.metadata_public_key"], "A sync may ask for a signature; the original looks at none."),
    (&["DomainResponse.storage_class"], "Storage of our own need not be named after a class of Django's."),
];

/// What is known about a place: `users_list ?limit` is an `integer`.
type Facts = BTreeMap<String, String>;

const EXTRACT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/wire/pulp-3.123.json");
const REF: &str = "#/components/schemas/";

#[test]
fn clients_of_pulp_meet_what_they_know() {
    let document = ours();
    if let Some(original) = std::env::var_os("PULP_ORIGINAL") {
        let text = std::fs::read_to_string(original).expect("PULP_ORIGINAL names a file");
        let original = serde_json::from_str(&text).expect("PULP_ORIGINAL is an OpenAPI document in JSON");
        let shared = &ids(&document) & &ids(&original);
        let text = serde_json::to_string_pretty(&facts(&original, &shared)).expect("JSON can be written");
        std::fs::write(EXTRACT, text + "\n").expect("the extract can be written");
    }
    let text = std::fs::read_to_string(EXTRACT).expect("the extract is there");
    let pulp: Facts = serde_json::from_str(&text).expect("the extract is JSON");
    let shared: BTreeSet<String> = pulp.keys().filter(|place| !place.contains([' ', '.'])).cloned().collect();
    let mut ours = facts(&document, &shared);
    for id in &ids(&document) - &shared {
        ours.insert(id, "an operation".to_owned());
    }

    let mut unused: Vec<&str> = KNOWN.iter().flat_map(|(places, _)| *places).copied().collect();
    let mut problems = Vec::new();
    let places: BTreeSet<&String> = pulp.keys().chain(ours.keys()).collect();
    for place in places {
        let (theirs, own) = (pulp.get(place), ours.get(place));
        if theirs == own {
            continue;
        }
        let known = KNOWN.iter().flat_map(|(places, _)| *places).filter(|pattern| matches(pattern, place));
        let before = problems.len();
        problems.push(format!("{place}: {} in Pulp, {} here", said(theirs), said(own)));
        for pattern in known {
            problems.truncate(before);
            unused.retain(|other| other != pattern);
        }
    }
    problems.extend(unused.iter().map(|pattern| format!("{pattern}: listed as a difference, but there is none")));
    assert!(problems.is_empty(), "{} differences:\n{}", problems.len(), problems.join("\n"));
}

#[test]
fn a_change_of_the_document_is_seen() {
    let document = ours();
    let shared = BTreeSet::from(["repositories_file_file_create".to_owned()]);
    let before = facts(&document, &shared);
    let name = "file.FileRepository.name";
    assert_eq!(before[name], "string required minlen=1");
    assert_eq!(before["repositories_file_file_create 201"], "@file.FileRepositoryResponse");

    let mut changed = document;
    changed["components"]["schemas"]["file.FileRepository"]["properties"]["name"]["type"] = "integer".into();
    assert_ne!(facts(&changed, &shared)[name], before[name]);
}

fn said(fact: Option<&String>) -> &str {
    fact.map_or("nothing", String::as_str)
}

/// Whether a place fits a pattern in which `*` stands for anything.
fn matches(pattern: &str, place: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| place.strip_prefix(first)) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

/// The document of the built server.
fn ours() -> Value {
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_pulp-server"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PULP_")) {
        command.env_remove(name);
    }
    let output = command.args(["openapi", "--pk-path", "--data-dir"]).arg(folder.path()).current_dir(folder.path());
    let output = output.output().expect("the server's program can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("the document is JSON")
}

/// Every operation: path, method, description.
fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    entries(&document["paths"]).flat_map(|(path, item)| entries(item).map(move |(method, it)| (path, method, it)))
}

fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(key, value)| (key.as_str(), value))
}

fn ids(document: &Value) -> BTreeSet<String> {
    operations(document).filter_map(|(_, _, operation)| operation["operationId"].as_str()).map(str::to_owned).collect()
}

/// The facts about these operations, and about every schema that they need.
fn facts(document: &Value, wanted: &BTreeSet<String>) -> Facts {
    let mut reducer = Reducer { schemas: &document["components"]["schemas"], facts: Facts::new(), open: Vec::new() };
    for (path, method, operation) in operations(document) {
        let id = operation["operationId"].as_str().unwrap_or_default();
        if wanted.contains(id) {
            reducer.facts.insert(id.to_owned(), format!("{} {path}", method.to_uppercase()));
            reducer.operation(id, operation);
        }
    }
    let mut seen = BTreeSet::new();
    while let Some(name) = reducer.open.pop() {
        if seen.insert(name.clone()) {
            reducer.schema(&name);
        }
    }
    reducer.facts
}

struct Reducer<'a> {
    schemas: &'a Value,
    facts: Facts,
    /// Schemas that were referred to.
    open: Vec<String>,
}

impl Reducer<'_> {
    fn operation(&mut self, id: &str, operation: &Value) {
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let mark = match parameter["in"].as_str() {
                Some("query") => "?",
                Some("header") => "header ",
                // The path says it.
                _ => continue,
            };
            let place = format!("{id} {mark}{}", parameter["name"].as_str().unwrap_or_default());
            self.parameter(&place, parameter);
        }
        if let Some(content) = operation["requestBody"]["content"].as_object() {
            let media: Vec<&str> = content.keys().map(String::as_str).collect();
            let of = content.values().next().map(|media| self.kind(&media["schema"])).unwrap_or_default();
            self.facts.insert(format!("{id} body"), format!("{of} as {}", media.join(", ")));
        }
        for (status, response) in entries(&operation["responses"]) {
            let of = entries(&response["content"]).next().map(|(_, media)| self.kind(&media["schema"]));
            self.facts.insert(format!("{id} {status}"), of.unwrap_or_else(|| "no body".to_owned()));
        }
    }

    /// A parameter; one place for each value of a choice, so that one that is missing is one difference.
    fn parameter(&mut self, place: &str, parameter: &Value) {
        let schema = &parameter["schema"];
        let item = if schema["type"] == "array" { &schema["items"] } else { schema };
        let kind = match item["enum"].as_array() {
            None => self.kind(schema),
            Some(values) => {
                // Every order goes both ways.
                for value in values.iter().filter_map(Value::as_str).filter(|value| !value.starts_with('-')) {
                    self.facts.insert(format!("{place}={value}"), "a choice".to_owned());
                }
                if schema["type"] == "array" { "choices".to_owned() } else { "choice".to_owned() }
            }
        };
        let required = if parameter["required"] == true { " required" } else { "" };
        if let Some(before) = self.facts.insert(place.to_owned(), kind + required) {
            self.facts.insert(place.to_owned(), format!("{before}, described twice"));
        }
    }

    fn schema(&mut self, name: &str) {
        let schema = &self.schemas[name];
        let required: Vec<&Value> = schema["required"].as_array().into_iter().flatten().collect();
        for (field, property) in entries(&schema["properties"]) {
            let mut kind = self.kind(property);
            if required.contains(&&Value::from(field)) {
                kind += " required";
            }
            self.facts.insert(format!("{name}.{field}"), kind + &said_of(property) + &bounds(property));
        }
        if schema["properties"].is_null() {
            let kind = self.kind(schema);
            self.facts.insert(format!("{name}."), kind);
        }
    }

    /// A type in short: `[string(uri)]`, `map<any>`, `@file.FileRepository`. The values of an enum have no name of theirs.
    fn kind(&mut self, schema: &Value) -> String {
        if let Some(name) = schema["$ref"].as_str().and_then(|text| text.strip_prefix(REF)) {
            let target = &self.schemas[name];
            if target["enum"].is_array() {
                return self.kind(target);
            }
            self.open.push(name.to_owned());
            return format!("@{name}");
        }
        if let Some([only]) = schema["allOf"].as_array().map(Vec::as_slice) {
            return self.kind(only);
        }
        if let Some(values) = schema["enum"].as_array() {
            let mut values: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
            values.sort_unstable();
            return format!("enum({})", values.join("|"));
        }
        match (schema["type"].as_str(), schema["format"].as_str()) {
            (Some("array"), _) => format!("[{}{}]", self.kind(&schema["items"]), bounds(&schema["items"])),
            (Some("object"), _) => self.object(schema),
            (Some(name), Some(format)) => format!("{name}({format})"),
            (Some(name), None) => name.to_owned(),
            (None, _) => "any".to_owned(),
        }
    }

    fn object(&mut self, schema: &Value) -> String {
        if let Some(properties) = schema["properties"].as_object().filter(|properties| !properties.is_empty()) {
            let sorted: BTreeMap<&String, &Value> = properties.iter().collect();
            let fields: Vec<String> = sorted.into_iter().map(|(k, v)| format!("{k}:{}", self.kind(v))).collect();
            return format!("{{{}}}", fields.join(","));
        }
        let values = &schema["additionalProperties"];
        let kind = if values.is_object() { self.kind(values) } else { "any".to_owned() };
        format!("map<{kind}{}>", if values["nullable"] == true { "?" } else { "" })
    }
}

fn said_of(property: &Value) -> String {
    let flags = ["readOnly", "writeOnly", "nullable", "deprecated"];
    flags.into_iter().filter(|flag| property[flag] == true).map(|flag| format!(" {flag}")).collect()
}

fn bounds(property: &Value) -> String {
    let empty = Map::new();
    let property = property.as_object().unwrap_or(&empty);
    let mut text = String::new();
    // A point in time as a default is the day on which somebody asked.
    if let Some(default) = property.get("default").filter(|_| property.get("format") != Some(&"date-time".into())) {
        text += &format!(" default={default}");
    }
    for (key, short) in [("minLength", "minlen"), ("maxLength", "maxlen"), ("minimum", "min"), ("maximum", "max")] {
        // 0 and 0.0 are the same bound.
        if let Some(bound) = property.get(key).and_then(Value::as_f64) {
            text += &format!(" {short}={bound}");
        }
    }
    if let Some(pattern) = property.get("pattern").and_then(Value::as_str) {
        text += &format!(" pattern={pattern}");
    }
    text
}
