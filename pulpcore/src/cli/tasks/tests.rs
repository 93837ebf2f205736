//! What an operator reads.

use std::cell::RefCell;

use clap::Parser;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::cancel::Cancel;
use super::list::List;
use super::purge::Purge;
use super::show::Show;
use super::why::Why;
use super::*;
use crate::db::Db;
use crate::models::{app_status, state, task};
use crate::plugin::Locks;
use crate::sample::{Sample, on_both};
use crate::settings::Settings;
use crate::tasking::Worker;

/// A line behind `tasks`, read as on a terminal.
fn parse(line: &str) -> Result<Tasks, clap::Error> {
    let words = ["pulp-server", "tasks"].into_iter().chain(line.split_whitespace());
    crate::cli::Cli::try_parse_from(words).map(|cli| match cli.command {
        crate::cli::Command::Tasks(tasks) => tasks,
        other => panic!("{other:?}"),
    })
}

fn list(line: &str) -> List {
    let Tasks::List(list) = parse(&format!("list {line}")).unwrap() else { panic!("{line}") };
    list
}

fn purge(line: &str) -> Purge {
    let Tasks::Purge(purge) = parse(&format!("purge {line}")).unwrap() else { panic!("{line}") };
    purge
}

/// What `cancel` says, and how it ends.
async fn cancel(db: &Db, ids: &[Uuid], wait: bool) -> (Vec<String>, Result<()>) {
    cancel_as(db, ids, wait, false).await
}

async fn cancel_as(db: &Db, ids: &[Uuid], wait: bool, alone: bool) -> (Vec<String>, Result<()>) {
    let said = RefCell::new(Vec::new());
    let cancel = Cancel { ids: ids.iter().map(Uuid::to_string).collect(), wait };
    let say = |line| {
        said.borrow_mut().push(line);
        Ok(())
    };
    let ended = cancel.run(db, alone, say).await;
    (said.into_inner(), ended)
}

async fn show(db: &Db, id: impl std::fmt::Display, json: bool) -> String {
    Show { id: Id { id: id.to_string() }, json }.text(db).await.unwrap()
}

fn exclusive(name: &str) -> Locks {
    Locks::default().exclusive(name)
}

async fn change(db: &Db, id: Uuid, column: task::Column, value: impl Into<sea_orm::Value>) {
    let tx = db.write().await.unwrap();
    let change = task::Entity::update_many().col_expr(column, Expr::value(value));
    change.filter(task::Column::PulpId.eq(id)).exec(&*tx).await.unwrap();
    tx.commit().await.unwrap();
}

#[test]
fn a_command_line_is_read_or_refused() {
    let list = list("--state waiting,running --type file/syncs --name sync --limit 3 --json");
    assert_eq!(list.state, ["waiting", "running"]);
    assert_eq!((list.task_type.as_deref(), list.limit, list.json), (Some("file/syncs"), 3, true));
    assert_eq!(purge("").state, ["completed"]);
    assert_eq!(
        purge("--finished-before 2026-01-31").finished_before.unwrap().to_string(),
        "2026-01-31 0:00:00.0 +00:00:00"
    );
    for wrong in ["list --state done", "purge --state running", "purge --finished-before soon", "cancel", "why", "show"]
    {
        assert_eq!(parse(wrong).unwrap_err().exit_code(), 2, "{wrong}");
    }
}

#[tokio::test]
async fn no_database_is_made_where_there_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let error = open(&Settings::for_tests(folder.path())).await.unwrap_err();
    assert!(error.to_string().starts_with("there is no database "), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

on_both!(a_task_is_found_by_what_names_it_alone, |sample| {
    let db = &sample.app.db;
    let (one, two) = (sample.queued(Locks::default()).await, sample.queued(Locks::default()).await);
    let (id, digits) = (one.pulp_id, one.pulp_id.simple().to_string());
    for name in [id.to_string(), digits.clone(), format!("prn:core.task:{id}"), format!("/pulp/api/v3/tasks/{id}/")] {
        assert_eq!(find::task(db, &name).await.unwrap().pulp_id, id, "{name}");
    }
    let other = two.pulp_id.simple().to_string();
    let common = digits.bytes().zip(other.bytes()).take_while(|(one, two)| one == two).count();
    assert_eq!(find::task(db, &digits[..=common]).await.unwrap().pulp_id, id);
    let error = find::task(db, &digits[..common]).await.unwrap_err();
    let told = format!("'{}' may be one of several tasks: {id}, {}", &digits[..common], two.pulp_id);
    assert_eq!(error.to_string(), told);
    for (name, told) in [("abc", "'abc' names no task"), ("first", "'first' is no id, href or PRN of a task")] {
        assert_eq!(find::task(db, name).await.unwrap_err().to_string(), told);
    }
});

on_both!(the_list_is_a_table_or_json, |sample| {
    let db = &sample.app.db;
    assert_eq!(list("").text(db).await.unwrap(), "There are no such tasks.");
    let (one, two) = (sample.queued(Locks::default()).await.pulp_id, sample.queued(Locks::default()).await.pulp_id);
    sample.started().await;
    let hour_ago = crate::db::now() - time::Duration::hours(1);
    for id in [one, two] {
        change(db, id, task::Column::PulpCreated, hour_ago).await;
    }
    let shown = list("").text(db).await.unwrap();
    let lines: Vec<&str> = shown.lines().collect();
    let chore = "1h   sample/chores  pulp_sample.app.tasks.chore";
    assert_eq!(lines[0], "ID                                    STATE    AGE  TYPE           NAME");
    assert_eq!(lines[1..], [format!("{two}  waiting  {chore}"), format!("{one}  running  {chore}")]);
    for (filter, count) in [
        ("--state running", 1),
        ("--state failed,canceled", 0),
        ("--type sample/chores/", 2),
        ("--type sample/others", 0),
        ("--name tasks.chore", 2),
        ("--limit 1", 1),
    ] {
        let found: Value = serde_json::from_str(&list(&format!("{filter} --json")).text(db).await.unwrap()).unwrap();
        assert_eq!(found.as_array().unwrap().len(), count, "{filter}");
    }
});

on_both!(a_task_is_shown_with_all_that_is_known, |sample| {
    let db = &sample.app.db;
    let one = sample.queued(exclusive("a")).await.pulp_id;
    let two = sample.queued(exclusive("a")).await.pulp_id;
    sample.started().await;
    let shown = show(db, two, false).await;
    let domain = sample.app.domain;
    for line in [
        format!("id:             {two}"),
        "type:           sample/chores".to_owned(),
        "state:          waiting".to_owned(),
        "waiting for:    It waits for a task that came first: pulp_sample.app.tasks.chore runs and wants 'a'."
            .to_owned(),
        "resources:      a".to_owned(),
        format!("                shared:prn:core.domain:{domain}"),
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}\n{shown}");
    }
    change(db, one, task::Column::State, state::FAILED).await;
    change(db, one, task::Column::Error, json!({ "description": "It went wrong.", "traceback": null })).await;
    assert!(show(db, one, false).await.contains("\nerror:          It went wrong.\n"));
    let shown: Value = serde_json::from_str(&show(db, one, true).await).unwrap();
    assert_eq!((&shown["state"], &shown["parameters"]["deed"]), (&json!("failed"), &json!("Nothing")));
});

on_both!(the_chain_of_what_is_in_the_way_is_told, |sample| {
    let db = &sample.app.db;
    let told = async |id: Uuid| Why { id: Id { id: id.to_string() }, json: false }.text(db).await.unwrap();
    let runs = sample.queued(exclusive("a")).await.pulp_id;
    let middle = sample.queued(exclusive("a").shared("b")).await.pulp_id;
    let last = sample.queued(exclusive("b")).await.pulp_id;
    let ready = "It is ready and waits for a free worker: no worker is online. 1";
    assert!(told(runs).await.lines().nth(1).is_some_and(|line| ready.starts_with(line)), "{}", told(runs).await);
    sample.started().await;

    let text = told(last).await;
    let lines: Vec<&str> = text.lines().collect();
    let name = "pulp_sample.app.tasks.chore";
    assert!(lines[0].starts_with(&format!("Task {last} ({name}) waits, for ")), "{text}");
    assert_eq!(lines[1], "It waits for a task that came first:");
    assert!(lines[2].starts_with(&format!("- {middle} ({name}) shares 'b'; it waits, for ")), "{text}");
    assert_eq!(lines[3], "  It waits for a task that came first:");
    assert!(lines[4].starts_with(&format!("  - {runs} ({name}) wants for itself 'a'; it runs, for ")), "{text}");
    assert_eq!(lines.len(), 5, "{text}");
    let more = sample.queued(exclusive("a").exclusive("b")).await.pulp_id;
    assert!(
        told(more).await.contains("\n  It waits for a task that came first, which is named above."),
        "{}",
        told(more).await
    );

    let text = Why { id: Id { id: more.to_string() }, json: true }.text(db).await.unwrap();
    let chain: Value = serde_json::from_str(&text).unwrap();
    let ids: Vec<_> = chain.as_array().unwrap().iter().map(|task| task["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids[0], more.to_string());
    assert_eq!(ids.len(), 4, "each task of the chain is there once: {text}");
    let waiting = &chain[0]["waiting_for"];
    assert_eq!((&waiting["reason"], &waiting["count"]), (&json!("resources"), &json!(3)));
    let runner = chain.as_array().unwrap().iter().find(|task| task["id"] == json!(runs)).unwrap();
    assert_eq!((&runner["state"], &runner["waiting_for"]), (&json!("running"), &Value::Null));

    let tx = db.write().await.unwrap();
    app_status::Entity::delete_many().exec(&*tx).await.unwrap();
    tx.commit().await.unwrap();
    assert!(told(runs).await.contains(", on a worker that is gone."));
    sample.over(runs).await;
    assert!(told(runs).await.contains(") has ended: completed, "));
});

on_both!(what_waits_is_canceled_and_what_has_ended_is_not, |sample| {
    let db = &sample.app.db;
    let (one, two) = (sample.queued(exclusive("a")).await.pulp_id, sample.queued(exclusive("b")).await.pulp_id);
    sample.started().await;
    sample.over(one).await;
    let error = cancel(db, &[two, Uuid::nil()], false).await.1.unwrap_err();
    assert!(error.to_string().ends_with(" names no task"), "{error}");
    assert_eq!(find::task(db, &two.to_string()).await.unwrap().state, state::WAITING, "a wrong name cancels nothing");

    let (said, ended) = cancel(db, &[one, two, two], false).await;
    assert_eq!(said, [format!("Task {one} has ended before."), format!("Task {two} is canceled.")]);
    assert_eq!(ended.unwrap_err().to_string(), "1 of 2 tasks were not canceled");
    cancel(db, &[two], false).await.1.unwrap();
});

on_both!(what_runs_is_told_to_stop_and_waited_for, |sample| {
    let db = &sample.app.db;
    let stop = CancellationToken::new();
    let workers = tokio::spawn(Worker::new(sample.app.clone()).run(stop.clone()));
    let hangs = sample.hanging().await;
    let mut news = sample.app.queue.watch();
    while find::task(db, &hangs.to_string()).await.unwrap().state != state::RUNNING {
        news.changed().await.unwrap();
    }
    let (said, ended) = cancel(db, &[hangs], true).await;
    ended.unwrap();
    assert!(said[0].starts_with(&format!("Task {hangs} runs on ")) && said[0].ends_with(", which is told to stop it."));
    assert_eq!(said[1], format!("Task {hangs} has ended: canceled."));
    stop.cancel();
    workers.await.unwrap().unwrap();
});

on_both!(what_a_dead_worker_runs_is_not_waited_for, |sample| {
    let db = &sample.app.db;
    let id = sample.queued(exclusive("a")).await.pulp_id;
    sample.started().await;
    let tx = db.write().await.unwrap();
    app_status::Entity::delete_many().exec(&*tx).await.unwrap();
    tx.commit().await.unwrap();
    let (said, ended) = cancel(db, &[id], true).await;
    assert_eq!(said, [format!("Task {id} runs on a worker that is gone; a server that notices ends it.")]);
    assert_eq!(ended.unwrap_err().to_string(), "the task was not canceled");
});

#[tokio::test]
async fn without_a_server_what_runs_has_ended_and_is_canceled_at_once() {
    let sample = Sample::sqlite().await;
    let db = &sample.app.db;
    let (runs, other) = (sample.queued(exclusive("a")).await.pulp_id, sample.queued(exclusive("a")).await.pulp_id);
    sample.started().await;
    let (said, ended) = cancel_as(db, &[runs], true, true).await;
    ended.unwrap();
    assert_eq!(said, [format!("Task {runs} is canceled; the server that ran it is gone.")]);
    assert_eq!(find::task(db, &runs.to_string()).await.unwrap().state, state::CANCELED);
    let next = find::task(db, &other.to_string()).await.unwrap();
    assert!(next.state == state::WAITING && next.unblocked_at.is_some(), "its locks are free");
}

on_both!(a_purge_forgets_groups_that_are_empty, |sample| {
    use crate::models::task_group;
    use sea_orm::{ActiveModelTrait, IntoActiveModel};
    let (db, now) = (&sample.app.db, crate::db::now());
    let group = task_group::Model {
        pulp_id: Uuid::now_v7(),
        pulp_created: now,
        pulp_last_updated: now,
        pulp_domain_id: sample.app.domain,
        description: "over".to_owned(),
        all_tasks_dispatched: true,
    };
    let tx = db.write().await.unwrap();
    group.into_active_model().insert(&*tx).await.unwrap();
    tx.commit().await.unwrap();
    purge("--finished-before 2999-01-01").text(db).await.unwrap();
    assert!(task_group::Entity::find().one(db.read()).await.unwrap().is_none());
});

on_both!(a_purge_says_what_went, |sample| {
    let db = &sample.app.db;
    let id = sample.queued(Locks::default()).await.pulp_id;
    sample.started().await;
    sample.over(id).await;
    assert_eq!(purge("").text(db).await.unwrap(), "There is nothing to purge.");
    let all = purge("--finished-before 2999-01-01 --state completed,failed");
    let told = "Purged: 1 task, 0 progress reports and 0 links to what they had created.";
    assert_eq!(all.text(db).await.unwrap(), told);
    assert_eq!(all.text(db).await.unwrap(), "There is nothing to purge.");
});
