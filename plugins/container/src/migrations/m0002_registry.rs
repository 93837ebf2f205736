//! What the registry needs beside content: uploads that are under way, and the keys that sign tokens.

use pulpcore::migrate::prelude::*;

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        NewTable::new("container_upload")
            .base()
            .belongs_to("repository_id", "core_repository", Cascade)
            .column("size", BigInt)
            .index(["pulp_last_updated"])
            .create(manager)
            .await?;
        // An artifact that was taken as an orphan, because nobody went on for so long, takes its chunk along.
        NewTable::new("container_uploadchunk")
            .column("upload_id", Uuid)
            .column("offset", BigInt)
            .primary_key(["upload_id", "offset"])
            .foreign_key("upload_id", "container_upload", Cascade)
            .belongs_to("artifact_id", "core_artifact", Cascade)
            .create(manager)
            .await?;
        NewTable::new("container_tokenkey")
            .id()
            .column("pulp_created", Time)
            .column("public_key", Text)
            .create(manager)
            .await?;
        NewTable::new("container_tokensecret")
            .master_key("token_key_id", "container_tokenkey")
            .column("private_key", Text)
            .create(manager)
            .await
    }
}
