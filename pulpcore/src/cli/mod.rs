//! The command line: `pulp-server serve`, and what an operator does around it.
//!
//! Answers go to standard output, everything said in passing to standard error. A failure is one sentence there and exit
//! code 1; a command line that cannot be understood is exit code 2.

mod admin;
mod grants;
mod openapi;
mod plugins;
mod serve;
mod settings;
mod signing_services;
mod table;
mod tasks;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::db::Db;
use crate::error::{Error, Result};
use crate::settings::{Loaded, Options, Settings};
use crate::{migrate, server};

/// A content repository server with Pulp 3's API, in one binary.
///
/// `pulp-server serve` is all it takes: it listens on 127.0.0.1:24817, keeps everything in the current directory and
/// tells the password of the user `admin` when it starts for the first time.
#[derive(Debug, Parser)]
#[command(name = "pulp-server", version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    places: Places,
    #[command(subcommand)]
    command: Command,
}

/// Where the settings are; the same for every command.
#[derive(Args, Debug, Default)]
struct Places {
    /// The settings file [default: pulp.toml in the data folder or the current directory, if there is one]
    #[arg(long, global = true, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// The folder of everything that the server keeps [default: the current directory]
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server until it is told to stop (SIGTERM or Ctrl-C; a second one stops it at once)
    Serve(serve::Serve),
    /// Bring the database up to date
    Migrate(admin::Migrate),
    /// Print the SQL that lets a PostgreSQL role run the content service, and do nothing else
    ContentGrants(grants::ContentGrants),
    /// What this binary was built with
    #[command(subcommand)]
    Plugins(plugins::Plugins),
    /// Print the OpenAPI document
    Openapi(openapi::Openapi),
    /// The settings: where each value comes from, and whether they are sound
    #[command(subcommand)]
    Settings(settings::SettingsCommand),
    /// The tasks: what waits and why, what runs, what came of it
    #[command(subcommand)]
    Tasks(tasks::Tasks),
    /// Who signs what is published
    #[command(subcommand)]
    SigningServices(signing_services::SigningServices),
    /// Give a user a new password; the first administrator is made if there is none
    ResetAdminPassword(admin::ResetAdminPassword),
    /// Print the versions of the server, its API and its plugins
    Version,
}

/// Runs the command line of this process. `chosen` are the labels of the plugins that the binary was built with.
pub fn main(chosen: &'static [&'static str]) -> ExitCode {
    let cli = Cli::parse();
    match run(cli, chosen) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to do about a standard error that cannot be written to.
            let _ = writeln!(io::stderr(), "pulp-server: {}", sentence(&error));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli, chosen: &'static [&'static str]) -> Result<()> {
    let places = cli.places;
    match cli.command {
        Command::Serve(serve) => serve.run(&places, chosen),
        Command::Migrate(migrate) => migrate.run(&places),
        Command::ContentGrants(grants) => grants.run(),
        Command::Plugins(plugins) => plugins.run(&places),
        Command::Openapi(openapi) => openapi.run(&places, chosen),
        Command::Settings(settings) => settings.run(&places),
        Command::Tasks(tasks) => tasks.run(&places),
        Command::SigningServices(services) => services.run(&places),
        Command::ResetAdminPassword(reset) => reset.run(&places),
        Command::Version => plugins::version(),
    }
}

impl Places {
    fn options(&self) -> Options {
        let mut options = Options::process();
        options.file.clone_from(&self.settings);
        match &self.data_dir {
            Some(folder) => options.set("data_dir", folder.to_string_lossy()),
            None => options,
        }
    }

    fn load(&self) -> Result<Loaded> {
        Settings::load(&self.options())
    }
}

/// What an operator is told: here, unlike in an answer to a client, the cause of a fault is theirs to know.
fn sentence(error: &Error) -> String {
    match error {
        Error::Internal(_) => error.log(),
        other => other.to_string(),
    }
}

/// Writes to standard output; a reader that went away, such as `head`, is no failure.
fn say(text: impl std::fmt::Display) -> Result<()> {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// The settings' database, for a command that works on what a server has written there: who looks in the wrong folder does not
/// want a new one.
async fn open(settings: &Settings) -> Result<Db> {
    if let Some(path) = server::database_file(settings).filter(|path| !path.exists()) {
        return Err(Error::Config(format!("there is no database {}: is this the right --data-dir?", path.display())));
    }
    let db = server::connect(settings).await?;
    match migrate::check(&db, server::apps()).await?.is_empty() {
        true => Ok(db),
        false => Err(Error::Config("the database is not up to date: run 'pulp-server migrate' first".to_owned())),
    }
}

/// Runs a future on a runtime of its own.
fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(future)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_folder_may_stand_before_or_behind_the_command() {
        for line in [["pulp-server", "--data-dir", "/x", "migrate"], ["pulp-server", "migrate", "--data-dir", "/x"]] {
            let cli = Cli::try_parse_from(line).unwrap();
            assert_eq!(cli.places.data_dir.as_deref(), Some(std::path::Path::new("/x")));
        }
    }

    #[test]
    fn a_role_that_does_not_exist_is_refused() {
        assert!(Cli::try_parse_from(["pulp-server", "serve", "--roles", "api,content"]).is_ok());
        let error = Cli::try_parse_from(["pulp-server", "serve", "--roles", "webserver"]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
    }
}
