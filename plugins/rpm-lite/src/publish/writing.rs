//! Metadata on its way to the storage: text is made and compressed on a thread of its own, and received while it is made.

use std::io::{self, Write};

use bytes::Bytes;
use futures::{Stream, TryStreamExt, future, stream};
use pulpcore::error::{Error, Result};
use pulpcore::plugin::Publisher;
use pulpcore::storage::Received;
use tokio::sync::mpsc;

use super::Chosen;
use crate::metadata::repomd::Record;
use crate::metadata::repository::{MetadataFile, Options, PackagesWriter};
use crate::models::package;
use crate::package::Package;

/// How many chunks wait between two who work at the same time.
const AHEAD: usize = 4;

/// A file that is there, and what `repomd.xml` says of it.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) record: Record,
    pub(super) file: Received,
}

/// What is written here goes to the other end.
struct Pipe(mpsc::Sender<Bytes>);

impl Pipe {
    fn new() -> (Self, impl Stream<Item = Result<Bytes>> + Send) {
        let (give, take) = mpsc::channel(AHEAD);
        let body = stream::unfold(take, |mut take| async move { take.recv().await.map(|bytes| (Ok(bytes), take)) });
        (Self(give), body)
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Nobody takes it any more only when something failed, which is said by whoever did.
        self.0.blocking_send(Bytes::copy_from_slice(bytes)).map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Gives everything away, or as much as is taken.
async fn feed<T>(give: mpsc::Sender<T>, all: impl Stream<Item = Result<T>>) -> Result<()> {
    let mut all = std::pin::pin!(all);
    while let Some(next) = all.try_next().await? {
        if give.send(next).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// Writes a file of a kind from its text.
pub(super) async fn file(
    publisher: &Publisher<'_>,
    (kind, name): (&str, &str),
    options: Options,
    text: impl Stream<Item = Result<Bytes>> + Send,
) -> Result<Written> {
    let (give, mut take) = mpsc::channel::<Bytes>(AHEAD);
    let (pipe, body) = Pipe::new();
    let (kind, name) = (kind.to_owned(), name.to_owned());
    let writing = tokio::task::spawn_blocking(move || -> Result<Record> {
        let mut file = MetadataFile::new(&kind, &name, pipe, options)?;
        while let Some(bytes) = take.blocking_recv() {
            file.write_all(&bytes)?;
        }
        Ok(file.finish()?.0)
    });
    let (file, ()) = future::try_join(publisher.receive(body), feed(give, text)).await?;
    Ok(Written { record: writing.await.map_err(Error::internal)??, file })
}

/// Writes the three files of packages, a page after the other.
pub(super) async fn packages(
    publisher: &Publisher<'_>,
    count: u64,
    options: Options,
    pages: impl Stream<Item = Result<Vec<(package::Model, Chosen)>>> + Send,
) -> Result<[Written; 3]> {
    let (give, mut take) = mpsc::channel::<Vec<(package::Model, Chosen)>>(1);
    let [(primary, one), (filelists, two), (other, three)] = [Pipe::new(), Pipe::new(), Pipe::new()];
    let writing = tokio::task::spawn_blocking(move || -> Result<[Record; 3]> {
        let mut writer = PackagesWriter::new([primary, filelists, other], count, options)?;
        while let Some(page) = take.blocking_recv() {
            for (row, chosen) in page {
                writer.add(&published(row.package()?, chosen))?;
            }
        }
        Ok(writer.finish()?.map(|(record, _)| record))
    });
    let received = future::try_join3(publisher.receive(one), publisher.receive(two), publisher.receive(three));
    let ((one, two, three), ()) = future::try_join(received, feed(give, pages)).await?;
    let [primary, filelists, other] = writing.await.map_err(Error::internal)??;
    Ok([
        Written { record: primary, file: one },
        Written { record: filelists, file: two },
        Written { record: other, file: three },
    ])
}

/// The package as the publication has it.
fn published(package: Package, chosen: Chosen) -> Package {
    Package {
        pkg_id: chosen.checksum,
        checksum_type: chosen.checksum_type,
        location_href: chosen.path,
        location_base: String::new(),
        ..package
    }
}
