//! Publications: a repository version made ready to serve.

use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

/// One row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "core_publication")]
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
    /// The detail type, such as `file.file`.
    pub pulp_type: String,
    /// The version.
    pub repository_version_id: Uuid,
    /// Whether it can be distributed.
    pub complete: bool,
    /// Whether paths it does not list are looked up in the version.
    pub pass_through: bool,
    /// Whether it is kept as a point in time.
    pub checkpoint: bool,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
