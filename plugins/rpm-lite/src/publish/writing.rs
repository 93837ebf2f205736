//! Metadata on its way to the storage: text is made and compressed on a thread of its own, and received while it is made.

use std::io::{self, Write};
use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, TryStreamExt, future, stream};
use pulpcore::error::{Error, Result};
use pulpcore::plugin::Publisher;
use pulpcore::storage::Received;
use tokio::sync::mpsc;

use super::Chosen;
use crate::metadata::repomd::Record;
use crate::metadata::repository::{MetadataFile, Options, PackagesFile};
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

/// Packages on their way into the three files.
type Page = Arc<Vec<Package>>;

/// Writes the three files of packages, a page after the other. Each of them has a thread, beside the one that makes packages
/// of rows: most of the time goes into compressing.
pub(super) async fn packages(
    publisher: &Publisher<'_>,
    count: u64,
    options: Options,
    pages: impl Stream<Item = Result<Vec<(package::Model, Chosen)>>> + Send,
) -> Result<[Written; 3]> {
    let (give, mut take) = mpsc::channel::<Vec<(package::Model, Chosen)>>(1);
    let asked = options.checksum.name();
    let (one, primary) = list(publisher, move |pipe| PackagesFile::primary(pipe, count, options));
    let (two, filelists) = list(publisher, move |pipe| PackagesFile::filelists(pipe, count, options));
    let (three, other) = list(publisher, move |pipe| PackagesFile::other(pipe, count, options));
    let reading = tokio::task::spawn_blocking(move || -> Result<()> {
        while let Some(page) = take.blocking_recv() {
            let packages = page.into_iter().map(|(row, chosen)| Ok(published(row.package()?, chosen, asked)));
            let page: Page = Arc::new(packages.collect::<Result<_>>()?);
            // Nobody takes it any more only when something failed, which is said by whoever did.
            if [&one, &two, &three].into_iter().any(|file| file.blocking_send(Arc::clone(&page)).is_err()) {
                break;
            }
        }
        Ok(())
    });
    let files = future::try_join3(primary, filelists, other);
    let (files, ()) = future::try_join(files, feed(give, pages)).await?;
    reading.await.map_err(Error::internal)??;
    Ok(files.into())
}

/// One of the files: where its packages go, and what becomes of it.
fn list<'a>(
    publisher: &'a Publisher<'_>,
    begin: impl FnOnce(Pipe) -> io::Result<PackagesFile<Pipe>> + Send + 'static,
) -> (mpsc::Sender<Page>, impl Future<Output = Result<Written>> + Send + 'a) {
    let (give, mut take) = mpsc::channel::<Page>(1);
    let (pipe, body) = Pipe::new();
    let writing = tokio::task::spawn_blocking(move || -> Result<Record> {
        let mut file = begin(pipe)?;
        while let Some(page) = take.blocking_recv() {
            page.iter().try_for_each(|package| file.add(package))?;
        }
        Ok(file.finish()?.0)
    });
    let written = async move {
        let file = publisher.receive(body).await?;
        Ok(Written { record: writing.await.map_err(Error::internal)??, file })
    };
    (give, written)
}

/// The package as the publication has it, by the checksum of the asked kind if there is one.
fn published(package: Package, chosen: Chosen, asked: &str) -> Package {
    let (pkg_id, checksum_type) = match chosen.digest {
        Some(digest) => (digest, asked.to_owned()),
        None => (package.pkg_id, package.checksum_type),
    };
    Package { pkg_id, checksum_type, location_href: chosen.path, location_base: String::new(), ..package }
}
