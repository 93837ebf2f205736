//! `cargo xtask features`: every plugin alone, none, all, and each with each database alone; and what else there is to choose.
//!
//! Features are added together by cargo, so a crate that forgot one of its own builds as long as another crate asks
//! for it. Only a build without the others shows it.

use anyhow::Result;

use crate::start::Server;
use crate::workspace::{DATABASES, plugin_features};
use crate::{sh, start};

/// Features that stand neither for a plugin nor for a database.
const EXTRAS: [&str; 4] = ["otel", "s3", "azure", "gcs"];

/// Nothing to choose yet.
#[derive(clap::Args)]
pub(crate) struct Args {}

/// Checks each combination, then starts the smallest and the default build.
///
/// # Errors
///
/// When a combination does not build, or a build does not answer.
pub(crate) fn run(_: &Args) -> Result<()> {
    let plugins = plugin_features()?;
    for features in combinations(&plugins).into_iter().chain(EXTRAS.map(|extra| vec![extra, DATABASES[0]])) {
        let features = features.join(",");
        sh::run(sh::cargo().args(["check", "--package", "pulp", "--no-default-features", "--features", &features]))?;
    }
    starts(&["--no-default-features", "--features", "sqlite"])?;
    starts(&[])
}

/// Builds the server with these arguments to cargo and sees it start, answer `status/` and stop when asked to.
///
/// # Errors
///
/// When it does not build, answer or stop in time; the server's log is part of the error.
pub(crate) fn starts(build: &[&str]) -> Result<()> {
    let mut server = Server::start(&mut start::command(build)?)?;
    server.wait_for_status()?;
    server.stop()?;
    let build = if build.is_empty() { "with the default features".to_owned() } else { build.join(" ") };
    eprintln!("pulp-server {build}: starts, answers, stops");
    Ok(())
}

/// No plugin, each alone, all: each of them with each database alone.
fn combinations<'a>(plugins: &'a [String]) -> Vec<Vec<&'a str>> {
    let mut sets: Vec<Vec<&str>> = vec![vec![]];
    sets.extend(plugins.iter().map(|plugin| vec![plugin.as_str()]));
    if plugins.len() > 1 {
        sets.push(plugins.iter().map(String::as_str).collect());
    }
    let with = |set: &[&'a str], database| set.iter().copied().chain([database]).collect();
    sets.iter().flat_map(|set| DATABASES.map(|database| with(set, database))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_plugin_stands_alone_on_each_database() {
        let plugins = ["file".to_owned(), "rpm-lite".to_owned()];
        let combinations: Vec<String> = combinations(&plugins).iter().map(|features| features.join(",")).collect();
        assert_eq!(
            combinations,
            [
                "sqlite",
                "postgres",
                "file,sqlite",
                "file,postgres",
                "rpm-lite,sqlite",
                "rpm-lite,postgres",
                "file,rpm-lite,sqlite",
                "file,rpm-lite,postgres",
            ]
        );
    }

    #[test]
    fn one_plugin_alone_is_all_plugins() {
        assert_eq!(combinations(&["file".to_owned()]).len(), 4);
    }
}
