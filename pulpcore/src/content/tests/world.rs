//! A server with nothing in it, and the rows of which a test makes something.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use futures::{TryStreamExt, stream};
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::ServiceExt;
use uuid::Uuid;

use crate::app::App;
use crate::db::{Change, now};
use crate::migrate;
use crate::models::{
    Labels, content, content_artifact, content_guard, distribution, publication, published_artifact,
    published_metadata, repository, repository_content, repository_version,
};
use crate::settings::Settings;
use crate::storage::Expected;

/// The type of everything here; no plugin knows it.
const TYPE: &str = "test.test";

pub(super) struct World {
    pub(super) app: App,
    routes: Router,
    /// Hears what other processes change, until it is aborted.
    hearing: Option<tokio::task::JoinHandle<()>>,
    /// None for another process on somebody else's.
    _folder: Option<tempfile::TempDir>,
    #[cfg(all(feature = "testkit", feature = "postgres"))]
    _database: Option<crate::testkit::TestDatabase>,
}

/// A content unit with one file.
#[derive(Clone, Copy)]
pub(super) struct Unit {
    pub(super) content: Uuid,
    /// Its content artifact.
    pub(super) file: Uuid,
}

/// An answer, read to its end.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// Whether it ended as it should.
    pub(super) whole: bool,
}

/// An answer of which the beginning was read. Dropping it hangs up.
#[cfg(feature = "testkit")]
pub(super) struct Begun {
    pub(super) read: Vec<u8>,
    rest: axum::body::BodyDataStream,
}

#[cfg(feature = "testkit")]
impl Begun {
    /// All of it, if it ends as it should.
    pub(super) async fn whole(mut self) -> Option<Vec<u8>> {
        while let Some(piece) = self.rest.try_next().await.ok()? {
            self.read.extend_from_slice(&piece);
        }
        Some(self.read)
    }
}

impl World {
    pub(super) async fn new() -> Self {
        Self::with(|_| ()).await
    }

    pub(super) async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::for_tests(folder.path());
        change(&mut settings);
        let db = App::connect(&settings).await.unwrap();
        migrate::up(&db, crate::server::apps()).await.unwrap();
        let app = App::with(settings, db).await.unwrap();
        Self::around(app, Some(folder))
    }

    fn around(app: App, folder: Option<tempfile::TempDir>) -> Self {
        Self {
            routes: super::super::router(app.clone()),
            hearing: hear(&app),
            app,
            _folder: folder,
            #[cfg(all(feature = "testkit", feature = "postgres"))]
            _database: None,
        }
    }

    #[cfg(all(feature = "testkit", feature = "postgres"))]
    pub(super) async fn postgres() -> Self {
        let database = crate::testkit::Database::create().await;
        let url = database.url.clone();
        let mut world =
            Self::with(|settings| settings.database_url = crate::settings::DatabaseUrl::parse(&url).unwrap()).await;
        world._database = Some(database);
        world
    }

    /// Another content process on the same database and storage; where there is but one process, a second service in it.
    pub(super) async fn another(&self) -> Self {
        let app = match self.app.db.is_sqlite() {
            true => self.app.clone(),
            false => App::open(self.app.settings.clone()).await.unwrap(),
        };
        Self::around(app, None)
    }

    /// The same with other settings, and with nothing remembered.
    pub(super) async fn set(&mut self, change: impl FnOnce(&mut Settings)) {
        let mut settings = self.app.settings.clone();
        change(&mut settings);
        self.app = App::with(settings, self.app.db.clone()).await.unwrap();
        self.routes = super::super::router(self.app.clone());
    }

    /// From now on the database can be neither asked nor heard.
    pub(super) async fn lose_the_database(&self) {
        if let Some(hearing) = &self.hearing {
            hearing.abort();
        }
        self.app.db.clone().close().await.unwrap();
    }

    /// Waits until an answer is as it should be.
    pub(super) async fn until(&self, path: &str, wanted: impl Fn(&Answer) -> bool) {
        let asking = async {
            while !wanted(&self.get(path).await) {
                tokio::task::yield_now().await;
            }
        };
        let waited = tokio::time::timeout(std::time::Duration::from_secs(30), asking).await;
        assert!(waited.is_ok(), "{path} does not become what it should");
    }

    /// Waits until a path is remembered, which it is once changes are heard.
    pub(super) async fn warm(&self, path: &str) {
        self.until(path, |answer| answer.header("x-pulp-cache") == Some("HIT")).await;
    }

    #[cfg(all(feature = "testkit", feature = "postgres"))]
    pub(super) fn database(&self) -> &crate::testkit::TestDatabase {
        self._database.as_ref().expect("the world is on PostgreSQL")
    }

    /// Another process on the same database and the same storage.
    #[cfg(feature = "testkit")]
    pub(super) fn beside(&self) -> Self {
        Self::around(self.app.clone(), None)
    }

    /// Another one that may only read the database.
    #[cfg(feature = "testkit")]
    pub(super) async fn read_only(&self) -> Self {
        if !self.app.db.is_sqlite() {
            let forbid = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', \
                          current_database()); END $$";
            sea_orm::ConnectionTrait::execute_unprepared(self.app.db.read(), forbid).await.unwrap();
        }
        let settings = self.app.settings.clone();
        let db = App::connect(&settings).await.unwrap();
        if db.is_sqlite() {
            // Of the one connection that writes.
            let tx = db.write().await.unwrap();
            sea_orm::ConnectionTrait::execute_unprepared(&*tx, "PRAGMA query_only = ON").await.unwrap();
        }
        Self::around(App::with(settings, db).await.unwrap(), None)
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        let answer = self.ask("GET", path, &[]).await;
        assert!(answer.whole, "{path} broke off");
        answer
    }

    pub(super) async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let request = Request::builder().method(method).uri(path);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let (parts, body) =
            self.routes.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().into_parts();
        let mut pieces = body.into_data_stream();
        let (mut body, mut whole) = (Vec::new(), true);
        loop {
            match pieces.try_next().await {
                Ok(Some(piece)) => body.extend_from_slice(&piece),
                Ok(None) => break,
                Err(_) => {
                    whole = false;
                    break;
                }
            }
        }
        Answer { status: parts.status, headers: parts.headers, body, whole }
    }

    /// Reads the beginning of an answer.
    #[cfg(feature = "testkit")]
    pub(super) async fn begin(&self, path: &str) -> Begun {
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        let answer = self.routes.clone().oneshot(request).await.unwrap();
        let mut rest = answer.into_body().into_data_stream();
        let first = rest.try_next().await.unwrap().expect("it has a beginning");
        assert!(!first.is_empty());
        Begun { read: first.to_vec(), rest }
    }

    /// The temporary files of all processes.
    #[cfg(feature = "testkit")]
    pub(super) fn temporary_files(&self) -> usize {
        let folders = std::fs::read_dir(&self.app.settings.working_directory).unwrap();
        let files = folders.flatten().filter_map(|folder| std::fs::read_dir(folder.path()).ok()).flatten().flatten();
        files.filter(|file| file.file_name() != "lock").count()
    }

    /// What a client of HTTP/2 gets of an answer, and whether it ended as it should.
    #[cfg(feature = "testkit")]
    pub(super) async fn over_http2(&self, path: &str) -> (Vec<u8>, bool) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}{path}", listener.local_addr().unwrap());
        let routes = self.routes.clone();
        let server = tokio::spawn(async move { axum::serve(listener, routes).await });
        let client = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
        // What is broken off at once may be reset before its head was read.
        let Ok(mut answer) = client.get(url).send().await else { return (Vec::new(), false) };
        assert_eq!(answer.version(), axum::http::Version::HTTP_2);
        let (mut body, mut whole) = (Vec::new(), true);
        loop {
            match answer.chunk().await {
                Ok(Some(piece)) => body.extend_from_slice(&piece),
                Ok(None) => break,
                Err(_) => {
                    whole = false;
                    break;
                }
            }
        }
        server.abort();
        (body, whole)
    }

    /// Everything that a client gets over a connection of its own.
    pub(super) async fn over_tcp(&self, method: &str, path: &str) -> String {
        self.over_tcp_with(method, path, "").await
    }

    /// The same with more headers, each with the end of its line.
    pub(super) async fn over_tcp_with(&self, method: &str, path: &str, headers: &str) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = self.routes.clone();
        let server = tokio::spawn(async move { axum::serve(listener, routes).await });
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // A connection that breaks off is what some tests want.
        let _ = stream.read_to_end(&mut answer).await;
        server.abort();
        String::from_utf8_lossy(&answer).to_lowercase()
    }

    pub(super) async fn artifact(&self, bytes: &[u8]) -> Uuid {
        let body = stream::iter([Ok(bytes::Bytes::copy_from_slice(bytes))]);
        let received = self.app.storage.receive(body, &Expected::default()).await.unwrap();
        crate::artifacts::save(&self.app, received).await.unwrap().0.pulp_id
    }

    pub(super) async fn unit(&self, path: &str, artifact: Option<Uuid>) -> Unit {
        let (content, file) = (Uuid::now_v7(), Uuid::now_v7());
        let tx = self.app.db.write().await.unwrap();
        let row = content::Model {
            pulp_id: content,
            pulp_created: now(),
            pulp_last_updated: now(),
            pulp_domain_id: self.app.domain,
            pulp_type: TYPE.to_owned(),
            timestamp_of_interest: now(),
            pulp_labels: Labels::default(),
        };
        row.into_active_model().insert(&*tx).await.unwrap();
        let row = content_artifact::Model {
            pulp_id: file,
            content_id: content,
            artifact_id: artifact,
            relative_path: path.to_owned(),
        };
        row.into_active_model().insert(&*tx).await.unwrap();
        tx.commit().await.unwrap();
        Unit { content, file }
    }

    /// A repository with its version 0.
    pub(super) async fn repository(&self) -> Uuid {
        let id = Uuid::now_v7();
        let row = repository::Model {
            pulp_id: id,
            pulp_created: now(),
            pulp_last_updated: now(),
            pulp_domain_id: self.app.domain,
            pulp_type: TYPE.to_owned(),
            name: id.to_string(),
            description: None,
            pulp_labels: Labels::default(),
            next_version: 1,
            retain_repo_versions: None,
            retain_checkpoints: None,
            remote_id: None,
            user_hidden: false,
        };
        let tx = self.app.db.write().await.unwrap();
        row.into_active_model().insert(&*tx).await.unwrap();
        tx.commit().await.unwrap();
        self.version(id, 0, &[]).await;
        id
    }

    /// A version that adds units to the one before.
    pub(super) async fn version(&self, repository: Uuid, number: i64, added: &[Uuid]) -> Uuid {
        let id = Uuid::now_v7();
        let tx = self.app.db.write().await.unwrap();
        tx.changes(Change::Repository(repository));
        let row = repository_version::Model {
            pulp_id: id,
            pulp_created: now(),
            pulp_last_updated: now(),
            repository_id: repository,
            number,
            base_version_id: None,
        };
        row.into_active_model().insert(&*tx).await.unwrap();
        for unit in added {
            let row = repository_content::Model {
                repository_id: repository,
                content_id: *unit,
                version_added: number,
                version_removed: None,
            };
            row.into_active_model().insert(&*tx).await.unwrap();
        }
        tx.commit().await.unwrap();
        id
    }

    /// Removes a unit in a version.
    pub(super) async fn remove(&self, repository: Uuid, unit: Uuid, number: i64) {
        self.version(repository, number, &[]).await;
        let tx = self.app.db.write().await.unwrap();
        repository_content::Entity::update_many()
            .col_expr(repository_content::Column::VersionRemoved, sea_orm::sea_query::Expr::value(number))
            .filter(repository_content::Column::ContentId.eq(unit))
            .exec(&*tx)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }

    pub(super) async fn publication(
        &self,
        version: Uuid,
        pass_through: bool,
        files: &[(&str, Uuid)],
        made: &[(&str, Uuid)],
    ) -> Uuid {
        let id = Uuid::now_v7();
        let tx = self.app.db.write().await.unwrap();
        let of = repository_version::Entity::find_by_id(version).one(&*tx).await.unwrap().unwrap();
        tx.changes(Change::Repository(of.repository_id));
        let row = publication::Model {
            pulp_id: id,
            pulp_created: now(),
            pulp_last_updated: now(),
            pulp_domain_id: self.app.domain,
            pulp_type: TYPE.to_owned(),
            repository_version_id: version,
            complete: true,
            pass_through,
            checkpoint: false,
        };
        row.into_active_model().insert(&*tx).await.unwrap();
        for (path, file) in files {
            let row = published_artifact::Model {
                publication_id: id,
                relative_path: (*path).to_owned(),
                content_artifact_id: *file,
            };
            row.into_active_model().insert(&*tx).await.unwrap();
        }
        for (path, artifact) in made {
            let row = published_metadata::Model {
                publication_id: id,
                relative_path: (*path).to_owned(),
                artifact_id: *artifact,
            };
            row.into_active_model().insert(&*tx).await.unwrap();
        }
        tx.commit().await.unwrap();
        id
    }

    /// Serves what `d` serves under another path, to whoever says a word in the header `X-Word`, in base64.
    pub(super) async fn guarded(&self, base_path: &str, word: &str) {
        let guard = self.guard(word).await;
        let open = distribution::Entity::find().filter(distribution::Column::BasePath.eq("d"));
        let open = open.one(self.app.db.read()).await.unwrap().unwrap();
        self.distribute(base_path, |row| {
            row.content_guard_id = Some(guard);
            row.repository_id = open.repository_id;
        })
        .await;
    }

    pub(super) async fn guard(&self, word: &str) -> Uuid {
        let (id, now) = (Uuid::now_v7(), now());
        let row = content_guard::Model {
            pulp_id: id,
            pulp_created: now,
            pulp_last_updated: now,
            pulp_domain_id: self.app.domain,
            pulp_type: "core.header".to_owned(),
            name: id.to_string(),
            description: None,
        };
        let detail = serde_json::json!({ "header_name": "x-word", "header_value": word });
        let noun = crate::registry::get().noun(crate::plugin::Family::ContentGuard, "core.header").unwrap();
        let tx = self.app.db.write().await.unwrap();
        row.into_active_model().insert(&*tx).await.unwrap();
        (noun.insert)(&tx, id, detail.as_object().unwrap().clone()).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    pub(super) async fn distribute(&self, base_path: &str, change: impl FnOnce(&mut distribution::Model)) -> Uuid {
        let mut row = distribution::Model::bare(self.app.domain, TYPE, base_path);
        change(&mut row);
        let id = row.pulp_id;
        let tx = self.app.db.write().await.unwrap();
        tx.changes(Change::Distribution(id));
        row.into_active_model().insert(&*tx).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    /// Runs a statement in a transaction that says nothing, or this, of what it changes.
    pub(super) async fn execute(&self, sql: &str, values: Vec<sea_orm::Value>, change: Option<Change>) {
        let tx = self.app.db.write().await.unwrap();
        if let Some(change) = change {
            tx.changes(change);
        }
        crate::db::exec(&*tx, sql, values).await.unwrap();
        tx.commit().await.unwrap();
    }
}

/// Carries changes to and from other processes, if there may be any.
fn hear(app: &App) -> Option<tokio::task::JoinHandle<()>> {
    #[cfg(feature = "postgres")]
    if !app.db.is_sqlite() {
        return Some(tokio::spawn(super::super::heard::carry(app.db.clone(), true)));
    }
    let _ = app;
    None
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(hearing) = &self.hearing {
            hearing.abort();
        }
    }
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(super) fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }

    /// The names in a listing.
    pub(super) fn names(&self) -> Vec<&str> {
        assert_eq!(self.status, StatusCode::OK);
        let lines = self.text().lines().filter_map(|line| line.split_once("<a href=")?.1.split_once('>'));
        lines.filter_map(|(_, rest)| Some(rest.split_once("</a>")?.0)).collect()
    }
}
