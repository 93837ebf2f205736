//! One server process, from its first line of log to its exit code.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use pulpcore::testkit::Events;
use reqwest::{Method, StatusCode};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::timeout;

use super::api::{Api, answer, text};

/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the server writes to its log, followed by its address, as soon as it takes connections.
const ANNOUNCEMENT: &str = "listening on http://";

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Server {
    /// A client, as its administrator.
    pub(crate) api: Api,
    address: String,
    process: Child,
    log: Log,
}

/// How a process ended, and everything that it said on standard error.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The exit code; none if a signal ended it.
    pub(crate) code: Option<i32>,
    /// Its log.
    pub(crate) said: String,
}

impl Server {
    /// The administrator's name and password.
    pub(crate) const ADMIN: (&'static str, &'static str) = ("admin", "password");

    /// Starts it, and waits until it takes connections.
    pub(crate) async fn start(mut command: Command) -> Result<Self> {
        let mut process = command.spawn()?;
        let log = Log::follow(process.stderr.take().context("the server has no log")?);
        let line = log.line(ANNOUNCEMENT).await?;
        let (_, rest) = line.split_once(ANNOUNCEMENT).context("the line holds what was waited for")?;
        let address = rest.split(|c: char| !(c.is_ascii_hexdigit() || ".:[]".contains(c))).next();
        let address = address.unwrap_or_default().to_owned();
        Ok(Self { api: Api::new(&address, Self::ADMIN)?, address, process, log })
    }

    /// Ends it as a power cut does, as far as processes are concerned.
    pub(crate) async fn kill(mut self) -> Result<()> {
        self.process.start_kill()?;
        self.process.wait().await?;
        Ok(())
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        let id = self.process.id().and_then(|id| Pid::from_raw(id.cast_signed())).context("the server has ended")?;
        Ok(kill_process(id, signal)?)
    }

    /// Waits for its end.
    pub(crate) async fn ended(mut self) -> Result<Outcome> {
        let status = within(self.process.wait()).await.with_context(|| self.log.text())??;
        Ok(Outcome { code: status.code(), said: self.log.whole().await })
    }

    /// Stops it as a service manager does, and expects that it ends well.
    pub(crate) async fn stop(self) -> Result<()> {
        self.signal(Signal::TERM)?;
        let Outcome { code, said } = self.ended().await?;
        if code != Some(0) {
            bail!("the server ended with {code:?}; its log:\n{said}");
        }
        Ok(())
    }

    /// Waits for a line of its log that contains this text.
    pub(crate) async fn says(&self, wanted: &str) -> Result<String> {
        self.log.line(wanted).await
    }

    /// What it has said so far.
    pub(crate) fn said(&self) -> String {
        self.log.text()
    }

    /// Starts a task, and gives its href.
    pub(crate) async fn dispatch(&self, path: &str, body: &Value) -> Result<String> {
        Ok(text(&self.api.post(path, body).await?, "task")?.to_owned())
    }

    /// Looks at a task again and again until it is as wanted.
    pub(crate) async fn task(&self, href: &str, is_wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        let watched = async {
            loop {
                let task = self.api.get(href).await?;
                if is_wanted(&task) {
                    return Ok(task);
                }
            }
        };
        within(watched).await.with_context(|| format!("{href} never became what was waited for:\n{}", self.said()))?
    }

    /// A task at its end, whatever that is.
    pub(crate) async fn ended_task(&self, href: &str) -> Result<Value> {
        self.task(href, |task| ["completed", "failed", "canceled"].contains(&task["state"].as_str().unwrap_or("")))
            .await
    }

    /// Runs a task that must complete.
    pub(crate) async fn run(&self, path: &str, body: &Value) -> Result<Value> {
        self.api.run(path, body, |_| {}).await
    }

    /// How many objects a list has.
    pub(crate) async fn count(&self, list: &str) -> Result<i64> {
        self.api.get(list).await?["count"].as_i64().context("a list has a count")
    }

    /// Listens to events over a WebSocket, as the administrator, behind the last one that was seen.
    pub(crate) async fn events(&self, path: &str, last: Option<i64>) -> Result<Events> {
        let request = self.api.request(Method::GET, path).build()?;
        let authorization = request.headers().get("authorization").context("the client has credentials")?;
        within(Events::over_socket(request.url().as_str(), authorization, last)).await
    }

    /// Cancels a task.
    pub(crate) async fn cancel(&self, href: &str) -> Result<Value> {
        answer(self.api.request(Method::PATCH, href).json(&json!({ "state": "canceled" }))).await
    }

    /// The URL of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Whether it is listed under this name, which begins with the number of its process.
    pub(crate) fn is_listed_as(&self, name: &str) -> bool {
        let number = name.split(|c: char| !c.is_ascii_digit()).next().and_then(|number| number.parse().ok());
        number.is_some() && number == self.process.id()
    }

    /// The most memory that it has taken so far, in bytes.
    pub(crate) fn peak_memory(&self) -> Result<u64> {
        let id = self.process.id().context("the server has ended")?;
        Ok(pulpcore::testkit::peak_memory(id)?)
    }

    /// What a `GET` of a path is answered with, as this user or as nobody.
    pub(crate) async fn get_as(&self, user: Option<(&str, &str)>, path: &str) -> Result<(StatusCode, String)> {
        let client = reqwest::Client::builder().no_proxy().build()?;
        let request = client.get(self.url(path));
        let request = match user {
            Some((name, password)) => request.basic_auth(name, Some(password)),
            None => request,
        };
        let response = request.send().await?;
        Ok((response.status(), response.text().await?))
    }
}

/// Fails what takes too long.
pub(crate) async fn within<T>(work: impl Future<Output = T>) -> Result<T> {
    timeout(PATIENCE, work).await.context("it took too long")
}

/// The lines of a log so far. A process never waits for its reader.
#[derive(Clone, Debug)]
struct Log {
    lines: Arc<Mutex<Vec<String>>>,
    /// How many lines there are, and whether the last one was read.
    read: watch::Receiver<(usize, bool)>,
}

impl Log {
    fn follow(stream: impl AsyncRead + Send + Unpin + 'static) -> Self {
        let (sender, read) = watch::channel((0, false));
        let log = Self { lines: Arc::default(), read };
        let lines = log.lines.clone();
        tokio::spawn(async move {
            let mut stream = BufReader::new(stream).lines();
            while let Ok(Some(line)) = stream.next_line().await {
                lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                sender.send_modify(|(count, _)| *count += 1);
            }
            sender.send_modify(|(_, end)| *end = true);
        });
        log
    }

    async fn line(&self, wanted: &str) -> Result<String> {
        let mut read = self.read.clone();
        let mut seen = 0;
        let searched = async {
            loop {
                let (count, end) = *read.borrow_and_update();
                let found = {
                    let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
                    lines[seen..].iter().find(|line| line.contains(wanted)).cloned()
                };
                seen = count;
                match found {
                    Some(line) => return Some(line),
                    None if end => return None,
                    None => drop(read.changed().await),
                }
            }
        };
        let found = within(searched).await.ok().flatten();
        found.with_context(|| format!("the log never said '{wanted}':\n{}", self.text()))
    }

    async fn whole(&self) -> String {
        let mut read = self.read.clone();
        // An error means that the reader is gone: then there is no more to come.
        let _ = within(read.wait_for(|(_, end)| *end)).await;
        self.text()
    }

    fn text(&self) -> String {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }
}
