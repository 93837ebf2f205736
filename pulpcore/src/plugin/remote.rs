//! Remotes.

use super::detail::Detail;
use crate::models::remote;

/// A kind of remote: a place that content comes from.
pub trait Remote: Detail<Master = remote::Entity> {
    /// The policies that it offers, the default first.
    const POLICIES: &'static [&'static str] = &["immediate", "on_demand", "streamed"];
}
