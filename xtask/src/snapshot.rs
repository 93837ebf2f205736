//! `cargo xtask openapi`, `schema` and `surface`: the checked-in texts that others rely on, written anew or compared.
//!
//! The texts are made by the tests in `tests/snapshots.rs`, which know the server; here they are only told to write.

use anyhow::Result;

use crate::sh;

/// Whether to write or to compare.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Compare with what is checked in, and write nothing.
    #[arg(long)]
    check: bool,
}

/// Runs the tests whose names begin with `subject`.
///
/// # Errors
///
/// When a text differs and is to be compared, or when there is none to be had.
pub(crate) fn run(subject: &str, args: &Args) -> Result<()> {
    let mut tests = sh::cargo();
    tests.args(["test", "--quiet", "--package", "pulp", "--test", "snapshots", "--", subject]);
    if !args.check {
        tests.env("PULP_BLESS", "1");
    }
    sh::run(&mut tests)
}
