//! Events over a WebSocket: a text message each, and a close when there will be no more.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use tokio::time::{Instant, interval_at, timeout};

use super::Told;
use super::sse::KEEP_ALIVE;
use crate::error::{Error, Result};
use crate::tasking::events::{Feed, Row};

/// How long a client may take no message before it is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a client may take to answer the close.
const FAREWELL: Duration = Duration::from_secs(5);

/// Clients have nothing to say.
const LONGEST_MESSAGE: usize = 4096;

/// Goes on over the socket, to the feed's end.
pub(super) fn respond(socket: WebSocketUpgrade, feed: Feed, root: String) -> Response {
    let socket = socket.max_message_size(LONGEST_MESSAGE).max_frame_size(LONGEST_MESSAGE);
    socket.on_upgrade(move |socket| serve(socket, feed, root))
}

async fn serve(mut socket: WebSocket, mut feed: Feed, root: String) {
    let Some((code, reason)) = stream(&mut socket, &mut feed, &root).await else { return };
    let close = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
    if send(&mut socket, close).await.is_some() {
        let answered = async { while let Some(Ok(_)) = socket.recv().await {} };
        let _ = timeout(FAREWELL, answered).await;
    }
}

/// Sends what the feed has; how to close in the end, unless the client is gone.
async fn stream(socket: &mut WebSocket, feed: &mut Feed, root: &str) -> Option<(u16, String)> {
    let mut beats = interval_at(Instant::now() + KEEP_ALIVE, KEEP_ALIVE);
    loop {
        tokio::select! {
            events = feed.next() => match events {
                Ok(Some(rows)) => {
                    for row in rows {
                        let message = message(root, row).ok()?;
                        send(socket, message).await?;
                    }
                }
                Ok(None) if feed.is_stopped() => return Some((close_code::AWAY, "The server stops.".to_owned())),
                Ok(None) => return Some((close_code::NORMAL, String::new())),
                Err(error) => {
                    if !matches!(error, Error::Gone(_)) {
                        tracing::warn!(error = error.log(), "A stream of events breaks off.");
                    }
                    return Some((close_code::ERROR, error.to_string()));
                }
            },
            // Pings are answered by reading on.
            message = socket.recv() => match message? {
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            },
            _ = beats.tick() => send(socket, Message::Ping(Vec::new().into())).await?,
        }
    }
}

fn message(root: &str, row: Row) -> Result<Message> {
    Ok(Message::Text(serde_json::to_string(&Told::new(root, row))?.into()))
}

/// `None` if the client is gone.
async fn send(socket: &mut WebSocket, message: Message) -> Option<()> {
    timeout(PATIENCE, socket.send(message)).await.ok()?.ok()
}
