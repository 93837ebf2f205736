//! The tour of README.md, run as it stands there against the built server: what it shows is what one sees.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// The section that is run, up to the next of its level.
const SECTION: &str = "\n## Five minutes\n";

/// Seconds, after which the tour counts as stuck.
const PATIENCE: &str = "120";

#[test]
fn the_tour_shows_what_one_sees() {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("a README.md");
    let (_, section) = readme.split_once(SECTION).expect("the section is there");
    let section = section.split("\n## ").next().unwrap_or_default();
    let (commands, shown) = (blocks(section, "sh"), blocks(section, "text"));
    assert!(!commands.is_empty() && commands.len() == shown.len(), "each block of commands shows something");

    // The ports of the text may be taken.
    let (server, files) = (free_port(), free_port());
    let script = commands.join("\n").replace("24817", &server).replace("8000", &files);
    let seen = run(&script, &server);
    let mut rest = seen.lines();
    for line in shown.iter().flat_map(|block| block.lines()).filter(|line| *line != "…") {
        assert!(rest.any(|seen| is_like(seen, line)), "README.md shows\n{line}\nand one sees\n{seen}");
    }
}

/// Runs the script in an empty folder; gives what it says.
fn run(script: &str, port: &str) -> String {
    let folder = TempDir::new().expect("a temporary folder");
    let program = Path::new(env!("CARGO_BIN_EXE_pulp-server"));
    let mut path = vec![program.parent().expect("a program lies in a folder").to_owned()];
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    // Whatever happens, what was started ends with the shell.
    let script = format!(
        "set -euo pipefail
trap 'kill $(jobs -p) 2> /dev/null || true' EXIT
{script}"
    );

    let mut command = Command::new("timeout");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PULP_")) {
        command.env_remove(name);
    }
    command.args([PATIENCE, "bash", "-c", &script]).current_dir(folder.path());
    command.env("PATH", std::env::join_paths(path).expect("a path")).env("PULP_BIND", format!("127.0.0.1:{port}"));
    let output = command.output().expect("bash can be started");
    let seen = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = String::from_utf8_lossy(&output.stderr);
    let log = std::fs::read_to_string(folder.path().join("server.log")).unwrap_or_default();
    assert!(output.status.success(), "{}:\n{seen}\n{said}\n{log}", output.status);
    seen
}

/// The fenced blocks of one language.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let begin = format!("```{language}\n");
    text.split(begin.as_str()).skip(1).filter_map(|rest| rest.split("\n```").next()).collect()
}

/// Whether a line is what was written, where `…` stands for anything.
fn is_like(line: &str, written: &str) -> bool {
    let mut parts = written.split('…');
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    for part in parts {
        match rest.find(part) {
            Some(_) if part.is_empty() => rest = "",
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.is_empty()
}

fn free_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound address").port().to_string()
}
