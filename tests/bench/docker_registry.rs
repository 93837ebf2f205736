//! Docker's registry as a peer, as Debian packages and configures it: in a folder of its own, without a log.

use std::path::Path;

use anyhow::Result;
use tokio::process::Command;

use super::peer::Peer;

/// Starts it in a new folder in `room`, empty.
pub(crate) async fn start(room: &Path) -> Result<Peer> {
    let folder = tempfile::Builder::new().prefix("docker-registry-").tempdir_in(room)?.keep();
    let address = Peer::free_address()?;
    let settings = folder.join("config.yml");
    std::fs::write(&settings, config(&folder, &address))?;
    let mut command = Command::new("docker-registry");
    // Settings of whoever runs this are none of its.
    command.env_clear().arg("serve").arg(settings);
    Peer::start("docker-registry", command, address).await
}

/// Debian's settings, on another port. It writes no log, and ends as it is told to.
fn config(folder: &Path, address: &str) -> String {
    let folder = folder.display();
    format!(
        "version: 0.1\n\
         log: {{ level: error, accesslog: {{ disabled: true }} }}\n\
         storage:\n  cache: {{ blobdescriptor: inmemory }}\n  filesystem: {{ rootdirectory: {folder} }}\n  \
         delete: {{ enabled: true }}\n\
         http:\n  addr: {address}\n  draintimeout: 1s\n  headers: {{ X-Content-Type-Options: [nosniff] }}\n"
    )
}
