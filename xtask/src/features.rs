//! `cargo xtask features`: no plugin, every plugin alone, all of them with each database alone, and what else there is to
//! choose.
//!
//! Features are added together by cargo, so a crate that forgot one of its own builds as long as another crate asks
//! for it. Only a build without the others shows it. Plugins know no database, so one is enough for each of them, and for
//! none.

use anyhow::Result;

use crate::start::Server;
use crate::workspace::{DATABASES, plugin_features};
use crate::{sh, start};

/// Features that stand neither for a plugin nor for a database: those that are checked with each of the databases.
const EXTRAS: [[&str; 2]; 2] = [["otel", "s3"], ["azure", "gcs"]];

/// Nothing to choose yet.
#[derive(clap::Args)]
pub(crate) struct Args {}

/// Checks each combination, then starts the smallest build. (The whole one is started by the tests.)
///
/// # Errors
///
/// When a combination does not build, or a build does not answer.
pub(crate) fn run(_: &Args) -> Result<()> {
    let plugins = plugin_features()?;
    for features in combinations(&plugins) {
        let features = features.join(",");
        let mut clippy = sh::cargo();
        clippy.args(["clippy", "--package", "pulp", "--no-default-features", "--features", &features]);
        sh::run(clippy.args(["--", "-D", "warnings"]))?;
    }
    starts(&["--no-default-features", "--features", "sqlite"])
}

/// Builds the server with these arguments to cargo and sees it start, answer `status/` and stop when asked to.
///
/// # Errors
///
/// When it does not build, answer or stop in time; the server's log is part of the error.
fn starts(build: &[&str]) -> Result<()> {
    let mut server = Server::start(&mut start::command(build)?)?;
    server.wait_for_status()?;
    server.stop()?;
    eprintln!("pulp-server {}: starts, answers, stops", build.join(" "));
    Ok(())
}

/// No plugin and each plugin alone, with the first database; all plugins with each database alone and some of the extras.
fn combinations(plugins: &[String]) -> Vec<Vec<&str>> {
    let all: Vec<&str> = plugins.iter().map(String::as_str).collect();
    let none = vec![DATABASES[0]];
    let alone = all.iter().map(|plugin| vec![*plugin, DATABASES[0]]);
    let whole = DATABASES.iter().zip(EXTRAS).map(|(database, extras)| [&all[..], &[*database], &extras].concat());
    std::iter::once(none).chain(alone).chain(whole).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_plugin_stands_alone_and_so_does_each_database_under_all_of_them() {
        let plugins = ["file".to_owned(), "rpm-lite".to_owned()];
        let combinations: Vec<String> = combinations(&plugins).iter().map(|features| features.join(",")).collect();
        assert_eq!(
            combinations,
            [
                "sqlite",
                "file,sqlite",
                "rpm-lite,sqlite",
                "file,rpm-lite,sqlite,otel,s3",
                "file,rpm-lite,postgres,azure,gcs",
            ]
        );
    }
}
