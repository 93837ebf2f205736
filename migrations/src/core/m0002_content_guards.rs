//! Content guards: who may read what a distribution serves.
//!
//! A distribution forgets a guard that is deleted, as in Pulp: from then on it is open. The column was there before the
//! table, so it is made anew with its foreign key; nothing could ever stand in it.

use sea_orm_migration::sea_orm::DbBackend;

use crate::prelude::*;

/// The guards' tables.
#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        NewTable::new("core_contentguard")
            .base()
            .domain()
            .column("pulp_type", Text)
            .column("name", Text)
            .nullable("description", Text)
            .unique(["pulp_domain_id", "name"])
            .create(manager)
            .await?;
        kinds(manager).await?;
        distributions(manager).await
    }
}

async fn kinds(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    NewTable::new("core_headercontentguard")
        .master_key("contentguard_ptr_id", "core_contentguard")
        .column("header_name", Text)
        .column("header_value", Text)
        .nullable("jq_filter", Text)
        .create(manager)
        .await?;
    NewTable::new("core_contentredirectcontentguard")
        .master_key("contentguard_ptr_id", "core_contentguard")
        .column("shared_secret", Text)
        .create(manager)
        .await?;
    NewTable::new("core_compositecontentguard")
        .master_key("contentguard_ptr_id", "core_contentguard")
        .create(manager)
        .await?;
    NewTable::new("core_compositecontentguard_guards")
        .belongs_to("compositecontentguard_id", ("core_compositecontentguard", "contentguard_ptr_id"), Cascade)
        .belongs_to("contentguard_id", "core_contentguard", Cascade)
        .primary_key(["compositecontentguard_id", "contentguard_id"])
        .clustered()
        .create(manager)
        .await?;
    NewTable::new("core_rbaccontentguard")
        .master_key("contentguard_ptr_id", "core_contentguard")
        .create(manager)
        .await?;
    NewTable::new("core_rbaccontentguard_downloaders")
        .belongs_to("rbaccontentguard_id", ("core_rbaccontentguard", "contentguard_ptr_id"), Cascade)
        .column("user_id", BigInt)
        .foreign_key("user_id", ("auth_user", "id"), Cascade)
        .index(["user_id"])
        .primary_key(["rbaccontentguard_id", "user_id"])
        .clustered()
        .create(manager)
        .await
}

async fn distributions(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let kind = if manager.get_database_backend() == DbBackend::Sqlite { "BLOB" } else { "uuid" };
    let db = manager.get_connection();
    db.execute_unprepared(r#"ALTER TABLE "core_distribution" DROP COLUMN "content_guard_id""#).await?;
    db.execute_unprepared(&format!(
        r#"ALTER TABLE "core_distribution" ADD COLUMN "content_guard_id" {kind}
           CONSTRAINT "fk_core_distribution_content_guard_id"
           REFERENCES "core_contentguard" ("pulp_id") ON DELETE SET NULL"#
    ))
    .await?;
    db.execute_unprepared(
        r#"CREATE INDEX "ix_core_distribution_content_guard_id" ON "core_distribution" ("content_guard_id")
           WHERE "content_guard_id" IS NOT NULL"#,
    )
    .await?;
    Ok(())
}
