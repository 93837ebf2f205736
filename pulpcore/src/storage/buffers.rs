//! Buffers that are used again: memory that is new for every block costs more to get than to fill.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

/// How many unused buffers are kept.
const SPARE: usize = 32;

static UNUSED: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// Bytes to be written over. It goes back to the others when it, or what was made of it, is dropped.
pub(super) struct Buffer(Vec<u8>);

impl Buffer {
    /// How many bytes one has.
    pub(super) const SIZE: usize = 256 * 1024;

    pub(super) fn take() -> Self {
        let unused = UNUSED.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Self(unused.unwrap_or_else(|| vec![0; Self::SIZE]))
    }

    /// One that holds no more than it must, for bytes that are kept.
    pub(super) fn small(size: usize) -> Self {
        Self(vec![0; size])
    }

    /// The first so many bytes of it.
    pub(super) fn filled(mut self, length: usize) -> Bytes {
        if self.0.len() < Self::SIZE {
            self.0.truncate(length);
            return std::mem::take(&mut self.0).into();
        }
        Bytes::from_owner(Filled { buffer: self, length })
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.0.len() == Self::SIZE {
            let mut unused = UNUSED.lock().unwrap_or_else(PoisonError::into_inner);
            if unused.len() < SPARE {
                unused.push(std::mem::take(&mut self.0));
            }
        }
    }
}

struct Filled {
    buffer: Buffer,
    length: usize,
}

impl AsRef<[u8]> for Filled {
    fn as_ref(&self) -> &[u8] {
        &self.buffer[..self.length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_is_what_comes_out_and_few_buffers_are_kept() {
        let many: Vec<Bytes> = (0..2 * SPARE)
            .map(|nth| {
                let mut buffer = Buffer::take();
                buffer[..4].fill(nth as u8);
                buffer.filled(4)
            })
            .collect();
        assert!(many.iter().enumerate().all(|(nth, bytes)| bytes[..] == [nth as u8; 4]));
        drop(many);
        assert!(UNUSED.lock().unwrap().len() <= SPARE);
        assert_eq!(Buffer::small(3).filled(2), Bytes::from_static(&[0, 0]));
    }
}
