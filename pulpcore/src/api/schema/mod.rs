//! Schemas as JSON: collecting, merging and twinning them, and the OpenAPI dialect that clients read.
//!
//! utoipa derives JSON Schema in the dialect of OpenAPI 3.1. The same schema is published (through [`dialect`]) and
//! drives the validation of bodies ([`crate::api::validate`]), so that description and behaviour cannot drift.

pub mod dialect;
pub mod markers;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::error::{Error, Result};

/// Where a `$ref` to a named schema begins.
pub const REF: &str = "#/components/schemas/";

/// How deep `allOf` and `$ref` are followed when an object is flattened; a cycle ends here.
const MAX_DEPTH: usize = 16;

/// How utoipa names maps that it does not recognise, because an alias stands for them.
const MAPS: &[&str] = &["BTreeMap", "HashMap"];

/// A type's schema and those of everything that it refers to, by name, sorted.
///
/// A name stands there twice only if two *different* schemas claim it; whoever assembles the document must refuse that.
pub fn collect<T: ToSchema>() -> Vec<(String, Value)> {
    let mut nested = vec![(T::name().into_owned(), T::schema())];
    T::schemas(&mut nested);
    let mut all: Vec<(String, Value)> = nested.into_iter().map(|(name, schema)| (name, plain(json!(schema)))).collect();
    // A map behind an alias is named like every other map, and nobody gains from a name for a text or a number.
    let (nameless, mut all): (BTreeMap<_, _>, Vec<_>) = {
        let nameless =
            |(name, schema): &(String, Value)| MAPS.contains(&name.as_str()) || (is_bare(schema) && *name != T::name());
        let (nameless, others): (Vec<_>, Vec<_>) = all.drain(..).partition(nameless);
        (nameless.into_iter().collect(), others)
    };
    all.iter_mut().for_each(|(_, schema)| inline(schema, &nameless, 0));
    all.sort_by_cached_key(|(name, schema)| (name.clone(), schema.to_string()));
    all.dedup();
    all
}

/// A struct's own schema with its flattened parts (`#[serde(flatten)]` becomes `allOf`) put into one object.
///
/// # Errors
/// [`Error::Config`] if the type is no struct with named fields.
pub fn object<T: ToSchema>() -> Result<Value> {
    let name = T::name();
    let definitions: BTreeMap<_, _> = collect::<T>().into_iter().collect();
    flatten(&name, definitions.get(&*name).unwrap_or(&Value::Null), &definitions)
}

/// Puts several object schemas into one: core's fields and a plugin's. A later part may redeclare an earlier one's
/// field (a plugin narrows `policy`, or requires `url`); the description is the last one that is given.
///
/// # Errors
/// [`Error::Config`], naming `name`, if a part is not an object schema. Structs with flattened parts go through
/// [`object`] first.
pub fn merge(name: &str, parts: &[Value]) -> Result<Value> {
    let mut fields = Flat::default();
    for part in parts {
        fields.add(name, part, &BTreeMap::new(), 0)?;
    }
    Ok(fields.into_schema())
}

/// The `Patched…` twin of a body: the same fields, none required.
pub fn patched(schema: &Value) -> Value {
    let mut twin = schema.clone();
    if let Some(object) = twin.as_object_mut() {
        object.remove("required");
        if let Some(Value::Array(parts)) = object.get_mut("allOf") {
            parts.iter_mut().for_each(|part| *part = patched(part));
        }
    }
    twin
}

/// A schema as it is published.
fn plain(schema: Value) -> Value {
    let mut schema = merged(schema);
    // Nobody leaves out what nobody may give.
    if let Some(object) = schema.as_object_mut().filter(|object| object.get("readOnly") == Some(&json!(true))) {
        object.remove("default");
    }
    schema
}

/// Puts what is said *about* a field beside the field's schema. utoipa puts it into a second schema, an object without
/// properties, if the first is inlined; taken at its word, `allOf` the two fits nothing that is no object.
fn merged(mut schema: Value) -> Value {
    match &mut schema {
        Value::Array(items) => items.iter_mut().for_each(|item| *item = plain(item.take())),
        Value::Object(object) => {
            object.values_mut().for_each(|value| *value = plain(value.take()));
            // Of a list or a map, utoipa says it of the items.
            for within in ["items", "additionalProperties"] {
                if let Some(items) = object.get_mut(within).and_then(Value::as_object_mut) {
                    let sides: Vec<_> =
                        ["readOnly", "writeOnly"].into_iter().filter_map(|side| items.remove_entry(side)).collect();
                    object.extend(sides);
                }
            }
            let parts = object.get("allOf").and_then(Value::as_array);
            let (said, mut meant): (Vec<_>, Vec<_>) = parts.into_iter().flatten().cloned().partition(is_said_about);
            if said.is_empty() || meant.len() != 1 {
                return schema;
            }
            object.remove("allOf");
            match meant.pop() {
                Some(Value::Object(meant)) if !meant.contains_key("$ref") => object.extend(meant),
                reference => drop(object.insert("allOf".into(), json!([reference]))),
            }
            for about in said.into_iter().filter_map(|part| part.as_object().cloned()) {
                object.extend(about.into_iter().filter(|(key, _)| key != "type"));
            }
        }
        _ => {}
    }
    schema
}

/// Whether a schema says nothing that deserves a name: a text without a list of its values, an object of no properties.
fn is_bare(schema: &Value) -> bool {
    const STRUCTURE: &[&str] =
        &["$ref", "additionalProperties", "allOf", "anyOf", "const", "enum", "items", "oneOf", "properties"];
    schema.as_object().is_some_and(|schema| !schema.keys().any(|key| STRUCTURE.contains(&key.as_str())))
}

/// Puts schemas that have no name of their own where they are referred to.
fn inline(schema: &mut Value, nameless: &BTreeMap<String, Value>, depth: usize) {
    if let Some(meant) = reference(schema).and_then(|name| nameless.get(name)).filter(|_| depth < MAX_DEPTH) {
        let meant = meant.as_object().cloned().unwrap_or_default();
        if let Some(object) = schema.as_object_mut() {
            object.remove("$ref");
            // What stands beside the reference is about this field.
            for (key, value) in meant {
                object.entry(key).or_insert(value);
            }
        }
    }
    match schema {
        Value::Array(items) => items.iter_mut().for_each(|item| inline(item, nameless, depth + 1)),
        Value::Object(object) => object.values_mut().for_each(|value| inline(value, nameless, depth + 1)),
        _ => {}
    }
}

/// Whether this is an object of no properties that says something, such as a default.
fn is_said_about(part: &Value) -> bool {
    const SAID: &[&str] =
        &["default", "deprecated", "description", "example", "examples", "readOnly", "title", "type", "writeOnly"];
    part.as_object().is_some_and(|part| {
        part.get("type") == Some(&json!("object"))
            && part.len() > 1
            && part.keys().all(|key| SAID.contains(&key.as_str()))
    })
}

/// Resolves the `$ref` and `allOf` of an object schema into one flat object.
pub(crate) fn flatten(name: &str, schema: &Value, definitions: &BTreeMap<String, Value>) -> Result<Value> {
    let mut fields = Flat::default();
    fields.add(name, schema, definitions, 0)?;
    Ok(fields.into_schema())
}

/// The name that a schema refers to.
pub(crate) fn reference(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.strip_prefix(REF)
}

#[derive(Default)]
struct Flat {
    properties: Map<String, Value>,
    required: BTreeSet<String>,
    others: Map<String, Value>,
}

impl Flat {
    fn add(&mut self, name: &str, schema: &Value, definitions: &BTreeMap<String, Value>, depth: usize) -> Result<()> {
        let no_object = || Error::Config(format!("The schema {name} cannot be merged: a part of it is not an object."));
        if depth > MAX_DEPTH {
            return Err(no_object());
        }
        if let Some(target) = reference(schema) {
            return self.add(name, definitions.get(target).ok_or_else(no_object)?, definitions, depth + 1);
        }
        let object = schema.as_object().ok_or_else(no_object)?;
        let parts = object.get("allOf").and_then(Value::as_array);
        if parts.is_none() && object.get("type") != Some(&json!("object")) {
            return Err(no_object());
        }
        for part in parts.into_iter().flatten() {
            self.add(name, part, definitions, depth + 1)?;
        }
        for (key, value) in object {
            match (key.as_str(), value) {
                ("allOf" | "type", _) => {}
                ("properties", Value::Object(properties)) => self.properties.extend(properties.clone()),
                ("required", Value::Array(names)) => {
                    self.required.extend(names.iter().filter_map(Value::as_str).map(str::to_owned));
                }
                _ => {
                    self.others.insert(key.clone(), value.clone());
                }
            }
        }
        Ok(())
    }

    fn into_schema(self) -> Value {
        let mut schema = self.others;
        schema.insert("type".into(), json!("object"));
        if !self.required.is_empty() {
            schema.insert("required".into(), json!(self.required));
        }
        schema.insert("properties".into(), Value::Object(self.properties));
        Value::Object(schema)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(ToSchema)]
    #[schema(as = file::Inner)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Inner {
        n: i64,
    }

    #[derive(ToSchema)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Common {
        /// How it is called.
        name: String,
        policy: Option<String>,
    }

    #[derive(ToSchema)]
    #[schema(as = file::Body)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Body {
        #[serde(flatten)]
        common: Common,
        inners: Vec<Inner>,
        again: Option<Inner>,
    }

    #[derive(ToSchema)]
    #[schema(as = file::Policy)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    enum Policy {
        Now,
        Later,
    }

    #[derive(ToSchema)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Inlined {
        /// When.
        #[schema(inline, default = "Now")]
        policy: Policy,
        #[schema(inline, read_only)]
        inner: Inner,
        #[schema(read_only)]
        names: Vec<String>,
        /// Sizes by name.
        sizes: Sizes,
    }

    type Sizes = BTreeMap<String, i64>;

    #[derive(ToSchema)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Marked {
        #[schema(read_only, required = false, value_type = Vec<markers::Uri>)]
        links: Vec<String>,
        /// What went wrong.
        #[schema(read_only, required = false, value_type = markers::AnyObject)]
        error: Option<String>,
        #[schema(read_only, required = false, value_type = markers::Anything)]
        result: Option<String>,
    }

    #[test]
    fn what_is_said_of_a_field_survives_its_schema() {
        let names: Vec<_> = collect::<Marked>().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["Marked"], "markers have no names");
        let properties = object::<Marked>().unwrap()["properties"].take();
        assert_eq!(properties["links"]["items"], json!({ "type": "string", "format": "uri" }));
        assert_eq!(
            (&properties["links"]["readOnly"], &properties["result"]),
            (&json!(true), &json!({ "readOnly": true }))
        );
        assert_eq!(
            properties["error"],
            json!({ "type": "object", "readOnly": true, "description": "What went wrong." })
        );
    }

    #[test]
    fn a_map_behind_an_alias_has_no_name_of_its_own() {
        let names: Vec<_> = collect::<Inlined>().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["Inlined"]);
        let sizes = &object::<Inlined>().unwrap()["properties"]["sizes"];
        assert_eq!((&sizes["type"], &sizes["description"]), (&json!("object"), &json!("Sizes by name.")));
        assert_eq!(sizes["additionalProperties"]["type"], "integer");
    }

    #[test]
    fn what_is_said_about_an_inlined_field_stands_beside_it() {
        let properties = object::<Inlined>().unwrap()["properties"].take();
        let policy = json!({ "type": "string", "enum": ["Now", "Later"], "default": "Now", "description": "When." });
        assert_eq!(properties["policy"], policy);
        assert_eq!((&properties["inner"]["readOnly"], &properties["inner"]["required"]), (&json!(true), &json!(["n"])));
        assert_eq!(properties["names"], json!({ "type": "array", "readOnly": true, "items": { "type": "string" } }));
        // An object that may hold anything is no remark.
        let open = json!({ "allOf": [{ "type": "string" }, { "type": "object" }] });
        assert_eq!(plain(open.clone()), open);
    }

    #[test]
    fn everything_nested_is_collected_once_and_sorted() {
        let names: Vec<_> = collect::<Body>().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["Common", "file.Body", "file.Inner"]);
    }

    #[test]
    fn a_flattened_struct_becomes_one_object() {
        let body = object::<Body>().unwrap();
        assert_eq!(body["required"], json!(["inners", "name"]));
        let fields: Vec<_> = body["properties"].as_object().unwrap().keys().collect();
        assert_eq!(fields, ["again", "inners", "name", "policy"]);
        assert!(object::<String>().unwrap_err().to_string().contains("String cannot be merged"));
    }

    #[test]
    fn a_plugins_fields_join_cores_and_may_narrow_them() {
        let plugin = json!({
            "type": "object", "required": ["policy"], "description": "A file remote.",
            "properties": {"policy": {"type": "string", "enum": ["immediate"]}, "extra": {"type": "boolean"}},
        });
        let merged = merge("file.Remote", &[object::<Common>().unwrap(), plugin]).unwrap();
        assert_eq!(merged["required"], json!(["name", "policy"]));
        assert_eq!(merged["properties"]["policy"]["enum"], json!(["immediate"]));
        assert_eq!(merged["properties"]["name"]["description"], "How it is called.");
        assert_eq!(merged["description"], "A file remote.");
        assert!(merge("file.Remote", &[json!({"type": "string"})]).unwrap_err().to_string().contains("file.Remote"));
    }

    #[test]
    fn the_patched_twin_requires_nothing() {
        let twin = patched(&object::<Body>().unwrap());
        assert_eq!(twin.get("required"), None);
        assert!(twin["properties"]["name"].is_object());
        let twin = patched(&json!({"allOf": [{"type": "object", "required": ["a"], "properties": {"a": {}}}]}));
        assert_eq!(twin, json!({"allOf": [{"type": "object", "properties": {"a": {}}}]}));
    }
}
