//! What a publication consists of: which packages it lists and where, and the metadata that describes them.
//!
//! Published metadata is the same for the same version and the same way of publishing, to the byte: the order is the
//! packages' own, and the time is the version's. Only a signature says when it was made.

mod choice;
pub mod config;
mod others;
mod writing;

use bytes::Bytes;
use futures::stream;
use pulpcore::db::one_of;
use pulpcore::error::{Error, Result};
use pulpcore::models::repository_version;
use pulpcore::plugin::{Publisher, TaskCx};
use pulpcore::signing;
use sea_orm::entity::prelude::*;

use crate::compression::Compression;
use crate::metadata::repomd::{KEY, REPOMD, Record, Repomd, SIGNATURE};
use crate::metadata::repository::{ChecksumKind, Options};
use crate::models::{Package, package};
use crate::serializers::CompressionType;
use crate::tasks::publish::How;

use self::choice::Chosen;
use self::writing::Written;

/// How many packages are read from the database at a time: each may have a list of thousands of files.
const PAGE: usize = 200;

/// Adds everything that a version's publication lists to one that is being made.
///
/// # Errors
/// If the database or the storage fails.
pub async fn fill(cx: &TaskCx, publisher: &mut Publisher<'_>, how: &How) -> Result<()> {
    let progress = cx.progress("Generating repository metadata", "publish.generating_metadata");
    progress.set_total(1);
    let version = publisher.version().clone();
    let options = options(&version, how)?;
    let chosen = choice::packages(cx, &version, how).await?;
    let mut files = Vec::from(packages(cx, publisher, &chosen, options).await?);
    others::write(cx, publisher, &version, options, &mut files).await?;
    let nothing = chosen.is_empty() && files.len() == 3;
    let mut records: Vec<Record> = Vec::with_capacity(files.len());
    for Written { record, file } in files {
        publisher.keep(&record.location_href, file).await?;
        records.push(record);
    }
    // An empty repository is the same whatever its version, as in Pulp.
    let revision = if nothing { 0 } else { options.timestamp };
    let repomd = Repomd { revision: Some(revision.to_string()), records, ..Repomd::default() };
    let text = Bytes::from(repomd.to_string());
    if let Some(service) = how.signing_service {
        sign(cx, publisher, service, text.clone()).await?;
    }
    publisher.add(REPOMD, stream::iter([Ok(text)])).await?;
    for one in chosen {
        publisher.list(one.path, one.file);
    }
    progress.done(1).await
}

/// Adds the signature of `repomd.xml`, and the key that proves it.
async fn sign(cx: &TaskCx, publisher: &mut Publisher<'_>, service: Uuid, text: Bytes) -> Result<()> {
    let signed = signing::sign(cx, service, "repomd.xml", stream::iter([Ok(text)])).await?;
    for (path, text) in [(SIGNATURE, signed.signature), (KEY, signed.public_key)] {
        publisher.add(path, stream::iter([Ok(Bytes::from(text))])).await?;
    }
    Ok(())
}

fn options(version: &repository_version::Model, how: &How) -> Result<Options> {
    let checksum = ChecksumKind::named(how.checksum_type.as_str())
        .ok_or_else(|| Error::invalid("checksum_type", "Metadata cannot be published with this checksum type."))?;
    let compression = match how.compression_type {
        Some(CompressionType::Zstd) => Compression::Zstd,
        Some(CompressionType::None) => Compression::None,
        Some(CompressionType::Gz) | None => Compression::Gzip,
    };
    Ok(Options { checksum, compression, timestamp: version.pulp_created.unix_timestamp() })
}

/// Writes `primary`, `filelists` and `other`.
async fn packages(cx: &TaskCx, publisher: &Publisher<'_>, chosen: &[Chosen], options: Options) -> Result<[Written; 3]> {
    let pages = stream::unfold(chosen.chunks(PAGE), |mut pages| async move {
        let page = pages.next()?;
        Some((page_of(cx, page).await, pages))
    });
    writing::packages(publisher, chosen.len() as u64, options, pages).await
}

/// The packages of a page in their order, each as it is published.
async fn page_of(cx: &TaskCx, page: &[Chosen]) -> Result<Vec<(package::Model, Chosen)>> {
    let db = cx.db().read();
    let these = one_of(db, package::Column::ContentPtrId, page.iter().map(|one| one.content));
    let rows = Package::find().filter(these).all(db).await?;
    let mut rows: std::collections::HashMap<Uuid, package::Model> =
        rows.into_iter().map(|row| (row.content_ptr_id, row)).collect();
    let gone = || Error::internal("a package of a version is gone");
    page.iter().map(|one| Ok((rows.remove(&one.content).ok_or_else(gone)?, one.clone()))).collect()
}
