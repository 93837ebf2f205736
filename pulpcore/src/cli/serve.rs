//! `serve`.

use std::io::Write;
use std::net::SocketAddr;

use clap::Args;

use super::{Places, block_on};
use crate::error::{Error, Result};
use crate::settings::{Role, Settings};
use crate::{server, telemetry};

/// The flags of `serve`; each wins over the setting of the same name.
#[derive(Args, Debug)]
pub(super) struct Serve {
    /// What this process does, with commas between [default: api,content,worker]
    #[arg(long, value_delimiter = ',', value_name = "ROLES")]
    roles: Vec<Role>,
    /// The address and port to listen on [default: 127.0.0.1:24817]
    #[arg(long, value_name = "ADDRESS")]
    bind: Option<SocketAddr>,
    /// How many tasks this process runs at a time [default: the number of cores, at least 2]
    #[arg(long, value_name = "NUMBER")]
    workers: Option<usize>,
}

impl Serve {
    pub(super) fn run(self, places: &Places, chosen: &'static [&'static str]) -> Result<()> {
        let mut options = places.options();
        if !self.roles.is_empty() {
            let roles: Vec<String> = self.roles.iter().map(ToString::to_string).collect();
            options = options.set("roles", roles.join(","));
        }
        if let Some(address) = self.bind {
            options = options.set("bind", address.to_string());
        }
        if let Some(workers) = self.workers {
            options = options.set("workers", workers.to_string());
        }
        let settings = Settings::load(&options)?.settings;
        telemetry::init(settings.log_format, &settings.log_filter)?;
        block_on(serve(settings, chosen))
    }
}

async fn serve(settings: Settings, chosen: &[&str]) -> Result<()> {
    let mut signals = Signals::new()?;
    let running = tokio::select! {
        running = server::start(settings, chosen) => running?,
        () = signals.next() => return Ok(()),
    };
    if let Some(password) = &running.new_admin_password {
        // Not through the log: logs are kept, and read by others.
        let told = format!("The user 'admin' was created with the password {password} (it is told only this once).");
        writeln!(std::io::stderr(), "{told}")?;
    }
    let failed = tokio::select! {
        () = signals.next() => false,
        () = running.ended() => true,
    };
    tokio::select! {
        stopped = running.stop() => stopped?,
        () = signals.next() => return Err(Error::Config("stopped at once, as it was told twice".to_owned())),
    }
    if failed {
        return Err(Error::Config("the server could not go on; its log says why".to_owned()));
    }
    Ok(())
}

/// What asks the process to stop: SIGTERM from a service manager, SIGINT from a keyboard.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
