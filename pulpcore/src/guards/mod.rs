//! Core's own content guards, each registered like a plugin's: one file a kind, its table, its body, what it asks.
//!
//! | guard | lets in |
//! | --- | --- |
//! | [`header`] | whoever sends a header with the right value, or with JSON of which a jq filter gives it |
//! | [`composite`] | whomever any of a list of guards lets in |
//! | [`content_redirect`] | whoever comes with a URL that was signed a moment ago |
//! | [`rbac`] | users who log in and may download |
//!
//! They are asked by [`crate::content`].

mod composite;
mod content_redirect;
mod header;
mod jq;
mod rbac;
#[cfg(all(test, feature = "testkit"))]
mod tests;

pub use self::content_redirect::preauthenticate;
