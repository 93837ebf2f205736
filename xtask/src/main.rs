//! The project's chores, so that nobody has to remember a command line: `cargo xtask --help`.
//!
//! One chore is one file with an `Args` and a `run`; this file only lists them.

mod bench;
mod features;
mod install;
mod sh;
mod snapshot;
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
    /// Sync, publish and serve 10,000 files from a remote on this machine, and leave nothing behind.
    Demo(bench::Demo),
    /// Measure the release build on both databases, and say which promises hold.
    Bench(bench::Args),
    /// Write the OpenAPI document of the default build to docs/openapi.json.
    Openapi(snapshot::Args),
    /// Write the schemas of both databases to migrations/schema.
    Schema(snapshot::Args),
    /// Write the names of all that plugins may use to docs/plugin-surface.txt.
    Surface(snapshot::Args),
}

fn main() -> ExitCode {
    let outcome = match Chore::parse() {
        Chore::Test(args) => test::run(&args),
        Chore::Features(args) => features::run(&args),
        Chore::Tidy(args) => tidy::run(&args),
        Chore::Demo(args) => bench::demo(&args),
        Chore::Bench(args) => bench::run(&args),
        Chore::Openapi(args) => snapshot::run("openapi", &args),
        Chore::Schema(args) => snapshot::run("schema", &args),
        Chore::Surface(args) => snapshot::run("surface", &args),
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
