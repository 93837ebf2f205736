//! What `cargo xtask demo` runs: a remote with 10,000 files, a server, and a file's whole way from one to the other.
//!
//! Everything happens on the loopback interface and in one temporary folder, which is gone at the end.

#[path = "../support/mod.rs"]
mod support;

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use aws_lc_rs::digest::{SHA256, digest};
use clap::Parser;
use pulpcore::testkit::FixtureServer;
use serde_json::{Value, json};

use self::support::api::{Api, text};
use self::support::{FILES, Server};

/// Syncs, publishes and serves 10,000 files, and leaves nothing behind.
#[derive(Parser)]
#[command(name = "cargo xtask demo", bin_name = "cargo xtask demo")]
struct Args {
    /// The server to show
    #[arg(long, value_name = "PROGRAM", hide = true)]
    server: PathBuf,
}

/// Which of the files are fetched in the end.
const FETCHED: [usize; 5] = [0, 1, 42, 4_711, 9_999];

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    // Interrupted or not: what was started and made is ended and removed when it is dropped.
    let shown = tokio::select! {
        shown = show(&args.server) => shown,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
    };
    match shown {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn show(program: &Path) -> Result<()> {
    let room = tempfile::tempdir()?;
    let remote = FixtureServer::start().await;
    let (count, size) = FILES;
    remote.generate("f{n}.bin", count, size);
    remote.manifest("PULP_MANIFEST");
    say(&format!("A remote with {count} files of {size} bytes: {}", remote.url("PULP_MANIFEST")))?;

    let server = Server::start(program, room.path(), None).await?;
    say(&format!("A server, on SQLite, in {}: http://{}/pulp/api/v3/", server.folder().display(), server.address()))?;
    let api = server.api()?;

    let repository = api.repository("demo", &remote.url("PULP_MANIFEST"), "immediate").await?;
    let (_, synced) = step(&api, "Sync", &format!("{repository}sync/"), &json!({})).await?;
    let body = json!({ "repository": repository });
    let (task, published) = step(&api, "Publish", "publications/file/file/", &body).await?;
    let body = json!({ "name": "demo", "base_path": "demo", "publication": created(&task)? });
    let (task, distributed) = step(&api, "Distribute", "distributions/file/file/", &body).await?;
    let distribution = api.get(created(&task)?).await?;
    let base = text(&distribution, "base_url")?;
    say(&format!("  {base}"))?;

    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60)).build()?;
    let start = Instant::now();
    for n in FETCHED {
        fetch(&client, base, &format!("f{n}.bin"), &remote).await?;
    }
    let manifest = client.get(format!("{base}PULP_MANIFEST")).send().await?.error_for_status()?.text().await?;
    ensure!(manifest.lines().count() == count, "the published manifest has {} lines", manifest.lines().count());
    let fetched = start.elapsed();

    let peak = server.peak_memory()? / (1 << 20);
    let folder = server.folder().to_owned();
    server.stop().await?.close()?;
    room.close()?;
    ensure!(!folder.exists(), "{} is still there", folder.display());
    let per_second = count as f64 / synced.as_secs_f64();
    say(&format!(
        "\nSynced {count} files in {} ({per_second:.0} a second), published them in {}, distributed them in {},\n\
         fetched {} of them and the manifest in {}, byte for byte what the remote has.\n\
         The server held at most {peak} MiB of memory. It has stopped, and its folder is gone.",
        seconds(synced),
        seconds(published),
        seconds(distributed),
        FETCHED.len(),
        seconds(fetched),
    ))
}

/// Starts a task and shows it until it has ended; gives the task and how long it took.
async fn step(api: &Api, name: &str, path: &str, body: &Value) -> Result<(Value, Duration)> {
    let start = Instant::now();
    let live = std::io::stdout().is_terminal();
    let mut shown = String::new();
    let task = api
        .run(path, body, |task| {
            let line = format!("{name}: {}", progress(task));
            if live && line != shown {
                // A progress display that cannot be shown is no reason to stop.
                let _ = write!(std::io::stdout(), "\r\x1b[K{line}").and_then(|()| std::io::stdout().flush());
                shown = line;
            }
        })
        .await?;
    let took = start.elapsed();
    let begin = if live { "\r\x1b[K" } else { "" };
    say(&format!("{begin}{name}: {} in {}", text(&task, "state")?, seconds(took)))?;
    for report in task["progress_reports"].as_array().into_iter().flatten() {
        say(&format!("  {}", counted(report)))?;
    }
    Ok((task, took))
}

/// The href of what a finished task made.
fn created(task: &Value) -> Result<&str> {
    task["created_resources"][0].as_str().with_context(|| format!("the task made nothing: {task}"))
}

/// One line for a task that runs: the report that has moved furthest last, as a bar if its end is known.
fn progress(task: &Value) -> String {
    let reports = task["progress_reports"].as_array().map_or(&[][..], Vec::as_slice);
    let running = |report: &&Value| report["state"] == "running";
    let longest = reports.iter().filter(running).max_by_key(|report| report["done"].as_u64());
    let Some(report) = longest else { return task["state"].as_str().unwrap_or_default().to_owned() };
    match (report["done"].as_u64(), report["total"].as_u64()) {
        (Some(done), Some(total)) if total > 0 => {
            let filled = usize::try_from(done * 30 / total).unwrap_or(30).min(30);
            format!("[{}{}] {}", "#".repeat(filled), ".".repeat(30 - filled), counted(report))
        }
        _ => counted(report),
    }
}

fn counted(report: &Value) -> String {
    let message = report["message"].as_str().unwrap_or_default();
    let total = report["total"].as_u64().map_or(String::new(), |total| format!(" of {total}"));
    format!("{message}: {}{total}", report["done"])
}

/// Fetches a file as any HTTP client would and compares it with the remote's.
async fn fetch(client: &reqwest::Client, base: &str, name: &str, remote: &FixtureServer) -> Result<()> {
    let body = client.get(format!("{base}{name}")).send().await?.error_for_status()?.bytes().await?;
    let sha256 = hex::encode(digest(&SHA256, &body));
    let expected = remote.sha256(name).with_context(|| format!("the remote lost {name}"))?;
    ensure!(sha256 == expected, "{name} is not what the remote has");
    say(&format!("  GET {base}{name}: {} bytes, sha256 {}…", body.len(), &sha256[..16]))
}

fn seconds(time: Duration) -> String {
    match time.as_secs_f64() {
        short if short < 1.0 => format!("{:.0} ms", short * 1e3),
        long => format!("{long:.1} s"),
    }
}

fn say(line: &str) -> Result<()> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}
