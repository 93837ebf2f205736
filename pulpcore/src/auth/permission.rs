//! What a user may do. There is one question so far: whether they may read what an RBAC content guard protects.

use sea_orm::{EntityTrait, PaginatorTrait};
use uuid::Uuid;

use crate::db::Db;
use crate::error::Result;
use crate::models::user;

/// Whether a user may read what an RBAC guard protects: administrators, and those who were given the role on it.
///
/// # Errors
/// Only if the database fails.
pub(crate) async fn may_download(db: &Db, user: &user::Model, guard: Uuid) -> Result<bool> {
    if user.is_superuser {
        return Ok(true);
    }
    Ok(downloader::Entity::find_by_id((guard, user.id)).count(db.read()).await? > 0)
}

/// Who may read what an RBAC guard protects.
pub(crate) mod downloader {
    use sea_orm::entity::prelude::*;

    /// One row.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "core_rbaccontentguard_downloaders")]
    pub(crate) struct Model {
        /// The guard.
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) rbaccontentguard_id: Uuid,
        /// The user.
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) user_id: i64,
    }

    /// Relations are spelled out where they are used.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
