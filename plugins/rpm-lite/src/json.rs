//! JSON that is kept as text: a list or an object of a unit that nobody looks into with SQL. It is written once, sent to
//! clients as it was written, and read where metadata is made of it.

use pulpcore::error::{Error, Result};
use sea_orm::DeriveValueType;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser};
use serde_json::value::RawValue;
use utoipa::openapi::schema::{ObjectBuilder, SchemaType};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// One value, as its JSON text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, DeriveValueType)]
pub struct Raw(pub String);

impl Raw {
    /// The text of a value.
    ///
    /// # Errors
    /// If it has no JSON.
    pub fn of(value: &(impl Serialize + ?Sized)) -> Result<Self> {
        Ok(Self(serde_json::to_string(value)?))
    }

    /// The value again.
    ///
    /// # Errors
    /// [`Error::Internal`] if it is not what was written.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_str(&self.0).map_err(Error::internal)
    }

    /// An empty list.
    pub fn list() -> Self {
        Self("[]".to_owned())
    }

    /// An empty object.
    pub fn object() -> Self {
        Self("{}".to_owned())
    }
}

/// `null`.
impl Default for Raw {
    fn default() -> Self {
        Self("null".to_owned())
    }
}

impl Serialize for Raw {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // A column that was not read is empty.
        let text = if self.0.is_empty() { "null" } else { &self.0 };
        RawValue::from_string(text.to_owned()).map_err(ser::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Box::<RawValue>::deserialize(deserializer)?.get().to_owned()))
    }
}

/// Anything.
impl PartialSchema for Raw {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(SchemaType::AnyValue).into()
    }
}

impl ToSchema for Raw {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_sent_as_it_was_written() {
        let raw = Raw::of(&[("a", 1), ("b", 2)]).unwrap();
        assert_eq!(raw.0, r#"[["a",1],["b",2]]"#);
        assert_eq!(serde_json::to_string(&[&raw]).unwrap(), r#"[[["a",1],["b",2]]]"#);
        assert_eq!(raw.read::<Vec<(String, i64)>>().unwrap().len(), 2);
        assert_eq!(serde_json::from_str::<Raw>(" { \"a\" : 1 } ").unwrap().0, "{ \"a\" : 1 }");
        assert_eq!(serde_json::from_value::<Raw>(serde_json::json!([1])).unwrap().0, "[1]");
        assert_eq!(serde_json::to_string(&Raw::default()).unwrap(), "null");
    }
}
