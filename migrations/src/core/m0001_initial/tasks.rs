//! The queue, what hangs on it, and who works on it.

use sea_orm_migration::sea_orm::DbBackend;

use crate::prelude::*;
use crate::sequence;

pub(super) async fn up(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    NewTable::new("core_appstatus")
        .base()
        .column("name", Text)
        .column("app_type", Text)
        .column("versions", Json)
        .column("ttl_seconds", BigInt)
        .column("last_heartbeat", Time)
        .unique(["name", "app_type"])
        .create(manager)
        .await?;
    counters(manager).await?;
    groups(manager).await?;
    tasks(manager).await?;
    reservations(manager).await?;
    NewTable::new("core_createdresource")
        .id()
        .belongs_to("task_id", "core_task", Cascade)
        .column("model", Text)
        .column("object_id", Text)
        .index(["object_id"])
        .create(manager)
        .await?;
    NewTable::new("core_progressreport")
        .base()
        .belongs_to("task_id", "core_task", Cascade)
        .column("message", Text)
        .column("code", Text)
        .column("state", Text)
        .nullable("total", BigInt)
        .column("done", BigInt)
        .nullable("suffix", Text)
        .create(manager)
        .await?;
    // What happened to tasks, in the order in which it is told. A number is never used twice.
    NewTable::new("core_taskevent")
        .column("seq", Serial)
        .column("pulp_created", Time)
        .belongs_to("task_id", "core_task", Cascade)
        .column("kind", Text)
        .column("body", Json)
        .index(["task_id", "seq"])
        .index(["pulp_created"])
        .create(manager)
        .await?;
    NewTable::new("core_profileartifact")
        .id()
        .belongs_to("task_id", "core_task", Cascade)
        .belongs_to("artifact_id", "core_artifact", Restrict)
        .column("name", Text)
        .unique(["task_id", "name"])
        .create(manager)
        .await?;
    NewTable::new("core_taskschedule")
        .base()
        .column("name", Text)
        .nullable("next_dispatch", Time)
        .column("dispatch_interval", BigInt)
        .column("task_name", Text)
        .may_belong_to("last_task_id", "core_task", SetNull)
        .unique(["name"])
        .create(manager)
        .await
}

/// Where `core_task.seq` comes from: see [`sequence`].
async fn counters(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    NewTable::new("core_sequence")
        .column("name", Text)
        .column("value", BigInt)
        .primary_key(["name"])
        .create(manager)
        .await?;
    let mut insert = Query::insert();
    insert.into_table("core_sequence").columns(["name", "value"]).values_panic([sequence::TASK.into(), 0_i64.into()]);
    manager.get_connection().execute(&insert).await?;
    if manager.get_database_backend() == DbBackend::Postgres {
        manager.get_connection().execute_unprepared(r#"CREATE SEQUENCE "core_task_seq""#).await?;
    }
    Ok(())
}

async fn groups(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    NewTable::new("core_taskgroup")
        .base()
        .domain()
        .column("description", Text)
        .column("all_tasks_dispatched", Bool)
        .create(manager)
        .await?;
    NewTable::new("core_groupprogressreport")
        .base()
        .belongs_to("task_group_id", "core_taskgroup", Cascade)
        .column("message", Text)
        .column("code", Text)
        .nullable("total", BigInt)
        .column("done", BigInt)
        .nullable("suffix", Text)
        .create(manager)
        .await
}

/// The worker is no foreign key: taking one off the list would look at every task that it ever ran.
async fn tasks(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    // The index on the state covers all tasks, not the unfinished ones only: a partial index would serve only those
    // queries that repeat its condition to the letter, and lists filter by every state.
    NewTable::new("core_task")
        .base()
        .domain()
        .column("seq", BigInt)
        .column("state", Text)
        .column("name", Text)
        .column("task_type", Text)
        .column("args", Json)
        .column("logging_cid", Text)
        .nullable("created_by", BigInt)
        .foreign_key("created_by", ("auth_user", "id"), SetNull)
        .index_where(["created_by"], r#""created_by" IS NOT NULL"#)
        .column("immediate", Bool)
        .nullable("unblocked_at", Time)
        .nullable("started_at", Time)
        .nullable("finished_at", Time)
        .nullable("error", Json)
        .nullable("result", Json)
        .nullable("worker_id", Uuid)
        .index_where(["worker_id"], r#""state" IN ('running', 'canceling')"#)
        .may_belong_to("parent_task_id", "core_task", SetNull)
        .may_belong_to("task_group_id", "core_taskgroup", SetNull)
        .column("reserved_resources_record", Json)
        .column("diagnostics", Json)
        .unique(["seq"])
        .index(["state", "seq"])
        .index(["task_type", "seq"])
        .index(["name"])
        .index(["finished_at"])
        .index(["logging_cid"])
        .create(manager)
        .await?;
    // What a worker takes next is the first entry, however many tasks wait for a resource. All entries have the same state: it
    // is there because SQLite takes the index whose columns it finds compared.
    let ready = r#"CREATE INDEX "ix_core_task_ready" ON "core_task" ("state", "immediate" DESC, "seq") WHERE "state" = 'waiting' AND "unblocked_at" IS NOT NULL"#;
    manager.get_connection().execute_unprepared(ready).await?;
    Ok(())
}

/// `seq` repeats the task's, so that "who is before me" is one range on one index. Of thousands who share a resource only
/// those who want it for themselves matter to the others: they have an index of their own.
async fn reservations(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    NewTable::new("core_taskreservation")
        .belongs_to("task_id", "core_task", Cascade)
        .column("resource", Text)
        .column("exclusive", Bool)
        .column("seq", BigInt)
        .primary_key(["task_id", "resource"])
        .clustered()
        .index(["resource", "seq"])
        .create(manager)
        .await?;
    let exclusive = r#"CREATE INDEX "ix_core_taskreservation_exclusive" ON "core_taskreservation" ("resource", "seq") WHERE "exclusive""#;
    manager.get_connection().execute_unprepared(exclusive).await?;
    Ok(())
}
