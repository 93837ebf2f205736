//! The queue: from asking for a tiny task to its end, and how fast many of them go with few workers and with many.
//!
//! The task is a change of a repository that changes nothing: it takes a lock, reads, and makes no version.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use reqwest::Method;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::interval;

use super::figure::{Figure, Table, Target, Unit};
use super::lab::{Database, Lab, Subject};
use super::support::api::{Api, answer, text};

/// How many tasks are followed one by one in each run.
const SINGLE: u32 = 100;

/// How many tasks wait when the workers begin.
const MANY: usize = 5000;

pub(crate) async fn measure(lab: &Lab, database: Database, runs: u32, table: &mut Table) -> Result<()> {
    let subject = lab.server(database).await?;
    let most = if database == Database::Sqlite { 0.010 } else { 0.015 };
    let mut figure = Figure::seconds("one tiny task on an idle system", Target::AtMost(most));
    single(&subject.server.api()?, runs * SINGLE, &mut figure).await?;
    table.add(database, figure)?;

    let mut subject = subject.again(lab, &["--roles", "api"]).await?;
    let repositories = repositories(&subject.server.api()?).await?;
    let mut few = Figure::new("5,000 tiny tasks, 4 workers", Unit::PerSecond, Target::AtLeast(500.0));
    let mut crowd =
        Figure::new("the same, 200 workers", Unit::PerSecond, Target::RatioAtLeast(1.0)).beside("with 8 workers");
    for _ in 0..runs {
        let rates: [f64; 3];
        (subject, rates) = in_turns(lab, subject, &repositories).await?;
        few.add(rates[0]);
        crowd.add(rates[1]);
        crowd.peer(rates[2]);
    }
    table.add(database, few)?;
    table.add(database, crowd)?;
    subject.stop().await
}

async fn single(api: &Api, count: u32, figure: &mut Figure) -> Result<()> {
    let repository = repository(api, "alone").await?;
    for _ in 0..count {
        let began = Instant::now();
        let href = api.post(&format!("{repository}modify/"), &json!({})).await?;
        let href = text(&href, "task")?;
        while text(&api.get(href).await?, "state")? != "completed" {}
        figure.took(began.elapsed());
    }
    Ok(())
}

async fn repository(api: &Api, name: &str) -> Result<String> {
    let made = api.post("repositories/file/file/", &json!({ "name": name })).await?;
    Ok(text(&made, "pulp_href")?.to_owned())
}

async fn repositories(api: &Api) -> Result<Vec<String>> {
    let made = (0..MANY).map(|n| async move { repository(api, &format!("many-{n}")).await });
    stream::iter(made).buffer_unordered(16).try_collect().await
}

/// With 4 workers, with 200, and with 8.
async fn in_turns(lab: &Lab, mut subject: Subject, repositories: &[String]) -> Result<(Subject, [f64; 3])> {
    let mut rates = [0.0; 3];
    for (rate, workers) in rates.iter_mut().zip(["4", "200", "8"]) {
        (subject, *rate) = drained(lab, subject, repositories, workers).await?;
    }
    Ok((subject, rates))
}

/// Queues a task for each repository while nobody works, then counts how many a second end.
async fn drained(lab: &Lab, subject: Subject, repositories: &[String], workers: &str) -> Result<(Subject, f64)> {
    let subject = subject.again(lab, &["--roles", "api"]).await?;
    let api = subject.server.api()?;
    let queue = |href: &String| {
        let request = api.request(Method::POST, &format!("{href}modify/")).json(&json!({}));
        async move { answer(request).await.map(drop) }
    };
    stream::iter(repositories.iter().map(queue)).buffer_unordered(16).try_collect::<()>().await?;
    let subject = subject.again(lab, &["--workers", workers]).await?;
    let api = subject.server.api()?;
    let list = "tasks/?minimal=true&limit=1&name__contains=add_and_remove";
    // Seldom: asking takes the time that is measured from the workers.
    let mut ticks = interval(Duration::from_millis(100));
    while api.get(&format!("{list}&state__in=waiting,running")).await?["count"] != 0 {
        ticks.tick().await;
    }
    let last = first_of(&api, &format!("{list}&ordering=-finished_at"), "finished_at").await?;
    // Only those of this round began after the last one that was queued.
    let queued = first_of(&api, &format!("{list}&ordering=-pulp_created"), "pulp_created").await?;
    let began = queued.format(&Rfc3339)?;
    let began = first_of(
        &api,
        &format!("{list}&ordering=started_at&started_at__gte={}", began.replace('+', "%2B")),
        "started_at",
    )
    .await?;
    ensure!(last > began, "the last task ends after the first has begun");
    Ok((subject, f64::from(u32::try_from(MANY)?) / (last - began).as_seconds_f64()))
}

async fn first_of(api: &Api, list: &str, field: &str) -> Result<OffsetDateTime> {
    let page: Value = api.get(list).await?;
    let first = page["results"].get(0).with_context(|| format!("{list} is empty"))?;
    Ok(OffsetDateTime::parse(text(first, field)?, &Rfc3339)?)
}
