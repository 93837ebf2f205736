//! One connection: which protocol it speaks, who answers, and when it has to end.
//!
//! With TLS the protocol is what both sides agreed on (ALPN); without, a client that knows that this server speaks HTTP/2
//! begins with its preface, everybody else speaks HTTP/1.1. When the server stops, an idle connection is closed, and one
//! in use is closed after its answer (`Connection: close`, or `GOAWAY`).

use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tower::Service;

use super::body::{Answer, incoming};
use super::plain::Plain;
use super::pulse::{Pulse, Verdict};
use super::tls::{HTTP2, Tls};
use super::watched::Watched;
use super::{Bounds, Shared};
use crate::content::ClientCertificate;
use crate::storage::Direct;

/// The largest header of a request, its first line included, in bytes.
const HEADER: usize = 32 * 1024;

/// Requests that a connection may have under way at a time.
const STREAMS: u32 = 128;

/// Requests that a client may open and take back before they were looked at (CVE-2023-44487), and those that were answered
/// with a reset, before it is sent away.
const RESET_UNSEEN: usize = 20;
const RESET_BY_US: usize = 256;

/// What one request may have in memory on its way to the client, in bytes.
const SEND_BUFFER: usize = 256 * 1024;

/// A client that is heard of no more is asked whether it is there so often, and has so long to say so.
const ASK: Duration = Duration::from_secs(30);
const ANSWER: Duration = Duration::from_secs(20);

/// Serves a connection to its end.
pub(super) async fn serve(
    stream: TcpStream,
    shared: Arc<Shared>,
    router: Router,
    stop: CancellationToken,
    slot: Option<OwnedSemaphorePermit>,
) {
    // Answers of two parts would wait for the client's delayed acknowledgement of the first.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set.");
    }
    let (bounds, pulse) = (shared.bounds, Pulse::new());
    let direct = Direct::default();
    let begun = timeout(bounds.header, begin(stream, shared.tls.as_deref(), &pulse, &direct, slot));
    // Until the first request is under way, there is nobody to be polite to.
    let begun = match stop.run_until_cancelled(begun).await {
        Some(Ok(Ok(begun))) => begun,
        Some(Ok(Err(error))) => return tracing::debug!(%error, "A connection did not begin."),
        Some(Err(_)) => return tracing::debug!("A connection did not begin in time."),
        None => return,
    };
    match begun {
        Begun::Plain(stream, is_http2) => {
            let direct = (cfg!(target_os = "linux") && !is_http2).then(|| direct.clone());
            speak(stream, is_http2, Front { router, pulse, bounds, certificate: None, direct }, stop).await;
        }
        Begun::Secret(stream, is_http2, certificate) => {
            speak(
                *stream,
                is_http2,
                Front { router, pulse, bounds, certificate: Some(certificate), direct: None },
                stop,
            )
            .await;
        }
    }
}

/// A connection whose protocol is known.
enum Begun {
    /// Whether it is HTTP/2.
    Plain(Watched<Plain>, bool),
    Secret(Box<Watched<TlsStream<TcpStream>>>, bool, ClientCertificate),
}

async fn begin(
    stream: TcpStream,
    tls: Option<&Tls>,
    pulse: &Arc<Pulse>,
    direct: &Direct,
    slot: Option<OwnedSemaphorePermit>,
) -> io::Result<Begun> {
    let Some(tls) = tls else {
        let stream = Plain::new(stream, direct.clone());
        let mut stream = Watched::new(stream, Arc::clone(pulse), slot);
        let is_http2 = stream.begins_as_http2().await?;
        return Ok(Begun::Plain(stream, is_http2));
    };
    let stream = tls.acceptor().accept(stream).await?;
    let session = stream.get_ref().1;
    let is_http2 = session.alpn_protocol() == Some(HTTP2);
    let shown = session.peer_certificates().unwrap_or_default();
    let certificate = ClientCertificate::new(shown.iter().map(|certificate| certificate.to_vec()).collect());
    Ok(Begun::Secret(Box::new(Watched::new(stream, Arc::clone(pulse), slot)), is_http2, certificate))
}

/// Who answers the requests of a connection.
#[derive(Clone)]
struct Front {
    router: Router,
    pulse: Arc<Pulse>,
    bounds: Bounds,
    certificate: Option<ClientCertificate>,
    direct: Option<Direct>,
}

impl Front {
    async fn answer(mut self, request: Request<Incoming>) -> Result<Response<Answer>, Infallible> {
        let turn = self.pulse.begins();
        let (mut request, unwanted) = incoming(request, self.bounds.stall);
        if let Some(certificate) = self.certificate {
            request.extensions_mut().insert(certificate);
        }
        if let Some(direct) = self.direct {
            request.extensions_mut().insert(direct);
        }
        let mut response = self.router.call(request).await?;
        unwanted.tell(response.headers_mut());
        Ok(response.map(|body| Answer::new(body, turn)))
    }
}

async fn speak<S>(stream: Watched<S>, is_http2: bool, front: Front, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (pulse, bounds) = (Arc::clone(&front.pulse), front.bounds);
    let service = service_fn(move |request| front.clone().answer(request));
    let stream = TokioIo::new(stream);
    if is_http2 {
        let mut protocol = http2::Builder::new(TokioExecutor::new());
        protocol
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .max_pending_accept_reset_streams(RESET_UNSEEN)
            .max_local_error_reset_streams(RESET_BY_US)
            .max_header_list_size(HEADER as u32)
            .max_send_buf_size(SEND_BUFFER)
            .keep_alive_interval(ASK)
            .keep_alive_timeout(ANSWER)
            // WebSockets (RFC 8441).
            .enable_connect_protocol();
        let connection = protocol.serve_connection(stream, service);
        watch(connection, http2::Connection::graceful_shutdown, &pulse, &bounds, true, &stop).await;
    } else {
        let mut protocol = http1::Builder::new();
        protocol.header_read_timeout(None).max_header_size(HEADER);
        let connection = protocol.serve_connection(stream, service).with_upgrades();
        watch(connection, http1::UpgradeableConnection::graceful_shutdown, &pulse, &bounds, false, &stop).await;
    }
}

/// Drives a connection until it ends, is too slow, or has to end because the server stops: then it is told to by `end`.
async fn watch<C: Future<Output = hyper::Result<()>>>(
    connection: C,
    end: impl Fn(Pin<&mut C>),
    pulse: &Pulse,
    bounds: &Bounds,
    shares: bool,
    stop: &CancellationToken,
) {
    let mut connection = pin!(connection);
    let mut looks = interval(bounds.header.min(bounds.keep_alive).min(bounds.stall) / 4);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_ending = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "A connection broke.");
                }
                return;
            }
            () = stop.cancelled(), if !is_ending => {
                end(connection.as_mut());
                is_ending = true;
            }
            _ = looks.tick() => match pulse.verdict(bounds, shares) {
                Verdict::Goes => {}
                Verdict::Idle if shares && !is_ending => {
                    end(connection.as_mut());
                    is_ending = true;
                }
                // A WebSocket on it may still be in use.
                Verdict::Idle if shares && !pulse.is_silent(bounds.keep_alive) => {}
                Verdict::Idle | Verdict::Cut => return,
            },
        }
    }
}
