//! Distributions.

use std::future::Future;

use axum::response::Response;

use super::detail::Detail;
use crate::app::App;
use crate::error::Result;
use crate::models::distribution;

/// A kind of distribution: what is served under a path.
///
/// ```
/// use axum::response::{IntoResponse, Response};
/// use pulpcore::error::Result;
/// use pulpcore::models::distribution;
/// use pulpcore::plugin::{ContentCx, Detail, Distribution, NoFields, Noun, register};
/// # mod window {
/// #     use sea_orm::entity::prelude::*;
/// #     #[derive(Clone, Debug, Default, PartialEq, DeriveEntityModel)]
/// #     #[sea_orm(table_name = "doc_window")]
/// #     pub struct Model { #[sea_orm(primary_key, auto_increment = false)] pub pulp_id: Uuid }
/// #     #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
/// #     pub enum Relation {}
/// #     impl ActiveModelBehavior for ActiveModel {}
/// # }
/// # impl Detail for window::Entity {
/// #     type Master = distribution::Entity;
/// #     type Body = NoFields;
/// #     const TYPE: &'static str = "doc.window";
/// #     const MODEL: &'static str = "Window";
/// #     const ENDPOINT: &'static str = "window";
/// #     fn read(_: &window::Model) -> NoFields { NoFields {} }
/// #     fn write(_: &mut window::Model, _: NoFields) {}
/// # }
///
/// impl Distribution for window::Entity {
///     const PUBLICATIONS: &'static [&'static str] = &["doc.issue"];
///
///     async fn serve(cx: &ContentCx, _row: &window::Model, path: &str) -> Result<Option<Response>> {
///         Ok((path == "NAME").then(|| cx.distribution.name.clone().into_response()))
///     }
///
///     // What changes under its name is asked for again and again; what has its digest in its name never is.
///     fn cache_control(path: &str) -> Option<&'static str> {
///         match path.strip_prefix("by-digest/") {
///             Some(_) => Some("public, max-age=31536000, immutable"),
///             None => (path == "CATALOG").then_some("no-cache"),
///         }
///     }
/// }
///
/// register!(Noun::distribution::<window::Entity>());
/// # fn main() {
/// assert_eq!(window::Entity::cache_control("CATALOG"), Some("no-cache"));
/// assert_eq!(window::Entity::cache_control("pages/1.pdf"), None);
/// # }
/// ```
pub trait Distribution: Detail<Master = distribution::Entity> {
    /// The publication types that it serves.
    const PUBLICATIONS: &'static [&'static str] = &[];
    /// Whether it serves a repository version directly, without a publication.
    const SERVES_VERSIONS: bool = true;
    /// The remote types through which it can pull what it does not hold. If there are any, clients see and set `remote`.
    const REMOTES: &'static [&'static str] = &[];

    /// The distribution types whose base paths may lie below one of this kind: what it makes when it is asked for, say. All
    /// others' may neither lie below nor around it. Of several the deepest is meant.
    const HOLDS: &'static [&'static str] = &[];

    /// When [`Distribution::serve`] is asked about a path below the distribution. It costs two queries, so whoever knows by
    /// the path alone that there is nothing to say says so here.
    fn asked(_path: &str) -> Asked {
        Asked::Last
    }

    /// Answers a path, at the moment that [`Distribution::asked`] names. `None` leaves it to what comes after; after the last
    /// is a 404.
    ///
    /// # Errors
    /// Rendered as plain text by the content service.
    fn serve(
        _cx: &ContentCx,
        _row: &Self::Model,
        _path: &str,
    ) -> impl Future<Output = Result<Option<Response>>> + Send {
        async { Ok(None) }
    }

    /// `Cache-Control` (RFC 9111, section 5.2) of the file at a path below the base path; Pulp's `content_headers_for`.
    ///
    /// `None` says nothing, so that caches judge by `Last-Modified`: fine for a file that never changes under its name,
    /// wrong for metadata that the next publication replaces. For these, `no-cache` has caches ask whether theirs is still
    /// current, which costs a 304. A guarded file is `private` besides, whatever this says. What is not a valid header is
    /// left out; what [`Self::serve`] sets itself stays.
    fn cache_control(_path: &str) -> Option<&'static str> {
        None
    }
}

/// When a distribution is asked about a path. The guard has let the client in by then.
///
/// ```
/// use pulpcore::plugin::Asked;
///
/// /// One file is made for each client, whatever is published under its name; everything else is only published.
/// fn asked(path: &str) -> Asked {
///     if path == "config.repo" { Asked::First } else { Asked::Never }
/// }
/// assert_eq!(asked("config.repo"), Asked::First);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Before the publication and the version are looked into, as Pulp asks its plugins.
    First,
    /// Where neither has the path.
    Last,
    /// Not at all.
    Never,
}

/// What a distribution may use to answer a request.
///
/// ```
/// use pulpcore::error::Result;
/// use pulpcore::plugin::ContentCx;
///
/// /// How large a stored file is.
/// async fn size(cx: &ContentCx, path: &str) -> Result<Option<u64>> {
///     cx.app.storage.size(path).await
/// }
/// ```
#[derive(Clone, Debug)]
pub struct ContentCx {
    /// The process: database (for reading) and storage.
    pub app: App,
    /// The distribution that the path led to.
    pub distribution: distribution::Model,
}
