//! What every plugin must do, whatever its content is: the promises of the framework, asked over HTTP.
//!
//! A plugin says how one of its units is made ([`Subject`]) and gets a test a promise, on both databases:
//!
//! ```
//! use pulpcore::testkit::conformance::{Subject, Unit};
//!
//! pulpcore::conformance!(Subject {
//!     label: "file",
//!     repositories: "repositories/file/file/",
//!     content: "content/file/files/",
//!     unit: |n| Unit { file: format!("file {n}").into(), fields: vec![("relative_path", format!("{n}.txt"))] },
//!     rival: Some(|n| Unit { file: format!("other {n}").into(), fields: vec![("relative_path", format!("{n}.txt"))] }),
//! });
//! # fn main() {}
//! ```

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Answer, TestPulp};
use crate::plugin::TaskKind;
use crate::registry;

/// A plugin, as the promises need to know it.
#[derive(Clone, Copy, Debug)]
pub struct Subject {
    /// The plugin's label.
    pub label: &'static str,
    /// The collection of a repository type, below the API root; `name` is enough to make one.
    pub repositories: &'static str,
    /// The collection of a content type that those repositories hold, and that takes files.
    pub content: &'static str,
    /// The unit of this number: equal for equal numbers, different in content and repository key for others.
    pub unit: fn(usize) -> Unit,
    /// A unit that differs from the one of this number, but may not stand beside it in a version.
    pub rival: Option<fn(usize) -> Unit>,
}

/// How a unit is uploaded.
#[derive(Clone, Debug)]
pub struct Unit {
    /// The file.
    pub file: Bytes,
    /// The form's other fields.
    pub fields: Vec<(&'static str, String)>,
}

/// Writes a test for each promise, for one plugin. See [`conformance`](crate::testkit::conformance).
#[macro_export]
macro_rules! conformance {
    ($subject:expr) => {
        $crate::conformance! { @each $subject;
            a_repository_begins_with_an_empty_version
            a_version_never_changes
            a_change_of_nothing_makes_no_version
            a_unit_is_stored_once
            a_rival_replaces_the_older_unit
            a_deleted_version_leaves_the_others_as_they_were
            names_are_hrefs_or_prns
            labels_are_set_and_unset
            unknown_filters_and_fields_are_refused
            every_list_pages_orders_and_selects
            every_operation_is_described_once
            every_kind_of_task_has_typed_endpoints
        }
    };
    (@each $subject:expr; $($promise:ident)*) => {
        $($crate::both_databases!($promise, |pulp| {
            $crate::testkit::conformance::$promise(pulp, &$subject).await;
        });)*
    };
}

/// Version 0 exists, is the latest, and holds nothing.
pub async fn a_repository_begins_with_an_empty_version(pulp: &TestPulp, subject: &Subject) {
    let repository = repository(pulp, subject).await;
    let latest = text(&repository, "latest_version_href");
    assert_eq!(latest, format!("{}versions/0/", text(&repository, "pulp_href")));
    let version = pulp.get(&latest).await.ok();
    assert_eq!(version["number"], 0);
    assert_eq!(version["content_summary"], json!({ "added": {}, "removed": {}, "present": {} }));
}

/// What a version holds is the same whatever later versions do.
pub async fn a_version_never_changes(pulp: &TestPulp, subject: &Subject) {
    let repository = text(&repository(pulp, subject).await, "pulp_href");
    let (one, two) = (unit(pulp, subject, 1).await, unit(pulp, subject, 2).await);
    let first = add(pulp, &repository, &[&one]).await;
    let before = pulp.get(&first).await.ok();
    assert_eq!(held(pulp, subject, &first).await, [one.clone()].into());
    let made = pulp.get(&format!("tasks/?created_resources={first}")).await.results();
    assert_eq!(made.len(), 1, "tasks that made {first}: {made:?}");

    modify(pulp, &repository, json!({ "add_content_units": [two], "remove_content_units": [one] })).await;
    assert_eq!(held(pulp, subject, &latest(pulp, &repository).await).await, [two].into());
    assert_eq!(held(pulp, subject, &first).await, [one].into());
    assert_eq!(pulp.get(&first).await.ok(), before);
    pulp.patch(&first, json!({ "number": 7 })).await.expect(405);
}

/// Adding what is there and removing what is not make no version.
pub async fn a_change_of_nothing_makes_no_version(pulp: &TestPulp, subject: &Subject) {
    let repository = text(&repository(pulp, subject).await, "pulp_href");
    let (one, two) = (unit(pulp, subject, 1).await, unit(pulp, subject, 2).await);
    let first = add(pulp, &repository, &[&one]).await;
    for nothing in [
        json!({}),
        json!({ "add_content_units": [one] }),
        json!({ "remove_content_units": [two] }),
        json!({ "add_content_units": [one], "remove_content_units": [one] }),
    ] {
        let task = modify(pulp, &repository, nothing.clone()).await;
        assert_eq!(task, Vec::<String>::new(), "{nothing}");
        assert_eq!(latest(pulp, &repository).await, first, "{nothing}");
    }
}

/// Two uploads of the same make one unit.
pub async fn a_unit_is_stored_once(pulp: &TestPulp, subject: &Subject) {
    let first = unit(pulp, subject, 1).await;
    assert_eq!(unit(pulp, subject, 1).await, first);
    assert_eq!(pulp.get(subject.content).await.ok()["count"], 1);
    assert_ne!(unit(pulp, subject, 2).await, first);
    assert_eq!(pulp.get(subject.content).await.ok()["count"], 2);
}

/// A unit with the same repository key as one that is there takes its place.
pub async fn a_rival_replaces_the_older_unit(pulp: &TestPulp, subject: &Subject) {
    let Some(rival) = subject.rival else { return };
    let repository = text(&repository(pulp, subject).await, "pulp_href");
    let (old, other) = (unit(pulp, subject, 1).await, unit(pulp, subject, 2).await);
    let rival = upload(pulp, subject, rival(1)).await;
    assert_ne!(old, rival);
    let before = add(pulp, &repository, &[&old, &other]).await;
    let after = add(pulp, &repository, &[&rival]).await;
    assert_eq!(held(pulp, subject, &after).await, [rival, other.clone()].into());
    assert_eq!(held(pulp, subject, &before).await, [old, other].into());
}

/// The later versions take over what a deleted one changed.
pub async fn a_deleted_version_leaves_the_others_as_they_were(pulp: &TestPulp, subject: &Subject) {
    let repository = text(&repository(pulp, subject).await, "pulp_href");
    let mut versions = Vec::new();
    let mut units = Vec::new();
    for n in 1..=3 {
        units.push(unit(pulp, subject, n).await);
        versions.push(add(pulp, &repository, &[&units[n - 1]]).await);
    }
    pulp.delete(&versions[1]).await.accepted().await.completed();

    pulp.get(&versions[1]).await.missing();
    assert_eq!(held(pulp, subject, &versions[0]).await, [units[0].clone()].into());
    assert_eq!(held(pulp, subject, &versions[2]).await, units.iter().cloned().collect());
    let summary = pulp.get(&versions[2]).await.ok()["content_summary"].take();
    assert_eq!(total(&summary["added"]), 2, "{summary}");
    assert_eq!(total(&summary["present"]), 3, "{summary}");
}

/// Wherever a body takes an href it takes a PRN.
pub async fn names_are_hrefs_or_prns(pulp: &TestPulp, subject: &Subject) {
    let repository = text(&repository(pulp, subject).await, "pulp_href");
    let one = unit(pulp, subject, 1).await;
    let prn = text(&pulp.get(&one).await.ok(), "prn");
    let made = modify(pulp, &repository, json!({ "add_content_units": [prn] })).await;
    assert_eq!(held(pulp, subject, &made[0]).await, [one].into());
    let found = pulp.get(&format!("{}?prn__in={prn}", subject.content)).await.results();
    assert_eq!(found.len(), 1);
    let unknown = text(&pulp.get(&repository).await.ok(), "pulp_href").replace('7', "8");
    pulp.get(&unknown).await.missing();
}

/// Labels are set, found and unset.
pub async fn labels_are_set_and_unset(pulp: &TestPulp, subject: &Subject) {
    let repository = text(&repository(pulp, subject).await, "pulp_href");
    let answer = pulp.post(&format!("{repository}set_label/"), json!({ "key": "stage", "value": "test" })).await;
    assert_eq!(answer.created(), json!({ "key": "stage", "value": "test" }));
    assert_eq!(pulp.get(&repository).await.ok()["pulp_labels"], json!({ "stage": "test" }));
    for (select, count) in [("stage", 1), ("stage=test", 1), ("!stage", 0), ("stage=other", 0)] {
        let path = format!("{}?pulp_label_select={select}", subject.repositories);
        assert_eq!(pulp.get(&path).await.ok()["count"], count, "{select}");
    }
    pulp.post(&format!("{repository}unset_label/"), json!({ "key": "stage" })).await.created();
    assert_eq!(pulp.get(&repository).await.ok()["pulp_labels"], json!({}));
    pulp.post(&format!("{repository}unset_label/"), json!({ "key": "stage" })).await.refused();
    pulp.post(&format!("{repository}set_label/"), json!({ "key": "a,b", "value": "c" })).await.refused();
}

/// A misspelt filter or field is told, not ignored.
pub async fn unknown_filters_and_fields_are_refused(pulp: &TestPulp, subject: &Subject) {
    for noun in registry::get().nouns().iter().filter(|noun| noun.label() == subject.label) {
        let path = noun.path();
        let refused = pulp.get(&format!("{path}?no_such_filter=1")).await.refused();
        assert_eq!(refused, json!({ "errors": ["Invalid Filter: 'no_such_filter'"] }), "{path}");
    }
    for (path, _) in operations(pulp, subject, "post").await.into_iter().filter(|(path, _)| !path.contains("{")) {
        let refused = pulp.post(&path, json!({ "no_such_field": 1 })).await.refused();
        assert_eq!(refused["no_such_field"], json!(["Unexpected field"]), "{path}: {refused}");
    }
}

/// Every list knows pages, selections of fields and all orderings that it declares.
pub async fn every_list_pages_orders_and_selects(pulp: &TestPulp, subject: &Subject) {
    for n in 1..=3 {
        unit(pulp, subject, n).await;
        repository(pulp, subject).await;
    }
    for (path, operation) in operations(pulp, subject, "get").await {
        let parameters = parameters(&operation);
        let Some(orderings) = parameters.get("ordering").filter(|_| !path.contains('{')) else { continue };
        for name in ["limit", "offset", "fields", "exclude_fields", "q"] {
            assert!(parameters.contains_key(name), "{path} does not take {name}");
        }
        let all = pulp.get(&format!("{path}?fields=pulp_href")).await.results();
        assert!(all.iter().all(|object| object.as_object().is_some_and(|object| object.len() == 1)), "{path}: {all:?}");
        let mut paged = Vec::new();
        for offset in 0..all.len() {
            let page = pulp.get(&format!("{path}?fields=pulp_href&limit=1&offset={offset}")).await.ok();
            assert_eq!(page["count"], all.len(), "{path}");
            assert_eq!(page["next"].is_null(), offset + 1 == all.len(), "{path}: {page}");
            paged.extend(page["results"].as_array().cloned().unwrap_or_default());
        }
        assert_eq!(paged, all, "{path}");
        let names = orderings["items"]["enum"].as_array().into_iter().flatten().filter_map(Value::as_str);
        for name in names {
            pulp.get(&format!("{path}?ordering={name}")).await.ok();
        }
        pulp.get(&format!("{path}?ordering=no_such_ordering")).await.refused();
    }
}

/// Every route of every noun is in the document, each operation under an id of its own, and what the document refers to is
/// in it.
pub async fn every_operation_is_described_once(pulp: &TestPulp, subject: &Subject) {
    let document = pulp.get("docs/api.json").await.ok();
    let mut ids = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in operations.as_object().into_iter().flatten() {
            let id = operation["operationId"].as_str().unwrap_or_default();
            assert!(!id.is_empty() && ids.insert(id.to_owned()), "{method} {path}: '{id}'");
        }
    }
    for noun in registry::get().nouns().iter().filter(|noun| noun.label() == subject.label) {
        let id = crate::api::endpoint::operation_id(noun, "list");
        assert!(ids.contains(&id), "{id}");
    }
    let text = document.to_string();
    for reference in text.split("\"#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(document["components"]["schemas"].get(reference).is_some(), "{reference}");
    }
    assert_eq!(document["info"]["x-pulp-app-versions"][subject.label].as_str().map(str::is_empty), Some(false));
}

/// Every kind of task is listed, and started if clients may start it, at a URL of its own, with its parameters by type.
pub async fn every_kind_of_task_has_typed_endpoints(pulp: &TestPulp, subject: &Subject) {
    let document = pulp.get("docs/api.json?pk_path").await.ok();
    let label = format!("{}/", subject.label);
    let module = registry::get().plugins().iter().find(|plugin| plugin.label == subject.label);
    let module = module.map_or_else(|| "pulpcore.".to_owned(), |plugin| format!("{}.", plugin.module));
    let mine = |kind: &&TaskKind| kind.type_name.starts_with(&label) || kind.name.starts_with(&module);
    for kind in registry::get().tasks().filter(mine) {
        let name = kind.type_name;
        assert!(name.starts_with(&label) && is_named_as_tasks_are(name), "'{name}' is no '{label}<nouns>'");
        let path = format!("tasks/{}/", kind.type_name);
        let page = pulp.get(&path).await.ok();
        assert!(page["count"].is_u64() && page["results"].is_array(), "{path} is no page: {page}");
        assert!(page.get("next").is_some() && page.get("previous").is_some(), "{path} is no page: {page}");
        let refused = pulp.get(&format!("{path}?no_such_filter=1")).await.refused();
        assert_eq!(refused, json!({ "errors": ["Invalid Filter: 'no_such_filter'"] }), "{path}");

        let operations = &document["paths"][pulp.href(&path)];
        let page = answered(&document, &operations["get"], "200");
        let task = resolved(&document, &page["properties"]["results"]["items"]);
        assert!(has_typed_parameters(&document, task), "{path} lists tasks without their parameters: {task}");
        if !kind.endpoint {
            assert!(operations.get("post").is_none(), "{path} is not for clients to start");
            pulp.post(&path, json!({})).await.expect(405);
            continue;
        }
        let body = &operations["post"]["requestBody"]["content"]["application/json"]["schema"];
        let body = resolved(&document, body);
        assert!(body["properties"].is_object() || body["type"] == "object", "{path} takes no typed body: {body}");
        let task = answered(&document, &operations["post"], "202");
        assert!(has_typed_parameters(&document, task), "{path} answers without typed parameters: {task}");
        let refused = pulp.post(&path, json!({ "no_such_field": 1 })).await.refused();
        assert_eq!(refused["no_such_field"], json!(["Unexpected field"]), "{path}: {refused}");
    }
}

/// A label and a noun in the plural, as in `file/syncs`.
fn is_named_as_tasks_are(type_name: &str) -> bool {
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
    let nouns = |nouns: &str| nouns.ends_with('s') && nouns.split('-').all(is_word);
    type_name.split_once('/').is_some_and(|(_, rest)| nouns(rest))
}

/// The schema of an answer.
fn answered<'a>(document: &'a Value, operation: &'a Value, status: &str) -> &'a Value {
    resolved(document, &operation["responses"][status]["content"]["application/json"]["schema"])
}

/// A schema, or the one that it refers to.
fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let name = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix(crate::api::schema::REF));
    name.map_or(schema, |name| &document["components"]["schemas"][name])
}

fn has_typed_parameters(document: &Value, task: &Value) -> bool {
    let parameters = resolved(document, &task["properties"]["parameters"]);
    task["properties"]["state"].is_object() && parameters["type"] == "object"
}

async fn repository(pulp: &TestPulp, subject: &Subject) -> Value {
    let name = uuid::Uuid::now_v7().to_string();
    let answer = pulp.post(subject.repositories, json!({ "name": name })).await;
    assert!(answer.header("location").contains(subject.repositories), "{answer:?}");
    answer.created()
}

async fn unit(pulp: &TestPulp, subject: &Subject, n: usize) -> String {
    upload(pulp, subject, (subject.unit)(n)).await
}

async fn upload(pulp: &TestPulp, subject: &Subject, unit: Unit) -> String {
    let fields: Vec<(&str, &str)> = unit.fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let answer: Answer = pulp.upload(subject.content, unit.file, &fields).await;
    answer.accepted().await.completed().created_resource()
}

async fn modify(pulp: &TestPulp, repository: &str, body: Value) -> Vec<String> {
    pulp.post(&format!("{repository}modify/"), body).await.accepted().await.completed().created_resources()
}

async fn add(pulp: &TestPulp, repository: &str, units: &[&String]) -> String {
    let made = modify(pulp, repository, json!({ "add_content_units": units })).await;
    assert_eq!(made.len(), 1, "adding {units:?} made {made:?}");
    made.into_iter().next().unwrap_or_default()
}

async fn latest(pulp: &TestPulp, repository: &str) -> String {
    text(&pulp.get(repository).await.ok(), "latest_version_href")
}

async fn held(pulp: &TestPulp, subject: &Subject, version: &str) -> BTreeSet<String> {
    let path = format!("{}?repository_version={version}", subject.content);
    pulp.get(&path).await.results().iter().map(|unit| text(unit, "pulp_href")).collect()
}

fn total(summary: &Value) -> i64 {
    summary.as_object().into_iter().flatten().filter_map(|(_, of_type)| of_type["count"].as_i64()).sum()
}

fn text(object: &Value, name: &str) -> String {
    object[name].as_str().unwrap_or_else(|| panic!("no '{name}' in {object}")).to_owned()
}

/// The plugin's operations of one method, by path, as the document describes them.
async fn operations(pulp: &TestPulp, subject: &Subject, method: &str) -> BTreeMap<String, Value> {
    let document = pulp.get(&format!("docs/api.json?pk_path&component={}", subject.label)).await.ok();
    let paths = document["paths"].as_object().into_iter().flatten();
    let of_method = paths.filter_map(|(path, operations)| Some((path.clone(), operations.get(method)?.clone())));
    of_method.collect()
}

fn parameters(operation: &Value) -> BTreeMap<String, Value> {
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    parameters.map(|parameter| (text(parameter, "name"), parameter["schema"].clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::{Subject, Unit};

    crate::both_databases!(cores_own_tasks_have_typed_endpoints, |pulp| {
        let core = Subject { label: "core", repositories: "", content: "", unit: |n| note(n, "text"), rival: None };
        super::every_kind_of_task_has_typed_endpoints(pulp, &core).await;
    });

    #[test]
    fn a_kind_of_task_is_named_by_a_noun_in_the_plural() {
        assert!(["file/syncs", "core/orphan-cleanups"].into_iter().all(super::is_named_as_tasks_are));
        let wrong = ["file/sync", "syncs", "file/", "file/Syncs", "file/my_syncs", "file/a--s", "file/a/bs"];
        assert!(!wrong.into_iter().any(super::is_named_as_tasks_are));
    }

    fn note(n: usize, text: &str) -> Unit {
        Unit { file: format!("{text} {n}").into(), fields: vec![("title", format!("note {n}"))] }
    }

    crate::conformance!(Subject {
        label: "sample",
        repositories: "repositories/sample/notebooks/",
        content: "content/sample/notes/",
        unit: |n| note(n, "text"),
        rival: Some(|n| note(n, "another text")),
    });
}
