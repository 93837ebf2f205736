//! Five tables, each beside one of core's.

use pulpcore::migrate::prelude::*;

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        NewTable::new("file_filecontent")
            .master_key("content_ptr_id", "core_content")
            .domain()
            .column("relative_path", Text)
            .column("digest", Text)
            .unique(["pulp_domain_id", "relative_path", "digest"])
            .index(["relative_path"])
            .index(["digest"])
            .create(manager)
            .await?;
        NewTable::new("file_fileremote").master_key("remote_ptr_id", "core_remote").create(manager).await?;
        NewTable::new("file_filerepository")
            .master_key("repository_ptr_id", "core_repository")
            .nullable("manifest", Text)
            .column("autopublish", Bool)
            .nullable("last_sync_details", Json)
            .create(manager)
            .await?;
        NewTable::new("file_filepublication")
            .master_key("publication_ptr_id", "core_publication")
            .nullable("manifest", Text)
            .create(manager)
            .await?;
        NewTable::new("file_filedistribution")
            .master_key("distribution_ptr_id", "core_distribution")
            .create(manager)
            .await
    }
}
