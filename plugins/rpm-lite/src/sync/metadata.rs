//! The files of metadata, each received and checked against what `repomd.xml` says of it.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use pulpcore::error::{Error, Result, Upstream};
use pulpcore::plugin::TaskCx;
use pulpcore::storage::{Algorithm, Digests, Expected, ReceiveError, Received};
use pulpcore::sync::download::{Downloader, Request, fetch};
use pulpcore::tasking::Progress;

use super::bad;
use super::place::Place;
use super::signature::Proven;
use crate::metadata::repomd::{REPOMD, Record, Repomd};

/// No file of metadata is longer, in bytes, as it is sent.
const LONGEST: u64 = 8 << 30;

/// The records that are read, apart from which others are passed on.
const READ: &[&str] = &["primary", "filelists", "other", "updateinfo", "group", "modules"];

/// Records that say again what others say, or what nobody uses any more.
const NEEDLESS: &[&str] = &["primary_db", "filelists_db", "other_db", "group_gz", "prestodelta", "deltainfo"];

/// The metadata of a repository at one moment.
pub(crate) struct Metadata {
    /// `repomd.xml` as it was sent.
    pub(crate) bytes: Bytes,
    /// Its signature, if one was asked for.
    pub(crate) signature: Option<Bytes>,
    /// What it says.
    pub(crate) repomd: Repomd,
    /// The files, by the kind of their record.
    pub(crate) files: BTreeMap<String, Received>,
}

impl Metadata {
    /// Reads `repomd.xml`.
    ///
    /// # Errors
    /// [`Error::Upstream`] if it is none.
    pub(crate) fn open(place: &Place, Proven { repomd: bytes, signature }: Proven) -> Result<Self> {
        let url = place.url(REPOMD)?;
        let repomd = Repomd::read(&*bytes).map_err(|error| bad(&url, error))?;
        match repomd.record("primary") {
            Some(_) => Ok(Self { bytes, signature, repomd, files: BTreeMap::new() }),
            None => Err(bad(&url, "XML file <primary> is missing from the repository metadata.")),
        }
    }

    /// The sha256 digest of `repomd.xml`.
    pub(crate) fn checksum(&self) -> String {
        crate::digest_of(&self.bytes)
    }

    /// Downloads the files: those that are read, or, to mirror them, all.
    ///
    /// # Errors
    /// [`Error::Upstream`] if one cannot be had as it was promised.
    pub(crate) async fn download(
        &mut self,
        cx: &TaskCx,
        downloader: &dyn Downloader,
        place: &Place,
        all: bool,
        progress: &Progress,
    ) -> Result<()> {
        progress.increment(1).await?;
        let wanted = self.repomd.records.iter().filter(|record| all || READ.contains(&record.kind.as_str()));
        let wanted: Vec<Record> = wanted.cloned().collect();
        let downloads = wanted.into_iter().map(|record| async move {
            let url = place.url_from(record.location_base.as_deref(), &record.location_href)?;
            let received = receive(cx, downloader, &url, expected(&record, &url)?).await?;
            progress.increment(1).await?;
            Ok::<_, Error>((record.kind, received))
        });
        let files: Vec<_> =
            stream::iter(downloads).buffer_unordered(downloader.concurrency().max(1)).try_collect().await?;
        self.files = files.into_iter().collect();
        Ok(())
    }

    /// The records that are neither read nor needless: they are kept as they are.
    pub(crate) fn others(&self) -> impl Iterator<Item = &Record> {
        let is_copy = |kind: &str| ["_zck", "_gz", "_xz", "_zst"].iter().any(|suffix| kind.ends_with(suffix));
        self.repomd.records.iter().filter(move |record| {
            let kind = record.kind.as_str();
            !READ.contains(&kind) && !NEEDLESS.contains(&kind) && !is_copy(kind)
        })
    }

    /// Refuses what cannot be mirrored to the byte: what leads out of the repository, and what is not kept.
    ///
    /// # Errors
    /// [`Error::Upstream`], with Pulp's words.
    pub(crate) fn must_be_mirrorable(&self, place: &Place) -> Result<()> {
        let leads_out = |record: &Record| {
            record.location_base.as_deref().is_some_and(|base| !base.is_empty()) || leads_out(&record.location_href)
        };
        let deltas = |record: &Record| matches!(record.kind.as_str(), "prestodelta" | "deltainfo");
        match self.repomd.records.iter().any(|record| leads_out(record) || deltas(record)) {
            true => Err(not_mirrorable(&place.url(REPOMD)?)),
            false => Ok(()),
        }
    }
}

/// Whether a path of metadata leads out of the repository.
pub(crate) fn leads_out(path: &str) -> bool {
    path.contains("://") || path.starts_with('/') || path.split('/').any(|part| part == "..")
}

/// That a repository cannot be mirrored to the byte, in Pulp's words.
pub(crate) fn not_mirrorable(url: &str) -> Error {
    bad(
        url,
        "This repository uses features which are incompatible with 'mirror' sync. Please sync without mirroring enabled.",
    )
}

/// What a record promises of its file.
pub(crate) fn expected(record: &Record, url: &str) -> Result<Expected> {
    let digests = digests(&record.checksum.kind, &record.checksum.digest, url)?;
    Ok(Expected { size: record.size, digests, max_size: Some(LONGEST) })
}

/// A digest that metadata promises.
///
/// # Errors
/// [`Error::Upstream`] if nobody knows its kind, or it is none of that kind.
pub(crate) fn digests(kind: &str, digest: &str, url: &str) -> Result<Digests> {
    // What createrepo called SHA-1 at first.
    let kind = if kind == "sha" { "sha1" } else { kind };
    let algorithm: Algorithm = kind.parse().map_err(|_| bad(url, format!("Checksum type '{kind}' is not known.")))?;
    Digests::default().with(algorithm, digest).map_err(|error| bad(url, error))
}

/// Receives a file.
pub(crate) async fn receive(
    cx: &TaskCx,
    downloader: &dyn Downloader,
    url: &str,
    expected: Expected,
) -> Result<Received> {
    let expected = &expected;
    fetch(downloader, Request::get(url), |download| async move {
        cx.storage().receive(download.body, expected).await.map_err(|error| match error {
            ReceiveError::Failed(Error::TooLarge(what)) => Error::upstream(url, Upstream::Content(what)),
            other => other.upstream(url),
        })
    })
    .await
}
