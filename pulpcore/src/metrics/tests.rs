//! What `/metrics` tells.

use axum::body::Body;
use axum::http::Request;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use utoipa::ToSchema;
use uuid::Uuid;

use super::*;
use crate::db::{comparable, now};
use crate::error::Result;
use crate::models::{state, task};
use crate::plugin::{Task, TaskCx, TaskKind, register};
use crate::sample::{Sample, on_both};
use crate::tasking::{Dispatch, Worker};

/// A task that does nothing.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = sample::Errand)]
struct Errand {}

impl Task for Errand {
    const TYPE: &'static str = "sample/errands";
    const NAME: &'static str = "pulp_sample.app.tasks.errand";
    const ENDPOINT: bool = false;

    async fn run(self, _cx: TaskCx) -> Result<()> {
        Ok(())
    }
}

register!(TaskKind::of::<Errand>());

/// Queues a task; it waits for a worker.
pub(super) async fn errand(sample: &Sample) -> Uuid {
    let dispatch = Dispatch::new(&Errand {}).unwrap().in_domain(sample.app.domain);
    sample.app.queue.dispatch(dispatch).await.unwrap().pulp_id
}

async fn change(sample: &Sample, id: Uuid, column: task::Column, value: impl Into<Expr>) {
    let tx = sample.app.db.write().await.unwrap();
    let changed = task::Entity::update_many().col_expr(column, value.into()).filter(task::Column::PulpId.eq(id));
    changed.exec(&*tx).await.unwrap();
    tx.commit().await.unwrap();
}

async fn told(sample: &Sample) -> String {
    let response = router(&sample.app).oneshot(Request::get("/metrics").body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.headers()[header::CONTENT_TYPE], CONTENT_TYPE);
    let text = axum::body::to_bytes(response.into_body(), 1_000_000).await.unwrap();
    String::from_utf8(text.to_vec()).unwrap()
}

/// The value of one series.
fn value(text: &str, series: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{series} is not in\n{text}")).parse().unwrap()
}

on_both!(a_scrape_tells_of_tasks_that_wait_and_of_tasks_that_run, |sample| {
    let (runs, waits) = (errand(&sample).await, errand(&sample).await);
    errand(&sample).await;
    change(&sample, runs, task::Column::State, Expr::value(state::RUNNING)).await;
    let long_ago = comparable(now() - time::Duration::minutes(10));
    change(&sample, waits, task::Column::UnblockedAt, Expr::value(long_ago)).await;

    let text = told(&sample).await;
    assert_eq!(value(&text, r#"pulp_tasks_waiting{task_type="sample/errands"}"#), 2.0);
    assert_eq!(value(&text, r#"pulp_tasks_running{task_type="sample/errands"}"#), 1.0);
    assert!(value(&text, r#"pulp_tasks_longest_wait_seconds{task_type="sample/errands"}"#) >= 600.0);
    assert_eq!(value(&text, r#"pulp_tasks_waiting{task_type="sample/chores"}"#), 0.0);
    assert_eq!(value(&text, "pulp_tasks_unblocked"), 2.0);
    assert!(value(&text, "pulp_tasks_longest_unblocked_seconds") >= 600.0);
    assert_eq!(value(&text, "pulp_workers_online"), 0.0);
    assert!(value(&text, "process_resident_memory_bytes") > 0.0);
    assert!(value(&text, "pulp_database_connections_open") > 0.0);
});

on_both!(tasks_that_end_are_counted_where_they_ran, |sample| {
    let stop = CancellationToken::new();
    let workers = tokio::spawn(Worker::new(sample.app.clone()).run(stop.clone()));
    for _ in 0..3 {
        let id = errand(&sample).await;
        sample.app.queue.ended(id).await.unwrap();
    }
    stop.cancel();
    workers.await.unwrap().unwrap();
    let canceled = errand(&sample).await;
    sample.app.queue.cancel(canceled).await.unwrap();

    let text = told(&sample).await;
    let ended =
        |state| value(&text, &format!(r#"pulp_tasks_ended_total{{task_type="sample/errands",state="{state}"}}"#));
    assert_eq!((ended("completed"), ended("canceled")), (3.0, 1.0));
    assert_eq!(value(&text, r#"pulp_task_duration_seconds_count{task_type="sample/errands"}"#), 3.0);
});

on_both!(without_its_database_a_process_still_tells_of_itself, |sample| {
    sample.app.db.clone().close().await.unwrap();
    let text = told(&sample).await;
    assert_eq!(value(&text, "pulp_database_up"), 0.0);
    assert!(!text.contains("pulp_tasks_waiting"), "{text}");
});
