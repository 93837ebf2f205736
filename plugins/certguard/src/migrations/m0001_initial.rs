//! One table, beside core's content guards.

use pulpcore::migrate::prelude::*;

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        NewTable::new("certguard_x509certguard")
            .master_key("contentguard_ptr_id", "core_contentguard")
            .column("ca_certificate", Text)
            .create(manager)
            .await
    }
}
