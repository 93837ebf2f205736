//! Decompression, by what the bytes say of themselves, within bounds.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;

use super::Compression;

/// No decoder gets a larger window, in bytes: what `xz -9` and `zstd --ultra -22` ask for.
pub const MOST_MEMORY: u64 = 128 * 1024 * 1024;

/// The largest window of zstd, as the power of two that [`MOST_MEMORY`] is.
const MOST_WINDOW_LOG: u32 = MOST_MEMORY.ilog2();

/// How much is read and decoded at a time, in bytes.
const CHUNK: usize = 64 * 1024;

/// What a compressed file may grow to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes that come out.
    pub most_bytes: u64,
    /// The most bytes that come out for one that goes in.
    pub most_ratio: u64,
    /// So many bytes may come out whatever the ratio is: small files of much the same are no attack.
    pub any_ratio: u64,
}

/// 16 GiB, 250 to 1, beyond 64 MiB. The largest repositories in use have lists of files of 1.5 GiB, and text that is
/// made of names of packages shrinks to a thirtieth.
impl Default for Limits {
    fn default() -> Self {
        Self { most_bytes: 16 << 30, most_ratio: 250, any_ratio: 64 << 20 }
    }
}

/// Decompresses a file, whatever its name says of it.
///
/// # Errors
/// If its beginning cannot be read. Reading fails with [`io::ErrorKind::FileTooLarge`] beyond the limits, with another kind
/// where the bytes are damaged or end too early.
pub fn reader<'a>(source: impl Read + Send + 'a, limits: Limits) -> io::Result<impl BufRead + Send + 'a> {
    let read = Arc::new(AtomicU64::new(0));
    let counted = Counted { source, read: Arc::clone(&read) };
    let mut source = BufReader::with_capacity(CHUNK, counted);
    let compression = begins_as(&mut source)?;
    let decoder: Box<dyn Read + Send + 'a> = match compression {
        Compression::None => Box::new(source),
        Compression::Gzip => Box::new(MultiGzDecoder::new(source)),
        Compression::Bzip2 => Box::new(MultiBzDecoder::new(source)),
        Compression::Xz => {
            Box::new(XzReader::new_mem_limit(source, true, u32::try_from(MOST_MEMORY / 1024).unwrap_or(u32::MAX)))
        }
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(source)?;
            decoder.window_log_max(MOST_WINDOW_LOG)?;
            Box::new(decoder)
        }
    };
    Ok(BufReader::with_capacity(CHUNK, Bounded { decoder, read, written: 0, limits }))
}

/// What the beginning of a source says, of which nothing is taken. A first read may bring less than a magic number is long.
fn begins_as<R: Read>(source: &mut BufReader<R>) -> io::Result<Compression> {
    Ok(Compression::of_magic(source.fill_buf()?))
}

/// Counts what goes in.
struct Counted<R> {
    source: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        // The first read tells the compression, so it fills what it can; the others may be short.
        let mut length = self.source.read(into)?;
        if self.read.load(Ordering::Relaxed) == 0 {
            while length > 0 && length < 6.min(into.len()) {
                match self.source.read(&mut into[length..])? {
                    0 => break,
                    more => length += more,
                }
            }
        }
        self.read.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }
}

/// Bounds what comes out.
struct Bounded<'a> {
    decoder: Box<dyn Read + Send + 'a>,
    read: Arc<AtomicU64>,
    written: u64,
    limits: Limits,
}

impl Read for Bounded<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = self.decoder.read(into)?;
        self.written += length as u64;
        let Limits { most_bytes, most_ratio, any_ratio } = self.limits;
        if self.written > most_bytes {
            return Err(too_large(format!("the file has more than {most_bytes} bytes when it is decompressed")));
        }
        // What has been read is at least what the output was made of; a chunk of it may still wait in the buffer.
        let read = self.read.load(Ordering::Relaxed);
        if self.written > any_ratio && self.written > read.saturating_mul(most_ratio) {
            return Err(too_large(format!("the file grows to more than {most_ratio} times its size")));
        }
        Ok(length)
    }
}

fn too_large(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, message)
}
