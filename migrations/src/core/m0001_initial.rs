//! The core tables.
//!
//! What a delete takes with it is declared here and nowhere else. One reference has no foreign key: a distribution's
//! `content_guard_id`, whose table comes later (`m0002_content_guards`).

use crate::prelude::*;

mod content;
mod repositories;
mod tasks;

/// The core tables.
#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        domains_and_users(manager).await?;
        content::up(manager).await?;
        repositories::up(manager).await?;
        tasks::up(manager).await?;
        default_domain(manager).await
    }
}

async fn domains_and_users(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    NewTable::new("core_domain")
        .base()
        .column("name", Text)
        .nullable("description", Text)
        .column("pulp_labels", Json)
        .column("storage_class", Text)
        .column("storage_settings", Json)
        .column("redirect_to_object_storage", Bool)
        .column("hide_guarded_distributions", Bool)
        .unique(["name"])
        .create(manager)
        .await?;
    NewTable::new("auth_user")
        .column("id", Serial)
        .column("username", Text)
        .column("password", Text)
        .column("first_name", Text)
        .column("last_name", Text)
        .column("email", Text)
        .column("is_staff", Bool)
        .column("is_active", Bool)
        .column("is_superuser", Bool)
        .column("date_joined", Time)
        .nullable("last_login", Time)
        .unique(["username"])
        .create(manager)
        .await
}

async fn default_domain(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let now = sea_orm::prelude::TimeDateTimeWithTimeZone::now_utc();
    let empty = || sea_orm::JsonValue::Object(Default::default());
    let row: [(&str, Expr); 9] = [
        ("pulp_id", uuid::Uuid::now_v7().into()),
        ("pulp_created", now.into()),
        ("pulp_last_updated", now.into()),
        ("name", "default".into()),
        ("pulp_labels", empty().into()),
        ("storage_class", "pulpcore.app.models.storage.FileSystem".into()),
        ("storage_settings", empty().into()),
        ("redirect_to_object_storage", true.into()),
        ("hide_guarded_distributions", false.into()),
    ];
    let mut insert = Query::insert();
    insert.into_table("core_domain").columns(row.iter().map(|(name, _)| *name));
    insert.values_panic(row.into_iter().map(|(_, value)| value));
    manager.get_connection().execute(&insert).await?;
    Ok(())
}
