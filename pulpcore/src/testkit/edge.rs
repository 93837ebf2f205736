//! A content service alone, beside a test's server: what a process can do whose database role only reads.

use tempfile::TempDir;

use super::{TestPulp, TestRole};
use crate::server::{self, Grants, Running};
use crate::settings::{DatabaseUrl, Role, Settings};

/// A content service with few rights. [`stop`](Self::stop) it before the server that it stands beside.
#[derive(Debug)]
pub struct TestEdge {
    running: Running,
    _folder: TempDir,
    _role: TestRole,
}

impl TestEdge {
    /// `http://127.0.0.1:<port>`.
    pub fn origin(&self) -> String {
        format!("http://{}", self.running.address)
    }

    /// Stops it.
    ///
    /// # Panics
    /// If it does not stop.
    pub async fn stop(self) {
        self.running.stop().await.expect("the content service stops");
    }
}

impl TestPulp {
    /// A content service on the same database and media folder, with a database role that may do what
    /// `pulp-server content-grants` says and nothing else. None on SQLite, which has no roles.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn edge(&self) -> Option<TestEdge> {
        let database = self.database.as_ref()?;
        let role = database.role(|role| {
            server::grants(&Grants { role: role.to_owned(), remotes: false, users: false })
                .expect("the role has a name")
        });
        let (role, folder) = (role.await, tempfile::tempdir().expect("a temporary folder can be made"));
        let settings = Settings {
            roles: [Role::Content].into(),
            database_url: DatabaseUrl::parse(&role.url).expect("the URL of a test database is one"),
            media_root: self.app().settings.media_root.clone(),
            on_demand: crate::settings::OnDemand::Off,
            admin_password: None,
            ..Settings::for_tests(folder.path())
        };
        let running = server::start(settings, &[]).await.expect("the content service starts");
        Some(TestEdge { running, _folder: folder, _role: role })
    }
}
