//! Who signs a repository's metadata, and who must have signed a remote's.

use pulpcore::migrate::prelude::*;
use sea_orm::DbBackend;

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let kind = if manager.get_database_backend() == DbBackend::Sqlite { "BLOB" } else { "uuid" };
        let db = manager.get_connection();
        db.execute_unprepared(&format!(
            r#"ALTER TABLE "rpm_rpmrepository" ADD COLUMN "metadata_signing_service_id" {kind}
               CONSTRAINT "fk_rpm_rpmrepository_metadata_signing_service_id"
               REFERENCES "core_signingservice" ("pulp_id") ON DELETE RESTRICT"#
        ))
        .await?;
        db.execute_unprepared(
            r#"CREATE INDEX "ix_rpm_rpmrepository_metadata_signing_service_id"
               ON "rpm_rpmrepository" ("metadata_signing_service_id")
               WHERE "metadata_signing_service_id" IS NOT NULL"#,
        )
        .await?;
        db.execute_unprepared(r#"ALTER TABLE "rpm_rpmremote" ADD COLUMN "metadata_public_key" text"#).await?;
        Ok(())
    }
}
