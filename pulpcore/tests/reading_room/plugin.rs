//! The plugin: books that are uploaded, shelves that hold one of a title, windows that show a shelf, and a reading room.

use pulpcore::error::Result;
use pulpcore::migrate::prelude::*;
use pulpcore::models::{artifact, content, distribution, repository};
use pulpcore::plugin::{
    Content, Detail, Distribution, Locks, NewVersion, NoFields, Noun, Plugin, Repository, Task, TaskCx, TaskKind,
    Upload, register,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

register!(Plugin {
    label: "room",
    package: "pulp-room",
    module: "pulp_room.app",
    version: "1.0.0",
    summary: "A reading room.",
    migrations: || vec![Box::new(Initial)],
});

/// Books.
pub mod book {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, Default, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "room_book")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub pulp_id: Uuid,
        pub title: String,
        pub digest: String,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// What clients say of a book.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = room::Book)]
pub struct BookBody {
    #[schema(min_length = 1)]
    title: String,
}

impl Detail for book::Entity {
    type Master = content::Entity;
    type Body = BookBody;
    const TYPE: &'static str = "room.book";
    const MODEL: &'static str = "Book";
    const ENDPOINT: &'static str = "books";

    fn read(row: &book::Model) -> BookBody {
        BookBody { title: row.title.clone() }
    }
    fn write(row: &mut book::Model, body: BookBody) {
        row.title = body.title;
    }
}

impl Content for book::Entity {
    const NATURAL_KEY: &'static [book::Column] = &[book::Column::Title, book::Column::Digest];
    const REPO_KEY: &'static [book::Column] = &[book::Column::Title];

    fn from_upload(body: BookBody, artifact: &artifact::Model) -> Result<Upload<book::Model>> {
        let relative_path = body.title.clone();
        let row = book::Model { title: body.title, digest: artifact.sha256.clone(), ..Default::default() };
        Ok(Upload { row, relative_path })
    }
}
register!(Noun::content::<book::Entity>());

/// A detail table of nothing but its key.
macro_rules! bare {
    ($(#[$doc:meta])* $name:ident, $table:literal, $master:path, $model:literal) => {
        $(#[$doc])*
        pub mod $name {
            use sea_orm::entity::prelude::*;

            #[derive(Clone, Debug, Default, PartialEq, Eq, DeriveEntityModel)]
            #[sea_orm(table_name = $table)]
            pub struct Model {
                #[sea_orm(primary_key, auto_increment = false)]
                pub pulp_id: Uuid,
            }
            #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
            pub enum Relation {}
            impl ActiveModelBehavior for ActiveModel {}
        }

        impl Detail for $name::Entity {
            type Master = $master;
            type Body = NoFields;
            const TYPE: &'static str = concat!("room.", stringify!($name));
            const MODEL: &'static str = $model;
            const ENDPOINT: &'static str = stringify!($name);

            fn read(_: &$name::Model) -> NoFields {
                NoFields {}
            }
            fn write(_: &mut $name::Model, _: NoFields) {}
        }
    };
}
bare!(/** Shelves. */ shelf, "room_shelf", repository::Entity, "Shelf");
bare!(/** Windows. */ window, "room_window", distribution::Entity, "Window");
bare!(/** Doors, which show a shelf to others than readers. */ door, "room_door", distribution::Entity, "Door");

impl Repository for shelf::Entity {
    const CONTENT: &'static [&'static str] = &["room.book"];
}
impl Distribution for window::Entity {}
impl Distribution for door::Entity {}
register!(Noun::repository::<shelf::Entity>());
register!(Noun::distribution::<window::Entity>());
register!(Noun::distribution::<door::Entity>());

/// Puts a book on a shelf.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = room::Shelving)]
pub struct Shelving {
    pub shelf: Uuid,
    pub book: Uuid,
}

impl Task for Shelving {
    const TYPE: &'static str = "room/shelvings";
    const NAME: &'static str = "pulp_room.app.tasks.shelve";
    const ENDPOINT: bool = false;
    const IMMEDIATE: bool = true;

    fn locks(&self) -> Locks {
        Locks::default().exclusive(format_args!("prn:room.shelf:{}", self.shelf))
    }

    async fn run(self, cx: TaskCx) -> Result<()> {
        let tx = cx.db().write().await?;
        let mut version = NewVersion::open(&tx, self.shelf).await?;
        version.add(&[self.book]).await?;
        version.complete().await?;
        tx.commit().await
    }
}
register!(TaskKind::of::<Shelving>());

#[derive(DeriveMigrationName)]
struct Initial;

#[async_trait::async_trait]
impl MigrationTrait for Initial {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        NewTable::new("room_book")
            .master_key("pulp_id", "core_content")
            .column("title", Text)
            .column("digest", Text)
            .unique(["title", "digest"])
            .create(manager)
            .await?;
        NewTable::new("room_shelf").master_key("pulp_id", "core_repository").create(manager).await?;
        NewTable::new("room_window").master_key("pulp_id", "core_distribution").create(manager).await?;
        NewTable::new("room_door").master_key("pulp_id", "core_distribution").create(manager).await
    }
}
