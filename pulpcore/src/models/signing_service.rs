//! Signing services: who signs what is published, and with which key. They never change; a new one takes the place of an old
//! one.

use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "core_signingservice")]
pub struct Model {
    /// The key, a UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub pulp_id: Uuid,
    /// When the row was made.
    pub pulp_created: OffsetDateTime,
    /// When the row was last changed.
    pub pulp_last_updated: OffsetDateTime,
    /// What it makes: [`DETACHED`].
    pub pulp_type: String,
    /// Its name, unique.
    pub name: String,
    /// The public key, in ASCII armour.
    pub public_key: String,
    /// Its fingerprint, in upper-case hex.
    pub pubkey_fingerprint: String,
    /// The script that signs, an absolute path; empty where the server does it by itself.
    pub script: String,
    /// The file with the secret key, an absolute path, where the server signs by itself. What is in it is never stored.
    pub secret_key: Option<String>,
}

/// The type of a service that makes detached signatures in ASCII armour: Pulp's name for it.
pub const DETACHED: &str = "core.asciiarmoreddetachedsigningservice";

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
