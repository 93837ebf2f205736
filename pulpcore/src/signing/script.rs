//! Signing by a script, as in Pulp: it gets a file's path as its only argument and the fingerprint of the key in
//! `PULP_SIGNING_KEY_FINGERPRINT`, makes a detached signature in ASCII armour, and says on its standard output where that is:
//! `{"file": "…", "signature": "…"}`, relative to the folder in which it runs, which is the file's.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

use super::Failure;
use super::openpgp::LONGEST_SIGNATURE;

/// The most bytes that a script may say.
const MOST_SAID: u64 = 64 << 10;
/// The most bytes of what it complains about that are passed on.
const MOST_COMPLAINT: usize = 1000;

/// What a script is told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Script<'a> {
    /// The script, an absolute path.
    pub(super) path: &'a str,
    /// The fingerprint of the key that it signs with.
    pub(super) fingerprint: &'a str,
    /// What its log may say to be found beside the server's.
    pub(super) correlation_id: &'a str,
    /// How long it may take.
    pub(super) limit: Duration,
}

/// What a script says. Where the file is is known already.
#[derive(Deserialize)]
struct Said {
    signature: String,
}

impl Script<'_> {
    /// The signature that the script makes of a file.
    pub(super) async fn sign(&self, file: &Path) -> Result<Vec<u8>, Failure> {
        let folder = file.parent().ok_or(Failure::Fault(io::ErrorKind::InvalidInput.into()))?;
        let said = tokio::time::timeout(self.limit, self.run(file, folder)).await;
        let said = said.map_err(|_| Failure::Hung(self.limit.as_secs()))??;
        let said: Said = serde_json::from_slice(&said).map_err(|_| Failure::NotUnderstood)?;
        read(&folder.join(said.signature)).await
    }

    /// Runs the script: what it said.
    async fn run(&self, file: &Path, folder: &Path) -> Result<Vec<u8>, Failure> {
        let mut command = Command::new(self.path);
        command.arg(file).current_dir(folder).process_group(0).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        for name in secrets() {
            command.env_remove(name);
        }
        command.env("PULP_SIGNING_KEY_FINGERPRINT", self.fingerprint).env("CORRELATION_ID", self.correlation_id);
        let mut child = command.spawn().map_err(Failure::NotStarted)?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        // Dropped before the child, whose number is its own until then.
        let mut group = Group(child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?)));
        let (said, complaint) = tokio::try_join!(answer(out), complaint(err))?;
        let status = child.wait().await.map_err(Failure::Fault)?;
        group.0 = None;
        match status.success() {
            true => Ok(said),
            false => Err(Failure::Failed { status: status.to_string(), complaint }),
        }
    }
}

/// The server's own settings, which may be secrets and are none of a script's business.
fn secrets() -> impl Iterator<Item = OsString> {
    std::env::vars_os().map(|(name, _)| name).filter(|name| name.to_string_lossy().starts_with("PULP_"))
}

/// A script and whatever it started, to be killed when nobody waits for it any more.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // It fails if they are gone already.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

async fn answer(out: Option<impl AsyncRead + Unpin>) -> Result<Vec<u8>, Failure> {
    let mut said = Vec::new();
    if let Some(out) = out {
        out.take(MOST_SAID + 1).read_to_end(&mut said).await.map_err(Failure::Fault)?;
    }
    match said.len() as u64 > MOST_SAID {
        true => Err(Failure::NotUnderstood),
        false => Ok(said),
    }
}

/// The end of what a script complained about, on one line.
async fn complaint(err: Option<impl AsyncRead + Unpin>) -> Result<String, Failure> {
    let Some(mut err) = err else { return Ok(String::new()) };
    let (mut last, mut buffer) = (Vec::new(), vec![0; 4096]);
    loop {
        let size = err.read(&mut buffer).await.map_err(Failure::Fault)?;
        if size == 0 {
            break;
        }
        last.extend_from_slice(buffer.get(..size).unwrap_or_default());
        let needless = last.len().saturating_sub(MOST_COMPLAINT);
        last.drain(..needless);
    }
    let text = String::from_utf8_lossy(&last).replace(char::is_control, " ");
    Ok(text.split_whitespace().collect::<Vec<_>>().join(" ").trim_end_matches('.').to_owned())
}

/// The file with the signature.
async fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let file = tokio::fs::File::open(path).await.map_err(|_| Failure::NoSignature)?;
    let is_file = file.metadata().await.is_ok_and(|found| found.is_file());
    let mut signature = Vec::new();
    file.take(LONGEST_SIGNATURE as u64 + 1).read_to_end(&mut signature).await.map_err(|_| Failure::NoSignature)?;
    match is_file && !signature.is_empty() && signature.len() <= LONGEST_SIGNATURE {
        true => Ok(signature),
        false => Err(Failure::NoSignature),
    }
}
