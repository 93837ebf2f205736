//! A tiny plugin for core's own tests: notes, which are the same when their text is, and of which a repository holds one
//! a title.

#![expect(unreachable_pub, reason = "a plugin's types are public; this one is never published")]

use sea_orm::entity::prelude::*;
use sea_orm::{ActiveModelTrait, ActiveValue::Set};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::db::{Db, DbConfig, WriteTx, now};
use crate::error::Result;
use crate::migrate::prelude::{NewTable, Text};
use crate::models::{Labels, artifact, content, distribution, repository};
use crate::plugin::{Content, Detail, Distribution, NoFields, Noun, Plugin, Repository, Upload, insert, register};
use crate::settings::Settings;

/// Notes.
pub mod note {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, Default, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "sample_note")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub pulp_id: Uuid,
        pub title: String,
        pub text: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Notebooks.
pub mod notebook {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, Default, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "sample_notebook")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub pulp_id: Uuid,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Windows: notebooks on show.
pub mod window {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, Default, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "sample_window")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub pulp_id: Uuid,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// What a note says.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = sample::Note)]
pub struct NoteBody {
    title: String,
}

impl Detail for note::Entity {
    type Master = content::Entity;
    const TYPE: &'static str = "sample.note";
    const MODEL: &'static str = "Note";
    const ENDPOINT: &'static str = "notes";
    type Body = NoteBody;

    fn read(row: &note::Model) -> NoteBody {
        NoteBody { title: row.title.clone() }
    }

    fn write(row: &mut note::Model, body: NoteBody) {
        row.title = body.title;
    }
}

impl Content for note::Entity {
    const NATURAL_KEY: &'static [note::Column] = &[note::Column::Title, note::Column::Text];
    const REPO_KEY: &'static [note::Column] = &[note::Column::Title];

    fn from_upload(body: NoteBody, artifact: &artifact::Model) -> Result<Upload<note::Model>> {
        let relative_path = body.title.clone();
        let row = note::Model { title: body.title, text: artifact.sha256.clone(), ..note::Model::default() };
        Ok(Upload { row, relative_path })
    }
}

impl Detail for notebook::Entity {
    type Master = repository::Entity;
    const TYPE: &'static str = "sample.notebook";
    const MODEL: &'static str = "Notebook";
    const ENDPOINT: &'static str = "notebooks";
    type Body = NoFields;

    fn read(_row: &notebook::Model) -> NoFields {
        NoFields {}
    }

    fn write(_row: &mut notebook::Model, _body: NoFields) {}
}

impl Repository for notebook::Entity {
    const CONTENT: &'static [&'static str] = &["sample.note"];
}

impl Detail for window::Entity {
    type Master = distribution::Entity;
    const TYPE: &'static str = "sample.window";
    const MODEL: &'static str = "Window";
    const ENDPOINT: &'static str = "windows";
    type Body = NoFields;

    fn read(_row: &window::Model) -> NoFields {
        NoFields {}
    }

    fn write(_row: &mut window::Model, _body: NoFields) {}
}

impl Distribution for window::Entity {}

register!(Plugin {
    label: "sample",
    package: "pulp-sample",
    module: "pulp_sample.app",
    version: "1.0.0",
    summary: "Notes, for tests.",
    migrations: || vec![Box::new(Initial)],
});
register!(Noun::content::<note::Entity>());
register!(Noun::repository::<notebook::Entity>());
register!(Noun::distribution::<window::Entity>());

struct Initial;

impl sea_orm_migration::MigrationName for Initial {
    fn name(&self) -> &'static str {
        "m0001_initial"
    }
}

#[async_trait::async_trait]
impl sea_orm_migration::MigrationTrait for Initial {
    async fn up(&self, manager: &sea_orm_migration::SchemaManager) -> Result<(), DbErr> {
        NewTable::new("sample_note")
            .master_key("pulp_id", "core_content")
            .column("title", Text)
            .column("text", Text)
            .unique(["title", "text"])
            .create(manager)
            .await?;
        NewTable::new("sample_notebook").master_key("pulp_id", "core_repository").create(manager).await?;
        for distribution in ["sample_window", "sample_hatch"] {
            NewTable::new(distribution).master_key("pulp_id", "core_distribution").create(manager).await?;
        }
        Ok(())
    }
}

/// A process on an empty, migrated database in a folder that lasts as long as the value.
pub(crate) struct Sample {
    pub(crate) app: App,
    config: DbConfig,
    _folder: tempfile::TempDir,
    #[cfg(all(feature = "testkit", feature = "postgres"))]
    _database: Option<crate::testkit::TestDatabase>,
}

impl Sample {
    /// On SQLite.
    pub(crate) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings::for_tests(folder.path());
        let config =
            DbConfig { url: settings.database_url.expose().to_owned(), pool_size: 4, durable: settings.durable };
        let db = Db::connect(&config).await.unwrap();
        Self {
            app: Self::open(settings, db).await,
            config,
            _folder: folder,
            #[cfg(all(feature = "testkit", feature = "postgres"))]
            _database: None,
        }
    }

    /// On PostgreSQL.
    #[cfg(all(feature = "testkit", feature = "postgres"))]
    pub(crate) async fn postgres() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = crate::testkit::Database::create().await;
        let config = DbConfig { url: database.url.clone(), pool_size: 4, durable: false };
        let db = Db::connect(&config).await.unwrap();
        let app = Self::open(Settings::for_tests(folder.path()), db).await;
        Self { app, config, _folder: folder, _database: Some(database) }
    }

    /// The same with other settings.
    pub(crate) async fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = self.app.settings.clone();
        change(&mut settings);
        self.app = App::with(settings, self.app.db.clone()).await.unwrap();
        self
    }

    /// Another process on the same database and folder.
    pub(crate) fn another(&self) -> impl Future<Output = App> + use<> {
        let (settings, config) = (self.app.settings.clone(), self.config.clone());
        async move { App::with(settings, Db::connect(&config).await.unwrap()).await.unwrap() }
    }

    async fn open(settings: Settings, db: Db) -> App {
        let apps = crate::registry::get()
            .plugins()
            .iter()
            .map(|plugin| crate::migrate::App { label: plugin.label, migrations: plugin.migrations });
        crate::migrate::up(&db, apps.collect()).await.unwrap();
        App::with(settings, db).await.unwrap()
    }

    /// A new notebook.
    pub(crate) async fn notebook(&self, name: &str) -> Uuid {
        let (id, now) = (Uuid::now_v7(), now());
        let tx = self.app.db.write().await.unwrap();
        repository::ActiveModel {
            pulp_id: Set(id),
            pulp_created: Set(now),
            pulp_last_updated: Set(now),
            pulp_domain_id: Set(self.app.domain),
            pulp_type: Set("sample.notebook".to_owned()),
            name: Set(name.to_owned()),
            description: Set(None),
            pulp_labels: Set(Labels::default()),
            next_version: Set(1),
            retain_repo_versions: Set(None),
            retain_checkpoints: Set(None),
            remote_id: Set(None),
            user_hidden: Set(false),
        }
        .insert(&*tx)
        .await
        .unwrap();
        insert::<notebook::Entity>(&tx, id, notebook::Model::default()).await.unwrap();
        crate::versions::version_zero(&tx, id).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    /// A new note.
    pub(crate) async fn note(&self, title: &str, text: &str) -> Uuid {
        let tx = self.app.db.write().await.unwrap();
        let id = self.insert_note(&tx, title, text).await;
        tx.commit().await.unwrap();
        id
    }

    async fn insert_note(&self, tx: &WriteTx, title: &str, text: &str) -> Uuid {
        let (id, now) = (Uuid::now_v7(), now());
        content::ActiveModel {
            pulp_id: Set(id),
            pulp_created: Set(now),
            pulp_last_updated: Set(now),
            pulp_domain_id: Set(self.app.domain),
            pulp_type: Set("sample.note".to_owned()),
            timestamp_of_interest: Set(now),
            pulp_labels: Set(Labels::default()),
        }
        .insert(&**tx)
        .await
        .unwrap();
        let row = note::Model { title: title.to_owned(), text: text.to_owned(), ..note::Model::default() };
        insert::<note::Entity>(tx, id, row).await.unwrap();
        id
    }
}

/// One test on every database: `on_both!(name, |sample| { … })`.
macro_rules! on_both {
    ($(#[$doc:meta])* $name:ident, |$sample:ident| $body:block) => {
        $(#[$doc])*
        async fn $name($sample: crate::sample::Sample) $body

        mod $name {
            #[tokio::test]
            async fn sqlite() {
                super::$name(crate::sample::Sample::sqlite().await).await;
            }

            #[cfg(all(feature = "testkit", feature = "postgres"))]
            #[tokio::test]
            async fn postgres() {
                super::$name(crate::sample::Sample::postgres().await).await;
            }
        }
    };
}
pub(crate) use on_both;
