//! `cargo xtask bench` and `cargo xtask demo`: build the server, then the program that measures or shows it, and run it.

use std::ffi::OsString;

use anyhow::Result;

use crate::{install, sh, start};

/// What goes to the program that measures; it explains itself: `cargo xtask bench sync --help`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// `sync`, `rest`, `version`, `tasks`, `content`, `container` or `rpm`, and how to measure them: `cargo xtask bench sync --help` explains.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    measure: Vec<OsString>,
}

/// Which build to show.
#[derive(clap::Args)]
pub(crate) struct Demo {
    /// Build with optimisation: takes minutes to build and seconds less to run.
    #[arg(long)]
    release: bool,
}

/// Measures the release build.
///
/// # Errors
///
/// When something does not build, or when what is measured fails or, with `--check`, is slower than promised.
pub(crate) fn run(args: &Args) -> Result<()> {
    if args.measure.iter().any(|arg| arg == "content") {
        install::nginx()?;
    }
    if args.measure.iter().any(|arg| arg == "container") {
        install::docker_registry()?;
    }
    if args.measure.iter().any(|arg| arg == "rpm") {
        install::createrepo_c()?;
    }
    example("measure", &["--release"], &args.measure)
}

/// Shows a file's whole way from a remote to a client, ten thousand times.
///
/// # Errors
///
/// When something does not build, or when the demo fails.
pub(crate) fn demo(args: &Demo) -> Result<()> {
    example("demo", if args.release { &["--release"] } else { &[] }, &[])
}

fn example(name: &str, build: &[&str], args: &[OsString]) -> Result<()> {
    // On its own: together with the example it would be built with what only tests need.
    let server = start::program(build)?;
    let mut cargo = sh::cargo();
    cargo.args(["run", "--quiet", "--package", "pulp", "--example", name]).args(build);
    sh::run(cargo.arg("--").arg("--server").arg(server).args(args))
}
