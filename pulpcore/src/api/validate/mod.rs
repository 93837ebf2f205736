//! Bodies are checked against the schema that is published: one source, so that description and behaviour cannot drift.
//!
//! [`BodySchema`] compiles a type's schema into rules once; [`BodySchema::check`] applies them with Django REST
//! framework's leniency (`"5"` is an integer, `"yes"` a boolean) and its words, and reports every fault by field. The
//! result then deserialises into the type ([`BodySchema::parse`]).

mod rules;
mod value;

use std::any::TypeId;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock, RwLock};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use serde_path_to_error::Segment;
use utoipa::ToSchema;

use crate::api::schema;
use crate::error::{Error, Invalid, Result};
use rules::{Fields, Rule};
pub(crate) use value::python_type;

const REQUIRED: &str = "This field is required.";
const UNEXPECTED: &str = "Unexpected field";

/// What a body is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A new object: required fields must be there.
    Create,
    /// All fields anew (PUT): required fields must be there.
    Replace,
    /// Some fields (PATCH): nothing is required.
    Patch,
}

/// How a body was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// `application/json`.
    Json,
    /// `multipart/form-data` or `application/x-www-form-urlencoded`: every value is a string (or, for a repeated name,
    /// an array of strings). Objects and lists are JSON text; an empty value is null where null is allowed, and absent
    /// where the field may be absent. A file's part is represented by any value that the caller chooses.
    Form,
}

/// The rules of one body.
#[derive(Debug)]
pub struct BodySchema {
    fields: Fields,
    definitions: BTreeMap<String, Rule>,
}

impl BodySchema {
    /// Compiles the schema of a type. Nested schemas are found through [`ToSchema::schemas`].
    ///
    /// # Panics
    /// If the type is no struct with named fields, or a `pattern` in it is no regular expression: both are literals in
    /// the code, so that the first use, or any test, finds them.
    pub fn of<T: ToSchema>() -> Self {
        Self::new(&json!(T::schema()), &schema::collect::<T>()).expect("a body is a struct whose patterns compile")
    }

    /// [`BodySchema::of`], compiled on the first call and kept.
    ///
    /// # Panics
    /// As [`BodySchema::of`].
    pub fn cached<T: ToSchema + 'static>() -> Arc<Self> {
        static CACHE: LazyLock<RwLock<HashMap<TypeId, Arc<BodySchema>>>> = LazyLock::new(Default::default);
        let id = TypeId::of::<T>();
        let known = CACHE.read().unwrap_or_else(std::sync::PoisonError::into_inner).get(&id).cloned();
        known.unwrap_or_else(|| {
            let new = Arc::new(Self::of::<T>());
            Arc::clone(CACHE.write().unwrap_or_else(std::sync::PoisonError::into_inner).entry(id).or_insert(new))
        })
    }

    /// Compiles a schema that was put together ([`schema::merge`]). `definitions` holds what its references name; what
    /// is not found there is left to deserialisation.
    ///
    /// # Errors
    /// [`Error::Config`] if the schema is no object, or a `pattern` does not compile.
    pub fn new(schema: &Value, definitions: &[(String, Value)]) -> Result<Self> {
        let known: BTreeMap<_, _> = definitions.iter().cloned().collect();
        let flat = schema::flatten("of a body", schema, &known)?;
        let compile = |(name, schema): (&String, &Value)| Ok((name.clone(), rules::compile(schema, &known)?));
        Ok(Self {
            fields: Fields::compile(&flat, &known)?,
            definitions: known.iter().map(compile).collect::<Result<_>>()?,
        })
    }

    /// Checks a body and coerces its values to the types that the schema names. Read-only fields are dropped, as in
    /// Pulp. Defaults are not filled in: that is serde's part.
    ///
    /// # Errors
    /// [`Error::Invalid`] with all messages by field. Faults within a list or an object stand under the field that
    /// holds it, those of an object's members prefixed by their name (`"n: This field is required."`).
    pub fn check(&self, body: Map<String, Value>, mode: Mode, encoding: Encoding) -> Result<Map<String, Value>> {
        let checker = value::Checker { definitions: &self.definitions, encoding };
        let mut invalid = Invalid::default();
        let checked = checker.fields(&self.fields, body, mode != Mode::Patch, &mut |field, message| {
            invalid.add(field, message);
        });
        invalid.check()?;
        Ok(checked)
    }

    /// Deserialises a checked body. What a hand-written `Deserialize` refuses (a bad href, say) lands on its field.
    ///
    /// The field is unknown where serde buffers, in structs with `#[serde(flatten)]`: parse such parts one by one.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn parse<T: DeserializeOwned>(body: Map<String, Value>) -> Result<T> {
        serde_path_to_error::deserialize(Value::Object(body)).map_err(|error| {
            let mut keys = error.path().iter().filter_map(|segment| match segment {
                Segment::Map { key } => Some(key.clone()),
                _ => None,
            });
            let field = keys.next();
            let message = error.inner().to_string();
            let named = |start: &str| message.strip_prefix(start)?.split('`').next();
            let (inner, text) = match (named("missing field `"), named("unknown field `")) {
                (Some(name), _) => (Some(name), REQUIRED),
                // The path of an unknown field ends in its own name.
                (_, Some(name)) => (Some(name).filter(|_| field.is_none()), UNEXPECTED),
                _ => (None, message.as_str()),
            };
            let mut path: Vec<String> = field.into_iter().chain(keys).chain(inner.map(str::to_owned)).collect();
            if path.is_empty() {
                return Error::invalid_together(text);
            }
            let field = path.remove(0);
            Error::invalid(field, path.iter().map(|key| format!("{key}: ")).collect::<String>() + text)
        })
    }
}

#[cfg(test)]
mod tests;
