//! Content units.

use super::detail::Detail;
use crate::error::Result;
use crate::models::{artifact, content};

/// A kind of content unit: immutable, and stored once however many repositories hold it.
pub trait Content: Detail<Master = content::Entity> {
    /// Two units with equal values here are the same unit. The table has a unique index over exactly these columns.
    const NATURAL_KEY: &'static [Self::Column];
    /// At most one unit per value of these columns lives in a version; a newcomer replaces the older one.
    const REPO_KEY: &'static [Self::Column];

    /// Makes a unit from a file that a client uploaded.
    ///
    /// # Errors
    /// [`crate::error::Error::Invalid`] if the file or the fields do not make a unit.
    fn from_upload(body: Self::Body, artifact: &artifact::Model) -> Result<Upload<Self::Model>>;
}

/// A unit made from an upload.
#[derive(Debug)]
pub struct Upload<M> {
    /// The row; core sets its key.
    pub row: M,
    /// Where the file stands below a distribution.
    pub relative_path: String,
}
