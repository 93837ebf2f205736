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
/// }
///
/// register!(Noun::distribution::<window::Entity>());
/// # fn main() {}
/// ```
pub trait Distribution: Detail<Master = distribution::Entity> {
    /// The publication types that it serves.
    const PUBLICATIONS: &'static [&'static str] = &[];
    /// Whether it serves a repository version directly, without a publication.
    const SERVES_VERSIONS: bool = true;
    /// The remote types through which it can pull what it does not hold. If there are any, clients see and set `remote`.
    const REMOTES: &'static [&'static str] = &[];

    /// Answers a path that neither the publication nor the version holds; `None` is a 404.
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
