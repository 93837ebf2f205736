//! The tables, one migration a file. A migration is never edited once it was released.

use pulpcore::migrate::prelude::MigrationTrait;

/// All migrations, oldest first.
pub(crate) fn all() -> Vec<Box<dyn MigrationTrait>> {
    Vec::new()
}
