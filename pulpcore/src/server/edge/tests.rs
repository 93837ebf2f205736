//! A process that only serves content, at its start.

use axum::http::StatusCode;
use serde_json::Value;
use tempfile::TempDir;

use super::super::grants::{Grants, grants};
use super::*;
use crate::settings::{DatabaseUrl, Role};
use crate::testkit::{Database, TestDatabase};

/// A place for a content service alone: nothing is in its folder but the media folder that others fill.
struct Place {
    database: TestDatabase,
    folder: TempDir,
}

impl Place {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("media/artifact")).unwrap();
        Self { database: Database::create().await, folder }
    }

    fn settings(&self, url: &str) -> Settings {
        let database_url = DatabaseUrl::parse(url).unwrap();
        let roles = [Role::Content].into();
        Settings { database_url, roles, admin_password: None, ..Settings::for_tests(self.folder.path()) }
    }

    async fn db(&self) -> Db {
        App::connect(&self.settings(&self.database.url)).await.unwrap()
    }

    /// What lies in the folder.
    fn files(&self) -> Vec<String> {
        let entries = |path: &std::path::Path| std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
        let all = entries(self.folder.path()).chain(entries(&self.folder.path().join("media")));
        let mut all: Vec<_> = all.map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect();
        all.sort();
        all
    }
}

fn content_grants(role: &str) -> String {
    grants(&Grants { role: role.to_owned(), remotes: true, users: false }).unwrap()
}

async fn ask(listener: &Listener, path: &str) -> (StatusCode, String) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.get(format!("http://{}{path}", listener.address())).send().await.unwrap();
    (answer.status(), answer.text().await.unwrap())
}

/// Asks until the reason is this one.
async fn until_it_says(listener: &Listener, reason: &str) {
    loop {
        let (status, body) = ask(listener, "/health/ready").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{body}");
        let body: Value = serde_json::from_str(&body).unwrap();
        if body["roles"]["content"]["checks"]["database"]["output"] == reason {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn it_waits_until_others_have_migrated_and_granted_and_says_for_what() {
    let place = Place::new().await;
    let role = place.database.role(|_| String::new()).await;
    let settings = place.settings(&role.url);
    let listener = Listener::bind(&settings).await.unwrap();
    let name = url::Url::parse(&role.url).unwrap().username().to_owned();
    let others = async {
        until_it_says(&listener, EMPTY).await;
        assert_eq!(ask(&listener, "/health/live").await.0, StatusCode::OK);
        let (status, said) = ask(&listener, "/pulp/content/a").await;
        assert_eq!((status, said.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "503: Service Unavailable"));
        let db = place.db().await;
        migrate::up(&db, apps()).await.unwrap();
        run(&db, &format!("GRANT SELECT ON core_migrations, sample_migrations TO {name}")).await;
        until_it_says(&listener, UNGRANTED).await;
        run(&db, &content_grants(&name)).await;
        db.close().await.unwrap();
    };
    let (app, ()) = tokio::join!(open(&settings, &listener), others);
    let app = app.unwrap();
    assert_eq!(app.settings.on_demand, OnDemand::Stream, "it may not keep what it fetches");
    assert!(!may_be_listed(&app.db).await.unwrap());
    assert_eq!(place.files(), ["artifact", "media"], "nothing is made: no key, no folder for temporary files");
    app.db.clone().close().await.unwrap();
}

async fn run(db: &Db, sql: &str) {
    sea_orm::ConnectionTrait::execute_unprepared(db.read(), sql).await.unwrap();
}

#[tokio::test]
async fn an_older_database_is_waited_for_and_a_newer_one_is_served() {
    let place = Place::new().await;
    let db = place.db().await;
    migrate::up(&db, Vec::new()).await.unwrap();
    let settings = place.settings(&place.database.url);
    let listener = Listener::bind(&settings).await.unwrap();
    let others = async {
        until_it_says(&listener, BEHIND).await;
        migrate::up(&db, apps()).await.unwrap();
        run(&db, "INSERT INTO core_migrations (version, applied_at) VALUES ('m9999_of_tomorrow', 0)").await;
    };
    let (app, ()) = tokio::join!(open(&settings, &listener), others);
    let app = app.unwrap();
    assert_eq!(app.settings.on_demand, OnDemand::Save, "its role may do everything");
    assert!(may_be_listed(&app.db).await.unwrap());
    app.db.clone().close().await.unwrap();
    db.close().await.unwrap();
}

#[tokio::test]
async fn a_database_that_is_away_is_waited_for() {
    let place = Place::new().await;
    migrate::up(&place.db().await, apps()).await.unwrap();
    // Nobody listens behind this address, until somebody does.
    let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut url = url::Url::parse(&place.database.url).unwrap();
    let real = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
    url.set_port(Some(port.port())).unwrap();
    let settings = place.settings(url.as_str());
    let listener = Listener::bind(&settings).await.unwrap();
    let others = async {
        until_it_says(&listener, SLOW).await;
        let wire = tokio::net::TcpListener::bind(port).await.unwrap();
        let carry = async move {
            while let Ok((mut near, _)) = wire.accept().await {
                let mut far = tokio::net::TcpStream::connect(&real).await.unwrap();
                tokio::spawn(async move { tokio::io::copy_bidirectional(&mut near, &mut far).await });
            }
        };
        let wire = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(carry));
        (wire,)
    };
    let (app, (_wire,)) = tokio::join!(open(&settings, &listener), others);
    app.unwrap().db.clone().close().await.unwrap();
}

#[test]
fn a_process_with_sqlite_looks_after_its_database_itself() {
    let settings = Settings { roles: [Role::Content].into(), ..Settings::default() };
    assert!(!settings.is_edge());
}
