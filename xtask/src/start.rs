//! A freshly built server as a user meets it: started, waited for, asked, and stopped by a signal.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::sh;

/// How long a server may take to answer, and again to stop. A debug build on a busy machine is slow.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the server writes to its log, followed by its address, as soon as it takes connections.
const ANNOUNCEMENT: &str = "listening on http://";

/// Asked by clients that want to know whether a Pulp is there; needs no credentials.
const STATUS: &str = "/pulp/api/v3/status/";

/// Builds the server with these arguments to cargo and gives its program.
///
/// # Errors
///
/// When it does not build.
pub(crate) fn program(build: &[&str]) -> Result<PathBuf> {
    let mut cargo = sh::cargo();
    cargo.args(["build", "--package", "pulp", "--bin", "pulp-server", "--message-format=json-render-diagnostics"]);
    let messages = sh::read(cargo.args(build))?;
    messages
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<Value>(line).ok())
        .find_map(|message| Some(PathBuf::from(message["executable"].as_str()?)))
        .context("cargo built no program")
}

/// Builds the server with these arguments to cargo and gives the command that starts it.
///
/// # Errors
///
/// When it does not build.
pub(crate) fn command(build: &[&str]) -> Result<Command> {
    let mut command = Command::new(program(build)?);
    // Settings of whoever runs this are none of the new server's.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PULP_")) {
        command.env_remove(name);
    }
    command.args(["serve", "--bind", "127.0.0.1:0"]);
    Ok(command)
}

/// A server of one's own, with an empty data folder that goes away with it.
pub(crate) struct Server {
    process: Child,
    address: SocketAddr,
    log: Log,
    _data: TempDir,
}

impl Server {
    /// Starts the server and waits until it has announced its address.
    ///
    /// # Errors
    ///
    /// When it ends or keeps silent instead; its log is part of the error.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let data = tempfile::tempdir().context("no folder for the server's data")?;
        command.arg("--data-dir").arg(data.path());
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} cannot be started", command.get_program().display()))?;
        let mut log = Log::of(process.stderr.take().context("the server has no log")?);
        match log.find(address_in, Instant::now() + PATIENCE) {
            Some(address) => Ok(Self { process, address, log, _data: data }),
            None => {
                end(&mut process);
                bail!("the server announced no address; its log:\n{}", log.text());
            }
        }
    }

    /// Waits until `status/` answers 200.
    ///
    /// # Errors
    ///
    /// When it does not within the time; the last answer and the log are part of the error.
    pub(crate) fn wait_for_status(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = get(self.address, STATUS);
            if answer.as_ref().is_ok_and(|line| line.split(' ').nth(1) == Some("200")) {
                return Ok(());
            }
            // Each new line of the log is a reason to ask again; silence is one too, if a weaker one.
            if self.log.wait(Duration::from_millis(200)).is_err() || Instant::now() > deadline {
                bail!("GET {STATUS} gave {answer:?}; the server's log:\n{}", self.log.text());
            }
        }
    }

    /// Asks the server to stop, as a service manager does, and waits until it has.
    ///
    /// # Errors
    ///
    /// When it does not stop in time or not cleanly; the log is part of the error.
    pub(crate) fn stop(mut self) -> Result<()> {
        let id = Pid::from_child(&self.process);
        kill_process(id, Signal::TERM).context("the server cannot be told to stop")?;
        // Its end of the log closes with the process: nothing needs to be asked again and again.
        let deadline = Instant::now() + PATIENCE;
        while self.log.wait(deadline.saturating_duration_since(Instant::now())).is_ok() {
            if Instant::now() > deadline {
                bail!("the server does not stop; its log:\n{}", self.log.text());
            }
        }
        let status = self.process.wait().context("the server's end was missed")?;
        if !status.success() {
            bail!("the server stopped with {status}; its log:\n{}", self.log.text());
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}

/// Ends a process that may have ended already.
fn end(process: &mut Child) {
    // Both fail only when there is nothing left to end.
    let _ = process.kill();
    let _ = process.wait();
}

/// What a process wrote so far, line by line.
struct Log {
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Log {
    fn of(stream: impl Read + Send + 'static) -> Self {
        let (sender, lines) = channel();
        // The thread ends with the stream, which ends with the process.
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self { lines, seen: Vec::new() }
    }

    /// Waits for one more line, at most this long; an error means that no line will ever follow.
    fn wait(&mut self, at_most: Duration) -> Result<(), RecvTimeoutError> {
        match self.lines.recv_timeout(at_most) {
            Ok(line) => self.seen.push(line),
            Err(RecvTimeoutError::Timeout) => {}
            Err(closed @ RecvTimeoutError::Disconnected) => return Err(closed),
        }
        Ok(())
    }

    /// The first thing that `wanted` finds in a line that comes before the deadline.
    fn find<T>(&mut self, wanted: impl Fn(&str) -> Option<T>, deadline: Instant) -> Option<T> {
        while Instant::now() < deadline {
            let before = self.seen.len();
            self.wait(deadline.saturating_duration_since(Instant::now())).ok()?;
            if let Some(found) = self.seen[before..].iter().find_map(|line| wanted(line)) {
                return Some(found);
            }
        }
        None
    }

    fn text(&self) -> String {
        self.seen.join("\n")
    }
}

fn address_in(line: &str) -> Option<SocketAddr> {
    let rest = line.split_once(ANNOUNCEMENT)?.1;
    let end = rest.find(|c: char| !(c.is_ascii_hexdigit() || matches!(c, '.' | ':' | '[' | ']'))).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

/// The first line of the answer to a GET.
fn get(address: SocketAddr, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut line = String::new();
    BufReader::new(stream.take(8192)).read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script, "stand-in"]);
        command
    }

    /// A stand-in for the server: announces this address, and ends with this code when it is told to stop.
    fn announcing(address: SocketAddr, code: u8) -> Command {
        // `$2` is the data folder. The reader of the pipe gives `wait` something that never happens.
        shell(&format!(
            r#"mkfifo "$2/pipe"; cat "$2/pipe" 2>&- & trap "kill $!; exit {code}" TERM
            echo 'INFO {ANNOUNCEMENT}{address} (all roles)' >&2; wait"#
        ))
    }

    /// Answers each connection with the next of these statuses.
    fn answering(statuses: &'static [&'static str]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        std::thread::spawn(move || {
            for status in statuses {
                let (mut stream, _) = listener.accept().expect("a connection");
                let mut request = String::new();
                let mut lines = BufReader::new(stream.try_clone().expect("one more handle"));
                while lines.read_line(&mut request).expect("a request") > 2 {}
                assert!(request.starts_with("GET /pulp/api/v3/status/ HTTP/1.1\r\n"), "{request}");
                write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").expect("an answer");
            }
        });
        address
    }

    #[test]
    fn a_server_that_answers_in_the_end_is_waited_for_and_stopped() {
        let address = answering(&["503 Service Unavailable", "200 OK"]);
        let mut server = Server::start(&mut announcing(address, 0)).expect("it announces its address");
        server.wait_for_status().expect("the second answer is a good one");
        server.stop().expect("it stops cleanly");
    }

    #[test]
    fn a_server_that_ends_at_once_leaves_its_log() {
        let error = Server::start(&mut shell("echo 'no such database' >&2; exit 1")).err().expect("it ends at once");
        assert!(error.to_string().ends_with("its log:\nno such database"), "{error}");
    }

    #[test]
    fn a_server_that_stops_badly_is_an_error() {
        let address = answering(&[]);
        let server = Server::start(&mut announcing(address, 3)).expect("it announces its address");
        let error = server.stop().expect_err("it stops with an error");
        assert!(error.to_string().contains("exit status: 3"), "{error}");
    }

    #[test]
    fn the_address_is_found_amid_a_line() {
        let found = |line| address_in(line).map(|address| address.to_string());
        assert_eq!(found("12:00 INFO listening on http://127.0.0.1:8080").as_deref(), Some("127.0.0.1:8080"));
        assert_eq!(found("listening on http://[::1]:80, all roles").as_deref(), Some("[::1]:80"));
        assert_eq!(found("\u{1b}[32mlistening on http://127.0.0.1:1\u{1b}[0m").as_deref(), Some("127.0.0.1:1"));
        assert_eq!(found("listening on a socket"), None);
    }
}
