//! Repositories.

use std::future::Future;

use super::detail::Detail;
use crate::error::Result;
use crate::models::repository;
use crate::tasking::cx::TaskCx;
pub use crate::versions::NewVersion;

/// A kind of repository: which content it holds, where that comes from, and what must be true of a version.
///
/// ```
/// use pulpcore::error::{Error, Result};
/// use pulpcore::models::repository;
/// use pulpcore::plugin::{Detail, NewVersion, NoFields, Noun, Repository, register};
/// # mod shelf {
/// #     use sea_orm::entity::prelude::*;
/// #     #[derive(Clone, Debug, Default, PartialEq, DeriveEntityModel)]
/// #     #[sea_orm(table_name = "doc_shelf")]
/// #     pub struct Model { #[sea_orm(primary_key, auto_increment = false)] pub pulp_id: Uuid }
/// #     #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
/// #     pub enum Relation {}
/// #     impl ActiveModelBehavior for ActiveModel {}
/// # }
/// # impl Detail for shelf::Entity {
/// #     type Master = repository::Entity;
/// #     type Body = NoFields;
/// #     const TYPE: &'static str = "doc.shelf";
/// #     const MODEL: &'static str = "Shelf";
/// #     const ENDPOINT: &'static str = "shelf";
/// #     fn read(_: &shelf::Model) -> NoFields { NoFields {} }
/// #     fn write(_: &mut shelf::Model, _: NoFields) {}
/// # }
///
/// impl Repository for shelf::Entity {
///     const CONTENT: &'static [&'static str] = &["doc.page"];
///     const REMOTES: &'static [&'static str] = &["doc.mirror"];
///
///     async fn finalize(version: &mut NewVersion<'_>) -> Result<()> {
///         match version.number() {
///             1000 => Err(Error::Conflict("This shelf is full.".to_owned())),
///             _ => Ok(()),
///         }
///     }
/// }
///
/// register!(Noun::repository::<shelf::Entity>());
/// # fn main() {}
/// ```
pub trait Repository: Detail<Master = repository::Entity> {
    /// The content types that it holds; units of other types are refused.
    const CONTENT: &'static [&'static str];
    /// The remote types that it syncs from.
    const REMOTES: &'static [&'static str] = &[];
    /// Whether a task adds what was pulled through a distribution that serves the repository. Pulp's
    /// `PULL_THROUGH_SUPPORTED`.
    const PULL_THROUGH: bool = false;

    /// Runs in the transaction that completes a version: the plugin's last chance to complete it or to refuse it.
    ///
    /// # Errors
    /// Whatever refuses the version; nothing of it remains then.
    fn finalize(_version: &mut NewVersion<'_>) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }

    /// Runs in the task that made a version, after it is complete: the place for `autopublish`.
    ///
    /// # Errors
    /// Fails the task; the version stays.
    fn created(
        _cx: &TaskCx,
        _row: &Self::Model,
        _version: &crate::models::repository_version::Model,
    ) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }
}
