//! Live APIs: protocols that clients speak outside the REST API and outside the content prefix.

use axum::Router;

use crate::app::App;

/// A protocol of its own, such as a registry, with the URL space that it claims.
///
/// Claims never overlap: not with another live API, not with the API root, not with the content prefix. That is checked
/// at start-up, and a distribution whose URL would fall into a claim is refused.
///
/// ```
/// use axum::Router;
/// use axum::routing::get;
/// use pulpcore::plugin::{LiveApi, register};
///
/// register!(LiveApi {
///     label: "doc",
///     name: "reading room",
///     claims: &["/read/"],
///     read: |_app| Router::new().route("/read/", get(async || "Silence, please.")),
///     write: None,
/// });
/// # fn main() {}
/// ```
#[derive(Debug)]
pub struct LiveApi {
    /// The plugin's label.
    pub label: &'static str,
    /// What it is, for `plugins show`.
    pub name: &'static str,
    /// URL prefixes, each with a slash at both ends: `/v2/`.
    pub claims: &'static [&'static str],
    /// What the content role serves.
    pub read: fn(App) -> Router,
    /// What the api role serves.
    pub write: Option<fn(App) -> Router>,
}
