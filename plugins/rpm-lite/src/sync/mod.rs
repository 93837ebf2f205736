//! What a sync takes from a remote: its metadata, checked against `repomd.xml` to the last byte, and what that describes.
//!
//! | to learn | read |
//! | --- | --- |
//! | where the repository is | [`place`]: a URL, a list of mirrors, a metalink |
//! | who signed it | [`signature`] |
//! | what is downloaded | [`metadata`] |
//! | how files become streams of records | [`reading`] |
//! | which packages are left out | [`selection`] |
//! | what is declared | [`units`] |
//! | what is taken, in which order | [`taking`] |
//! | what becomes of a mirror to the byte | [`mirror`] |

pub(crate) mod metadata;
pub(crate) mod mirror;
pub(crate) mod place;
pub(crate) mod reading;
pub(crate) mod selection;
pub(crate) mod signature;
pub(crate) mod taking;
pub(crate) mod units;

use pulpcore::error::{Error, Upstream};

/// That what a remote sent cannot be used.
pub(crate) fn bad(url: &str, why: impl ToString) -> Error {
    Error::upstream(url, Upstream::Content(why.to_string()))
}

/// Whether a failure may come from a repository that was changed while it was read: its files are gone, or others.
pub(crate) fn may_be_a_change(error: &Error) -> bool {
    let Error::Upstream { problem, .. } = error else { return false };
    match problem {
        Upstream::Status(status) => matches!(status, 404 | 410),
        Upstream::Digest { .. } | Upstream::Size { .. } => true,
        _ => false,
    }
}
