//! What `cargo xtask bench` runs: measures the built server on both databases and says which promises hold.
//!
//! Everything is measured from outside, over HTTP, against the program that users run, as a process of its own. Client,
//! fixture and server share the machine, so a figure is worth most as a ratio to a peer that was measured in the same
//! run, in turns.

mod client;
mod container;
mod content;
mod docker_registry;
mod figure;
mod image;
mod lab;
mod load;
mod nginx;
mod peer;
mod rest;
mod rows;
mod rpm;
mod rpms;
#[path = "../support/mod.rs"]
mod support;
mod sync;
mod tasks;
mod version;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, ValueEnum};

use self::figure::Table;
use self::lab::{Database, Lab};

/// Measures the server and says which promises hold.
#[derive(Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench", max_term_width = 100)]
struct Args {
    /// What to measure
    #[arg(value_enum, required = true)]
    subjects: Vec<Subject>,
    /// How often each figure is measured; the median counts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// On which database
    #[arg(long, value_enum, default_value_t = Choice::Both)]
    database: Choice,
    /// Also write every single measurement into this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Fail if a promise does not hold
    #[arg(long)]
    check: bool,
    /// The server to measure
    #[arg(long, value_name = "PROGRAM", hide = true)]
    server: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
enum Subject {
    /// Syncing 10,000 files of 1 KiB, and the memory that it takes
    Sync,
    /// Requests to the REST API, and uploads
    Rest,
    /// Changing, publishing and forgetting repositories of 10,000 and of 1,000,000 units
    Version,
    /// How long a tiny task takes, and how many of them a second
    Tasks,
    /// Serving small files and large ones, beside nginx
    Content,
    /// Pulling a manifest and a large layer, beside Debian's docker-registry
    Container,
    /// Syncing and publishing 100,000 packages and the memory that it takes, beside createrepo_c
    Rpm,
}

#[derive(Clone, Copy, ValueEnum)]
enum Choice {
    Sqlite,
    Postgres,
    Both,
}

impl Choice {
    fn databases(self) -> &'static [Database] {
        match self {
            Self::Sqlite => &[Database::Sqlite],
            Self::Postgres => &[Database::Postgres],
            Self::Both => &[Database::Sqlite, Database::Postgres],
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    match measure(&args).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) if args.check => ExitCode::from(2),
        Ok(false) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every promise holds.
async fn measure(args: &Args) -> Result<bool> {
    let databases = args.database.databases();
    let lab = Lab::open(&args.server, databases).await?;
    let mut table = Table::begin(&lab.conditions(args.runs))?;
    // A measurement may be interrupted at any time; the lab is cleared either way.
    let measured = tokio::select! {
        measured = subjects(args, &lab, databases, &mut table) => measured,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
    };
    lab.close().await?;
    measured?;
    if let Some(file) = &args.json {
        table.write(file)?;
    }
    Ok(table.holds())
}

async fn subjects(args: &Args, lab: &Lab, databases: &[Database], table: &mut Table) -> Result<()> {
    for subject in &args.subjects {
        for &database in databases {
            match subject {
                Subject::Sync => sync::measure(lab, database, args.runs, table).await?,
                Subject::Rest => rest::measure(lab, database, args.runs, table).await?,
                Subject::Version => version::measure(lab, database, args.runs, table).await?,
                Subject::Tasks => tasks::measure(lab, database, args.runs, table).await?,
                Subject::Content => content::measure(lab, database, args.runs, table).await?,
                Subject::Container => container::measure(lab, database, args.runs, table).await?,
                Subject::Rpm => rpm::measure(lab, database, args.runs, table).await?,
            }
        }
    }
    Ok(())
}
