//! What groups of tasks promise, to tasks and to clients.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::*;
use crate::both_databases;
use crate::plugin::{Locks, TaskKind, register};
use crate::sample::{Sample, on_both};
use crate::tasking::Dispatch;
use crate::testkit::TestPulp;

/// Invites guests.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = sample::Party)]
struct Party {
    guests: i64,
    #[serde(default)]
    stay: bool,
}

/// Comes, and goes unless it stays. One at a time.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = sample::Guest)]
struct Guest {
    #[serde(default)]
    stays: bool,
}

impl Task for Party {
    const TYPE: &'static str = "sample/parties";
    const NAME: &'static str = "pulp_sample.app.tasks.party";

    async fn run(self, cx: TaskCx) -> Result<()> {
        let group = cx.group("A party").await?;
        group.report("Guests", "guests", Some(self.guests)).await?;
        for _ in 0..self.guests {
            group.dispatch(&Guest { stays: self.stay }).await?;
        }
        group.finish().await
    }
}

impl Task for Guest {
    const TYPE: &'static str = "sample/guests";
    const NAME: &'static str = "pulp_sample.app.tasks.guest";

    fn locks(&self) -> Locks {
        Locks::default().exclusive("the door")
    }

    async fn run(self, cx: TaskCx) -> Result<()> {
        if self.stays {
            return std::future::pending().await;
        }
        match cx.own_group() {
            Some(group) => group.count("guests", 1).await,
            None => Ok(()),
        }
    }
}

register!(TaskKind::of::<Party>());
register!(TaskKind::of::<Guest>());

impl Sample {
    /// As a task sees it that runs.
    async fn running(&self) -> TaskCx {
        let dispatch = Dispatch::new(&Guest::default()).unwrap().in_domain(self.app.domain);
        TaskCx::new(self.app.clone(), self.app.queue.dispatch(dispatch).await.unwrap())
    }

    async fn groups(&self) -> usize {
        task_group::Entity::find().all(self.app.db.read()).await.unwrap().len()
    }
}

/// The group of the one party that was held, and its href, when all guests have ended.
async fn group(pulp: &TestPulp) -> (String, Value) {
    let href = pulp.get("task-groups/").await.results()[0]["pulp_href"].as_str().unwrap().to_owned();
    let members = pulp.get(&href).await.ok()["tasks"].clone();
    for member in members.as_array().unwrap() {
        let id = member["prn"].as_str().unwrap().strip_prefix("prn:core.task:").unwrap().parse().unwrap();
        pulp.app().queue.ended(id).await.unwrap();
    }
    let group = pulp.get(&href).await.ok();
    (href, group)
}

both_databases!(a_group_counts_its_tasks_by_state, |pulp| {
    pulp.post("tasks/sample/parties/", json!({ "guests": 3 })).await.accepted().await.completed();
    let (href, group) = group(pulp).await;
    assert_eq!(group["description"], "A party");
    assert_eq!(group["all_tasks_dispatched"], true);
    for state in ["waiting", "skipped", "running", "completed", "canceled", "failed", "canceling"] {
        assert_eq!(group[state], if state == "completed" { 3 } else { 0 }, "{state}");
    }
    let report = json!({ "message": "Guests", "code": "guests", "total": 3, "done": 3, "suffix": null });
    assert_eq!(group["group_progress_reports"], json!([report]));
    assert_eq!(group["tasks"].as_array().unwrap().len(), 3);
    assert_eq!(group["tasks"][0]["name"], "pulp_sample.app.tasks.guest");
    assert!(group["tasks"][0].get("progress_reports").is_none(), "its tasks are in short");
    assert!(group.get("pulp_created").is_none());

    assert_eq!(pulp.get(&format!("tasks/?task_group={href}")).await.ok()["count"], 3);
    let guest = pulp.get(group["tasks"][0]["pulp_href"].as_str().unwrap()).await.ok();
    assert_eq!(guest["task_group"], href.as_str());
    let few = pulp.get("task-groups/?fields=completed&limit=1").await.results();
    assert_eq!(few, [json!({ "completed": 3 })]);
    pulp.get("task-groups/?name=x").await.refused();

    let late = pulp.patch(&href, json!({ "state": "canceled" })).await.expect(409);
    assert_eq!(late.body["completed"], 3);
});

both_databases!(a_group_is_canceled_as_a_whole, |pulp| {
    pulp.post("tasks/sample/parties/", json!({ "guests": 3, "stay": true })).await.accepted().await.completed();
    let href = pulp.get("task-groups/").await.results()[0]["pulp_href"].as_str().unwrap().to_owned();
    let wrong = pulp.patch(&href, json!({ "state": "completed" })).await.refused();
    assert_eq!(wrong, json!({ "state": ["The only acceptable value for 'state' is 'canceled'."] }));
    pulp.patch(&href, json!({})).await.refused();

    let canceled = pulp.patch(&href, json!({ "state": "canceled" })).await.ok();
    assert_eq!(canceled["waiting"], 0);
    assert_eq!(canceled["running"], 0);
    let (_, group) = group(pulp).await;
    assert_eq!(group["canceled"], 3);
    pulp.patch(&href, json!({ "state": "canceled" })).await.ok();
});

on_both!(a_group_that_was_canceled_takes_no_more_tasks, |sample| {
    let group = sample.running().await.group("A party").await.unwrap();
    let member = group.dispatch(&Guest::default()).await.unwrap();
    let cx = TaskCx::new(sample.app.clone(), member.clone());
    assert_eq!(cx.own_group().map(|group| group.id()), Some(group.id()));
    let child = cx.dispatch(&Guest::default()).await.unwrap();
    assert_eq!((child.task_group_id, child.parent_task_id), (Some(group.id()), Some(member.pulp_id)));

    cancel(&sample.app.queue, group.id()).await.unwrap();

    assert!(matches!(group.dispatch(&Guest::default()).await, Err(Error::Conflict(_))));
    for id in [member.pulp_id, child.pulp_id] {
        assert_eq!(sample.app.queue.ended(id).await.unwrap().state, state::CANCELED);
    }
});

on_both!(a_group_without_tasks_is_forgotten_unless_some_may_come, |sample| {
    let cx = sample.running().await;
    let (open, closed) = (cx.group("open").await.unwrap(), cx.group("closed").await.unwrap());
    let member = closed.dispatch(&Guest::default()).await.unwrap();
    closed.finish().await.unwrap();
    let soon = crate::db::comparable(now() + time::Duration::HOUR);
    forget_empty(&sample.app.db, soon).await.unwrap();
    assert_eq!(sample.groups().await, 2, "one has a task");

    let tx = sample.app.db.write().await.unwrap();
    task::Entity::delete_by_id(member.pulp_id).exec(&*tx).await.unwrap();
    tx.commit().await.unwrap();
    forget_empty(&sample.app.db, soon).await.unwrap();
    assert_eq!(sample.groups().await, 1);
    open.dispatch(&Guest::default()).await.unwrap();
});
