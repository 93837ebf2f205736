//! The private halves of the keys that sign tokens, in a table of their own: who only serves content reads none of it.

use sea_orm::entity::prelude::*;

/// One row.
#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "container_tokensecret")]
pub struct Model {
    /// The key's id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub token_key_id: Uuid,
    /// PKCS #8 in hexadecimal, encrypted.
    pub private_key: String,
}

/// What is encrypted is not to be shown either.
impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model").field("token_key_id", &self.token_key_id).finish_non_exhaustive()
    }
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
