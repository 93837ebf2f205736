//! Content units.

use super::detail::Detail;
use crate::error::{Error, Result};
use crate::models::{artifact, content};

/// A kind of content unit: immutable, and stored once however many repositories hold it.
///
/// ```
/// use pulpcore::error::Result;
/// use pulpcore::models::{artifact, content};
/// use pulpcore::plugin::{Content, Detail, NoFields, Noun, Upload, register};
/// # mod page {
/// #     use sea_orm::entity::prelude::*;
/// #     #[derive(Clone, Debug, Default, PartialEq, DeriveEntityModel)]
/// #     #[sea_orm(table_name = "doc_page")]
/// #     pub struct Model { #[sea_orm(primary_key, auto_increment = false)] pub pulp_id: Uuid, pub digest: String }
/// #     #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
/// #     pub enum Relation {}
/// #     impl ActiveModelBehavior for ActiveModel {}
/// # }
/// # impl Detail for page::Entity {
/// #     type Master = content::Entity;
/// #     type Body = NoFields;
/// #     const TYPE: &'static str = "doc.page";
/// #     const MODEL: &'static str = "Page";
/// #     const ENDPOINT: &'static str = "page";
/// #     fn read(_: &page::Model) -> NoFields { NoFields {} }
/// #     fn write(_: &mut page::Model, _: NoFields) {}
/// # }
///
/// impl Content for page::Entity {
///     // The same bytes are the same page, and a repository holds each once.
///     const NATURAL_KEY: &'static [page::Column] = &[page::Column::Digest];
///     const REPO_KEY: &'static [page::Column] = &[page::Column::Digest];
///
///     fn from_upload(_: NoFields, artifact: &artifact::Model) -> Result<Upload<page::Model>> {
///         let row = page::Model { digest: artifact.sha256.clone(), ..Default::default() };
///         Ok(Upload { row, relative_path: format!("{}.html", artifact.sha256) })
///     }
/// }
///
/// register!(Noun::content::<page::Entity>());
/// # fn main() {}
/// ```
pub trait Content: Detail<Master = content::Entity> {
    /// Two units with equal values here are the same unit. The table has a unique index over exactly these columns.
    const NATURAL_KEY: &'static [Self::Column];
    /// At most one unit per value of these columns lives in a version; a newcomer replaces the older one.
    const REPO_KEY: &'static [Self::Column];

    /// Makes a unit from a file that a client uploaded. A kind without such operations
    /// ([`Noun::without`](super::Noun::without)) is not asked.
    ///
    /// # Errors
    /// [`crate::error::Error::Invalid`] if the file or the fields do not make a unit.
    fn from_upload(_body: Self::Body, _artifact: &artifact::Model) -> Result<Upload<Self::Model>> {
        Err(Error::invalid_together(format!("Content of type '{}' is not made of uploads.", Self::TYPE)))
    }

    /// Makes a unit from a file that was pulled through: see [`Remote::pull`](super::Remote::pull). `None` if it makes
    /// none; then it was passed on and is not kept. Pulp's `init_from_artifact_and_relative_path`.
    ///
    /// # Errors
    /// As for `None`, and it is in the log.
    fn from_path(_path: &str, _artifact: &artifact::Model) -> Result<Option<Upload<Self::Model>>> {
        Ok(None)
    }
}

/// A unit made from an upload.
///
/// ```
/// use pulpcore::plugin::Upload;
/// let upload = Upload { row: "the plugin's row", relative_path: "docs/index.html".to_owned() };
/// assert_eq!(upload.relative_path, "docs/index.html");
/// ```
#[derive(Debug)]
pub struct Upload<M> {
    /// The row; core sets its key.
    pub row: M,
    /// Where the file stands below a distribution.
    pub relative_path: String,
}
