//! Content units.

use std::future::Future;

use uuid::Uuid;

use super::detail::Detail;
use crate::app::App;
use crate::db::Writing;
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

    /// Makes a unit of what a client posted, where the file itself must be read, or where units have none: a kind that lacks
    /// core's fields for a file gets no artifact, and a kind that lacks `artifact` alone keeps none. Unless it says
    /// otherwise, [`Content::from_upload`] does it.
    ///
    /// # Errors
    /// [`crate::error::Error::Invalid`] if the file or the fields do not make a unit.
    fn from_post(
        _app: &App,
        body: Self::Body,
        artifact: Option<&artifact::Model>,
    ) -> impl Future<Output = Result<Upload<Self::Model>>> + Send {
        let made = match artifact {
            Some(artifact) => Self::from_upload(body, artifact),
            None => Err(Error::invalid("file", "This field is required.")),
        };
        async move { made }
    }

    /// Runs in the transaction that saves a new unit of a post or an upload, once its row is written: the place to write
    /// what stands in other tables. A sync has [`Session::save_each`](crate::sync::Session::save_each) for it.
    ///
    /// # Errors
    /// Whatever refuses the unit.
    fn saved(_tx: &Writing, _key: Uuid, _row: &Self::Model) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
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
