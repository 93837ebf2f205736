//! A schema, compiled: what [`super::value`] applies.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;
use serde_json::Value;

use crate::api::schema;
use crate::error::{Error, Result};

/// What one value must be.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) nullable: bool,
    pub(super) read_only: bool,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    Any,
    File,
    Boolean,
    Integer(Bounds<i128>),
    Number(Bounds<f64>),
    Text(Text),
    Uuid,
    DateTime,
    Date,
    Choice(Vec<Value>),
    List { items: Box<Rule>, min: Option<u64>, max: Option<u64> },
    Map(Box<Rule>),
    Object(Fields),
    OneOf(Vec<Rule>),
    Named(String),
}

/// The fields of an object; `rest` is the rule of all others, if there may be others.
#[derive(Debug)]
pub(super) struct Fields {
    pub(super) known: BTreeMap<String, Rule>,
    pub(super) required: BTreeSet<String>,
    pub(super) rest: Option<Box<Rule>>,
}

/// Bounds of a number: the inclusive ones, the exclusive ones, and a step.
#[derive(Debug)]
pub(super) struct Bounds<N> {
    pub(super) min: Option<N>,
    pub(super) max: Option<N>,
    pub(super) above: Option<N>,
    pub(super) below: Option<N>,
    pub(super) step: Option<N>,
}

#[derive(Debug, Default)]
pub(super) struct Text {
    pub(super) min: u64,
    pub(super) max: Option<u64>,
    pub(super) pattern: Option<Regex>,
    pub(super) trim: bool,
    pub(super) email: bool,
}

type Definitions = BTreeMap<String, Value>;

impl Fields {
    /// Compiles an object schema that has no `$ref` and no `allOf` of its own.
    pub(super) fn compile(flat: &Value, definitions: &Definitions) -> Result<Self> {
        let properties = flat.get("properties").and_then(Value::as_object);
        let rule = |(name, schema): (&String, &Value)| Ok((name.clone(), compile(schema, definitions)?));
        Ok(Self {
            known: properties.into_iter().flatten().map(rule).collect::<Result<_>>()?,
            required: strings(flat.get("required")).collect(),
            rest: rest(flat, definitions)?,
        })
    }
}

impl Rule {
    fn of(kind: Kind) -> Self {
        Self { nullable: false, read_only: false, kind }
    }
}

/// Compiles one schema. References become [`Kind::Named`], so that a schema may hold itself.
pub(super) fn compile(schema: &Value, definitions: &Definitions) -> Result<Rule> {
    let types: Vec<String> = match schema.get("type") {
        Some(Value::String(name)) => vec![name.clone()],
        many => strings(many).collect(),
    };
    let mut kinds = Vec::new();
    if let Some(name) = schema::reference(schema) {
        kinds.push(if definitions.contains_key(name) { Kind::Named(name.to_owned()) } else { Kind::Any });
    } else if let Some(choices) = choices(schema) {
        kinds.push(Kind::Choice(choices));
    } else if let Some(parts) = parts(schema, "allOf") {
        kinds.push(match parts {
            [only] => compile(only, definitions)?.kind,
            _ => Kind::Object(Fields::compile(&schema::flatten("of a field", schema, definitions)?, definitions)?),
        });
    } else if let Some(parts) = parts(schema, "oneOf").or_else(|| parts(schema, "anyOf")) {
        for part in parts.iter().filter(|part| !is_null(part)) {
            kinds.push(compile(part, definitions)?.kind);
        }
    } else {
        for name in types.iter().filter(|name| *name != "null") {
            kinds.push(of_type(name, schema, definitions)?);
        }
    }
    let alternatives = parts(schema, "oneOf").or_else(|| parts(schema, "anyOf")).unwrap_or_default();
    let nullable = types.iter().any(|name| name == "null")
        || alternatives.iter().any(is_null)
        || schema.get("nullable") == Some(&Value::Bool(true))
        || parts(schema, "enum").is_some_and(|values| values.contains(&Value::Null));
    let kind = match kinds.len() {
        0 => Kind::Any,
        1 => kinds.remove(0),
        _ => Kind::OneOf(kinds.into_iter().map(Rule::of).collect()),
    };
    let read_only = schema.get("readOnly") == Some(&Value::Bool(true));
    Ok(Rule { nullable: nullable || matches!(kind, Kind::Any), read_only, kind })
}

fn of_type(name: &str, schema: &Value, definitions: &Definitions) -> Result<Kind> {
    let size = |key: &str| schema.get(key).and_then(Value::as_u64);
    Ok(match name {
        "boolean" => Kind::Boolean,
        "integer" => {
            let (low, high) = match schema.get("format").and_then(Value::as_str) {
                Some("int32") => (i128::from(i32::MIN), i128::from(i32::MAX)),
                _ => (i128::from(i64::MIN), i128::from(i64::MAX)),
            };
            let mut bounds = bounds(schema, |number| number.as_i128().or_else(|| number.as_f64().map(|f| f as i128)));
            bounds.min = Some(bounds.min.unwrap_or(low).max(low));
            bounds.max = Some(bounds.max.unwrap_or(high).min(high));
            Kind::Integer(bounds)
        }
        "number" => Kind::Number(bounds(schema, serde_json::Number::as_f64)),
        "string" => text(schema)?,
        "array" => {
            let items = match schema.get("items") {
                Some(items @ Value::Object(_)) => compile(items, definitions)?,
                _ => Rule { nullable: true, ..Rule::of(Kind::Any) },
            };
            let tuple = parts(schema, "prefixItems").map(|members| members.len() as u64);
            Kind::List { items: Box::new(items), min: size("minItems").or(tuple), max: size("maxItems").or(tuple) }
        }
        "object" if schema.get("properties").is_some() => Kind::Object(Fields::compile(schema, definitions)?),
        "object" => Kind::Map(
            rest(schema, definitions)?.unwrap_or_else(|| Box::new(Rule { nullable: true, ..Rule::of(Kind::Any) })),
        ),
        _ => Kind::Any,
    })
}

fn text(schema: &Value) -> Result<Kind> {
    let format = schema.get("format").and_then(Value::as_str).unwrap_or_default();
    let pattern = schema.get("pattern").and_then(Value::as_str).map(Regex::new).transpose();
    Ok(match format {
        "binary" => Kind::File,
        "uuid" => Kind::Uuid,
        "date-time" => Kind::DateTime,
        "date" => Kind::Date,
        _ => Kind::Text(Text {
            min: schema.get("minLength").and_then(Value::as_u64).unwrap_or(0),
            max: schema.get("maxLength").and_then(Value::as_u64),
            pattern: pattern.map_err(|error| Error::Config(format!("A schema's pattern is wrong: {error}")))?,
            trim: format != "password" && schema.get("x-no-trim") != Some(&Value::Bool(true)),
            email: format == "email",
        }),
    })
}

fn bounds<N>(schema: &Value, read: impl Fn(&serde_json::Number) -> Option<N>) -> Bounds<N> {
    let bound = |key: &str| schema.get(key).and_then(Value::as_number).and_then(&read);
    Bounds {
        min: bound("minimum"),
        max: bound("maximum"),
        above: bound("exclusiveMinimum"),
        below: bound("exclusiveMaximum"),
        step: bound("multipleOf"),
    }
}

fn rest(schema: &Value, definitions: &Definitions) -> Result<Option<Box<Rule>>> {
    Ok(match schema.get("additionalProperties") {
        None | Some(Value::Bool(false)) => None,
        Some(others) => Some(Box::new(compile(others, definitions)?)),
    })
}

fn choices(schema: &Value) -> Option<Vec<Value>> {
    let choices = parts(schema, "enum").or_else(|| schema.get("const").map(std::slice::from_ref))?;
    Some(choices.iter().filter(|choice| !choice.is_null()).cloned().collect())
}

fn parts<'a>(schema: &'a Value, keyword: &str) -> Option<&'a [Value]> {
    Some(schema.get(keyword)?.as_array()?.as_slice())
}

fn is_null(schema: &Value) -> bool {
    schema.get("type").is_some_and(|name| name == "null")
}

fn strings(list: Option<&Value>) -> impl Iterator<Item = String> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_owned)
}
