//! Bodies that many operations share.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};
use time::OffsetDateTime;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// What a flag is unless somebody says otherwise, if it is on: for `#[serde(default = "yes")]`.
pub const fn yes() -> bool {
    true
}

/// A point in time as Python writes it: RFC 3339 in UTC, microseconds unless they are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamp(pub OffsetDateTime);

impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let t = self.0.to_offset(time::UtcOffset::UTC);
        let (y, mo, d) = (t.year(), u8::from(t.month()), t.day());
        write!(f, "{y:04}-{mo:02}-{d:02}T{:02}:{:02}:{:02}", t.hour(), t.minute(), t.second())?;
        if t.microsecond() != 0 {
            write!(f, ".{:06}", t.microsecond())?;
        }
        f.write_str("Z")
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl PartialSchema for Timestamp {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .into()
    }
}

impl ToSchema for Timestamp {}

/// What every object begins with.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Identity {
    #[schema(read_only, format = "uri", required = false)]
    pub(crate) pulp_href: String,
    /// The Pulp Resource Name (PRN).
    #[schema(read_only, required = false)]
    pub(crate) prn: String,
    /// Timestamp of creation.
    #[schema(read_only, required = false, value_type = String, format = DateTime)]
    pub(crate) pulp_created: Timestamp,
    /// Timestamp of the last time this resource was updated.
    #[schema(read_only, required = false, value_type = String, format = DateTime)]
    pub(crate) pulp_last_updated: Timestamp,
}

/// Response with the href of a group of tasks.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TaskGroupOperationResponse {
    /// The href of the task group.
    #[schema(format = "uri")]
    pub(crate) task_group: String,
}

/// Response with the href of an asynchronous operation.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AsyncOperationResponse {
    /// The href of the task.
    #[schema(format = "uri")]
    pub task: String,
}

/// `pulp_labels`.
pub type LabelMap = BTreeMap<String, Option<String>>;

/// A label to set.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct SetLabel {
    #[schema(min_length = 1)]
    pub(crate) key: String,
    #[schema(required = true)]
    pub(crate) value: Option<String>,
}

/// A label that was set.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct SetLabelResponse {
    pub(crate) key: String,
    #[schema(required = true)]
    pub(crate) value: Option<String>,
}

/// A label to remove.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct UnsetLabel {
    #[schema(min_length = 1)]
    pub(crate) key: String,
}

/// A label that was removed.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct UnsetLabelResponse {
    pub(crate) key: String,
    #[schema(read_only, required = false, nullable = false)]
    pub(crate) value: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_seconds_have_no_fraction() {
        let time = OffsetDateTime::from_unix_timestamp(0).unwrap();
        assert_eq!(Timestamp(time).to_string(), "1970-01-01T00:00:00Z");
        let later = time + time::Duration::microseconds(1_500_000);
        assert_eq!(Timestamp(later).to_string(), "1970-01-01T00:00:01.500000Z");
    }
}
