//! What a plugin reads while it serves, beyond the tables of its nouns.

/// Tables that [`Distribution::serve`](super::Distribution::serve) and the read side of a [`LiveApi`](super::LiveApi) look
/// at, other than those of the plugin's nouns. Remotes are not among these: name their table here if it is read.
///
/// A content service may run with a database role that reads nothing else (`pulp-server content-grants`).
///
/// ```
/// use pulpcore::plugin::{ContentReads, register};
///
/// register!(ContentReads { label: "doc", tables: &["doc_chapter"] });
/// # fn main() {}
/// ```
#[derive(Debug)]
pub struct ContentReads {
    /// The plugin's label.
    pub label: &'static str,
    /// Tables; each begins with the label.
    pub tables: &'static [&'static str],
}
