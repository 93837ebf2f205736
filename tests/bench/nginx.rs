//! nginx as a peer: in a folder of its own, with its usual settings, without a log.

use std::path::Path;

use anyhow::{Context, Result};
use tokio::process::Command;

use super::peer::Peer;

/// Starts it in `room` with copies of the files that the server at `origin` has at these paths.
pub(crate) async fn start(room: &Path, origin: &str, files: &[String]) -> Result<Peer> {
    let folder = room.join("nginx");
    let client = reqwest::Client::builder().no_proxy().build()?;
    for path in files {
        let body = client.get(format!("http://{origin}{path}")).send().await?.error_for_status()?.bytes().await?;
        let file = folder.join("files").join(path.trim_start_matches('/'));
        std::fs::create_dir_all(file.parent().context("a file lies in a folder")?)?;
        std::fs::write(file, body)?;
    }
    let address = Peer::free_address()?;
    std::fs::write(folder.join("nginx.conf"), config(&folder, &address))?;
    let mut command = Command::new(program());
    command.args(["-c", "nginx.conf", "-p"]).arg(&folder);
    Peer::start("nginx", command, address).await
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
