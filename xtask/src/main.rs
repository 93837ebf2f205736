//! The project's chores, so that nobody has to remember a command line: `cargo xtask --help`.
//!
//! One chore is one file with an `Args` and a `run`; this file only lists them.

mod features;
mod install;
mod sh;
mod start;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

use clap::Parser;

/// The project's chores.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Chore {
    /// Install what the tests need, then run every check that a change must pass.
    Test(test::Args),
    /// Check that every plugin and every database builds alone, and that what is built starts.
    Features(features::Args),
    /// Check the house rules that no compiler knows.
    Tidy(tidy::Args),
}

fn main() -> ExitCode {
    let outcome = match Chore::parse() {
        Chore::Test(args) => test::run(&args),
        Chore::Features(args) => features::run(&args),
        Chore::Tidy(args) => tidy::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Without the backtrace that `Result` as a return type would print: who runs a chore wants its sentence.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
