//! What the tests and measurements need from outside the workspace, and how it gets onto this machine.
//!
//! Only what is missing is installed. Where that cannot be done, the error says what to install by hand.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{sh, workspace};

/// Names an existing PostgreSQL server for the tests; then no server binaries are needed here.
const POSTGRES: &str = "PULP_TEST_POSTGRES";

/// The clients that the stories in `tests/clients` are written for, as `pip` names them: the original's command line and
/// its bindings, and oras.
const CLIENTS: [&str; 5] = [
    "pulp-cli==0.41.*",
    "pulpcore-client==3.123.*",
    "pulp-container-client==2.30.*",
    "pulp-rpm-client==3.39.*",
    "oras==0.2.43",
];

/// Docker's registry: the program, and Debian's package.
const DOCKER_REGISTRY: &str = "docker-registry";

/// Makes sure that the tests find PostgreSQL's server programs, curl, make, skopeo, podman, gpg, Docker's registry, dnf,
/// createrepo_c, rpmbuild, rustfmt, clippy, cargo-nextest and the clients in Python.
pub(crate) fn all() -> Result<()> {
    let mut missing = Vec::new();
    if std::env::var_os(POSTGRES).is_none() && !postgres_is_here() {
        missing.push("postgresql");
    }
    if !sh::on_path("curl") {
        missing.push("curl");
    }
    missing.extend(["podman", "skopeo", DOCKER_REGISTRY, "dnf"].into_iter().filter(|program| !sh::on_path(program)));
    for (program, package) in
        [("make", "make"), ("gpg", "gnupg"), ("createrepo_c", "createrepo-c"), ("rpmbuild", "rpm")]
    {
        if !sh::on_path(program) {
            missing.push(package);
        }
    }
    // `dnf download` and `dnf reposync` are no programs, so Debian's note of the package is looked for.
    if !Path::new("/usr/share/doc/dnf-plugins-core").is_dir() {
        missing.push("dnf-plugins-core");
    }
    // For Debian's Python, whichever other comes first on the `PATH`.
    if !sh::succeeds(Command::new("/usr/bin/python3").args(["-c", "import createrepo_c"])) {
        missing.push("python3-createrepo-c");
    }
    // Debian's Python makes virtual environments only with this package.
    if !sh::succeeds(Command::new("python3").args(["-c", "import ensurepip, venv"])) {
        missing.push("python3-venv");
    }
    debian(&missing)?;
    python_clients()?;
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

/// Makes sure that the measurements find nginx, beside which the content service is measured.
pub(crate) fn nginx() -> Result<()> {
    if sh::on_path("nginx") || Path::new("/usr/sbin/nginx").is_file() {
        return Ok(());
    }
    debian(&["nginx-light"])
}

/// Makes sure that the measurements find Docker's registry, beside which the container registry is measured.
pub(crate) fn docker_registry() -> Result<()> {
    if sh::on_path(DOCKER_REGISTRY) {
        return Ok(());
    }
    debian(&[DOCKER_REGISTRY])
}

/// Makes sure that the measurements find createrepo_c, beside which publishing is measured.
pub(crate) fn createrepo_c() -> Result<()> {
    if sh::on_path("createrepo_c") {
        return Ok(());
    }
    debian(&["createrepo-c"])
}

/// The virtual environment of the clients that the tests drive.
pub(crate) fn clients() -> PathBuf {
    workspace::root().join("target/clients")
}

/// Puts the clients in Python into their virtual environment, unless they are there.
fn python_clients() -> Result<()> {
    let (room, names) = (clients(), CLIENTS.join(" "));
    // What was installed last is written down, once it is.
    let stamp = room.join("installed");
    if room.join("bin/pulp").is_file() && std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == names) {
        return Ok(());
    }
    // One that was moved or half made cannot be mended.
    sh::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&room))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    if let Err(error) = sh::run(Command::new(room.join("bin/python")).args(pip).args(CLIENTS)) {
        bail!("the tests need {names} in {}, which could not be installed from PyPI: {error}", room.display());
    }
    std::fs::write(&stamp, names).with_context(|| format!("{} cannot be written", stamp.display()))
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
        bail!("this needs {names}, and this machine has no apt-get: install them and run this again");
    }
    let Some(privileged) = Privilege::of_this_user() else {
        bail!("this needs {names}: run `sudo apt-get install {names}` and then this again");
    };
    // The lists of a fresh image are empty and those of an old one name versions that are gone. Fetching them first
    // each time would make every run need the network.
    let install = || sh::run(privileged.apt().args(["install", "-y", "--no-install-recommends"]).args(packages));
    let installed = install().or_else(|_| sh::run(privileged.apt().arg("update")).and_then(|()| install()));
    if let Err(error) = installed {
        bail!("this needs {names}, which could not be installed: {error}");
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
