//! The types of single settings.

use std::fmt;
use std::path::Path;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// What stands for a secret wherever a value is shown.
pub(crate) const MASK: &str = "********";

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Answers the REST API.
    Api,
    /// Serves content.
    Content,
    /// Runs tasks.
    Worker,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Api => "api",
            Self::Content => "content",
            Self::Worker => "worker",
        })
    }
}

/// What the content service does with content that is known but not yet downloaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum OnDemand {
    /// Downloads it, answers with it and keeps it.
    Save,
    /// Downloads it and answers with it; never keeps it.
    Stream,
    /// Answers as if it were not there.
    Off,
}

/// Whether clients are asked for a certificate in the handshake of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum ClientCertificates {
    /// They are not.
    Off,
    /// They may give one: guards look at it.
    Request,
    /// Who gives none is not served.
    Require,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text, coloured if standard error is a terminal (and `NO_COLOR` is not set).
    #[default]
    Auto,
    /// Text without colours.
    Text,
    /// One JSON object a line.
    Json,
}

/// A value that is never shown: masked in `Debug` and when serialised.
///
/// ```
/// use pulpcore::settings::Secret;
///
/// let secret = Secret::new("hunter2");
/// assert_eq!(format!("{secret:?}"), "********");
/// assert_eq!(secret.expose(), "hunter2");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(MASK)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        secret_text(deserializer).map(Self)
    }
}

/// Where the database is. Its password is masked in `Debug` and when serialised.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// Accepts `sqlite:…`, `postgres://…` and `postgresql://…`.
    ///
    /// # Errors
    /// What was expected, without the URL: it may hold a password.
    pub fn parse(url: &str) -> Result<Self, &'static str> {
        if ["sqlite:", "postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
            Ok(Self(url.to_owned()))
        } else {
            Err("must begin with sqlite:// or postgres://")
        }
    }

    /// A SQLite database in a file that is created if missing.
    pub fn sqlite(file: &Path) -> Self {
        /// What would end the path of a URL, or be decoded in it.
        const SPECIAL: &AsciiSet = &CONTROLS.add(b'%').add(b'?').add(b'#');
        let path = file.to_string_lossy();
        Self(format!("sqlite://{}?mode=rwc", utf8_percent_encode(&path, SPECIAL)))
    }

    /// Whether this is SQLite: one file, one process.
    pub fn is_sqlite(&self) -> bool {
        self.0.starts_with("sqlite:")
    }

    /// The whole URL, for the one who connects.
    pub fn expose(&self) -> &str {
        &self.0
    }

    fn masked(&self) -> String {
        if self.is_sqlite() {
            return self.0.clone();
        }
        let scheme = self.0.split(':').next().unwrap_or_default();
        let hidden = format!("{scheme}://{MASK}");
        let Ok(mut url) = url::Url::parse(&self.0) else { return hidden };
        // A password with an unescaped slash or hash sign ends the host early and leaves its rest, up to the `@`, in
        // the path: better to hide too much.
        if self.0.matches('@').count() > usize::from(!url.username().is_empty() || url.password().is_some()) {
            return hidden;
        }
        if url.password().is_some() && url.set_password(Some(MASK)).is_err() {
            return hidden;
        }
        let is_secret = |key: &str| key.contains("password");
        if url.query_pairs().any(|(key, _)| is_secret(&key)) {
            let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
            url.query_pairs_mut().clear().extend_pairs(
                pairs.iter().map(|(key, value)| (key.as_str(), if is_secret(key) { MASK } else { value.as_str() })),
            );
        }
        url.to_string()
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl Serialize for DatabaseUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.masked())
    }
}

impl<'de> Deserialize<'de> for DatabaseUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&secret_text(deserializer)?).map_err(de::Error::custom)
    }
}

/// A string whose value does not show in the error when it is something else, as serde's own message would.
fn secret_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    String::deserialize(deserializer).map_err(|_| de::Error::custom("must be text (in quotes)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(url: &str) -> String {
        format!("{:?}", DatabaseUrl::parse(url).unwrap())
    }

    #[test]
    fn a_password_in_the_database_url_never_shows() {
        assert_eq!(shown("postgres://pulp:hunter2@db/pulp"), "postgres://pulp:********@db/pulp");
        assert_eq!(shown("postgres://db/pulp?sslmode=require"), "postgres://db/pulp?sslmode=require");
        for url in [
            "postgres://pulp:hunter2@db:5432/pulp?sslmode=require",
            "postgresql://db/pulp?user=pulp&password=hunter2",
            "postgres://pulp:12/hunter2@db/pulp",
            "postgres://pulp:12#hunter2@db/pulp",
            "postgres://pulp:12?hunter2@db/pulp",
            "postgres://pulp:x/hunter2@db/pulp",
            "postgres://pulp:a@b/hunter2@db/pulp",
        ] {
            assert!(!shown(url).contains("hunter2"), "{}", shown(url));
        }
    }

    #[test]
    fn serialising_masks_too() {
        let url = DatabaseUrl::parse("postgres://pulp:hunter2@db/pulp").unwrap();
        assert!(!serde_json::to_string(&url).unwrap().contains("hunter2"));
        assert_eq!(serde_json::to_string(&Secret::new("hunter2")).unwrap(), "\"********\"");
    }

    #[test]
    fn other_databases_are_refused_without_their_url() {
        let error = DatabaseUrl::parse("mysql://pulp:hunter2@db/pulp").unwrap_err();
        assert_eq!(error, "must begin with sqlite:// or postgres://");
        let error = serde_json::from_str::<Secret>("1234").unwrap_err();
        assert!(!error.to_string().contains("1234"), "{error}");
    }

    #[test]
    fn a_folder_with_special_characters_makes_a_url_that_means_it() {
        let url = DatabaseUrl::sqlite(Path::new("/srv/50%?#/pulp.sqlite3"));
        assert_eq!(url.expose(), "sqlite:///srv/50%25%3F%23/pulp.sqlite3?mode=rwc");
        assert!(url.is_sqlite());
    }
}
