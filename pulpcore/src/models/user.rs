//! Users. Their keys are integers, as in the system that this one can replace.

use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

/// One row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "auth_user")]
pub struct Model {
    /// The key.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The name to log in with, unique.
    pub username: String,
    /// A PHC string (argon2id).
    pub password: String,
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// Mail address.
    pub email: String,
    /// Whether they count as staff.
    pub is_staff: bool,
    /// Whether they may log in.
    pub is_active: bool,
    /// Whether they may do everything.
    pub is_superuser: bool,
    /// When they were created.
    pub date_joined: OffsetDateTime,
    /// When they last logged in.
    pub last_login: Option<OffsetDateTime>,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
