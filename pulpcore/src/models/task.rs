//! The queue: every unit of background work, waiting, running or ended.

use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

use super::Strings;

/// One row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "core_task")]
pub struct Model {
    /// The key, a UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub pulp_id: Uuid,
    /// The order of dispatch; locks are granted in it.
    pub seq: i64,
    /// When the row was made.
    pub pulp_created: OffsetDateTime,
    /// When the row was last changed.
    pub pulp_last_updated: OffsetDateTime,
    /// The domain that it lives in.
    pub pulp_domain_id: Uuid,
    /// `waiting`, `running`, `completed`, `failed`, `canceling`, `canceled` or `skipped`.
    pub state: String,
    /// The name on the wire, a dotted path as in Pulp.
    pub name: String,
    /// The kind that runs it, such as `file/syncs`.
    pub task_type: String,
    /// The parameters, as the kind's own struct writes them.
    pub args: Json,
    /// The correlation id of the request that asked for it.
    pub logging_cid: String,
    /// The user who asked for it.
    pub created_by: Option<i64>,
    /// Whether it is short enough to run in the API process.
    pub immediate: bool,
    /// When its locks were free: set as soon as no earlier task is in its way, and never taken back.
    pub unblocked_at: Option<OffsetDateTime>,
    /// When it began to run.
    pub started_at: Option<OffsetDateTime>,
    /// When it ended.
    pub finished_at: Option<OffsetDateTime>,
    /// Why it failed.
    pub error: Option<Json>,
    /// What it returned.
    pub result: Option<Json>,
    /// The worker that runs or ran it.
    pub worker_id: Option<Uuid>,
    /// The task that dispatched it.
    pub parent_task_id: Option<Uuid>,
    /// The group that it belongs to.
    pub task_group_id: Option<Uuid>,
    /// The locks that it asked for: resources, `shared:` before those it shares.
    pub reserved_resources_record: Strings,
    /// What to observe while it runs: `logs`, `memory`.
    pub diagnostics: Strings,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
