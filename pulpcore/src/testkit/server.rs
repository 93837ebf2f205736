//! A whole server for one test: a database and a folder that are its own, a real port, and verbs that read as a story.
//!
//! ```
//! use pulpcore::both_databases;
//! use serde_json::json;
//!
//! both_databases!(a_repository_begins_with_an_empty_version, |pulp| {
//!     let repository = pulp.post("repositories/file/file/", json!({ "name": "r" })).await.created();
//!     assert!(repository["latest_version_href"].as_str().unwrap().ends_with("versions/0/"));
//! });
//! # fn main() {}
//! ```

use std::future::Future;
use std::pin::Pin;

use axum::http::Method;
use bytes::Bytes;
use reqwest::RequestBuilder;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde::Serialize;
use tempfile::TempDir;

use super::answer::Answer;
use super::template;
use crate::app::App;
use crate::models::{state, task};
use crate::server::{self, Running};
use crate::settings::Settings;

/// Which database a test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// A file in the test's own folder.
    #[cfg(feature = "sqlite")]
    Sqlite,
    /// A database of its own in the cluster of [`super::postgres`].
    #[cfg(feature = "postgres")]
    Postgres,
}

/// A server for one test. End the test with [`TestPulp::finish`], or use [`both_databases!`](crate::both_databases),
/// which does.
#[derive(Debug)]
pub struct TestPulp {
    running: Option<Running>,
    settings: Settings,
    client: reqwest::Client,
    finished: bool,
    folder: TempDir,
    #[cfg(feature = "testkit-s3")]
    s3: Option<super::S3Server>,
    #[cfg(feature = "postgres")]
    pub(super) database: Option<super::TestDatabase>,
}

impl TestPulp {
    /// The name and the password of the administrator.
    pub const ADMIN: (&'static str, &'static str) = ("admin", "password");

    /// A server on SQLite.
    ///
    /// # Panics
    /// If it does not start; so do all methods when something goes wrong: that fails the test with a reason.
    #[cfg(feature = "sqlite")]
    pub async fn start() -> Self {
        Self::on(Backend::Sqlite).await
    }

    /// A server on the given database.
    pub async fn on(backend: Backend) -> Self {
        Self::with(backend, |_| {}).await
    }

    /// A server on the given database, with changed settings.
    pub async fn with(backend: Backend, change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let mut settings = Settings::for_tests(folder.path());
        // A test that stops a server while a task runs does not want to wait for it.
        settings.task_grace_interval = 1;
        #[cfg(feature = "postgres")]
        let mut database = None;
        match backend {
            #[cfg(feature = "sqlite")]
            Backend::Sqlite => template::sqlite(&settings).await,
            #[cfg(feature = "postgres")]
            Backend::Postgres => {
                let made = template::postgres().await;
                settings.database_url =
                    crate::settings::DatabaseUrl::parse(&made.url).expect("the URL of a test database is one");
                database = Some(made);
            }
        }
        change(&mut settings);
        let mut pulp = Self {
            running: None,
            settings,
            client: client(),
            finished: false,
            folder,
            #[cfg(feature = "testkit-s3")]
            s3: None,
            #[cfg(feature = "postgres")]
            database,
        };
        pulp.run().await;
        pulp
    }

    /// Runs a test on a server and then [`finish`](Self::finish)es it; what [`both_databases!`](crate::both_databases)
    /// expands to.
    pub async fn story<F>(backend: Backend, test: F)
    where
        F: for<'a> FnOnce(&'a mut Self) -> Pin<Box<dyn Future<Output = ()> + 'a>>,
    {
        let mut pulp = Self::on(backend).await;
        test(&mut pulp).await;
        pulp.finish().await;
    }

    /// A server on the given database that keeps its artifacts in an S3 server of its own.
    #[cfg(feature = "testkit-s3")]
    pub async fn on_s3(backend: Backend) -> Self {
        let s3 = super::S3Server::start().await;
        let mut pulp = Self::with(backend, |settings| settings.storage = s3.settings()).await;
        pulp.s3 = Some(s3);
        pulp
    }

    /// The S3 server of a server that was made [`on_s3`](Self::on_s3).
    #[cfg(feature = "testkit-s3")]
    pub fn s3(&self) -> &super::S3Server {
        self.s3.as_ref().expect("the server keeps its artifacts on S3")
    }

    /// [`Self::story`] with the artifacts on S3; what [`both_databases_on_s3!`](crate::both_databases_on_s3) expands to.
    #[cfg(feature = "testkit-s3")]
    pub async fn story_on_s3<F>(backend: Backend, test: F)
    where
        F: for<'a> FnOnce(&'a mut Self) -> Pin<Box<dyn Future<Output = ()> + 'a>>,
    {
        let mut pulp = Self::on_s3(backend).await;
        test(&mut pulp).await;
        pulp.finish().await;
    }

    async fn run(&mut self) {
        let running = server::start(self.settings.clone(), &[]).await.expect("the server starts");
        self.running = Some(running);
    }

    /// Stops the server and starts it anew on the same data, at another port.
    pub async fn restart(&mut self) {
        self.halt().await;
        self.run().await;
    }

    /// The same with changed settings.
    pub async fn restart_with(&mut self, change: impl FnOnce(&mut Settings)) {
        self.halt().await;
        change(&mut self.settings);
        self.run().await;
    }

    async fn halt(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop().await.expect("the server stops");
        }
    }

    /// Ends the test: no task may be left that waits or runs, and the server must stop.
    pub async fn finish(mut self) {
        let left = task::Entity::find()
            .filter(task::Column::State.is_in(state::UNFINISHED))
            .order_by_asc(task::Column::Seq)
            .all(self.app().db.read())
            .await
            .expect("the tasks can be read");
        let left: Vec<String> = left.iter().map(|task| format!("{} ({})", task.name, task.state)).collect();
        assert!(left.is_empty(), "the test leaves tasks that have not ended: {}", left.join(", "));
        self.halt().await;
        self.finished = true;
    }

    /// The process behind the server: its database, storage and queue.
    pub fn app(&self) -> &App {
        &self.running.as_ref().expect("the server runs").app
    }

    /// The folder of everything that the server keeps.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// `http://127.0.0.1:<port>`.
    pub fn origin(&self) -> String {
        format!("http://{}", self.running.as_ref().expect("the server runs").address)
    }

    /// The href of something below the API root: `repositories/` becomes `/pulp/api/v3/repositories/`.
    pub fn href(&self, path: &str) -> String {
        format!("{}{path}", crate::api::catalog::long_root(&self.settings))
    }

    /// A whole URL: of another server as it is, of a path on this one, or of something below the API root.
    pub fn url(&self, path: &str) -> String {
        match path {
            whole if whole.starts_with("http://") => whole.to_owned(),
            path if path.starts_with('/') => format!("{}{path}", self.origin()),
            path => format!("{}{}", self.origin(), self.href(path)),
        }
    }

    /// A request as the administrator, to be changed and then [`sent`](Self::send).
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let (name, password) = Self::ADMIN;
        self.anonymous(method, path).basic_auth(name, Some(password))
    }

    /// A request without credentials.
    pub fn anonymous(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.url(path))
    }

    /// Sends a request.
    pub async fn send(&self, request: RequestBuilder) -> Answer {
        let (client, request) = request.build_split();
        let request = request.expect("the request is sound");
        let asked = format!("{} {}", request.method(), request.url());
        let response = client.execute(request).await.unwrap_or_else(|error| panic!("{asked}: {error}"));
        Answer::read(asked, response, self.app().clone(), self.client.clone(), self.origin()).await
    }

    /// `GET`.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    /// `POST` with a JSON body.
    pub async fn post(&self, path: &str, body: impl Serialize) -> Answer {
        self.send(self.request(Method::POST, path).json(&body)).await
    }

    /// `PUT` with a JSON body.
    pub async fn put(&self, path: &str, body: impl Serialize) -> Answer {
        self.send(self.request(Method::PUT, path).json(&body)).await
    }

    /// `PATCH` with a JSON body.
    pub async fn patch(&self, path: &str, body: impl Serialize) -> Answer {
        self.send(self.request(Method::PATCH, path).json(&body)).await
    }

    /// `DELETE`.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path)).await
    }

    /// `POST` of a form with a file in its field `file`, and text in others.
    pub async fn upload(&self, path: &str, file: impl Into<Bytes>, fields: &[(&str, &str)]) -> Answer {
        let file = reqwest::multipart::Part::stream(file.into()).file_name("file");
        let mut form = reqwest::multipart::Form::new().part("file", file);
        for (name, value) in fields {
            form = form.text((*name).to_owned(), (*value).to_owned());
        }
        self.send(self.request(Method::POST, path).multipart(form)).await
    }

    /// `POST` of a form, for operations that take files and so no JSON.
    pub async fn post_form(&self, path: &str, body: &impl Serialize) -> Answer {
        self.send(self.request(Method::POST, path).form(body)).await
    }

    /// `GET` of something below the content prefix, without credentials: `base/path/file`.
    pub async fn content(&self, path: &str) -> Answer {
        self.content_with(path, &[]).await
    }

    /// The same with headers.
    pub async fn content_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let path = format!("{}{}", self.settings.content_path_prefix, path.trim_start_matches('/'));
        let request = self.anonymous(Method::GET, &path);
        self.send(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
    }
}

impl Drop for TestPulp {
    fn drop(&mut self) {
        // A test that fails says why by itself.
        if !self.finished && !std::thread::panicking() {
            panic!("end the test with `pulp.finish().await`: it checks that no task is left");
        }
    }
}

fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(std::time::Duration::from_secs(60))
        .no_proxy()
        .build()
        .expect("a client can be made")
}

/// Writes one test for both databases: `name::sqlite` and `name::postgres`, each on a server of its own. A database that
/// pulpcore was built without is left out.
///
/// ```
/// pulpcore::both_databases!(the_server_is_alive, |pulp| {
///     pulp.get("/health/live").await.ok();
/// });
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! both_databases {
    ($($story:tt)*) => { $crate::__both_databases! { story $($story)* } };
}

/// [`both_databases!`](crate::both_databases) with the artifacts on an S3 server, which is `pulp.s3()`.
#[cfg(feature = "testkit-s3")]
#[macro_export]
macro_rules! both_databases_on_s3 {
    ($($story:tt)*) => { $crate::__both_databases! { story_on_s3 $($story)* } };
}

/// `$run` is the function of `TestPulp` that runs the test.
#[doc(hidden)]
#[macro_export]
macro_rules! __both_databases {
    ($run:ident $(#[$meta:meta])* $name:ident, |$pulp:ident| $test:block) => {
        $(#[$meta])*
        async fn $name($pulp: &mut $crate::testkit::TestPulp) $test

        mod $name {
            $crate::__with_sqlite! {
                #[tokio::test(flavor = "multi_thread")]
                async fn sqlite() {
                    use $crate::testkit::{Backend, TestPulp};
                    TestPulp::$run(Backend::Sqlite, |pulp| Box::pin(super::$name(pulp))).await;
                }
            }

            $crate::__with_postgres! {
                #[tokio::test(flavor = "multi_thread")]
                async fn postgres() {
                    use $crate::testkit::{Backend, TestPulp};
                    TestPulp::$run(Backend::Postgres, |pulp| Box::pin(super::$name(pulp))).await;
                }
            }
        }
    };
}

// Whether a database is in the build is pulpcore's affair; a `cfg` in the macro above would be asked of the crate that
// uses it.

/// What follows, if this build knows SQLite.
#[cfg(feature = "sqlite")]
#[doc(hidden)]
#[macro_export]
macro_rules! __with_sqlite {
    ($($item:item)*) => { $($item)* };
}

/// What follows, if this build knows SQLite.
#[cfg(not(feature = "sqlite"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __with_sqlite {
    ($($item:item)*) => {};
}

/// What follows, if this build knows PostgreSQL.
#[cfg(feature = "postgres")]
#[doc(hidden)]
#[macro_export]
macro_rules! __with_postgres {
    ($($item:item)*) => { $($item)* };
}

/// What follows, if this build knows PostgreSQL.
#[cfg(not(feature = "postgres"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __with_postgres {
    ($($item:item)*) => {};
}
