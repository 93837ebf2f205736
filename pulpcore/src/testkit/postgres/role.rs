//! Roles with few rights, for tests of what can be done without others.

use sqlx::Connection;
use url::Url;
use uuid::Uuid;

use super::{TestDatabase, afterwards, connect, execute, with_database};

impl TestDatabase {
    /// Makes a role that may log in here, and runs the SQL that `grants` makes for its name.
    pub async fn role(&self, grants: impl FnOnce(&str) -> String) -> TestRole {
        let name = format!("role_{}", Uuid::now_v7().simple());
        let database = with_database(self.server.clone(), &self.name);
        let mut connection = connect(&database).await;
        execute(&mut connection, format!("CREATE ROLE {name} LOGIN PASSWORD '{name}'")).await;
        let mut url = database.clone();
        url.set_username(&name).and_then(|()| url.set_password(Some(&name))).expect("the URL of a server has a host");
        let role = TestRole { url: url.into(), name, database };
        execute(&mut connection, grants(&role.name)).await;
        let _ = connection.close().await;
        role
    }
}

/// A role with few rights. Dropping it drops the role; the database must outlive it.
#[derive(Debug)]
pub struct TestRole {
    /// The database, as seen by this role.
    pub url: String,
    name: String,
    database: Url,
}

impl Drop for TestRole {
    fn drop(&mut self) {
        let name = std::mem::take(&mut self.name);
        afterwards(self.database.clone(), format!("DROP OWNED BY {name}; DROP ROLE {name}"));
    }
}
