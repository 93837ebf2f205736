//! What a sync promises, on both databases, against a server that can misbehave.

use std::sync::Mutex;
use std::time::Duration;

use futures::stream;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, PaginatorTrait};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::*;
use crate::db::now;
use crate::error::{Error, Upstream};
use crate::models::{
    Labels, artifact, content, content_artifact, created_resource, progress_report, remote_artifact, staged_content,
};
use crate::plugin::{Task, TaskKind, register};
use crate::sample::{Sample, note, on_both};
use crate::storage::{Algorithm, Digests, Expected};
use crate::tasking::Dispatch;
use crate::testkit::{Fault, FixtureServer};

/// Stands for a plugin's sync.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = sample::Copy)]
struct Copy {}

impl Task for Copy {
    const TYPE: &'static str = "sample/copies";
    const NAME: &'static str = "pulp_sample.app.tasks.copy";

    async fn run(self, _cx: TaskCx) -> Result<()> {
        Ok(())
    }
}

register!(TaskKind::of::<Copy>());

/// A server with files, and a remote that is it.
struct World {
    sample: Sample,
    files: FixtureServer,
    remote: remote::Model,
}

impl World {
    async fn new(sample: Sample) -> Self {
        let files = FixtureServer::start().await;
        let tx = sample.app.db.write().await.unwrap();
        let remote = remote::ActiveModel {
            pulp_id: Set(Uuid::now_v7()),
            pulp_created: Set(now()),
            pulp_last_updated: Set(now()),
            pulp_domain_id: Set(sample.app.domain),
            pulp_type: Set("sample.shop".to_owned()),
            name: Set("shop".to_owned()),
            pulp_labels: Set(Labels::default()),
            url: Set(files.url("")),
            policy: Set("immediate".to_owned()),
            tls_validation: Set(true),
            max_retries: Set(Some(0)),
            download_concurrency: Set(Some(4)),
            ..Default::default()
        };
        let remote = remote.insert(&*tx).await.unwrap();
        tx.commit().await.unwrap();
        Self { sample, files, remote }
    }

    /// Offers files of a few bytes.
    fn offer(&self, titles: impl IntoIterator<Item = String>) {
        for title in titles {
            self.files.put(&title, format!("This is {title}."));
        }
    }

    async fn session(&self, repository: Uuid) -> Session {
        let dispatch = Dispatch::new(&Copy {}).unwrap().in_domain(self.sample.app.domain);
        let task = self.sample.app.queue.dispatch(dispatch).await.unwrap();
        Session::open(&TaskCx::new(self.sample.app.clone(), task), repository, &self.remote).unwrap()
    }

    /// A note whose file is at a path of the server.
    fn note(&self, title: &str, path: &str, deferred: bool) -> Declared<note::Model> {
        let sha256 = self.files.sha256(path).unwrap();
        let unit = note::Model { title: title.to_owned(), text: sha256.clone(), ..Default::default() };
        let digests = Digests::default().with(Algorithm::Sha256, &sha256).unwrap();
        let expected = Expected { digests, ..Expected::default() };
        let url = self.files.url(path);
        Declared {
            unit,
            artifacts: vec![DeclaredArtifact { relative_path: title.to_owned(), url, expected, deferred }],
        }
    }

    fn notes(&self, titles: &[String], deferred: bool) -> Vec<Declared<note::Model>> {
        titles.iter().map(|title| self.note(title, title, deferred)).collect()
    }

    async fn sync(&self, repository: Uuid, notes: Vec<Declared<note::Model>>, mirror: bool) -> Result<Option<i64>> {
        let session = self.session(repository).await;
        session.save::<note::Entity>(stream::iter(notes.into_iter().map(Ok))).await?;
        Ok(session.commit(mirror).await?.map(|version| version.number))
    }

    /// The titles in the latest version, sorted.
    async fn titles(&self, repository: Uuid) -> Vec<String> {
        let db = self.sample.app.db.read();
        let latest = versions::latest(db, repository).await.unwrap();
        let found = note::Entity::find().filter(note::Column::PulpId.in_subquery(latest.content_ids()));
        let mut titles: Vec<_> = found.all(db).await.unwrap().into_iter().map(|note| note.title).collect();
        titles.sort();
        titles
    }

    async fn count<E: EntityTrait<Model: Send + Sync>>(&self) -> u64 {
        E::find().count(self.sample.app.db.read()).await.unwrap()
    }

    /// How many files have their bytes here.
    async fn linked(&self) -> u64 {
        let linked = content_artifact::Entity::find().filter(content_artifact::Column::ArtifactId.is_not_null());
        linked.count(self.sample.app.db.read()).await.unwrap()
    }
}

fn titles(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|n| format!("note {n:04}")).collect()
}

on_both!(
    /// What is declared is downloaded, saved and in a version; the same again does nothing.
    a_sync_makes_one_version,
    |sample| {
        let world = World::new(sample).await;
        let repository = world.sample.notebook("all").await;
        let names = titles(0..40);
        world.offer(names.clone());
        assert_eq!(world.sync(repository, world.notes(&names, false), false).await.unwrap(), Some(1));
        assert_eq!(world.titles(repository).await, names);
        assert_eq!((world.count::<artifact::Entity>().await, world.linked().await), (40, 40));
        assert_eq!(world.count::<remote_artifact::Entity>().await, 40);
        assert_eq!(world.count::<staged_content::Entity>().await, 0);
        assert_eq!(world.count::<created_resource::Entity>().await, 1);
        let reports = progress_report::Entity::find().all(world.sample.app.db.read()).await.unwrap();
        let mut seen: Vec<_> = reports.iter().map(|row| (row.code.as_str(), row.state.as_str(), row.done)).collect();
        seen.sort_unstable();
        assert_eq!(
            seen,
            [("associating.content", "completed", 40), ("sync.downloading.artifacts", "completed", 40)]
        );

        world.files.reset_counts();
        assert_eq!(world.sync(repository, world.notes(&names, false), true).await.unwrap(), None);
        assert_eq!(world.files.requests().len(), 0);
    }
);

on_both!(
    /// `mirror` removes what is not declared; without it nothing is ever removed.
    mirroring_removes,
    |sample| {
        let world = World::new(sample).await;
        let repository = world.sample.notebook("mirror").await;
        world.offer(titles(0..6));
        world.sync(repository, world.notes(&titles(0..3), true), false).await.unwrap();
        assert_eq!(world.sync(repository, world.notes(&titles(2..5), true), false).await.unwrap(), Some(2));
        assert_eq!(world.titles(repository).await, titles(0..5));
        assert_eq!(world.sync(repository, world.notes(&titles(4..6), true), true).await.unwrap(), Some(3));
        assert_eq!(world.titles(repository).await, titles(4..6));
        assert_eq!(world.sync(repository, Vec::new(), true).await.unwrap(), Some(4));
        assert_eq!(world.titles(repository).await, titles(0..0));
    }
);

on_both!(
    /// Deferred bytes stay where they are; a later sync that wants them gets them, for the same units.
    deferred_bytes_can_be_had_later,
    |sample| {
        let world = World::new(sample).await;
        let repository = world.sample.notebook("later").await;
        let names = titles(0..20);
        world.offer(names.clone());
        assert_eq!(world.sync(repository, world.notes(&names, true), false).await.unwrap(), Some(1));
        assert_eq!((world.files.requests().len(), world.linked().await), (0, 0));
        assert_eq!(world.count::<remote_artifact::Entity>().await, 20);

        assert_eq!(world.sync(repository, world.notes(&names, false), false).await.unwrap(), None);
        assert_eq!((world.files.requests().len(), world.linked().await), (20, 20));
        assert_eq!((world.count::<content::Entity>().await, world.count::<remote_artifact::Entity>().await), (20, 20));
    }
);

on_both!(
    /// Bytes that are here for one unit are not downloaded for another, whatever the policy.
    known_bytes_are_not_downloaded,
    |sample| {
        let world = World::new(sample).await;
        let repository = world.sample.notebook("twice").await;
        world.offer(["one".to_owned()]);
        world.sync(repository, vec![world.note("first", "one", false)], false).await.unwrap();
        world.files.reset_counts();
        let others = vec![world.note("second", "one", false), world.note("third", "one", true)];
        assert_eq!(world.sync(repository, others, false).await.unwrap(), Some(2));
        assert_eq!(world.files.requests().len(), 0);
        assert_eq!((world.count::<artifact::Entity>().await, world.linked().await), (1, 3));
    }
);

on_both!(
    /// A unit that is declared again and again, near and far, is one unit.
    repetition_is_harmless,
    |sample| {
        let world = World::new(sample).await;
        let repository = world.sample.notebook("again").await;
        let names = titles(0..700);
        world.offer(names.clone());
        let mut notes = world.notes(&names, true);
        notes.extend(world.notes(&names, true));
        notes.splice(0..0, world.notes(&names[..1], true));
        let session = world.session(repository).await;
        let saved = Mutex::new(Vec::new());
        let tell = |units: Vec<Saved<note::Model>>| saved.lock().unwrap().extend(units.into_iter().map(|unit| unit.id));
        session.save_each::<note::Entity>(stream::iter(notes.into_iter().map(Ok)), tell).await.unwrap();
        assert_eq!(session.commit(false).await.unwrap().map(|version| version.number), Some(1));
        assert_eq!(world.titles(repository).await, names);
        assert_eq!((world.count::<content::Entity>().await, world.count::<note::Entity>().await), (700, 700));
        let mut saved = saved.into_inner().unwrap();
        saved.sort_unstable();
        saved.dedup();
        assert_eq!(saved.len(), 700);
    }
);

on_both!(
    /// Several repositories may sync the same things at the same moment.
    syncs_share_what_they_save,
    |sample| {
        let world = World::new(sample).await;
        let names = titles(0..300);
        world.offer(names.clone());
        let (one, two, three) =
            (world.sample.notebook("1").await, world.sample.notebook("2").await, world.sample.notebook("3").await);
        let backwards: Vec<_> = names.iter().rev().cloned().collect();
        let made = tokio::try_join!(
            world.sync(one, world.notes(&names, false), false),
            world.sync(two, world.notes(&backwards, false), false),
            world.sync(three, world.notes(&names, true), false),
        );
        assert_eq!(made.unwrap(), (Some(1), Some(1), Some(1)));
        for repository in [one, two, three] {
            assert_eq!(world.titles(repository).await, names);
        }
        assert_eq!((world.count::<content::Entity>().await, world.count::<artifact::Entity>().await), (300, 300));
        assert_eq!((world.count::<content_artifact::Entity>().await, world.linked().await), (300, 300));
        assert_eq!(world.count::<remote_artifact::Entity>().await, 300);
    }
);

on_both!(
    /// One download that fails fails the sync, by its URL, and the repository stays as it was.
    a_failure_names_its_url,
    |sample| {
        let world = World::new(sample).await;
        let repository = world.sample.notebook("fails").await;
        let names = titles(0..30);
        world.offer(names.clone());
        world.files.fault("note 0017", Fault::Status(404));
        let error = world.sync(repository, world.notes(&names, false), false).await.unwrap_err();
        let expected = format!("{}: the server answered 404", world.files.url("note 0017"));
        assert_eq!(error.to_string(), expected);
        assert!(world.titles(repository).await.is_empty());

        world.files.heal("note 0017");
        let notes = world.notes(&names, false);
        world.files.put("note 0003", "Something else.");
        let error = world.sync(repository, notes, false).await.unwrap_err();
        let Error::Upstream { url, problem: Upstream::Digest { digest: "sha256", .. } } = error else {
            panic!("{error}");
        };
        assert_eq!(url, world.files.url("note 0003"));
        assert!(world.titles(repository).await.is_empty());
    }
);

on_both!(
    /// What the plugin's own stream fails with is what the sync fails with.
    a_broken_declaration_ends_the_sync,
    |sample| {
        let world = World::new(sample).await;
        let repository = world.sample.notebook("broken").await;
        world.offer(titles(0..3));
        let notes = world.notes(&titles(0..3), false).into_iter().map(Ok);
        let broken = notes.chain([Err(Error::Malformed("line 4".to_owned()))]);
        let session = world.session(repository).await;
        let error = session.save::<note::Entity>(stream::iter(broken)).await.unwrap_err();
        assert_eq!(error.to_string(), "line 4");
    }
);

on_both!(
    /// A file that moved is found where it is now.
    a_new_address_replaces_the_old_one,
    |sample| {
        let world = World::new(sample).await;
        let repository = world.sample.notebook("moved").await;
        world.offer(["old".to_owned()]);
        world.sync(repository, vec![world.note("a", "old", true)], false).await.unwrap();
        world.files.put("new", "This is old.");
        assert_eq!(world.sync(repository, vec![world.note("a", "new", true)], false).await.unwrap(), None);
        let offers = remote_artifact::Entity::find().all(world.sample.app.db.read()).await.unwrap();
        assert_eq!(offers.iter().map(|offer| offer.url.as_str()).collect::<Vec<_>>(), [world.files.url("new")]);
    }
);

on_both!(
    /// A plugin may write to the database while it declares: no stage ever waits for one that waits for it.
    a_stream_of_declarations_may_write,
    |sample| {
        let world = World::new(sample).await;
        let repository = world.sample.notebook("busy").await;
        let names = titles(0..1100);
        world.offer(names.clone());
        for made in [Some(1), None] {
            let db = world.sample.app.db.clone();
            let notes = world.notes(&names, true);
            let writing = async_stream::try_stream! {
                for note in notes {
                    let tx = db.write().await?;
                    tokio::task::yield_now().await;
                    tx.commit().await?;
                    yield note;
                }
            };
            let session = world.session(repository).await;
            let saved = tokio::time::timeout(Duration::from_secs(60), session.save::<note::Entity>(writing)).await;
            saved.expect("the stages wait for each other").unwrap();
            assert_eq!(session.commit(false).await.unwrap().map(|version| version.number), made);
        }
    }
);
