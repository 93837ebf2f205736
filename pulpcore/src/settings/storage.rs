//! Where artifacts lie: the section `[storage]`.
//!
//! Pulp names its storage by a Python class and that class's own settings (django-storages); `docs/reference.md` says which
//! of those is which of these.

use serde::{Deserialize, Serialize};

use super::Secret;

/// What keeps the artifacts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StorageKind {
    /// The folder [`media_root`](super::Settings::media_root).
    #[default]
    Folder,
    /// A bucket of Amazon S3, or of anything that speaks its protocol. Needs the feature `s3`.
    S3,
    /// A container of Azure's blob storage. Needs the feature `azure`.
    Azure,
    /// A bucket of Google's cloud storage. Needs the feature `gcs`.
    Gcs,
}

impl StorageKind {
    /// Its name in the settings; also that of the feature that it needs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Folder => "folder",
            Self::S3 => "s3",
            Self::Azure => "azure",
            Self::Gcs => "gcs",
        }
    }

    /// Whether this build has it.
    pub fn is_built(self) -> bool {
        match self {
            Self::Folder => true,
            Self::S3 => cfg!(feature = "s3"),
            Self::Azure => cfg!(feature = "azure"),
            Self::Gcs => cfg!(feature = "gcs"),
        }
    }
}

/// The section `[storage]`. If it has no key, credentials and whatever else it lacks are looked for where the cloud's own
/// programs look: in their environment variables (`AWS_…`, `AZURE_…`, `GOOGLE_…`), then at the service that hands out
/// credentials to machines and containers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StorageSettings {
    /// What keeps the artifacts; the rest of this section is for object stores.
    pub kind: StorageKind,
    /// The bucket, or Azure's container. It must exist.
    pub bucket: Option<String>,
    /// What the keys of all objects begin with, so that a bucket can be shared: `pulp`, `teams/pulp`.
    pub prefix: String,
    /// The URL of the service, if it is not the cloud's own: `https://minio.example.test:9000`.
    pub endpoint: Option<String>,
    /// The same for clients who are redirected, where they reach the service by another name than this process. S3 only.
    pub public_endpoint: Option<String>,
    /// The region of the bucket. S3 only.
    pub region: Option<String>,
    /// The id of the access key. S3 only.
    pub access_key_id: Option<String>,
    /// The access key. S3 only.
    pub secret_access_key: Option<Secret>,
    /// The token that belongs to a temporary access key. S3 only.
    pub session_token: Option<Secret>,
    /// Whether the bucket stands in the host's name (`https://bucket.endpoint/`), not in the path. S3 only.
    pub virtual_host_style: bool,
    /// Whether the service can refuse to overwrite (`If-None-Match: *`). Without it an object is looked for before it is
    /// put. S3 only; the others all can.
    pub conditional_put: bool,
    /// The storage account. Azure only.
    pub account: Option<String>,
    /// The key of the storage account. Azure only.
    pub account_key: Option<Secret>,
    /// The file with the key of a service account, in JSON. Google only.
    pub service_account_file: Option<String>,
    /// Whether the endpoint may be spoken to without TLS.
    pub allow_http: bool,
    /// For how many seconds a client who is redirected may use the URL; at most a week. One that is handed out has at
    /// least half of it left.
    pub url_lifetime: u64,
    /// How many seconds the service may be silent.
    pub timeout: u64,
    /// How often a request that failed for a reason that may pass is repeated.
    pub retries: usize,
}

impl Default for StorageSettings {
    fn default() -> Self {
        Self {
            kind: StorageKind::Folder,
            bucket: None,
            prefix: String::new(),
            endpoint: None,
            public_endpoint: None,
            region: None,
            access_key_id: None,
            secret_access_key: None,
            session_token: None,
            virtual_host_style: false,
            conditional_put: true,
            account: None,
            account_key: None,
            service_account_file: None,
            allow_http: false,
            url_lifetime: 3600,
            timeout: 30,
            retries: 5,
        }
    }
}

/// The most seconds for which the clouds sign a URL: a week.
const LONGEST_URL: u64 = 7 * 24 * 3600;

impl StorageSettings {
    /// Each rule by the key that it is about, with whether it holds.
    pub(super) fn rules(&self) -> Vec<(&'static str, bool, String)> {
        let kind = self.kind;
        let mut rules = Vec::new();
        let mut rule = |key, holds, text: &str| rules.push((key, holds, text.to_owned()));
        rule("storage.kind", kind.is_built(), &{
            let name = kind.name();
            format!("is \"{name}\", and this build cannot do that: build the server with the feature {name}")
        });
        let named = self.bucket.as_deref().is_some_and(|bucket| !bucket.is_empty());
        match kind {
            StorageKind::Folder => {
                rule("storage.bucket", !named, "has no effect unless storage.kind names an object store");
            }
            _ => rule("storage.bucket", named, "must name the bucket or container"),
        }
        let plain = |segment: &str| !matches!(segment, "" | "." | "..") && !segment.bytes().any(is_special);
        let prefix = self.prefix.trim_end_matches('/');
        rule(
            "storage.prefix",
            prefix.is_empty() || prefix.split('/').all(plain),
            "must be path segments with \"/\" between them, of letters, digits and -._~",
        );
        let endpoints = [("storage.endpoint", &self.endpoint), ("storage.public_endpoint", &self.public_endpoint)];
        for (key, endpoint) in endpoints {
            let url = endpoint.as_ref().map(|url| url::Url::parse(url));
            let is_web = |url: &url::Url| matches!(url.scheme(), "http" | "https") && url.has_host();
            let is_bare = |url: &url::Url| url.query().is_none() && url.username().is_empty();
            let sound = url.as_ref().is_none_or(|url| url.as_ref().is_ok_and(|url| is_web(url) && is_bare(url)));
            rule(key, sound, "must be a URL, http or https, without credentials and query");
            let is_safe = |url: &url::Url| url.scheme() == "https" || self.allow_http;
            let safe = url.is_none_or(|url| url.is_ok_and(|url| is_safe(&url)));
            rule(key, safe || !sound, "must be https unless storage.allow_http is set");
        }
        for (key, given, of) in [
            ("storage.public_endpoint", self.public_endpoint.is_some(), StorageKind::S3),
            ("storage.region", self.region.is_some(), StorageKind::S3),
            ("storage.access_key_id", self.access_key_id.is_some(), StorageKind::S3),
            ("storage.secret_access_key", self.secret_access_key.is_some(), StorageKind::S3),
            ("storage.session_token", self.session_token.is_some(), StorageKind::S3),
            ("storage.account", self.account.is_some(), StorageKind::Azure),
            ("storage.account_key", self.account_key.is_some(), StorageKind::Azure),
            ("storage.service_account_file", self.service_account_file.is_some(), StorageKind::Gcs),
        ] {
            let text = format!("has no effect unless storage.kind is \"{}\"", of.name());
            rule(key, !given || kind == of, &text);
        }
        let both = self.access_key_id.is_some() == self.secret_access_key.is_some();
        rule("storage.access_key_id", both, "and storage.secret_access_key go together");
        let lives = (2..=LONGEST_URL).contains(&self.url_lifetime);
        rule("storage.url_lifetime", lives, &format!("must be from 2 to {LONGEST_URL}"));
        rule("storage.timeout", self.timeout > 0, "must be at least 1");
        rule("storage.retries", self.retries <= 100, "must be at most 100");
        rules
    }
}

/// What some store or some URL would write otherwise in a key.
fn is_special(byte: u8) -> bool {
    !(byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use crate::settings::{Options, Settings};

    fn refused(variables: &[(&str, &str)]) -> String {
        let options = variables
            .iter()
            .fold(Options::default(), |options, (key, value)| options.env(format!("PULP_STORAGE__{key}"), value));
        Settings::load(&options).map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn a_storage_that_is_half_named_is_refused() {
        let cases: [(&[(&str, &str)], &str); 8] = [
            (&[("BUCKET", "b")], "'storage.bucket' (environment PULP_STORAGE__BUCKET) has no effect unless"),
            (&[("ACCOUNT", "a")], "unless storage.kind is \"azure\""),
            (&[("URL_LIFETIME", "0")], "'storage.url_lifetime'"),
            (&[("PREFIX", "a//b")], "'storage.prefix'"),
            (&[("ENDPOINT", "minio:9000")], "'storage.endpoint'"),
            (&[("ENDPOINT", "http://minio:9000")], "must be https unless storage.allow_http is set"),
            (&[("BUKCET", "b")], "did you mean PULP_STORAGE__BUCKET?"),
            (&[("KIND", "sftp")], "storage.kind"),
        ];
        for (variables, said) in cases {
            assert!(refused(variables).contains(said), "{variables:?}: {}", refused(variables));
        }
    }

    #[cfg(feature = "s3")]
    #[test]
    fn a_bucket_and_both_halves_of_a_key_are_wanted() {
        let unnamed = refused(&[("KIND", "s3")]);
        assert!(unnamed.contains("must name the bucket or container"), "{unnamed}");
        let half = refused(&[("KIND", "s3"), ("BUCKET", "b"), ("ACCESS_KEY_ID", "id")]);
        assert!(half.contains("'storage.access_key_id'"), "{half}");
    }

    #[cfg(not(feature = "s3"))]
    #[test]
    fn what_this_build_lacks_is_refused_and_named() {
        let said = refused(&[("KIND", "s3"), ("BUCKET", "b")]);
        assert!(said.contains("build the server with the feature s3"), "{said}");
    }

    #[cfg(feature = "s3")]
    #[test]
    fn keys_are_masked_wherever_they_are_shown() {
        let options = [("KIND", "s3"), ("BUCKET", "b"), ("ACCESS_KEY_ID", "id"), ("SECRET_ACCESS_KEY", "hunter2")]
            .iter()
            .fold(Options::default(), |options, (key, value)| options.env(format!("PULP_STORAGE__{key}"), value));
        let loaded = Settings::load(&options).unwrap();
        assert_eq!(loaded.settings.storage.secret_access_key.as_ref().unwrap().expose(), "hunter2");
        assert!(!format!("{:?} {:?}", loaded.settings, loaded.table()).contains("hunter2"));
    }
}
