//! What can go wrong, by meaning.
//!
//! One enum for the whole system. It says *what happened*; how that looks is decided by the surface that renders it:
//! the management API ([`crate::api`]) speaks Django REST framework's shapes, the content service plain text, a failed
//! task keeps a description and a code in its row. Nothing below a surface knows a status code.
//!
//! Two rules keep internals from leaking:
//! - text in a variant other than [`Error::Internal`] is written for the client;
//! - [`Error::Internal`] has a fixed `Display`; its cause is reachable only through [`Error::log`], for the log.

use std::collections::BTreeMap;
use std::fmt;

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, by meaning.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Well-formed input that breaks a rule; messages by field.
    #[error("{0}")]
    Invalid(Invalid),
    /// A query parameter that this list does not know.
    #[error("Invalid Filter: '{0}'")]
    UnknownFilter(String),
    /// Input that cannot be parsed at all, with what the parser said.
    #[error("{0}")]
    Malformed(String),
    /// A body in a media type that this endpoint does not read.
    #[error("Unsupported media type \"{0}\" in request.")]
    UnsupportedMediaType(String),
    /// More bytes (or items) than the named bound allows.
    #[error("{0}")]
    TooLarge(String),
    /// No credentials were given.
    #[error("Authentication credentials were not provided.")]
    Unauthenticated,
    /// Credentials were given and are wrong.
    #[error("Invalid username/password.")]
    BadCredentials,
    /// The caller is known and may not do this.
    #[error("You do not have permission to perform this action.")]
    PermissionDenied,
    /// Nothing is there; the sentence says what was looked for.
    #[error("{0}")]
    NotFound(String),
    /// The thing's present state does not allow this.
    #[error("{0}")]
    Conflict(String),
    /// It was there and is not any more; the sentence says what to do instead.
    #[error("{0}")]
    Gone(String),
    /// A remote server failed us; the URL is part of the message.
    #[error("{url}: {problem}")]
    Upstream {
        /// The URL that was asked for (without credentials).
        url: String,
        /// What happened.
        problem: Upstream,
    },
    /// A task was canceled.
    #[error("The task was canceled.")]
    Canceled,
    /// Something this process needs is not available right now.
    #[error("{0}")]
    Unavailable(String),
    /// The operator's configuration is wrong. Shown at start-up, never to a client.
    #[error("{0}")]
    Config(String),
    /// A fault of ours (or of the database, or the disk). The client learns that it happened and nothing else.
    #[error("Internal error.")]
    Internal(Box<dyn std::error::Error + Send + Sync>),
}

/// How a remote server failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Upstream {
    /// It answered with a status that is not a success.
    #[error("the server answered {0}")]
    Status(u16),
    /// It could not be reached, or hung up.
    #[error("{0}")]
    Connection(String),
    /// It sent nothing for longer than the remote's timeouts allow.
    #[error("timed out: {0}")]
    Timeout(String),
    /// What it sent is not what was promised.
    #[error("{digest} is {actual}, expected {expected}")]
    Digest {
        /// The algorithm, e.g. `sha256`.
        digest: &'static str,
        /// What was promised, in hex.
        expected: String,
        /// What came, in hex.
        actual: String,
    },
    /// It sent another number of bytes than was promised.
    #[error("got {actual} bytes, expected {expected}")]
    Size {
        /// What was promised.
        expected: u64,
        /// What came.
        actual: u64,
    },
    /// What it sent cannot be understood.
    #[error("{0}")]
    Content(String),
}

impl Error {
    /// A rule about one field was broken.
    ///
    /// ```
    /// # use pulpcore::error::Error;
    /// let error = Error::invalid("name", "This field must be unique.");
    /// assert_eq!(error.to_string(), "name: This field must be unique.");
    /// ```
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        let mut invalid = Invalid::default();
        invalid.add(field, message);
        Self::Invalid(invalid)
    }

    /// A field refers to what is not there.
    ///
    /// ```
    /// # use pulpcore::error::Error;
    /// assert_eq!(Error::missing("remote").to_string(), "remote: Invalid hyperlink - Object does not exist.");
    /// ```
    pub fn missing(field: impl Into<String>) -> Self {
        Self::invalid(field, "Invalid hyperlink - Object does not exist.")
    }

    /// A rule about several fields, or none, was broken.
    pub fn invalid_together(message: impl Into<String>) -> Self {
        Self::invalid(Invalid::NON_FIELD, message)
    }

    /// A rule was broken, in an answer that is nothing but a list of messages: Pulp has a few such answers.
    ///
    /// ```
    /// # use pulpcore::error::Error;
    /// assert_eq!(Error::invalid_bare("Too short.").to_string(), "Too short.");
    /// ```
    pub fn invalid_bare(message: impl Into<String>) -> Self {
        Self::invalid(Invalid::BARE, message)
    }

    /// A fault of ours, with its cause for the log.
    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(cause.into())
    }

    /// A remote server failed us. Credentials and the query of `url` are not told.
    pub fn upstream(url: impl AsRef<str>, problem: Upstream) -> Self {
        Self::Upstream { url: shown(url.as_ref()), problem }
    }

    /// The whole story, causes included: for the log, never for a client.
    pub fn log(&self) -> String {
        let mut text = self.to_string();
        if let Self::Internal(cause) = self {
            let mut next: Option<&dyn std::error::Error> = Some(cause.as_ref());
            while let Some(error) = next {
                text.push_str(": ");
                text.push_str(&error.to_string());
                next = error.source();
            }
        }
        text
    }
}

/// A URL as it may stand in an answer or in a log: without credentials, and without its query, which is often a token or a
/// signature.
pub(crate) fn shown(url: &str) -> String {
    let mut text = url.to_owned();
    if let Ok(mut parsed) = url::Url::parse(url)
        && (!parsed.username().is_empty() || parsed.password().is_some())
    {
        // Neither can fail: a URL that parsed with user information has a host.
        let _ = parsed.set_username("");
        let _ = parsed.set_password(None);
        text = parsed.to_string();
    }
    if let Some(query) = text.find('?') {
        text.truncate(query);
        text.push_str("?…");
    }
    text
}

/// Messages by field, in the order of their names.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Invalid(BTreeMap<String, Vec<String>>);

impl Invalid {
    /// The name under which messages stand that belong to no single field.
    pub const NON_FIELD: &'static str = "non_field_errors";
    /// The name under which messages stand that are shown without any name, as a list.
    pub const BARE: &'static str = "";

    /// Adds a message to a field.
    pub fn add(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.0.entry(field.into()).or_default().push(message.into());
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The messages, by field.
    pub fn fields(&self) -> &BTreeMap<String, Vec<String>> {
        &self.0
    }

    /// `Err` if anything was added.
    pub fn check(self) -> Result<()> {
        if self.is_empty() { Ok(()) } else { Err(Error::Invalid(self)) }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, (field, messages)) in self.0.iter().enumerate() {
            if nth > 0 {
                f.write_str("; ")?;
            }
            if field != Self::BARE {
                write!(f, "{field}: ")?;
            }
            f.write_str(&messages.join(" "))?;
        }
        Ok(())
    }
}

impl From<sea_orm::DbErr> for Error {
    fn from(error: sea_orm::DbErr) -> Self {
        Self::internal(error)
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::internal(error)
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::internal(error)
    }
}

impl From<object_store::Error> for Error {
    fn from(error: object_store::Error) -> Self {
        Self::internal(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_internal_error_tells_the_client_nothing() {
        let error = Error::internal(std::io::Error::other("disk /srv/secret is full"));
        assert_eq!(error.to_string(), "Internal error.");
        assert!(error.log().contains("/srv/secret"));
    }

    #[test]
    fn an_upstream_error_names_the_url_without_what_is_secret_in_it() {
        let error = Error::upstream("http://me:pw@example.test/a", Upstream::Status(503));
        assert_eq!(error.to_string(), "http://example.test/a: the server answered 503");
        let error = Error::upstream("http://example.test/a?token", Upstream::Status(503));
        assert_eq!(error.to_string(), "http://example.test/a?…: the server answered 503");
    }

    #[test]
    fn messages_collect_by_field() {
        let mut invalid = Invalid::default();
        invalid.add("b", "two");
        invalid.add("a", "one");
        assert_eq!(invalid.check().unwrap_err().to_string(), "a: one; b: two");
    }
}
