//! A server as its users meet it: the built program, as a process of its own, with a data folder that goes with it.

use std::collections::VecDeque;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::api::Api;

/// How long a server may take to start, and again to stop.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the server writes to its log, followed by its address, as soon as it takes connections.
const ANNOUNCEMENT: &str = "listening on http://";

/// How many lines of the log are kept to be shown when something goes wrong.
const REMEMBERED: usize = 50;

/// A running server. Dropping it kills it; [`Server::stop`] ends it as a service manager does.
#[derive(Debug)]
pub(crate) struct Server {
    process: Child,
    address: String,
    log: Log,
    data: TempDir,
}

type Log = Arc<Mutex<VecDeque<String>>>;

impl Server {
    /// The administrator's name and password.
    pub(crate) const ADMIN: (&'static str, &'static str) = ("admin", "password");

    /// Starts `program` with an empty data folder below `room`, on SQLite or on the database at this URL.
    ///
    /// # Errors
    /// When it does not announce its address in time; its log is part of the error.
    pub(crate) async fn start(program: &Path, room: &Path, database: Option<&str>) -> Result<Self> {
        let data = tempfile::Builder::new().prefix("server-").tempdir_in(room).context("no folder for the server")?;
        Self::start_in(data, program, database, &[]).await
    }

    /// The same in a folder that a server may have used before, with more flags for `serve`.
    ///
    /// # Errors
    /// As above.
    pub(crate) async fn start_in(
        data: TempDir,
        program: &Path,
        database: Option<&str>,
        flags: &[&str],
    ) -> Result<Self> {
        let mut command = Command::new(program);
        // Settings of whoever runs this are none of the new server's.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PULP_")) {
            command.env_remove(name);
        }
        command.env("PULP_ADMIN_PASSWORD", Self::ADMIN.1);
        if let Some(url) = database {
            command.env("PULP_DATABASE_URL", url);
        }
        command.args(["serve", "--bind", "127.0.0.1:0", "--data-dir"]).arg(data.path()).args(flags);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().with_context(|| format!("{} cannot be started", program.display()))?;
        let log = Log::default();
        let announced = follow(process.stderr.take().context("the server has no log")?, log.clone());
        match timeout(PATIENCE, announced).await {
            Ok(Ok(address)) => Ok(Self { process, address, log, data }),
            _ => bail!("the server announced no address; its log:\n{}", text(&log)),
        }
    }

    /// `127.0.0.1:<port>`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// A client for this server, as its administrator.
    pub(crate) fn api(&self) -> Result<Api> {
        Api::new(&self.address, Self::ADMIN)
    }

    /// The most memory that the process has held at a time, in bytes.
    pub(crate) fn peak_memory(&self) -> Result<u64> {
        let id = self.process.id().context("the server has ended")?;
        Ok(pulpcore::testkit::peak_memory(id)?)
    }

    /// The folder of everything that the server keeps.
    pub(crate) fn folder(&self) -> &Path {
        self.data.path()
    }

    /// Asks the server to stop and waits until it has. Its folder goes with what is given back.
    ///
    /// # Errors
    /// When it does not stop in time or not cleanly; its log is part of the error.
    pub(crate) async fn stop(mut self) -> Result<TempDir> {
        let id = self.process.id().and_then(|id| Pid::from_raw(id.cast_signed())).context("the server has ended")?;
        kill_process(id, Signal::TERM).context("the server cannot be told to stop")?;
        match timeout(PATIENCE, self.process.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(self.data),
            outcome => bail!("the server did not stop well ({outcome:?}); its log:\n{}", text(&self.log)),
        }
    }
}

/// Reads the log to its end, so that the server never waits for a reader, and gives the address once it is announced.
fn follow(stderr: ChildStderr, log: Log) -> oneshot::Receiver<String> {
    let (found, announced) = oneshot::channel();
    tokio::spawn(async move {
        let mut found = Some(found);
        let mut lines = BufReader::new(stderr).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            if let Some((_, rest)) = line.split_once(ANNOUNCEMENT) {
                let address = rest.split(|c: char| !(c.is_ascii_hexdigit() || ".:[]".contains(c))).next();
                if let Some((found, address)) = found.take().zip(address) {
                    // Nobody waits any more when starting was given up.
                    let _ = found.send(address.to_owned());
                }
            }
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            if log.len() == REMEMBERED {
                log.pop_front();
            }
            log.push_back(line);
        }
    });
    announced
}

fn text(log: &Log) -> String {
    log.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|line| format!("{line}\n")).collect()
}
