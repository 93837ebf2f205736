//! A kind of distribution, for something to guard: nothing is ever on a shelf.

use pulpcore::migrate::prelude::*;
use pulpcore::models::distribution;
use pulpcore::plugin::{Detail, Distribution, NoFields, Noun, Plugin, register};

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, Default, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "shelf_shelf")]
    pub(super) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub pulp_id: Uuid,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(super) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl Detail for row::Entity {
    type Master = distribution::Entity;
    const TYPE: &'static str = "shelf.shelf";
    const MODEL: &'static str = "Shelf";
    const ENDPOINT: &'static str = "shelf";
    type Body = NoFields;

    fn read(_row: &row::Model) -> NoFields {
        NoFields {}
    }

    fn write(_row: &mut row::Model, _body: NoFields) {}
}

impl Distribution for row::Entity {}

register!(Plugin {
    label: "shelf",
    package: "pulp-shelf",
    module: "pulp_shelf.app",
    version: "1.0.0",
    summary: "Shelves, for tests.",
    migrations: || vec![Box::new(Initial)],
});
register!(Noun::distribution::<row::Entity>());

struct Initial;

impl MigrationName for Initial {
    fn name(&self) -> &'static str {
        "m0001_initial"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Initial {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        NewTable::new("shelf_shelf").master_key("pulp_id", "core_distribution").create(manager).await
    }
}
