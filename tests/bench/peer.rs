//! What runs beside the server: a program with its own process, port and memory.

use std::net::TcpListener;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use pulpcore::testkit::peak_memory;
use rustix::process::{Pid, Signal, kill_process};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{interval, timeout};

/// How long it may take to start, and again to stop.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running program. Dropping it kills it.
pub(crate) struct Peer {
    name: &'static str,
    process: Child,
    address: String,
}

impl Peer {
    /// An address that nobody has yet: `127.0.0.1:<port>`.
    pub(crate) fn free_address() -> Result<String> {
        Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
    }

    /// Starts a program that will listen at an address, and waits until it does.
    pub(crate) async fn start(name: &'static str, mut command: Command, address: String) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let process = command.spawn().with_context(|| format!("{name} cannot be started: is it installed?"))?;
        let listens = async {
            let mut ticks = interval(Duration::from_millis(20));
            while TcpStream::connect(&address).await.is_err() {
                ticks.tick().await;
            }
        };
        timeout(PATIENCE, listens).await.with_context(|| format!("{name} does not listen"))?;
        Ok(Self { name, process, address })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The most memory that its processes have held, each by itself, in bytes.
    pub(crate) fn peak_memory(&self) -> Result<u64> {
        let id = self.process.id().with_context(|| format!("{} has ended", self.name))?;
        let workers = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"))?;
        let mut held = peak_memory(id)?;
        for worker in workers.split_whitespace() {
            held += peak_memory(worker.parse()?)?;
        }
        Ok(held)
    }

    /// Stops it.
    pub(crate) async fn stop(mut self) -> Result<()> {
        let id = self.process.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        kill_process(id.with_context(|| format!("{} has ended", self.name))?, Signal::TERM)?;
        match timeout(PATIENCE, self.process.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            outcome => bail!("{} did not stop well: {outcome:?}", self.name),
        }
    }
}
