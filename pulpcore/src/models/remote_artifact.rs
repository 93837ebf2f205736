//! Where the bytes of a content artifact can be had, and what they must be.

use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

/// One row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "core_remoteartifact")]
pub struct Model {
    /// The key, a UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub pulp_id: Uuid,
    /// The domain that it lives in.
    pub pulp_domain_id: Uuid,
    /// The file that it stands for.
    pub content_artifact_id: Uuid,
    /// The remote that offers it.
    pub remote_id: Uuid,
    /// Where to get it.
    pub url: String,
    /// The promised length in bytes.
    pub size: Option<i64>,
    /// The md5 digest in hex, where it is known.
    pub md5: Option<String>,
    /// The sha1 digest in hex, where it is known.
    pub sha1: Option<String>,
    /// The sha224 digest in hex, where it is known.
    pub sha224: Option<String>,
    /// The sha256 digest in hex, where it is known.
    pub sha256: Option<String>,
    /// The sha384 digest in hex, where it is known.
    pub sha384: Option<String>,
    /// The sha512 digest in hex, where it is known.
    pub sha512: Option<String>,
    /// When the content service last got something else than was promised.
    pub failed_at: Option<OffsetDateTime>,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
