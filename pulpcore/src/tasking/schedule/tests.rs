//! What schedules promise.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::*;
use crate::plugin::{Scheduled, Task, TaskCx};
use crate::sample::{Sample, on_both};
use crate::settings::Settings;

/// A task that is due every ten minutes. It is not registered: other tests want no tasks that they did not ask for.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = sample::Round)]
struct Round {}

impl Task for Round {
    const TYPE: &'static str = "sample/rounds";
    const NAME: &'static str = "pulp_sample.app.tasks.round";

    async fn run(self, _: TaskCx) -> Result<()> {
        Ok(())
    }
}

impl Scheduled for Round {
    const SCHEDULE: &'static str = "Make a round";

    fn interval(_: &Settings) -> Option<Duration> {
        Some(Duration::from_secs(600))
    }

    fn due(_: &App) -> Self {
        Self {}
    }
}

const ROUNDS: Schedule = Schedule::of::<Round>();

impl Sample {
    async fn schedules(&self) -> Vec<task_schedule::Model> {
        task_schedule::Entity::find().all(self.app.db.read()).await.unwrap()
    }

    async fn tasks(&self) -> Vec<task::Model> {
        task::Entity::find().order_by_asc(task::Column::Seq).all(self.app.db.read()).await.unwrap()
    }
}

fn minutes(n: i64) -> time::Duration {
    time::Duration::minutes(n)
}

on_both!(of_two_that_find_a_schedule_due_one_dispatches, |sample| {
    write_down(&sample.app, &[&ROUNDS]).await.unwrap();
    let now = now();
    let (one, two) =
        tokio::join!(dispatch_due(&sample.app, &[&ROUNDS], now), dispatch_due(&sample.app, &[&ROUNDS], now));
    assert_eq!(one.unwrap(), two.unwrap(), "both know when the next one is due");
    let (tasks, schedules) = (sample.tasks().await, sample.schedules().await);
    assert_eq!(tasks.len(), 1);
    assert_eq!(tasks[0].name, "pulp_sample.app.tasks.round");
    assert_eq!(schedules[0].last_task_id, Some(tasks[0].pulp_id));
    assert!(schedules[0].next_dispatch.unwrap() > now);
    dispatch_due(&sample.app, &[&ROUNDS], now).await.unwrap();
    assert_eq!(sample.tasks().await.len(), 1, "it is not due again");
});

on_both!(a_schedule_waits_for_the_end_of_its_last_task, |sample| {
    write_down(&sample.app, &[&ROUNDS]).await.unwrap();
    let now = now();
    dispatch_due(&sample.app, &[&ROUNDS], now).await.unwrap();
    let next = dispatch_due(&sample.app, &[&ROUNDS], now + minutes(15)).await.unwrap().unwrap();
    assert!(next > now + minutes(15));
    let tasks = sample.tasks().await;
    assert_eq!(tasks.len(), 1, "the first one waits still");
    sample.app.queue.cancel(tasks[0].pulp_id).await.unwrap();
    dispatch_due(&sample.app, &[&ROUNDS], next).await.unwrap();
    assert_eq!(sample.tasks().await.len(), 2);
});

on_both!(the_table_says_what_the_build_and_the_settings_say, |sample| {
    let rarer = Schedule { interval: |_| Some(Duration::from_secs(1200)), ..ROUNDS };
    let off = Schedule { interval: |_| None, ..ROUNDS };
    write_down(&sample.app, &[&off]).await.unwrap();
    assert!(sample.schedules().await.is_empty(), "what was never on is not there");

    let both = tokio::join!(write_down(&sample.app, &[&ROUNDS]), write_down(&sample.app, &[&ROUNDS]));
    both.0.and(both.1).unwrap();
    let new = sample.schedules().await;
    assert_eq!((new.len(), new[0].dispatch_interval), (1, 600));
    assert!(new[0].next_dispatch.unwrap() <= now(), "a new one is due at once");
    write_down(&sample.app, &[&ROUNDS]).await.unwrap();
    assert_eq!(sample.schedules().await, new, "nothing has changed");

    let before = now();
    write_down(&sample.app, &[&rarer]).await.unwrap();
    let changed = sample.schedules().await;
    assert_eq!(changed[0].dispatch_interval, 1200);
    assert!(changed[0].next_dispatch.unwrap() >= before + minutes(20));

    write_down(&sample.app, &[&off]).await.unwrap();
    assert_eq!(sample.schedules().await[0].next_dispatch, None);
    assert_eq!(dispatch_due(&sample.app, &[&off], now() + minutes(60)).await.unwrap(), None);
    assert!(sample.tasks().await.is_empty());
});

on_both!(a_schedule_that_the_build_lacks_is_left_alone, |sample| {
    write_down(&sample.app, &[&ROUNDS]).await.unwrap();
    write_down(&sample.app, &[]).await.unwrap();
    assert_eq!(dispatch_due(&sample.app, &[], now() + minutes(60)).await.unwrap(), None);
    assert!(sample.tasks().await.is_empty());
    assert!(sample.schedules().await[0].next_dispatch.is_some());
});

#[test]
fn dispatches_keep_their_rhythm_and_those_that_were_missed_are_not_made_up_for() {
    let due = comparable(now());
    assert_eq!(after(due, 600, due), due + minutes(10));
    assert_eq!(after(due, 600, due + minutes(9)), due + minutes(10));
    assert_eq!(after(due, 600, due + minutes(35)), due + minutes(40));
}
