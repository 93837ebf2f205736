//! The listener: takes connections, as many as the settings allow, and ends them one by one when the server stops.
//!
//! `axum::serve` knows no TLS, no bound of connections and no bound of time, all of which a server needs that strangers
//! reach. What one connection may do is in [`connection`], who has waited long enough for it in [`pulse`], certificates
//! are in [`tls`].

mod body;
mod connection;
mod plain;
mod pulse;
mod tls;
mod watched;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::tls::Tls;
use crate::error::{Error, Result};
use crate::settings::Settings;

/// How long nobody is let in after the system had nothing left to let somebody in with, such as open files.
const EXHAUSTED: Duration = Duration::from_secs(1);

/// How often it is said that there are too many connections.
const SAID: Duration = Duration::from_secs(60);

/// How long a client may take.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// For the handshake, and again for the header of a request.
    header: Duration,
    /// Between two requests.
    keep_alive: Duration,
    /// Without taking a byte of what it is sent, or without sending one of what it announced.
    stall: Duration,
}

/// A bound address whose connections somebody is to answer.
#[derive(Debug)]
pub(super) struct Listener {
    tcp: Arc<TcpListener>,
    address: SocketAddr,
    shared: Arc<Shared>,
    /// Renews the certificate; it ends with the listener.
    renewing: Option<JoinHandle<()>>,
    announced: AtomicBool,
}

/// What all connections have in common.
#[derive(Debug)]
struct Shared {
    tls: Option<Arc<Tls>>,
    bounds: Bounds,
    slots: Arc<Semaphore>,
}

impl Listener {
    /// Takes the settings' address; nobody is answered yet.
    ///
    /// # Errors
    /// [`Error::Config`] if the address cannot be had, or the certificate cannot be used.
    pub(super) async fn bind(settings: &Settings) -> Result<Self> {
        let tls = Tls::open(settings)?.map(Arc::new);
        let address = settings.bind;
        let unusable = |error| Error::Config(format!("cannot listen on {address}: {error}"));
        let tcp = TcpListener::bind(address).await.map_err(unusable)?;
        let address = tcp.local_addr().map_err(unusable)?;
        let renewing = tls.as_ref().map(|tls| tokio::spawn(Arc::clone(tls).renew_for_ever()));
        let bounds = Bounds {
            header: Duration::from_secs(settings.header_timeout),
            keep_alive: Duration::from_secs(settings.keep_alive_timeout),
            stall: Duration::from_secs(settings.stall_timeout),
        };
        let slots = Arc::new(Semaphore::new(settings.max_connections.min(Semaphore::MAX_PERMITS)));
        Ok(Self {
            tcp: Arc::new(tcp),
            address,
            shared: Arc::new(Shared { tls, bounds, slots }),
            renewing,
            announced: AtomicBool::new(false),
        })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Says once in the log where it listens.
    pub(super) fn announce(&self, settings: &Settings) {
        if self.announced.swap(true, Ordering::Relaxed) {
            return;
        }
        let scheme = if self.shared.tls.is_some() { "https" } else { "http" };
        let roles: Vec<String> = settings.roles.iter().map(ToString::to_string).collect();
        tracing::info!(roles = roles.join(","), "listening on {scheme}://{}", self.address);
    }

    /// Answers for the time being: until `stop`, after which another router may take over.
    pub(super) fn serve_meanwhile(&self, router: Router, stop: CancellationToken) -> Serving {
        let (connections, cut) = (TaskTracker::new(), CancellationToken::new());
        let accepting = Accepting {
            tcp: Arc::clone(&self.tcp),
            shared: Arc::clone(&self.shared),
            router,
            stop,
            cut: cut.clone(),
            connections: connections.clone(),
        };
        Serving { accepting: tokio::spawn(accepting.run()), connections, cut, renewing: None }
    }

    /// Answers until `stop`; then the address is free at once.
    pub(super) fn serve(self, router: Router, stop: CancellationToken) -> Serving {
        let mut serving = self.serve_meanwhile(router, stop);
        serving.renewing = self.renewing;
        serving
    }
}

/// Connections being answered.
#[derive(Debug)]
pub(super) struct Serving {
    accepting: JoinHandle<()>,
    connections: TaskTracker,
    cut: CancellationToken,
    renewing: Option<JoinHandle<()>>,
}

impl Serving {
    /// Waits for the end of what runs, for so long and no longer. The server must have been told to stop.
    pub(super) async fn ended(self, bound: Duration) {
        if let Err(error) = self.accepting.await {
            tracing::error!(%error, "The listener panicked.");
        }
        if let Some(renewing) = self.renewing {
            renewing.abort();
        }
        self.connections.close();
        if timeout(bound, self.connections.wait()).await.is_err() {
            tracing::warn!(connections = self.connections.len(), "Connections that did not end are cut.");
            self.cut.cancel();
            self.connections.wait().await;
        }
    }
}

/// Who lets connections in.
struct Accepting {
    tcp: Arc<TcpListener>,
    shared: Arc<Shared>,
    router: Router,
    /// No more connections, and those that are there end with what they do.
    stop: CancellationToken,
    /// Those that are there end now.
    cut: CancellationToken,
    connections: TaskTracker,
}

impl Accepting {
    async fn run(self) {
        let stop = self.stop.clone();
        stop.run_until_cancelled_owned(self.take_for_ever()).await;
    }

    async fn take_for_ever(self) {
        let mut said = None;
        loop {
            let slot = slot(&self.shared.slots, &mut said).await;
            match self.tcp.accept().await {
                Ok((stream, _)) => {
                    let (shared, router) = (Arc::clone(&self.shared), self.router.clone());
                    let serving = connection::serve(stream, shared, router, self.stop.clone(), slot);
                    self.connections.spawn(self.cut.clone().run_until_cancelled_owned(serving));
                }
                Err(error) if is_the_clients(&error) => {}
                Err(error) => {
                    tracing::error!(%error, "No connection can be taken.");
                    sleep(EXHAUSTED).await;
                }
            }
        }
    }
}

/// The right to one more connection. Until there is one, clients wait in the system's queue.
async fn slot(slots: &Arc<Semaphore>, said: &mut Option<Instant>) -> Option<OwnedSemaphorePermit> {
    if let Ok(slot) = Arc::clone(slots).try_acquire_owned() {
        return Some(slot);
    }
    if said.is_none_or(|said| said.elapsed() > SAID) {
        tracing::warn!("There are as many connections as 'max_connections' allows; more have to wait.");
        *said = Some(Instant::now());
    }
    // It fails only if it is closed, which nobody does.
    Arc::clone(slots).acquire_owned().await.ok()
}

/// Errors of a connection that ended before it was taken.
fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

#[cfg(test)]
mod tests;
