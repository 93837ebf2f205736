//! Remotes.

use std::sync::Arc;

use super::content::Content;
use super::detail::Detail;
use crate::error::Result;
use crate::models::remote;
use crate::sync::download::{Downloader, RemoteConfig};

/// A kind of remote: a place that content comes from.
///
/// ```
/// use pulpcore::models::remote;
/// use pulpcore::plugin::{Detail, NoFields, Noun, Remote, register};
/// # mod mirror {
/// #     use sea_orm::entity::prelude::*;
/// #     #[derive(Clone, Debug, Default, PartialEq, DeriveEntityModel)]
/// #     #[sea_orm(table_name = "doc_mirror")]
/// #     pub struct Model { #[sea_orm(primary_key, auto_increment = false)] pub pulp_id: Uuid }
/// #     #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
/// #     pub enum Relation {}
/// #     impl ActiveModelBehavior for ActiveModel {}
/// # }
/// # impl Detail for mirror::Entity {
/// #     type Master = remote::Entity;
/// #     type Body = NoFields;
/// #     const TYPE: &'static str = "doc.mirror";
/// #     const MODEL: &'static str = "Mirror";
/// #     const ENDPOINT: &'static str = "mirror";
/// #     fn read(_: &mirror::Model) -> NoFields { NoFields {} }
/// #     fn write(_: &mut mirror::Model, _: NoFields) {}
/// # }
///
/// impl Remote for mirror::Entity {
///     // Nothing is downloaded later than the sync.
///     const POLICIES: &'static [&'static str] = &["immediate"];
/// }
///
/// register!(Noun::remote::<mirror::Entity>());
/// # fn main() {}
/// ```
pub trait Remote: Detail<Master = remote::Entity> {
    /// The policies that it offers, the default first.
    const POLICIES: &'static [&'static str] = &["immediate", "on_demand", "streamed"];
    /// Fields that clients write only, and that are kept as others: `hidden_fields` lists them as not set.
    const WRITTEN_ELSEWHERE: &'static [&'static str] = &[];

    /// Pull-through: where a path is to be had that a distribution with this remote does not hold, and what becomes of it.
    /// `None` is a 404. Of Pulp's methods this is `get_remote_artifact_url` and `get_remote_artifact_content_type`.
    ///
    /// The path is relative, without `.`, `..` and empty parts, but not encoded; it may end in a slash. What does not lie
    /// below the folder of the remote's own URL is not asked for, whatever this says.
    ///
    /// # Errors
    /// If the remote's URL cannot be used.
    fn pull(_remote: &remote::Model, _row: &Self::Model, _path: &str) -> Result<Option<Pull>> {
        Ok(None)
    }

    /// What fetches from remotes of this kind, during a sync and later: the downloader for the URL's scheme, or one around
    /// it that knows what the remotes' protocol asks for besides, such as tokens.
    fn downloader(plain: Arc<dyn Downloader>, _config: &RemoteConfig) -> Arc<dyn Downloader> {
        plain
    }
}

/// Where a path is to be had, and what becomes of it.
///
/// ```
/// use pulpcore::plugin::Pull;
///
/// // An index changes: it is passed on each time.
/// let pull = Pull::passed("https://example.test/docs/INDEX");
/// assert_eq!((pull.url.as_str(), pull.content), ("https://example.test/docs/INDEX", None));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pull {
    /// The URL, absolute.
    pub url: String,
    /// The type of content that is made of it; none if it is passed on and not kept.
    pub content: Option<&'static str>,
}

impl Pull {
    /// Made a unit of, by [`Content::from_path`], unless the remote's policy is `streamed`.
    pub fn kept<C: Content>(url: impl Into<String>) -> Self {
        Self { url: url.into(), content: Some(C::TYPE) }
    }

    /// Passed on each time: metadata, and whatever else changes.
    pub fn passed(url: impl Into<String>) -> Self {
        Self { url: url.into(), content: None }
    }
}
