//! The tasks as a user meets them: queued, run by a worker, judged by what is there afterwards.

use pulpcore::app::App;
use pulpcore::db::now;
use pulpcore::error::Result;
use pulpcore::models::{
    Labels, artifact, content_artifact, progress_report, publication, published_metadata, remote, repository,
    repository_version, state, task,
};
use pulpcore::plugin::{Ref, Task};
use pulpcore::settings::Settings;
use pulpcore::storage::Storage;
use pulpcore::tasking::{Dispatch, Worker};
use pulpcore::testkit::{Fault, FixtureServer};
use pulpcore::{migrate, registry, versions};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter,
    QueryOrder,
};
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use super::*;
use crate::models::{
    FileContent, FileRemote, FileRepository, content, remote as file_remote, repository as file_repository,
};
use crate::serializers::MANIFEST;

/// A server that syncs from another one. It stops when it is dropped.
struct World {
    app: App,
    files: FixtureServer,
    repository: Uuid,
    remote: Uuid,
    _worker: DropGuard,
    _folder: tempfile::TempDir,
}

impl World {
    /// With an empty repository and a remote for the manifest at `m/PULP_MANIFEST`.
    async fn new(policy: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings::for_tests(folder.path());
        let db = App::connect(&settings).await.unwrap();
        let apps = registry::get().plugins().iter();
        let apps = apps.map(|plugin| migrate::App { label: plugin.label, migrations: plugin.migrations });
        migrate::up(&db, apps.collect()).await.unwrap();
        let app = App::with(settings, db).await.unwrap();
        let files = FixtureServer::start().await;
        let stop = CancellationToken::new();
        tokio::spawn(Worker::new(app.clone()).run(stop.clone()));

        let (repository, remote) = (Uuid::now_v7(), Uuid::now_v7());
        let tx = app.db.write().await.unwrap();
        let row = remote::ActiveModel {
            pulp_id: Set(remote),
            pulp_created: Set(now()),
            pulp_last_updated: Set(now()),
            pulp_domain_id: Set(app.domain),
            pulp_type: Set("file.file".to_owned()),
            name: Set("remote".to_owned()),
            pulp_labels: Set(Labels::default()),
            url: Set(files.url("m/PULP_MANIFEST")),
            policy: Set(policy.to_owned()),
            tls_validation: Set(true),
            max_retries: Set(Some(0)),
            ..Default::default()
        };
        row.insert(&*tx).await.unwrap();
        file_remote::Model { remote_ptr_id: remote }.into_active_model().insert(&*tx).await.unwrap();
        let row = repository::ActiveModel {
            pulp_id: Set(repository),
            pulp_created: Set(now()),
            pulp_last_updated: Set(now()),
            pulp_domain_id: Set(app.domain),
            pulp_type: Set("file.file".to_owned()),
            name: Set("repository".to_owned()),
            pulp_labels: Set(Labels::default()),
            next_version: Set(1),
            user_hidden: Set(false),
            ..Default::default()
        };
        row.insert(&*tx).await.unwrap();
        let row = file_repository::Model {
            repository_ptr_id: repository,
            manifest: Some("MY_MANIFEST".to_owned()),
            ..Default::default()
        };
        row.into_active_model().insert(&*tx).await.unwrap();
        let row = repository_version::ActiveModel {
            pulp_id: Set(Uuid::now_v7()),
            pulp_created: Set(now()),
            pulp_last_updated: Set(now()),
            repository_id: Set(repository),
            number: Set(0),
            base_version_id: Set(None),
        };
        row.insert(&*tx).await.unwrap();
        tx.commit().await.unwrap();
        Self { app, files, repository, remote, _worker: stop.drop_guard(), _folder: folder }
    }

    /// Queues a task and waits for its end.
    async fn run<T: Task>(&self, mut task: T) -> Result<task::Model> {
        let mut changes = self.app.queue.watch();
        task.prepare(&self.app).await?;
        let queued = self.app.queue.dispatch(Dispatch::new(&task)?.in_domain(self.app.domain)).await?;
        loop {
            let row = task::Entity::find_by_id(queued.pulp_id).one(self.app.db.read()).await?.expect("it is queued");
            if state::FINAL.contains(&row.state.as_str()) {
                return Ok(row);
            }
            changes.changed().await.expect("the queue lives");
        }
    }

    async fn sync(&self, mirror: bool, optimize: bool) -> task::Model {
        let (repository, remote) = (Ref::new(self.repository), Some(Ref::new(self.remote)));
        let task = self.run(Synchronize { repository, remote, mirror, optimize }).await.unwrap();
        assert_eq!((task.state.as_str(), &task.error), ("completed", &None));
        task
    }

    async fn latest(&self) -> repository_version::Model {
        versions::latest(self.app.db.read(), self.repository).await.unwrap()
    }

    async fn paths(&self) -> Vec<String> {
        let found = FileContent::find()
            .filter(content::Column::ContentPtrId.in_subquery(self.latest().await.content_ids()))
            .order_by_asc(content::Column::RelativePath);
        found.all(self.app.db.read()).await.unwrap().into_iter().map(|row| row.relative_path).collect()
    }

    async fn reports(&self, task: &task::Model) -> Vec<(String, String, i64)> {
        let rows = progress_report::Entity::find().filter(progress_report::Column::TaskId.eq(task.pulp_id));
        let rows = rows.order_by_asc(progress_report::Column::Code).all(self.app.db.read()).await.unwrap();
        rows.into_iter().map(|row| (row.code, row.state, row.done)).collect()
    }

    /// The newest publication's manifest: its name and its text.
    async fn manifest(&self) -> (String, String) {
        let db = self.app.db.read();
        let newest = publication::Entity::find().order_by_desc(publication::Column::PulpId).one(db).await.unwrap();
        let newest = newest.expect("there is a publication");
        assert!(newest.complete && newest.pass_through);
        assert_eq!(newest.repository_version_id, self.latest().await.pulp_id);
        let file = published_metadata::Entity::find()
            .filter(published_metadata::Column::PublicationId.eq(newest.pulp_id))
            .one(db)
            .await
            .unwrap()
            .expect("it has a manifest");
        let row = artifact::Entity::find_by_id(file.artifact_id).one(db).await.unwrap().expect("it is stored");
        let bytes = self.app.storage.read(&Storage::artifact_path(&row.sha256), None).await.unwrap().bytes().await;
        (file.relative_path, String::from_utf8(bytes.unwrap().to_vec()).unwrap())
    }
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    lines
}

#[tokio::test]
async fn a_remote_is_synced_and_published() {
    let world = World::new("immediate").await;
    world.files.generate("m/a/f{n}.bin", 30, 700);
    world.files.put("m/50% of #1, ä?.txt", "odd");
    world.files.manifest("m/PULP_MANIFEST");
    let offered = world.files.url("m/PULP_MANIFEST");
    let task = world.sync(false, true).await;
    assert_eq!((world.latest().await.number, world.paths().await.len()), (1, 31), "{offered}");
    assert_eq!(
        world.reports(&task).await,
        [
            ("associating.content", 31),
            ("sync.downloading.artifacts", 31),
            ("sync.downloading.metadata", 1),
            ("sync.parsing.metadata", 31)
        ]
        .map(|(code, done)| (code.to_owned(), "completed".to_owned(), done))
    );

    let publish = Publish {
        repository_version: None,
        repository: Some(Ref::new(world.repository)),
        manifest: Some(MANIFEST.into()),
        checkpoint: false,
    };
    let task = world.run(publish).await.unwrap();
    assert_eq!(task.state, "completed", "{:?}", task.error);
    let (name, text) = world.manifest().await;
    assert_eq!((name.as_str(), text.lines().count()), ("PULP_MANIFEST", 31));
    for line in text.lines() {
        let entry = crate::manifest::Entry::parse(line, 1).unwrap().expect("an entry");
        let path = format!("m/{}", entry.relative_path);
        assert_eq!(world.files.sha256(&path), Some(entry.sha256), "{path}");
    }
}

#[tokio::test]
async fn what_did_not_change_is_not_done_again() {
    let world = World::new("immediate").await;
    world.files.generate("m/f{n}", 5, 10);
    world.files.manifest("m/PULP_MANIFEST");
    world.sync(false, true).await;

    world.files.reset_counts();
    let task = world.sync(false, true).await;
    assert_eq!(world.files.requests().len(), 1, "only the manifest");
    assert!(world.reports(&task).await.contains(&("sync.was_skipped".to_owned(), "completed".to_owned(), 1)));

    world.files.reset_counts();
    let task = world.sync(false, false).await;
    assert_eq!(world.files.requests().len(), 1, "only the manifest");
    assert!(world.reports(&task).await.contains(&("sync.parsing.metadata".to_owned(), "completed".to_owned(), 5)));
    assert_eq!(world.latest().await.number, 1);

    world.files.put("m/new", "new");
    world.files.manifest("m/PULP_MANIFEST");
    world.files.reset_counts();
    world.sync(false, true).await;
    assert_eq!((world.files.requests().len(), world.latest().await.number), (2, 2));
}

#[tokio::test]
async fn a_mirror_holds_and_publishes_what_the_remote_does() {
    let world = World::new("on_demand").await;
    world.files.generate("m/f{n}", 4, 10);
    world.files.manifest("m/PULP_MANIFEST");
    world.sync(false, true).await;
    let downloaded = content_artifact::Entity::find().filter(content_artifact::Column::ArtifactId.is_not_null());
    assert_eq!(downloaded.count(world.app.db.read()).await.unwrap(), 0);

    world.files.remove("m/f0");
    world.files.manifest("m/PULP_MANIFEST");
    world.sync(false, true).await;
    assert_eq!(world.paths().await, ["f0", "f1", "f2", "f3"]);
    let task = world.sync(true, true).await;
    assert_eq!(task.result.expect("it returns the version")["number"], 2);
    assert_eq!(world.paths().await, ["f1", "f2", "f3"]);
    let (name, text) = world.manifest().await;
    assert_eq!((name.as_str(), sorted(&text).len()), ("PULP_MANIFEST", 3));
}

#[tokio::test]
async fn a_new_version_is_published_by_itself_if_the_repository_says_so() {
    let world = World::new("on_demand").await;
    let tx = world.app.db.write().await.unwrap();
    FileRepository::update_many()
        .col_expr(file_repository::Column::Autopublish, sea_orm::sea_query::Expr::value(true))
        .exec(&*tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    world.files.generate("m/f{n}", 4500, 10);
    world.files.manifest("m/PULP_MANIFEST");
    let task = world.sync(false, true).await;
    let result = task.result.expect("it returns the version");
    assert_eq!(result["content_summary"]["added"]["file.file"]["count"], 4500);
    let (name, text) = world.manifest().await;
    assert_eq!(name, "MY_MANIFEST");
    assert_eq!(sorted(&text).len(), 4500);
    assert!(sorted(&text)[0].starts_with("f0,") && sorted(&text)[0].ends_with(",10"));

    let remove = vec!["*".to_owned()];
    let change = Change {
        repository: Ref::new(world.repository),
        add_content_units: Vec::new(),
        remove_content_units: remove,
        base_version: None,
        overwrite: true,
    };
    assert_eq!(world.run(change).await.unwrap().state, "completed");
    assert_eq!(world.manifest().await, ("MY_MANIFEST".to_owned(), String::new()));
}

#[tokio::test]
async fn what_is_wrong_is_said_and_nothing_is_left() {
    let world = World::new("immediate").await;
    let nowhere = Synchronize { repository: Ref::new(world.repository), remote: None, mirror: false, optimize: true };
    let error = world.run(nowhere).await.unwrap_err();
    assert_eq!(error.to_string(), "remote: This field is required since a remote is not set on the repository.");

    let sync = || Synchronize {
        repository: Ref::new(world.repository),
        remote: Some(Ref::<FileRemote>::new(world.remote)),
        mirror: false,
        optimize: true,
    };
    let why = async |sync| world.run(sync).await.unwrap().error.expect("it fails")["description"].to_string();
    assert!(why(sync()).await.contains("404"));
    world.files.put("m/PULP_MANIFEST", "# fine\n\nnot fine\n");
    let reason = why(sync()).await;
    assert!(reason.contains("Parsing of the manifest file failed on line:3."), "{reason}");
    world.files.put("m/a", "a");
    world.files.manifest("m/PULP_MANIFEST");
    world.files.fault("m/a", Fault::Status(500));
    let reason = why(sync()).await;
    assert!(reason.contains(&world.files.url("m/a")), "{reason}");
    assert_eq!(world.latest().await.number, 0);
}
