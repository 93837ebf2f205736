//! Core's own migrations, one file each.

use sea_orm_migration::MigrationTrait;

use crate::App;

mod m0001_initial;
mod m0002_content_guards;
mod m0003_distributed_publications;
mod m0004_signing_services;

/// Core as an app.
pub const fn app() -> App {
    App { label: App::CORE, migrations }
}

fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![
        Box::new(m0001_initial::Migration),
        Box::new(m0002_content_guards::Migration),
        Box::new(m0003_distributed_publications::Migration),
        Box::new(m0004_signing_services::Migration),
    ]
}
