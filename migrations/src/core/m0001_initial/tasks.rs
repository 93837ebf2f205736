//! The queue, what hangs on it, and who works on it.

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
    tasks(manager).await?;
    // `seq` repeats the task's, so that "who is before me" is one range on one index.
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
        .await
}

/// `core_task.seq` comes from a counter in a row, not from a sequence: see [`sequence`].
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
    Ok(())
}

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
        .may_belong_to("worker_id", "core_appstatus", SetNull)
        .may_belong_to("parent_task_id", "core_task", SetNull)
        .nullable("task_group_id", Uuid)
        .index_where(["task_group_id"], r#""task_group_id" IS NOT NULL"#)
        .column("reserved_resources_record", Json)
        .unique(["seq"])
        .index(["state", "seq"])
        .index(["task_type", "seq"])
        .index(["name"])
        .index(["finished_at"])
        .index(["logging_cid"])
        .create(manager)
        .await
}
