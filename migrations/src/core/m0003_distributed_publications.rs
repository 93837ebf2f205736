//! Publications that a distribution served until recently, so that whoever holds their metadata still finds their files.

use crate::prelude::*;

/// `core_distributedpublication`.
#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        NewTable::new("core_distributedpublication")
            .belongs_to("distribution_id", "core_distribution", Cascade)
            .belongs_to("publication_id", "core_publication", Cascade)
            .column("expires_at", Time)
            .primary_key(["distribution_id", "publication_id"])
            .clustered()
            .create(manager)
            .await
    }
}
