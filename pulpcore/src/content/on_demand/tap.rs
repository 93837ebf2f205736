//! What a client gets of a body that others read as well.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc::Sender;

/// How long a client may take for one piece before it counts as gone.
const PATIENCE: Duration = Duration::from_secs(600);

/// What a [`Tap`] sends. A body that ends without an [`End`](Self::End) is not whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<E> {
    /// Some of the body.
    Bytes(Bytes),
    /// That was all, and it is what it should be.
    End,
    /// No more comes.
    Broken(E),
}

/// Passes a range of a body on, always one piece behind: the last one is sent by [`Tap::finish`] alone.
pub(super) struct Tap<E> {
    /// None when the client is gone.
    client: Option<Sender<Piece<E>>>,
    /// How many bytes come before those that are wanted, and how many of those are missing.
    skip: u64,
    left: u64,
    held: Option<Bytes>,
}

impl<E> Tap<E> {
    /// For these bytes of the body, or all.
    pub(super) fn new(client: Sender<Piece<E>>, range: Option<Range<u64>>) -> Self {
        let range = range.unwrap_or(0..u64::MAX);
        Self { client: Some(client), skip: range.start, left: range.end - range.start, held: None }
    }

    /// Takes the next piece of the body; returns when the client took the one before.
    pub(super) async fn pass(&mut self, piece: &Bytes) {
        let length = piece.len() as u64;
        let from = self.skip.min(length);
        let to = from.saturating_add(self.left).min(length);
        self.skip -= from;
        self.left -= to - from;
        if self.client.as_ref().is_some_and(Sender::is_closed) {
            self.client = None;
        }
        if from < to {
            // Lossless: both are at most the length of the piece.
            let piece = piece.slice(from as usize..to as usize);
            if let Some(before) = self.held.replace(piece) {
                self.send(Piece::Bytes(before)).await;
            }
        }
    }

    /// Whether nobody waits for the body any more.
    pub(super) fn is_gone(&self) -> bool {
        self.client.is_none()
    }

    /// Sends the last piece: the body is what it should be.
    pub(super) async fn finish(mut self) {
        if let Some(last) = self.held.take() {
            self.send(Piece::Bytes(last)).await;
        }
        self.send(Piece::End).await;
    }

    /// Breaks off.
    pub(super) async fn fail(mut self, error: E) {
        self.send(Piece::Broken(error)).await;
    }

    async fn send(&mut self, piece: Piece<E>) {
        if let Some(client) = &self.client
            && !matches!(tokio::time::timeout(PATIENCE, client.send(piece)).await, Ok(Ok(())))
        {
            self.client = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    /// What a client of this range gets before and after the end of a body in pieces.
    async fn through(range: Option<Range<u64>>, pieces: &[&'static str]) -> (String, String) {
        let (sender, mut receiver) = mpsc::channel::<Piece<()>>(16);
        let mut tap = Tap::new(sender, range);
        for piece in pieces {
            tap.pass(&Bytes::from_static(piece.as_bytes())).await;
        }
        let (mut before, mut after) = (String::new(), String::new());
        while let Ok(Piece::Bytes(piece)) = receiver.try_recv() {
            before.push_str(str::from_utf8(&piece).unwrap());
        }
        tap.finish().await;
        loop {
            match receiver.recv().await {
                Some(Piece::Bytes(piece)) => after.push_str(str::from_utf8(&piece).unwrap()),
                end => {
                    assert_eq!(end, Some(Piece::End));
                    return (before, after);
                }
            }
        }
    }

    #[tokio::test]
    async fn the_last_piece_waits_for_the_end() {
        let pair = |before: &str, after: &str| (before.to_owned(), after.to_owned());
        assert_eq!(through(None, &["abc", "def", "g"]).await, pair("abcdef", "g"));
        assert_eq!(through(None, &["abc"]).await, pair("", "abc"));
        assert_eq!(through(None, &[]).await, pair("", ""));
        assert_eq!(through(Some(1..5), &["abc", "def", "g"]).await, pair("bc", "de"));
        assert_eq!(through(Some(4..5), &["abc", "def", "g"]).await, pair("", "e"));
        assert_eq!(through(Some(0..3), &["abc", "def", "g"]).await, pair("", "abc"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_counts_as_gone() {
        let (sender, _receiver) = mpsc::channel::<Piece<()>>(1);
        let mut tap = Tap::new(sender, None);
        for _ in 0..2 {
            tap.pass(&Bytes::from_static(b"abc")).await;
            assert!(!tap.is_gone());
        }
        tap.pass(&Bytes::from_static(b"abc")).await;
        assert!(tap.is_gone());
    }

    #[tokio::test]
    async fn a_client_that_hung_up_is_noticed_at_the_next_piece() {
        let (sender, receiver) = mpsc::channel::<Piece<()>>(1);
        let mut tap = Tap::new(sender, Some(100..200));
        drop(receiver);
        tap.pass(&Bytes::from_static(b"abc")).await;
        assert!(tap.is_gone());
    }
}
