//! Artifacts: the bytes, stored once by their sha256.

use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

/// One row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "core_artifact")]
pub struct Model {
    /// The key, a UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub pulp_id: Uuid,
    /// When the row was made.
    pub pulp_created: OffsetDateTime,
    /// When the row was last changed.
    pub pulp_last_updated: OffsetDateTime,
    /// The domain that it lives in.
    pub pulp_domain_id: Uuid,
    /// Where the storage keeps it: `artifact/ab/cdef…`.
    pub file: String,
    /// Its length in bytes.
    pub size: i64,
    /// The md5 digest in hex, where it is known.
    pub md5: Option<String>,
    /// The sha1 digest in hex, where it is known.
    pub sha1: Option<String>,
    /// The sha224 digest in hex, where it is known.
    pub sha224: Option<String>,
    /// The sha256 digest in hex; unique in a domain.
    pub sha256: String,
    /// The sha384 digest in hex, where it is known.
    pub sha384: Option<String>,
    /// The sha512 digest in hex, where it is known.
    pub sha512: Option<String>,
    /// When it was last used: orphan cleanup spares what was used lately.
    pub timestamp_of_interest: OffsetDateTime,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
