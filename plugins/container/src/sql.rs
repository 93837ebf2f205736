//! Statements that ask whether a unit is in what a distribution offers.

use sea_orm::Value;
use uuid::Uuid;

/// The values of a statement that is being written.
#[derive(Debug, Default)]
pub(crate) struct Sql {
    pub(crate) values: Vec<Value>,
}

impl Sql {
    /// A place for a value.
    pub(crate) fn bind(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("${}", self.values.len())
    }

    /// Places for values, at least one.
    pub(crate) fn list<V: Into<Value>>(&mut self, values: impl IntoIterator<Item = V>) -> String {
        values.into_iter().map(|value| self.bind(value)).collect::<Vec<_>>().join(", ")
    }

    /// That `r`, a row of `core_repositorycontent`, says that a unit is in a version.
    pub(crate) fn in_version(&mut self, (repository, number): (Uuid, i64)) -> String {
        let (repository, number) = (self.bind(repository), self.bind(number));
        format!(
            "r.repository_id = {repository} AND r.version_added <= {number} \
             AND (r.version_removed IS NULL OR r.version_removed > {number})"
        )
    }

    /// That the unit with the key `unit`, an expression, is in a version.
    pub(crate) fn is_in(&mut self, version: (Uuid, i64), unit: &str) -> String {
        let in_version = self.in_version(version);
        format!("EXISTS (SELECT 1 FROM core_repositorycontent r WHERE {in_version} AND r.content_id = {unit})")
    }

    /// That it is in the latest version of a repository.
    pub(crate) fn is_latest(&mut self, repository: Uuid, unit: &str) -> String {
        let repository = self.bind(repository);
        format!(
            "EXISTS (SELECT 1 FROM core_repositorycontent r WHERE r.repository_id = {repository} \
             AND r.content_id = {unit} AND r.version_removed IS NULL)"
        )
    }

    /// That it was pushed into a repository and is in no version of it yet.
    pub(crate) fn is_pending(&mut self, repository: Uuid, unit: &str) -> String {
        let repository = self.bind(repository);
        format!(
            "EXISTS (SELECT 1 FROM container_pendingcontent p WHERE p.repository_id = {repository} \
             AND p.content_id = {unit})"
        )
    }
}
