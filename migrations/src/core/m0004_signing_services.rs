//! Signing services: what signs what is published.

use crate::prelude::*;

/// `core_signingservice`.
#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        NewTable::new("core_signingservice")
            .base()
            .column("pulp_type", Text)
            .column("name", Text)
            .column("public_key", Text)
            .column("pubkey_fingerprint", Text)
            .column("script", Text)
            .nullable("secret_key", Text)
            .unique(["name"])
            .create(manager)
            .await
    }
}
