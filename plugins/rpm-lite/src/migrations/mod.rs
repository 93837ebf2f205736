//! The tables, one migration a file. A migration is never edited once it was released.

mod m0001_initial;
mod m0002_signing;

use pulpcore::migrate::prelude::MigrationTrait;

/// All migrations, oldest first.
pub(crate) fn all() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(m0001_initial::Migration), Box::new(m0002_signing::Migration)]
}
