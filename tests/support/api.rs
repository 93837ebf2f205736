//! A small client of the management API: JSON in, JSON out, tasks followed to their end.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval};

/// How often an unfinished task is asked for. Oftener would take the time that is measured from the server.
const EVERY: Duration = Duration::from_millis(5);

/// Longer than any task of a demo or a measurement takes.
const PATIENCE: Duration = Duration::from_secs(600);

/// A client with credentials.
#[derive(Debug)]
pub(crate) struct Api {
    client: Client,
    origin: String,
    user: (&'static str, &'static str),
}

impl Api {
    pub(crate) fn new(address: &str, user: (&'static str, &'static str)) -> Result<Self> {
        let client = Client::builder().no_proxy().tcp_nodelay(true).timeout(PATIENCE).build()?;
        Ok(Self { client, origin: format!("http://{address}"), user })
    }

    /// The whole URL of an href, or of something below the API's root: `remotes/file/file/`.
    fn url(&self, path: &str) -> String {
        match path {
            whole if whole.starts_with("http://") => whole.to_owned(),
            href if href.starts_with('/') => format!("{}{href}", self.origin),
            path => format!("{}/pulp/api/v3/{path}", self.origin),
        }
    }

    /// A request with the credentials.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.url(path)).basic_auth(self.user.0, Some(self.user.1))
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        answer(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        answer(self.request(Method::POST, path).json(body)).await
    }

    /// `POST`s and follows the task to its end; shows every state that is seen on the way and gives the last one.
    pub(crate) async fn run(&self, path: &str, body: &Value, seen: impl FnMut(&Value)) -> Result<Value> {
        self.follow(&self.post(path, body).await?, seen).await
    }

    /// Follows the task of an answer to its end.
    pub(crate) async fn follow(&self, answer: &Value, mut seen: impl FnMut(&Value)) -> Result<Value> {
        let href = text(answer, "task")?;
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let task = self.get(href).await?;
            seen(&task);
            match text(&task, "state")? {
                "completed" => return Ok(task),
                "failed" | "canceled" => bail!("{} ended as {}: {}", task["name"], task["state"], task["error"]),
                _ => {}
            }
        }
    }

    /// A file repository with a remote for the manifest at this URL; gives the repository's href.
    pub(crate) async fn repository(&self, name: &str, manifest: &str, policy: &str) -> Result<String> {
        let remote = json!({ "name": name, "url": manifest, "policy": policy });
        let remote = self.post("remotes/file/file/", &remote).await?;
        let repository = json!({ "name": name, "remote": text(&remote, "pulp_href")? });
        let repository = self.post("repositories/file/file/", &repository).await?;
        Ok(text(&repository, "pulp_href")?.to_owned())
    }
}

/// A field that must be there and be text.
pub(crate) fn text<'a>(value: &'a Value, field: &str) -> Result<&'a str> {
    value[field].as_str().with_context(|| format!("no {field} in {value}"))
}

/// Sends a request; anything but success is an error that holds the answer.
pub(crate) async fn answer(request: RequestBuilder) -> Result<Value> {
    let (client, request) = request.build_split();
    let request = request?;
    let asked = format!("{} {}", request.method(), request.url().path());
    let response = client.execute(request).await.with_context(|| asked.clone())?;
    let status = response.status();
    let body = response.bytes().await.with_context(|| asked.clone())?;
    if !status.is_success() {
        bail!("{asked}: {status}: {}", String::from_utf8_lossy(&body));
    }
    match body.is_empty() {
        true => Ok(Value::Null),
        false => serde_json::from_slice(&body).with_context(|| format!("{asked}: not JSON")),
    }
}
