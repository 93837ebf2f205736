//! What the tests need from outside the workspace, and how it gets onto this machine.
//!
//! Only what is missing is installed. Where that cannot be done, the error says what to install by hand.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::sh;

/// Names an existing PostgreSQL server for the tests; then no server binaries are needed here.
const POSTGRES: &str = "PULP_TEST_POSTGRES";

/// Makes sure that the tests find PostgreSQL's server programs, curl, rustfmt, clippy and cargo-nextest.
pub(crate) fn all() -> Result<()> {
    let mut missing = Vec::new();
    if std::env::var_os(POSTGRES).is_none() && !postgres_is_here() {
        missing.push("postgresql");
    }
    if !sh::on_path("curl") {
        missing.push("curl");
    }
    debian(&missing)?;
    for (tool, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        if !sh::succeeds(sh::cargo().args([tool, "--version"])) {
            sh::run(Command::new("rustup").args(["component", "add", component]))?;
        }
    }
    if !sh::succeeds(sh::cargo().args(["nextest", "--version"])) {
        sh::run(sh::cargo().args(["install", "--locked", "cargo-nextest"]))?;
    }
    Ok(())
}

/// Whether `initdb` is on the `PATH` or where Debian puts it, outside the `PATH`.
fn postgres_is_here() -> bool {
    sh::on_path("initdb")
        || std::fs::read_dir("/usr/lib/postgresql")
            .is_ok_and(|versions| versions.flatten().any(|version| version.path().join("bin/initdb").is_file()))
}

fn debian(packages: &[&str]) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    let names = packages.join(" ");
    if !sh::on_path("apt-get") {
        bail!("the tests need {names}, and this machine has no apt-get: install them and run this again");
    }
    let Some(privileged) = Privilege::of_this_user() else {
        bail!("the tests need {names}: run `sudo apt-get install {names}` and then this again");
    };
    // The lists of a fresh image are empty and those of an old one name versions that are gone. Fetching them first
    // each time would make every run need the network.
    let install = || sh::run(privileged.apt().args(["install", "-y", "--no-install-recommends"]).args(packages));
    let installed = install().or_else(|_| sh::run(privileged.apt().arg("update")).and_then(|()| install()));
    if let Err(error) = installed {
        bail!("the tests need {names}, which could not be installed: {error}");
    }
    Ok(())
}

/// How this user may install packages.
enum Privilege {
    Root,
    Sudo,
}

impl Privilege {
    fn of_this_user() -> Option<Self> {
        if rustix::process::geteuid().is_root() {
            Some(Self::Root)
        } else if sh::succeeds(Command::new("sudo").args(["-n", "true"])) {
            Some(Self::Sudo)
        } else {
            None
        }
    }

    /// An `apt-get` that asks nothing.
    fn apt(&self) -> Command {
        let mut command = match self {
            Self::Root => Command::new("env"),
            Self::Sudo => {
                let mut sudo = Command::new("sudo");
                sudo.args(["-n", "env"]);
                sudo
            }
        };
        command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]).current_dir(Path::new("/"));
        command
    }
}
