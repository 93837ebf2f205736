//! OpenAPI 3.1 to 3.0.3: existing clients (pulp-cli, the generated bindings) read the older dialect.
//!
//! What 3.0 can say is rewritten, what it cannot say is dropped. Names (of properties, schemas, paths) are never
//! mistaken for keywords, and examples, defaults and `x-` extensions are left as they are. See the OpenAPI
//! specifications 3.0.3 and 3.1.0, "Schema Object".

use serde_json::{Map, Value, json};

/// The version that a converted document declares.
pub const VERSION: &str = "3.0.3";

/// The keywords of a 3.0 schema that need no care.
const KEPT: &[&str] = &[
    "additionalProperties",
    "allOf",
    "anyOf",
    "default",
    "deprecated",
    "description",
    "discriminator",
    "enum",
    "example",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "externalDocs",
    "format",
    "items",
    "maximum",
    "maxItems",
    "maxLength",
    "maxProperties",
    "minimum",
    "minItems",
    "minLength",
    "minProperties",
    "multipleOf",
    "not",
    "nullable",
    "oneOf",
    "pattern",
    "properties",
    "readOnly",
    "required",
    "title",
    "type",
    "uniqueItems",
    "writeOnly",
    "xml",
];

/// Converts a whole document in place.
pub fn document(document: &mut Value) {
    if let Some(root) = document.as_object_mut() {
        root.insert("openapi".into(), json!(VERSION));
        root.remove("jsonSchemaDialect");
        root.remove("webhooks");
        if let Some(info) = root.get_mut("info").and_then(Value::as_object_mut) {
            info.remove("summary");
            if let Some(license) = info.get_mut("license").and_then(Value::as_object_mut) {
                license.remove("identifier");
            }
        }
        if let Some(components) = root.get_mut("components").and_then(Value::as_object_mut) {
            components.remove("pathItems");
            if let Some(schemas) = components.get_mut("schemas").and_then(Value::as_object_mut) {
                schemas.values_mut().for_each(|named| *named = schema(named));
            }
        }
    }
    walk(document);
}

/// Converts one schema, and all that stand in it.
pub fn schema(schema: &Value) -> Value {
    match schema {
        Value::Bool(true) => json!({}),
        Value::Bool(false) => json!({"not": {}}),
        Value::Object(object) => Value::Object(convert(object.clone())),
        other => other.clone(),
    }
}

/// Converts the schemas that stand outside `components.schemas`: in parameters, headers and media types.
fn walk(node: &mut Value) {
    match node {
        Value::Array(items) => items.iter_mut().for_each(walk),
        Value::Object(object) => {
            for (key, value) in object.iter_mut() {
                match key.as_str() {
                    "schema" => *value = schema(value),
                    "schemas" | "example" | "examples" | "default" | "info" => {}
                    key if key.starts_with("x-") => {}
                    _ => walk(value),
                }
            }
        }
        _ => {}
    }
}

fn convert(mut object: Map<String, Value>) -> Map<String, Value> {
    rewrite_ref(&mut object);
    rewrite_tuple(&mut object);
    children(&mut object);
    if let Some(value) = object.remove("const") {
        object.insert("enum".into(), json!([value]));
    }
    if let Some(Value::Array(examples)) = object.remove("examples")
        && let Some(first) = examples.into_iter().next()
    {
        object.entry("example").or_insert(first);
    }
    rewrite_content(&mut object);
    rewrite_bound(&mut object, "exclusiveMinimum", "minimum", |exclusive, inclusive| exclusive >= inclusive);
    rewrite_bound(&mut object, "exclusiveMaximum", "maximum", |exclusive, inclusive| exclusive <= inclusive);
    rewrite_type(&mut object);
    rewrite_alternatives(&mut object, "oneOf");
    rewrite_alternatives(&mut object, "anyOf");
    object.retain(|key, _| key == "$ref" || key.starts_with("x-") || KEPT.contains(&key.as_str()));
    object
}

/// In 3.0 nothing may stand beside a `$ref`: it moves into an `allOf`.
fn rewrite_ref(object: &mut Map<String, Value>) {
    if object.len() > 1
        && let Some(reference) = object.remove("$ref")
    {
        let mut parts = vec![json!({"$ref": reference})];
        if let Some(Value::Array(others)) = object.remove("allOf") {
            parts.extend(others);
        }
        object.insert("allOf".into(), Value::Array(parts));
    }
}

/// A tuple becomes a list of its length whose items are any of its members.
fn rewrite_tuple(object: &mut Map<String, Value>) {
    if let Some(Value::Array(members)) = object.remove("prefixItems") {
        let length = json!(members.len());
        object.insert("items".into(), json!({"anyOf": members}));
        object.entry("minItems").or_insert_with(|| length.clone());
        object.entry("maxItems").or_insert(length);
    }
}

fn children(object: &mut Map<String, Value>) {
    if let Some(Value::Object(patterns)) = object.remove("patternProperties") {
        let mut patterns = patterns.into_iter().map(|(_, value)| value);
        let only = if patterns.len() == 1 { patterns.next() } else { None };
        object.entry("additionalProperties").or_insert(only.unwrap_or(json!(true)));
    }
    for (key, value) in object.iter_mut() {
        match (key.as_str(), value) {
            ("properties", Value::Object(properties)) => {
                properties.values_mut().for_each(|value| *value = schema(value))
            }
            ("allOf" | "anyOf" | "oneOf", Value::Array(parts)) => {
                parts.iter_mut().for_each(|part| *part = schema(part))
            }
            // As booleans, these two mean the same in both dialects.
            ("additionalProperties", Value::Bool(_)) => {}
            ("additionalProperties" | "items" | "not", value) => *value = schema(value),
            _ => {}
        }
    }
}

/// `contentMediaType` and `contentEncoding` become the formats `binary` and `byte`.
fn rewrite_content(object: &mut Map<String, Value>) {
    let media_type = object.remove("contentMediaType").is_some();
    let format = match object.remove("contentEncoding") {
        Some(encoding) if encoding == "base64" => "byte",
        Some(_) => return,
        None if media_type => "binary",
        None => return,
    };
    object.entry("format").or_insert(json!(format));
}

/// A numeric exclusive bound becomes the bound and a flag, unless the inclusive bound is the narrower one.
fn rewrite_bound(object: &mut Map<String, Value>, exclusive: &str, inclusive: &str, narrower: fn(f64, f64) -> bool) {
    let Some(bound) = object.get(exclusive).filter(|bound| bound.is_number()).cloned() else { return };
    object.remove(exclusive);
    let other = object.get(inclusive).and_then(Value::as_f64);
    if other.is_none_or(|other| narrower(bound.as_f64().unwrap_or(other), other)) {
        object.insert(inclusive.into(), bound);
        object.insert(exclusive.into(), json!(true));
    }
}

/// A list of types becomes one type (or `anyOf` several) and `nullable`.
fn rewrite_type(object: &mut Map<String, Value>) {
    let types = match object.get("type") {
        Some(Value::Array(types)) => types.clone(),
        Some(Value::String(name)) if name == "null" => vec![json!("null")],
        Some(Value::String(name)) if name == "array" => {
            object.entry("items").or_insert(json!({}));
            return;
        }
        _ => return,
    };
    object.remove("type");
    if types.contains(&json!("null")) {
        object.insert("nullable".into(), json!(true));
    }
    let mut others: Vec<_> = types.into_iter().filter(|name| name != "null").collect();
    match others.len() {
        0 => {
            object.insert("enum".into(), json!([null]));
        }
        1 => {
            let only = others.remove(0);
            if only == "array" {
                object.entry("items").or_insert(json!({}));
            }
            object.insert("type".into(), only);
        }
        _ => {
            let parts: Vec<_> = others.into_iter().map(|name| schema(&json!({"type": name}))).collect();
            object.insert("anyOf".into(), Value::Array(parts));
        }
    }
}

/// `null` among the alternatives becomes `nullable`; a single alternative that is left takes the place of the choice.
fn rewrite_alternatives(object: &mut Map<String, Value>, keyword: &str) {
    let Some(Value::Array(parts)) = object.get_mut(keyword) else { return };
    // The alternatives are converted already: this is what became of {"type": "null"}.
    let null = json!({"nullable": true, "enum": [null]});
    let before = parts.len();
    parts.retain(|part| *part != null);
    if parts.len() == before {
        return;
    }
    if parts.len() == 1 {
        let only = parts.remove(0);
        object.remove(keyword);
        match only {
            Value::Object(part) if !part.contains_key("$ref") && !part.contains_key("allOf") => {
                for (key, value) in part {
                    object.entry(key).or_insert(value);
                }
            }
            reference => {
                object.insert("allOf".into(), json!([reference]));
            }
        }
    }
    object.insert("nullable".into(), json!(true));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn becomes(old: Value, new: Value) {
        assert_eq!(schema(&old), new, "{old}");
        assert_eq!(schema(&new), new, "a second time: {new}");
    }

    #[test]
    fn null_becomes_nullable() {
        becomes(
            json!({"type": ["string", "null"], "minLength": 1}),
            json!({"type": "string", "nullable": true, "minLength": 1}),
        );
        let reference = json!({"$ref": "#/components/schemas/Policy"});
        becomes(
            json!({"oneOf": [{"type": "null"}, reference], "description": "How."}),
            json!({"allOf": [reference], "nullable": true, "description": "How."}),
        );
        becomes(
            json!({"anyOf": [{"type": "integer"}, {"type": "null"}]}),
            json!({"type": "integer", "nullable": true}),
        );
        becomes(
            json!({"oneOf": [{"type": "integer"}, {"type": "null"}, {"type": "string"}]}),
            json!({"oneOf": [{"type": "integer"}, {"type": "string"}], "nullable": true}),
        );
        becomes(
            json!({"type": ["string", "integer", "null"]}),
            json!({"anyOf": [{"type": "string"}, {"type": "integer"}], "nullable": true}),
        );
        becomes(json!({"type": ["array", "null"]}), json!({"type": "array", "items": {}, "nullable": true}));
    }

    #[test]
    fn a_reference_stands_alone() {
        let reference = json!({"$ref": "#/components/schemas/Policy"});
        becomes(reference.clone(), reference.clone());
        becomes(
            json!({"$ref": "#/components/schemas/Policy", "default": "immediate"}),
            json!({"allOf": [reference], "default": "immediate"}),
        );
    }

    #[test]
    fn bounds_constants_examples_and_content() {
        becomes(
            json!({"exclusiveMinimum": 0, "type": "number"}),
            json!({"minimum": 0, "exclusiveMinimum": true, "type": "number"}),
        );
        becomes(json!({"exclusiveMaximum": 9, "maximum": 5}), json!({"maximum": 5}));
        becomes(json!({"const": "a"}), json!({"enum": ["a"]}));
        becomes(json!({"examples": ["a", "b"]}), json!({"example": "a"}));
        becomes(
            json!({"type": "string", "contentMediaType": "application/octet-stream"}),
            json!({"type": "string", "format": "binary"}),
        );
        becomes(json!({"type": "string", "contentEncoding": "base64"}), json!({"type": "string", "format": "byte"}));
        becomes(
            json!({
                "type": "array", "items": false,
                "prefixItems": [{"type": "integer"}, {"type": ["string", "null"]}],
            }),
            json!({
                "type": "array", "minItems": 2, "maxItems": 2,
                "items": {"anyOf": [{"type": "integer"}, {"type": "string", "nullable": true}]},
            }),
        );
    }

    #[test]
    fn names_are_no_keywords_and_extensions_stay() {
        becomes(
            json!({
                "$schema": "x", "type": "object", "propertyNames": {"type": "string"}, "x-claim": {"const": 1},
                "properties": {
                    "const": {"type": ["string", "null"]},
                    "examples": {"type": "array", "items": {"const": 1}},
                },
                "additionalProperties": {"type": ["string", "null"]},
                "default": {"const": 1},
            }),
            json!({
                "type": "object", "x-claim": {"const": 1},
                "properties": {
                    "const": {"type": "string", "nullable": true},
                    "examples": {"type": "array", "items": {"enum": [1]}},
                },
                "additionalProperties": {"type": "string", "nullable": true},
                "default": {"const": 1},
            }),
        );
    }

    #[test]
    fn a_document_is_converted_wherever_schemas_stand() {
        let nullable = json!({"type": "string", "nullable": true});
        let old = json!({"type": ["string", "null"]});
        let mut whole = json!({
            "openapi": "3.1.0",
            "info": {"title": "Pulp", "summary": "s", "license": {"name": "MIT", "identifier": "MIT"}},
            "webhooks": {},
            "paths": {"/schema/": {"get": {
                "parameters": [{"name": "a", "in": "query", "schema": old}],
                "requestBody": {"content": {"application/json": {"schema": old, "example": {"schema": old}}}},
                "responses": {"200": {
                    "content": {"application/json": {"schema": old}},
                    "headers": {"H": {"schema": old}},
                }},
            }}},
            "components": {"schemas": {"A": old, "schema": old}},
        });
        document(&mut whole);
        assert_eq!(whole["openapi"], VERSION);
        assert_eq!(whole["info"], json!({"title": "Pulp", "license": {"name": "MIT"}}));
        assert!(whole.get("webhooks").is_none());
        let get = &whole["paths"]["/schema/"]["get"];
        assert_eq!(get["parameters"][0]["schema"], nullable);
        assert_eq!(get["requestBody"]["content"]["application/json"]["schema"], nullable);
        assert_eq!(get["requestBody"]["content"]["application/json"]["example"]["schema"], old);
        assert_eq!(get["responses"]["200"]["content"]["application/json"]["schema"], nullable);
        assert_eq!(get["responses"]["200"]["headers"]["H"]["schema"], nullable);
        assert_eq!(whole["components"]["schemas"], json!({"A": nullable, "schema": nullable}));
    }
}
