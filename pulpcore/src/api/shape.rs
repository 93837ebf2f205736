//! The schemas of a noun: core's fields and the plugin's, as one object, as requests and as answers.

use std::collections::BTreeSet;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::bodies::Identity;
use super::endpoint::Described;
use super::schema;
use super::validate::BodySchema;
use crate::error::{Error, Result};
use crate::plugin::{Hooks, Noun};

/// Which side of the wire a schema describes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Request,
    Response,
}

/// The request schema of a noun whose core fields are `B`.
pub(crate) fn request<B: ToSchema>(noun: &Noun) -> Described {
    let (parts, needs) = parts::<B>(noun, Side::Request);
    let name = noun.schema_name();
    Described::named(name.clone(), merged(&name, &parts), needs)
}

/// The same with nothing required: what `PATCH` reads.
pub(crate) fn patched<B: ToSchema>(noun: &Noun) -> Described {
    let (parts, needs) = parts::<B>(noun, Side::Request);
    let name = format!("Patched{}", noun.schema_name());
    let schema = schema::patched(&merged(&name, &parts));
    Described::named(name, schema, needs)
}

/// The response schema of a noun whose core fields are `B`.
pub(crate) fn response<B: ToSchema>(noun: &Noun) -> Described {
    let (mut parts, needs) = parts::<B>(noun, Side::Response);
    parts.insert(0, object_schema::<Identity>());
    let name = format!("{}Response", noun.schema_name());
    Described::named(name.clone(), merged(&name, &parts), needs)
}

/// A response of core's own: identity and the fields of `B`.
pub(crate) fn core_response<B: ToSchema>(name: &str) -> Described {
    let parts = [object_schema::<Identity>(), side(object_schema::<B>(), Side::Response)];
    Described::named(name, merged(name, &parts), needs::<B>())
}

/// The fields of `B` that a client may write, under a name of its own.
pub(crate) fn core_request<B: ToSchema>(name: &str) -> Described {
    Described::named(name, side(object_schema::<B>(), Side::Request), needs::<B>())
}

/// The body schema that checks what clients write of a noun.
pub(crate) fn checker<B: ToSchema>(noun: &Noun) -> BodySchema {
    check_of(&request::<B>(noun))
}

/// The body schema of a description.
pub(crate) fn check_of(described: &Described) -> BodySchema {
    let root = described.schemas.iter().rev().find(|(name, _)| *name == described.name).map(|(_, schema)| schema);
    BodySchema::new(root.unwrap_or(&Value::Null), &described.schemas).expect("a body's schema is an object")
}

/// The names of the fields of `B`.
pub(crate) fn field_names<B: ToSchema>() -> BTreeSet<String> {
    names(&object_schema::<B>())
}

/// The names of a schema's properties.
pub(crate) fn names(schema: &Value) -> BTreeSet<String> {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.into_iter().flat_map(|properties| properties.keys().cloned()).collect()
}

/// A page of answers.
pub(crate) fn paginated(of: Described) -> Described {
    let name = format!("Paginated{}List", of.name);
    let link = json!({ "type": ["string", "null"], "format": "uri" });
    let schema = json!({
        "type": "object",
        "required": ["count", "results"],
        "properties": {
            "count": { "type": "integer", "example": 123 },
            "next": link,
            "previous": link,
            "results": { "type": "array", "items": { "$ref": format!("#/components/schemas/{}", of.name) } },
        },
    });
    Described::named(name, schema, of.schemas)
}

/// For `skip_serializing_if`: the field is for requests only. serde's own `skip_serializing` would also take it out of the
/// schema.
pub(crate) fn unseen<T>(_field: &T) -> bool {
    true
}

/// For `deserialize_with`: the field is for answers only, and keeps its default whatever a body says. serde's own
/// `skip_deserializing` would also take it out of the schema.
pub(crate) fn unread<'de, D: Deserializer<'de>, T: Default>(body: D) -> Result<T, D::Error> {
    IgnoredAny::deserialize(body)?;
    Ok(T::default())
}

/// A serializable struct as a JSON object.
pub(crate) fn object(body: &impl Serialize) -> Result<Map<String, Value>> {
    match serde_json::to_value(body)? {
        Value::Object(object) => Ok(object),
        _ => Err(Error::internal("a body must serialize as an object")),
    }
}

fn parts<B: ToSchema>(noun: &Noun, which: Side) -> (Vec<Value>, Vec<(String, Value)>) {
    let detail = (noun.described)();
    let mut needs = needs::<B>();
    let own = detail.schemas.iter().rev().find(|(name, _)| *name == detail.name);
    let own = own.map_or_else(|| json!({ "type": "object" }), |(_, schema)| schema.clone());
    needs.extend(detail.schemas.into_iter().filter(|(name, _)| *name != detail.name));
    let mut core = side(object_schema::<B>(), which);
    fit(&mut core, noun);
    (vec![core, side(own, which)], needs)
}

/// Core's fields as a noun has them.
fn fit(core: &mut Value, noun: &Noun) {
    if let Some(required) = core.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|name| name.as_str().is_none_or(|name| !noun.lacks(name)));
        required.extend(noun.requires.iter().map(|name| Value::from(*name)));
    }
    let Some(properties) = core.get_mut("properties").and_then(Value::as_object_mut) else { return };
    properties.retain(|name, _| !noun.lacks(name));
    for name in noun.requires {
        if let Some(types) = properties.get_mut(*name).and_then(|field| field.get_mut("type"))
            && let Some(Value::String(only)) = types.as_array().and_then(|types| types.first())
        {
            *types = Value::from(only.as_str());
        }
    }
    if let (Hooks::Remote(hooks), Some(Value::Object(policy))) = (&noun.hooks, properties.get_mut("policy")) {
        policy.insert("enum".to_owned(), hooks.policies.into());
        policy.insert("default".to_owned(), hooks.policies.first().copied().into());
    }
}

fn merged(name: &str, parts: &[Value]) -> Value {
    schema::merge(name, parts).expect("bodies are objects, and a plugin's fields differ from core's")
}

fn object_schema<T: ToSchema>() -> Value {
    schema::object::<T>().expect("a body derives its schema as an object")
}

/// The schemas that `T` refers to, without its own.
fn needs<T: ToSchema>() -> Vec<(String, Value)> {
    let own = Described::of::<T>();
    own.schemas.into_iter().filter(|(name, _)| *name != own.name).collect()
}

/// Drops what the other side alone sees, and from answers what a client has to keep to when it writes.
fn side(mut schema: Value, side: Side) -> Value {
    let hidden = if side == Side::Request { "readOnly" } else { "writeOnly" };
    let mut gone = Vec::new();
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.retain(|name, property| {
            let hide = property.get(hidden) == Some(&Value::Bool(true));
            if hide {
                gone.push(Value::from(name.as_str()));
            }
            if let Some(property) = property.as_object_mut().filter(|_| side == Side::Response) {
                property.remove("minLength");
                if let Some(items) = property.get_mut("items").and_then(Value::as_object_mut) {
                    items.remove("minLength");
                }
            }
            !hide
        });
    }
    if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|name| !gone.contains(name));
    }
    schema
}

/// Gives a description another name, without some of its fields.
pub(crate) fn rename(described: &mut Described, name: &str, without: &[&str]) {
    let Some(at) = described.schemas.iter().rposition(|(known, _)| *known == described.name) else { return };
    let mut schema = described.schemas[at].1.clone();
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.retain(|field, _| !without.contains(&field.as_str()));
    }
    described.schemas[at] = (name.to_owned(), schema);
    described.name = name.to_owned();
}
