//! nginx as a peer: in a folder of its own, with its usual settings, without a log.

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{interval, timeout};

/// How long it may take to start, and again to stop.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running nginx. Dropping it kills it.
pub(crate) struct Nginx {
    process: Child,
    address: String,
}

impl Nginx {
    /// Starts it in `room` with copies of the files that the server at `origin` has at these paths.
    pub(crate) async fn start(room: &Path, origin: &str, files: &[String]) -> Result<Self> {
        let folder = room.join("nginx");
        let client = reqwest::Client::builder().no_proxy().build()?;
        for path in files {
            let body = client.get(format!("http://{origin}{path}")).send().await?.error_for_status()?.bytes().await?;
            let file = folder.join("files").join(path.trim_start_matches('/'));
            std::fs::create_dir_all(file.parent().context("a file lies in a folder")?)?;
            std::fs::write(file, body)?;
        }
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        std::fs::write(folder.join("nginx.conf"), config(&folder, &address))?;
        let process = Command::new(program())
            .args(["-c", "nginx.conf", "-p"])
            .arg(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("nginx cannot be started: is it installed?")?;
        let listens = async {
            let mut ticks = interval(Duration::from_millis(20));
            while TcpStream::connect(&address).await.is_err() {
                ticks.tick().await;
            }
        };
        timeout(PATIENCE, listens).await.context("nginx does not listen")?;
        Ok(Self { process, address })
    }

    /// `127.0.0.1:<port>`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The most memory that its processes have held, each by itself, in bytes.
    pub(crate) fn peak_memory(&self) -> Result<u64> {
        let id = self.process.id().context("nginx has ended")?;
        let workers = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"))?;
        let mut kib = 0;
        for id in workers.split_whitespace().chain([&*id.to_string()]) {
            let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM in /proc")?;
            kib += line.trim().trim_end_matches("kB").trim().parse::<u64>()?;
        }
        Ok(kib * 1024)
    }

    /// Stops it.
    pub(crate) async fn stop(mut self) -> Result<()> {
        let id = self.process.id().and_then(|id| Pid::from_raw(id.cast_signed())).context("nginx has ended")?;
        kill_process(id, Signal::TERM)?;
        match timeout(PATIENCE, self.process.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            outcome => bail!("nginx did not stop well: {outcome:?}"),
        }
    }
}

/// Debian puts it outside of most users' `PATH`.
fn program() -> &'static str {
    if Path::new("/usr/sbin/nginx").is_file() { "/usr/sbin/nginx" } else { "nginx" }
}

fn config(folder: &Path, address: &str) -> String {
    let folder = folder.display();
    let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary: String = temporary.iter().map(|name| format!("{name}_temp_path {folder}/{name};\n")).collect();
    format!(
        "{user}\ndaemon off;\nworker_processes auto;\npid {folder}/pid;\nerror_log {folder}/log;\n\
         events {{ worker_connections 1024; }}\n\
         http {{\naccess_log off;\nsendfile on;\ndefault_type application/octet-stream;\n{temporary}\
         keepalive_requests 1000000000;\n\
         server {{ listen {address}; root {folder}/files; }}\n}}\n"
    )
}
