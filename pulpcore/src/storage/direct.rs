//! Files that go out without passing through this process: from the page cache of the system to the socket.
//!
//! The protocol's library takes bytes, not files. So a body that is to go out directly yields *placeholders*, slices of a
//! memory that nobody reads, each as long as what it stands for, and tells its connection which part of which file that is.
//! The connection gets the same slices to write, in the same order: it knows them by their address and has the system send
//! the file instead (`sendfile`). Nothing but lengths is ever looked at on the way.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use bytes::Bytes;
use futures::{Stream, stream};

use super::blocking;
use super::buffers::Buffer;
use super::read::{read_at_hand, shorter};
use crate::error::Result;

/// The most that one placeholder stands for, in bytes.
const MOST: usize = 1024 * 1024;

/// What placeholders are slices of. As nobody writes to it, the system never gives it any memory.
static BLANK: LazyLock<&'static [u8]> = LazyLock::new(|| Box::leak(vec![0; MOST].into_boxed_slice()));

/// A connection that can send files: on Linux, without TLS, with HTTP/1. It is an extension of the requests that come over
/// it. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Direct(Arc<Mutex<VecDeque<Part>>>);

/// What a placeholder stands for.
#[derive(Debug)]
struct Part {
    file: Arc<File>,
    at: u64,
    left: usize,
}

impl Direct {
    /// Placeholders for a part of a file. They must get to the connection, all of them, in this order and untouched.
    pub(super) fn body(&self, file: File, range: Range<u64>) -> impl Stream<Item = Result<Bytes>> + Send + use<> {
        let (parts, file) = (self.clone(), Arc::new(file));
        stream::try_unfold(range, move |range| {
            let (parts, file) = (parts.clone(), Arc::clone(&file));
            async move {
                let left = usize::try_from(range.end - range.start).unwrap_or(usize::MAX).min(MOST);
                if left == 0 {
                    return Ok(None);
                }
                at_hand(&file, range.start, left).await?;
                parts.lock().push_back(Part { file, at: range.start, left });
                Ok(Some((Bytes::from_static(&BLANK[..left]), range.start + left as u64..range.end)))
            }
        })
    }

    /// Whether these bytes are a placeholder.
    pub(crate) fn stands_for_a_file(bytes: &[u8]) -> bool {
        !bytes.is_empty() && BLANK.as_ptr_range().contains(&bytes.as_ptr())
    }

    /// Sends to a socket what the next `most` bytes of placeholders stand for; returns how many bytes it took.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if the socket takes nothing right now; another if the connection cannot go on.
    pub(crate) fn send(&self, socket: impl AsFd, most: usize) -> io::Result<usize> {
        let mut parts = self.lock();
        let part = parts.front_mut().ok_or_else(|| io::Error::other("a placeholder stands for nothing"))?;
        let sent = send_file(socket, &part.file, &mut part.at, part.left.min(most))?;
        if sent == 0 {
            return Err(shorter());
        }
        part.left -= sent;
        if part.left == 0 {
            parts.pop_front();
        }
        Ok(sent)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Part>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Has the system read a part of a file, if it has not: sending it would make everybody else wait for the disk.
async fn at_hand(file: &Arc<File>, at: u64, length: usize) -> Result<()> {
    let last = at + length as u64 - 1;
    // It reads ahead, so what comes last says enough.
    if matches!(read_at_hand(file, &mut [0], last), Ok(1)) {
        return Ok(());
    }
    let file = Arc::clone(file);
    blocking(move || {
        let (mut buffer, end) = (Buffer::take(), at + length as u64);
        for from in (at..end).step_by(Buffer::SIZE) {
            let length = (end - from).min(Buffer::SIZE as u64) as usize;
            file.read_exact_at(&mut buffer[..length], from).map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => shorter(),
                _ => error,
            })?;
        }
        Ok(())
    })
    .await
}

#[cfg(target_os = "linux")]
fn send_file(socket: impl AsFd, file: &File, at: &mut u64, most: usize) -> io::Result<usize> {
    Ok(rustix::fs::sendfile(socket, file, Some(at), most)?)
}

#[cfg(not(target_os = "linux"))]
fn send_file(_: impl AsFd, _: &File, _: &mut u64, _: usize) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    use futures::TryStreamExt;

    use super::*;

    #[tokio::test]
    async fn a_socket_gets_what_placeholders_stand_for() {
        let mut file = tempfile::tempfile().unwrap();
        let content: Vec<u8> = (0..2 * MOST + 10).map(|nth| (nth % 251) as u8).collect();
        io::Write::write_all(&mut file, &content).unwrap();
        let (direct, range) = (Direct::default(), 7..content.len() as u64 - 1);
        let placeholders: Vec<Bytes> = direct.body(file, range).try_collect().await.unwrap();
        let wanted = content[7..content.len() - 1].to_vec();
        assert_eq!(placeholders.iter().map(Bytes::len).sum::<usize>(), wanted.len());

        let (socket, mut far) = UnixStream::pair().unwrap();
        let reading = std::thread::spawn(move || {
            let mut read = Vec::new();
            far.read_to_end(&mut read).unwrap();
            read
        });
        for mut placeholder in placeholders {
            while !placeholder.is_empty() {
                assert!(Direct::stands_for_a_file(&placeholder));
                // However little of it is asked for at a time.
                let sent = direct.send(&socket, placeholder.len().min(100_000)).unwrap();
                drop(placeholder.split_to(sent));
            }
        }
        assert!(direct.send(&socket, 1).is_err(), "there is no more");
        drop(socket);
        assert!(reading.join().unwrap() == wanted);
    }

    #[tokio::test]
    async fn a_file_that_becomes_shorter_is_a_failure() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(10).unwrap();
        let direct = Direct::default();
        assert!(direct.body(file.try_clone().unwrap(), 0..20).try_collect::<Vec<_>>().await.is_err());
        let body = direct.body(file.try_clone().unwrap(), 0..10);
        assert_eq!(body.try_collect::<Vec<_>>().await.unwrap().len(), 1);
        file.set_len(0).unwrap();
        let (socket, _far) = UnixStream::pair().unwrap();
        assert_eq!(direct.send(&socket, 10).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn bytes_are_no_placeholders() {
        assert!(!Direct::stands_for_a_file(b"bytes") && !Direct::stands_for_a_file(&[]));
        assert!(!Direct::stands_for_a_file(&vec![0; MOST]));
    }
}
