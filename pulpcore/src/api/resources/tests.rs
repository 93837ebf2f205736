//! The operations as a client sees them, on a real database: request in, answer out.

use std::collections::HashMap;
use std::fs::File;
use std::sync::LazyLock;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, HeaderValue, Method};
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::artifacts;
use crate::api::cx::Cx;
use crate::api::endpoint::Endpoint;
use crate::api::query::Query;
use crate::api::render;
use crate::db::now;
use crate::models::{artifact, content, content_artifact, repository, user};
use crate::sample::{Sample, on_both};
use crate::storage::{Algorithm, Expected, Hasher};
use crate::tasking::Worker;
use crate::versions::NewVersion;

fn sha256(bytes: &[u8]) -> String {
    let mut hasher = Hasher::new(&[Algorithm::Sha256]);
    hasher.update(bytes);
    hasher.finish().1.sha256().to_owned()
}

static ENDPOINTS: LazyLock<Vec<Endpoint>> = LazyLock::new(super::endpoints);

const ROOT: &str = "/pulp/api/v3/";

/// A body on its way in.
enum Sent {
    Nothing,
    Json(Value),
    /// A form with a file.
    File(&'static [(&'static str, &'static str)], Vec<u8>, Option<String>),
}

impl Sample {
    /// Sends a request; the path is below the API root, or an href.
    async fn send(&self, method: Method, path: &str, sent: Sent) -> (u16, Value) {
        self.send_as(None, method, path, sent).await
    }

    async fn send_as(&self, user: Option<user::Model>, method: Method, path: &str, sent: Sent) -> (u16, Value) {
        let path = path.strip_prefix(ROOT).unwrap_or(path);
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        let (endpoint, params) = found(&method, path);
        let mut headers = HeaderMap::new();
        let body = match sent {
            Sent::Nothing => Body::empty(),
            Sent::Json(value) => {
                headers.insert("content-type", HeaderValue::from_static("application/json"));
                Body::from(value.to_string())
            }
            Sent::File(fields, file, range) => {
                headers.insert("content-type", HeaderValue::from_static("multipart/form-data; boundary=XX"));
                if let Some(range) = range {
                    headers.insert("content-range", range.parse().unwrap());
                }
                Body::from(form(fields, &file))
            }
        };
        let cx = Cx {
            app: self.app.clone(),
            root: ROOT.to_owned(),
            user,
            correlation_id: "cid".to_owned(),
            uri: format!("{ROOT}{path}").parse().unwrap(),
            headers,
            params,
            query: Query::parse(query).unwrap(),
            input: std::sync::Mutex::new(body),
            socket: None,
        };
        let response = match (endpoint.handler)(cx).await {
            Ok(response) => response,
            Err(error) => {
                if let crate::error::Error::Internal(_) = &error {
                    panic!("{}", error.log());
                }
                render::respond(&error, "cid")
            }
        };
        let status = response.status().as_u16();
        let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.send(Method::GET, path, Sent::Nothing).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.send(Method::POST, path, Sent::Json(body)).await
    }

    /// Posts what becomes a task, and waits for its end.
    async fn finished(&self, path: &str, body: Value) -> Value {
        let (status, body) = self.post(path, body).await;
        assert_eq!(status, 202, "{body}");
        let href = body.get("task").or_else(|| body.get("pulp_href")).unwrap().as_str().unwrap().to_owned();
        let id = href.trim_end_matches('/').rsplit('/').next().unwrap().parse().unwrap();
        self.app.queue.ended(id).await.unwrap();
        self.get(&href).await
    }

    async fn upload(&self, fields: &'static [(&'static str, &'static str)], bytes: &[u8]) -> (u16, Value) {
        self.send(Method::POST, "artifacts/", Sent::File(fields, bytes.to_vec(), None)).await
    }

    async fn chunk(&self, upload: &str, range: &str, bytes: &[u8]) -> (u16, Value) {
        self.send(Method::PUT, upload, Sent::File(&[], bytes.to_vec(), Some(range.to_owned()))).await
    }

    /// Everything that is there was last used long ago.
    async fn age(&self) {
        let long_ago = OffsetDateTime::UNIX_EPOCH;
        let tx = self.app.db.write().await.unwrap();
        artifact::Entity::update_many()
            .col_expr(artifact::Column::TimestampOfInterest, Expr::value(long_ago))
            .exec(&*tx)
            .await
            .unwrap();
        content::Entity::update_many()
            .col_expr(content::Column::TimestampOfInterest, Expr::value(long_ago))
            .exec(&*tx)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }

    /// Gives a unit a file.
    async fn attach(&self, unit: Uuid, artifact: &Value) {
        let id = artifact["pulp_href"].as_str().unwrap().trim_end_matches('/').rsplit('/').next().unwrap();
        let tx = self.app.db.write().await.unwrap();
        content_artifact::ActiveModel {
            pulp_id: Set(Uuid::now_v7()),
            content_id: Set(unit),
            artifact_id: Set(Some(id.parse().unwrap())),
            relative_path: Set("file".to_owned()),
        }
        .insert(&*tx)
        .await
        .unwrap();
        tx.commit().await.unwrap();
    }

    async fn user(&self, name: &str, is_superuser: bool) -> user::Model {
        let tx = self.app.db.write().await.unwrap();
        let row = user::ActiveModel {
            username: Set(name.to_owned()),
            password: Set("!".to_owned()),
            first_name: Set(String::new()),
            last_name: Set(String::new()),
            email: Set(String::new()),
            is_staff: Set(is_superuser),
            is_active: Set(true),
            is_superuser: Set(is_superuser),
            date_joined: Set(now()),
            last_login: Set(None),
            ..Default::default()
        };
        let row = row.insert(&*tx).await.unwrap();
        tx.commit().await.unwrap();
        row
    }
}

/// Workers that run until this is dropped.
fn workers(sample: &Sample) -> tokio_util::sync::DropGuard {
    let stop = CancellationToken::new();
    tokio::spawn(Worker::new(sample.app.clone()).run(stop.clone()));
    stop.drop_guard()
}

/// The operation at a path, as a router would find it: fixed segments before parameters.
fn found(method: &Method, path: &str) -> (&'static Endpoint, Vec<(String, String)>) {
    let asked: Vec<&str> = path.split('/').collect();
    let mut best = None;
    for endpoint in ENDPOINTS.iter().filter(|endpoint| endpoint.method == *method) {
        let known: Vec<&str> = endpoint.path.split('/').collect();
        let named = |segment: &str| segment.starts_with('{');
        if known.len() != asked.len() || known.iter().zip(&asked).any(|(known, asked)| !named(known) && known != asked)
        {
            continue;
        }
        let params: Vec<_> = known
            .iter()
            .zip(&asked)
            .filter(|(known, _)| named(known))
            .map(|(known, asked)| (known.trim_matches(['{', '}']).to_owned(), (*asked).to_owned()))
            .collect();
        if best.as_ref().is_none_or(|(_, other): &(_, Vec<_>)| params.len() < other.len()) {
            best = Some((endpoint, params));
        }
    }
    best.unwrap_or_else(|| panic!("no operation for {method} {path}"))
}

fn form(fields: &[(&str, &str)], file: &[u8]) -> Vec<u8> {
    let mut form = Vec::new();
    for (name, value) in fields {
        form.extend(format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").bytes());
    }
    form.extend(b"--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n");
    form.extend(file);
    form.extend(b"\r\n--XX--\r\n");
    form
}

on_both!(an_artifact_is_made_once_read_found_and_deleted, |sample| {
    let (status, made) = sample.upload(&[("size", "5")], b"hello").await;
    assert_eq!(status, 201, "{made}");
    assert_eq!(made["sha256"], sha256(b"hello"));
    assert_eq!(made["md5"], Value::Null);
    let href = made["pulp_href"].as_str().unwrap();
    assert_eq!(sample.get(href).await, made);
    assert!(sample.app.storage.exists(made["file"].as_str().unwrap()).await.unwrap());

    let (status, error) = sample.upload(&[], b"hello").await;
    let message = format!("Artifact with sha256 checksum of '{}' already exists.", sha256(b"hello"));
    assert_eq!((status, error), (400, json!({"non_field_errors": [message]})));
    assert_eq!(sample.upload(&[("sha256", "00")], b"bad").await.0, 400);
    let nothing = sample.send(Method::POST, "artifacts/", Sent::Json(json!({}))).await;
    assert_eq!(nothing, (400, json!({"file": ["No file was submitted."]})));

    assert_eq!(sample.get(&format!("artifacts/?sha256={}", sha256(b"hello"))).await["count"], 1);
    assert_eq!(sample.get("artifacts/?orphaned_for=0.5").await["count"], 0);
    sample.age().await;
    assert_eq!(sample.get("artifacts/?orphaned_for=0.5").await["count"], 1);

    let unit = sample.note("a", "b").await;
    sample.attach(unit, &made).await;
    assert_eq!(sample.send(Method::DELETE, href, Sent::Nothing).await.0, 409);
    assert_eq!(sample.get("artifacts/?orphaned_for=0.5").await["count"], 0);
    let (_, other) = sample.upload(&[], b"other").await;
    assert_eq!(sample.send(Method::DELETE, other["pulp_href"].as_str().unwrap(), Sent::Nothing).await.0, 204);
    assert!(!sample.app.storage.exists(other["file"].as_str().unwrap()).await.unwrap());
});

on_both!(a_file_that_no_artifact_has_is_swept_when_it_is_old, |sample| {
    let (_, made) = sample.upload(&[], b"known").await;
    let (storage, promised) = (&sample.app.storage, Expected::default());
    let received = storage.receive(futures::stream::iter([Ok("stray".into())]), &promised).await.unwrap();
    let stray = storage.keep_one(received).await.unwrap().path;
    let both = [made["file"].as_str().unwrap().to_owned(), stray];
    let exist = async || [storage.exists(&both[0]).await.unwrap(), storage.exists(&both[1]).await.unwrap()];
    let sweep = async |since| artifacts::sweep(&sample.app, since).await.unwrap();

    assert_eq!((sweep(now() - Duration::hours(1)).await, exist().await), (0, [true, true]));
    assert_eq!((sweep(now() + Duration::hours(1)).await, exist().await), (1, [true, false]));
});

on_both!(chunks_become_an_artifact, |sample| {
    let _workers = workers(&sample);
    let (status, upload) = sample.post("uploads/", json!({"size": 11})).await;
    assert_eq!(status, 201);
    let href = upload["pulp_href"].as_str().unwrap().to_owned();
    let digest = json!({"sha256": sha256(b"hello world")});

    assert_eq!(sample.chunk(&href, "bytes 6-10/11", b"WORLD").await.0, 200);
    let early = sample.finished(&format!("{href}commit/"), digest.clone()).await;
    assert_eq!(early["state"], "failed", "there is a hole");
    assert_eq!(sample.chunk(&href, "bytes 0-5/11", b"hello ").await.0, 200);
    let wrong = sample.finished(&format!("{href}commit/"), digest.clone()).await;
    assert!(wrong["error"]["description"].as_str().unwrap().contains("The sha256 checksum did not match."));

    let bad = Sent::File(&[("sha256", "zz")], b"world".to_vec(), Some("bytes 6-10/11".to_owned()));
    let refused = sample.send(Method::PUT, &href, bad).await;
    assert_eq!(refused, (400, json!(["Checksum does not match chunk upload."])));
    assert_eq!(sample.chunk(&href, "bytes 6-10/11", b"world!").await.0, 400);
    assert_eq!(sample.chunk(&href, "bytes 6-10/11", b"world").await.0, 200);
    let chunks = json!([{"offset": 0, "size": 6}, {"offset": 6, "size": 5}]);
    assert_eq!(sample.get(&href).await["chunks"], chunks);

    let done = sample.finished(&format!("{href}commit/"), digest.clone()).await;
    assert_eq!(done["state"], "completed", "{done}");
    let made = sample.get(done["created_resources"][0].as_str().unwrap()).await;
    assert_eq!(made["sha256"], digest["sha256"]);
    assert_eq!(done["created_resource_prns"], json!([made["prn"]]));
    assert_eq!(sample.send(Method::GET, &href, Sent::Nothing).await.0, 404);
    assert!(sample.app.storage.uploads().await.unwrap().is_empty());

    // The same again is refused; the upload stays, and can be deleted.
    let (_, upload) = sample.post("uploads/", json!({"size": 11})).await;
    let href = upload["pulp_href"].as_str().unwrap().to_owned();
    sample.chunk(&href, "bytes 0-10/11", b"hello world").await;
    let again = sample.finished(&format!("{href}commit/"), digest).await;
    assert!(again["error"]["description"].as_str().unwrap().contains("already exists"), "{again}");
    assert_eq!(sample.get(&href).await["size"], 11);
    assert_eq!(sample.send(Method::DELETE, &href, Sent::Nothing).await.0, 204);
    assert!(sample.app.storage.uploads().await.unwrap().is_empty());
});

on_both!(a_digest_that_comes_after_its_chunk_is_verified_as_well, |sample| {
    let (_, upload) = sample.post("uploads/", json!({"size": 11})).await;
    let href = upload["pulp_href"].as_str().unwrap();
    let then = |chunk: &str, digest: String| {
        format!("{chunk}\r\n--XX\r\nContent-Disposition: form-data; name=\"sha256\"\r\n\r\n{digest}").into_bytes()
    };
    assert_eq!(sample.chunk(href, "bytes 0-5/11", &then("hello ", sha256(b"hello "))).await.0, 200);
    let refused = sample.chunk(href, "bytes 6-10/11", &then("world", sha256(b"WORLD"))).await;
    assert_eq!(refused, (400, json!(["Checksum does not match chunk upload."])));
    assert_eq!(sample.get(href).await["chunks"], json!([{"offset": 0, "size": 6}]));
    assert_eq!(sample.chunk(href, "bytes 6-10/11", &then("world", sha256(b"world"))).await.0, 200);
});

on_both!(a_chunk_is_refused_while_its_upload_is_committed, |sample| {
    let (_, upload) = sample.post("uploads/", json!({"size": 5})).await;
    let href = upload["pulp_href"].as_str().unwrap();
    assert_eq!(sample.chunk(href, "bytes 0-4/5", b"hello").await.0, 200);
    let [id] = sample.app.storage.uploads().await.unwrap()[..] else { panic!("one upload") };
    // What a commit does as long as it hashes.
    let file = File::open(sample.app.settings.media_root.join(format!("upload/{id}"))).unwrap();
    file.lock().unwrap();
    let refused = sample.chunk(href, "bytes 0-4/5", b"other").await;
    assert_eq!(refused, (409, json!({"detail": "The upload is being committed."})));
    drop(file);
    assert_eq!(sample.chunk(href, "bytes 0-4/5", b"other").await.0, 200);
});

on_both!(tasks_are_listed_filtered_canceled_and_cloned, |sample| {
    let (_, waiting) = sample.post("orphans/cleanup/", json!({"orphan_protection_time": 5})).await;
    let href = waiting["task"].as_str().unwrap().to_owned();
    let task = sample.get(&href).await;
    assert_eq!(task["state"], "waiting");
    assert_eq!(task["logging_cid"], "cid");
    let lock = format!("pdrn:{}:orphans", sample.app.domain);
    assert_eq!(task["reserved_resources_record"][0], lock);
    for (query, count) in [
        (format!("reserved_resources={lock}"), 1),
        (format!("exclusive_resources={lock}"), 1),
        (format!("shared_resources={lock}"), 0),
        (format!("shared_resources=/pulp/api/v3/domains/{}/", sample.app.domain), 1),
        (format!("reserved_resources__in={lock},prn:core.domain:{}", sample.app.domain), 1),
        (format!("reserved_resources__in={lock},other"), 0),
        (format!("created_resources=/pulp/api/v3/artifacts/{}/", Uuid::nil()), 0),
        (format!("created_resources=/pulp/api/v3/repositories/sample/notebooks/{}/versions/1/", Uuid::nil()), 0),
        (format!("child_tasks={href}"), 0),
        (
            "state=waiting&name__contains=orphan&worker=/pulp/api/v3/workers/00000000-0000-0000-0000-000000000000/"
                .into(),
            0,
        ),
        ("state__in=waiting,nonsense".into(), 1),
        ("state__in=nonsense".into(), 0),
        ("state__in=running,waiting&parent_task=null&started_at__isnull=true&ordering=-state,pk".into(), 1),
    ] {
        assert_eq!(sample.get(&format!("tasks/?{query}")).await["count"], count, "{query}");
    }
    let minimal = &sample.get("tasks/?minimal=true").await["results"][0];
    assert!(minimal.get("progress_reports").is_none() && minimal["name"] == task["name"]);

    let typed = &sample.get("tasks/core/orphan-cleanups/").await["results"][0];
    assert_eq!(typed["parameters"]["orphan_protection_time"], 5);
    let (status, clone) = sample.post(&format!("{href}clones/"), json!({"orphan_protection_time": 7})).await;
    assert_eq!((status, &clone["parameters"]["orphan_protection_time"]), (202, &json!(7)), "{clone}");
    assert_eq!(clone["reserved_resources_record"][0], lock);
    assert_eq!(sample.post(&format!("{href}clones/"), json!({"bogus": 7})).await.0, 400);

    assert_eq!(sample.send(Method::DELETE, &href, Sent::Nothing).await, (409, Value::Null));
    let cancel = |state: &str| Sent::Json(json!({"state": state}));
    let wrong = sample.send(Method::PATCH, &href, cancel("running")).await;
    assert_eq!(wrong, (400, json!({"state": ["The only acceptable value for 'state' is 'canceled'."]})));
    for _ in 0..2 {
        let (status, canceled) = sample.send(Method::PATCH, &href, cancel("canceled")).await;
        assert_eq!((status, &canceled["state"]), (200, &json!("canceled")));
    }
    assert_eq!(sample.send(Method::DELETE, &href, Sent::Nothing).await.0, 204);

    let _workers = workers(&sample);
    let done = sample.finished("tasks/core/purges/", json!({"states": ["canceled"]})).await;
    assert_eq!(done["state"], "completed");
    let (status, refused) = sample.send(Method::PATCH, done["pulp_href"].as_str().unwrap(), cancel("canceled")).await;
    assert_eq!((status, &refused["state"]), (409, &json!("completed")));
});

on_both!(a_waiting_task_says_what_it_waits_for, |sample| {
    let clean = async || sample.post("orphans/cleanup/", json!({})).await.1["task"].as_str().unwrap().to_owned();
    let (first, second) = (clean().await, clean().await);
    let ready = sample.get(&first).await["x_waiting_for"].take();
    let sentence = "It is ready and waits for a free worker: no worker is online.";
    assert_eq!(ready, json!({"reason": "worker", "sentence": sentence, "tasks": [], "count": 0}));

    let name = "pulpcore.app.tasks.orphan.orphan_cleanup";
    let resource = format!("pdrn:{}:orphans", sample.app.domain);
    let waiting = json!({
        "reason": "resources",
        "sentence": format!("It waits for a task that came first: {name} waits, too, and wants '{resource}'."),
        "tasks": [{"task": first, "name": name, "state": "waiting", "resource": resource, "exclusive": true}],
        "count": 1,
    });
    assert_eq!(sample.get(&second).await["x_waiting_for"], waiting);
    let only = json!({ "x_waiting_for": waiting });
    assert_eq!(sample.get(&format!("{second}?fields=x_waiting_for")).await, only);
    assert_eq!(sample.get("tasks/?fields=x_waiting_for&limit=1&ordering=-pk").await["results"], json!([only]));
    for without in [format!("{second}?exclude_fields=x_waiting_for"), format!("{second}?minimal=true")] {
        assert!(sample.get(&without).await.get("x_waiting_for").is_none(), "{without}");
    }
    assert!(sample.get("tasks/").await["results"][0].get("x_waiting_for").is_none(), "a list says it when asked");

    sample.send(Method::PATCH, &first, Sent::Json(json!({"state": "canceled"}))).await;
    assert!(sample.get(&first).await.get("x_waiting_for").is_none(), "it waits no more");
    assert_eq!(sample.get(&second).await["x_waiting_for"]["reason"], "worker");
});

on_both!(a_purge_removes_what_ended_and_counts_it, |sample| {
    let _workers = workers(&sample);
    let (_, upload) = sample.post("uploads/", json!({"size": 0})).await;
    let commit = format!("{}commit/", upload["pulp_href"].as_str().unwrap());
    let made = sample.finished(&commit, json!({"sha256": sha256(b"")})).await;
    assert_eq!(made["state"], "completed", "{made}");
    let kept = sample.finished("tasks/purge/", json!({})).await;
    assert_eq!(kept["progress_reports"][0]["done"], 0, "nothing is thirty days old");
    let purge = sample.finished("tasks/purge/", json!({"finished_before": "2999-01-01"})).await;
    let done: HashMap<_, _> = purge["progress_reports"]
        .as_array()
        .unwrap()
        .iter()
        .map(|report| (report["code"].as_str().unwrap().to_owned(), report["done"].as_i64().unwrap()))
        .collect();
    assert_eq!(done["purge.tasks.key.core.Task"], 2);
    assert_eq!(done["purge.tasks.key.core.CreatedResource"], 1);
    assert_eq!(sample.get("tasks/").await["count"], 1, "it does not purge itself");
});

on_both!(orphans_go_and_what_is_used_or_fresh_stays, |sample| {
    let _workers = workers(&sample);
    let (held, staged, orphan) =
        (sample.note("a", "1").await, sample.note("b", "2").await, sample.note("c", "3").await);
    let mut files = Vec::new();
    for (unit, bytes) in [(held, b"1"), (staged, b"2"), (orphan, b"3")] {
        let (_, made) = sample.upload(&[], bytes).await;
        sample.attach(unit, &made).await;
        files.push(made["file"].as_str().unwrap().to_owned());
    }
    let book = sample.notebook("book").await;
    let tx = sample.app.db.write().await.unwrap();
    let mut version = NewVersion::open(&tx, book).await.unwrap();
    version.add(&[held]).await.unwrap();
    version.complete().await.unwrap();
    crate::versions::Draft::new(Uuid::now_v7()).add(&*tx, &[staged]).await.unwrap();
    tx.commit().await.unwrap();
    sample.age().await;
    let (_, fresh) = sample.upload(&[], b"fresh").await;

    let done = sample.finished("orphans/cleanup/", json!({"orphan_protection_time": 10})).await;
    assert_eq!(done["state"], "completed", "{done}");
    let counts: Vec<_> = done["progress_reports"].as_array().unwrap().iter().map(|report| &report["done"]).collect();
    assert_eq!(counts, [1, 1]);
    let left = content::Entity::find().all(sample.app.db.read()).await.unwrap();
    assert_eq!(left.iter().map(|unit| unit.pulp_id).collect::<std::collections::BTreeSet<_>>(), [held, staged].into());
    for (file, there) in files.iter().zip([true, true, false]) {
        assert_eq!(sample.app.storage.exists(file).await.unwrap(), there);
    }
    let fresh = fresh["file"].as_str().unwrap();
    assert!(sample.app.storage.exists(fresh).await.unwrap());
    sample.finished("orphans/cleanup/", json!({"orphan_protection_time": 0})).await;
    assert!(!sample.app.storage.exists(fresh).await.unwrap());
    let books = repository::Entity::find().filter(repository::Column::PulpId.eq(book)).all(sample.app.db.read()).await;
    assert_eq!(books.unwrap().len(), 1);
});

on_both!(workers_and_status_say_what_is_up, |sample| {
    let _workers = workers(&sample);
    let mut changes = sample.app.queue.watch();
    while sample.get("workers/").await["count"] == 0 {
        let _ = tokio::time::timeout(std::time::Duration::from_millis(20), changes.changed()).await;
    }
    let online = sample.get("workers/?online=true").await;
    assert!(online["count"].as_u64().unwrap() >= 1);
    assert_eq!(sample.get("workers/?missing=true").await["count"], 0);
    assert_eq!(sample.get(online["results"][0]["pulp_href"].as_str().unwrap()).await["current_task"], Value::Null);
    let status = sample.get("status/").await;
    assert_eq!(status["versions"][0]["component"], "core");
    assert_eq!(status["database_connection"], json!({"connected": true}));
    assert!(!status["online_workers"].as_array().unwrap().is_empty());
    assert!(status["storage"]["total"].as_u64().unwrap() > 0);
    assert_eq!(sample.send(Method::GET, "livez/", Sent::Nothing).await, (200, Value::Null));
    let domains = sample.get("domains/").await;
    assert_eq!(domains["results"][0]["name"], "default");
    assert_eq!(
        sample.get("").await["repositories/sample/notebooks"].as_str().unwrap().rsplit('/').nth(1),
        Some("notebooks")
    );
});

on_both!(administrators_manage_users, |sample| {
    let admin = Some(sample.user("admin", true).await);
    let body = json!({"username": "ann", "password": "secret", "email": "ann@example.test"});
    let (status, ann) = sample.send_as(admin.clone(), Method::POST, "users/", Sent::Json(body.clone())).await;
    assert_eq!(status, 201, "{ann}");
    assert!(ann.get("password").is_none());
    assert_eq!(ann["hidden_fields"], json!([{"name": "password", "is_set": true}]));
    let (status, error) = sample.send_as(admin.clone(), Method::POST, "users/", Sent::Json(body)).await;
    assert_eq!((status, error), (400, json!({"username": ["This field must be unique."]})));

    let href = ann["pulp_href"].as_str().unwrap();
    let patch = Sent::Json(json!({"first_name": "Ann", "password": null}));
    let (status, changed) = sample.send_as(admin.clone(), Method::PATCH, href, patch).await;
    assert_eq!((status, &changed["first_name"], &changed["email"]), (200, &json!("Ann"), &json!("ann@example.test")));
    assert_eq!(changed["hidden_fields"][0]["is_set"], false);
    let row = user::Entity::find().filter(user::Column::Username.eq("ann")).one(sample.app.db.read()).await.unwrap();
    let refused = sample.send_as(row, Method::DELETE, href, Sent::Nothing).await;
    assert_eq!(refused.0, 403);
    assert_eq!(sample.get("users/?username__in=ann,bob").await["count"], 1);
    assert_eq!(sample.send_as(admin, Method::DELETE, href, Sent::Nothing).await.0, 204);
    assert_eq!(sample.send(Method::GET, href, Sent::Nothing).await.0, 404);
});
