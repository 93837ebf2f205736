//! Whether `repomd.xml` is what a remote's owner signed: all the rest of the metadata is proven by it.

use std::io::Cursor;

use bytes::Bytes;
use pulpcore::error::{Error, Result, Upstream};
use pulpcore::signing::{LONGEST_SIGNATURE, PublicKeys};
use pulpcore::sync::download::{Downloader, Request, fetch};

use super::bad;
use super::place::Place;
use super::reading::apart;
use crate::metadata::repomd::SIGNATURE;
use crate::models::remote;

/// How often a repository may change between its `repomd.xml` and the signature of that.
const ATTEMPTS: usize = 3;

/// A `repomd.xml`, and its signature, if that was asked for and holds.
#[derive(Debug)]
pub(crate) struct Proven {
    pub(crate) repomd: Bytes,
    pub(crate) signature: Option<Bytes>,
}

/// Proves that what a repository says at this moment was signed with one of the remote's keys, if it has any. What is returned
/// may be newer than what was there.
///
/// # Errors
/// [`Error::Upstream`], naming the signature's URL, if there is none or it does not hold.
pub(crate) async fn proven(
    downloader: &dyn Downloader,
    place: &Place,
    remote: &remote::Model,
    mut repomd: Bytes,
) -> Result<Proven> {
    let Some(keys) = &remote.metadata_public_key else { return Ok(Proven { repomd, signature: None }) };
    let keys = PublicKeys::parse(keys).map_err(|error| Error::invalid("metadata_public_key", error.to_string()))?;
    let mut attempt = 1;
    loop {
        let error = match signature(downloader, place, &keys, &repomd).await {
            Ok(signature) => return Ok(Proven { repomd, signature: Some(signature) }),
            Err(error) => error,
        };
        // It may be the signature of a newer one.
        let now = place.repomd(downloader).await?;
        if attempt == ATTEMPTS || now == repomd {
            return Err(error);
        }
        repomd = now;
        attempt += 1;
    }
}

/// The signature of a `repomd.xml`, if it holds.
async fn signature(downloader: &dyn Downloader, place: &Place, keys: &PublicKeys, repomd: &Bytes) -> Result<Bytes> {
    let url = place.url(SIGNATURE)?;
    let signature = fetch(downloader, Request::get(&url), |download| download.bytes(LONGEST_SIGNATURE)).await;
    let signature = signature.map_err(|error| match error {
        Error::Upstream { problem: Upstream::Status(403 | 404 | 410), .. } => {
            bad(&url, "there is no signature of the metadata, and 'metadata_public_key' of the remote asks for one")
        }
        other => other,
    })?;
    let (keys, repomd, sent) = (keys.clone(), repomd.clone(), signature.clone());
    let proven = move || match keys.verify(&sent, Cursor::new(repomd)) {
        Ok(_) => Ok(()),
        Err(why) => Err(bad(&url, format!("the metadata is not proven by 'metadata_public_key' of the remote: {why}"))),
    };
    apart(proven).await?;
    Ok(signature)
}
