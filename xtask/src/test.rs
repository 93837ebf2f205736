//! `cargo xtask test`: every check that a change must pass, in the order in which a mistake is cheapest to find.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::{features, install, sh, tidy};

/// What to run.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Leave out the documentation and the builds of single features.
    #[arg(long)]
    quick: bool,
    /// Arguments for `cargo nextest run`, after `--`: a filter, for example.
    #[arg(last = true)]
    nextest: Vec<String>,
}

type Check<'a> = Box<dyn Fn() -> Result<()> + 'a>;

/// Runs the checks up to the first that fails, and ends with one line for each.
///
/// All but the last choose all features: what one of them built, the next does not build again.
///
/// # Errors
///
/// When a check fails, or when something that the tests need cannot be installed.
pub(crate) fn run(args: &Args) -> Result<()> {
    let cargo = |line: &'static [&'static str]| -> Check<'_> { Box::new(move || sh::run(sh::cargo().args(line))) };
    let mut checks: Vec<(&str, Check<'_>)> = vec![
        ("install", Box::new(install::all)),
        ("format", cargo(&["fmt", "--all", "--check"])),
        ("clippy", cargo(&["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"])),
        ("tidy", Box::new(|| tidy::run(&tidy::Args {}))),
        ("tests", Box::new(|| tests(&args.nextest))),
    ];
    if !args.quick {
        checks.push(("doc tests", cargo(&["test", "--doc", "--workspace", "--all-features"])));
        checks.push(("documentation", Box::new(documentation)));
        checks.push(("features", Box::new(|| features::run(&features::Args {}))));
    }
    in_order(&checks)
}

fn tests(extra: &[String]) -> Result<()> {
    let mut nextest = sh::cargo();
    nextest.args(["nextest", "run", "--workspace", "--all-features"]).args(extra);
    sh::run(nextest.env("PULP_TEST_CLIENTS", install::clients()))
}

fn documentation() -> Result<()> {
    sh::run(sh::cargo().args(["doc", "--no-deps", "--workspace", "--all-features"]).env("RUSTDOCFLAGS", "-D warnings"))
}

fn in_order(checks: &[(&str, Check<'_>)]) -> Result<()> {
    let mut took = Vec::new();
    for (name, check) in checks {
        let start = Instant::now();
        let outcome = check();
        took.push((*name, start.elapsed()));
        if let Err(error) = outcome {
            eprintln!("\n{}", summary(&took, checks.len() - took.len(), false));
            bail!("{name}: {error:#}");
        }
    }
    eprintln!("\n{}", summary(&took, 0, true));
    Ok(())
}

/// One line a check; the last of them is the failed one unless all passed.
fn summary(took: &[(&str, Duration)], left_out: usize, passed: bool) -> String {
    let mut lines: Vec<String> = took
        .iter()
        .enumerate()
        .map(|(at, (name, time))| {
            let mark = if passed || at + 1 < took.len() { "ok    " } else { "FAILED" };
            format!("{mark} {name} ({:.1} s)", time.as_secs_f64())
        })
        .collect();
    if left_out > 0 {
        lines.push(format!("       {left_out} more not run"));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn the_first_failure_ends_the_run_and_is_named() {
        let reached = Cell::new(false);
        let checks: Vec<(&str, Check<'_>)> = vec![
            ("good", Box::new(|| Ok(()))),
            ("bad", Box::new(|| bail!("two is not three"))),
            (
                "later",
                Box::new(|| {
                    reached.set(true);
                    Ok(())
                }),
            ),
        ];
        let error = in_order(&checks).expect_err("the second check fails");
        assert_eq!(error.to_string(), "bad: two is not three");
        assert!(!reached.get(), "nothing runs after a failure");
    }

    #[test]
    fn the_summary_marks_the_last_check_only_when_it_failed() {
        let took = [("format", Duration::from_secs(1)), ("clippy", Duration::from_millis(2500))];
        assert_eq!(summary(&took, 0, true), "ok     format (1.0 s)\nok     clippy (2.5 s)");
        assert_eq!(summary(&took, 3, false), "ok     format (1.0 s)\nFAILED clippy (2.5 s)\n       3 more not run");
    }
}
