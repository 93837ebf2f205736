//! Repositories, remotes, publications and distributions.

use std::fmt;

use pulpcore::error::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::models::{publication, repository};

macro_rules! choices {
    ($(#[$about:meta])* $name:ident as $path:path, $all:ident: $($(#[$note:meta])* $variant:ident = $text:tt),+) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[schema(as = $path)]
        pub enum $name {
            $($(#[$note])* #[serde(rename = $text)] $variant,)+
        }

        /// How they are written.
        pub const $all: &[&str] = &[$($text),+];

        impl $name {
            /// As it is written.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }

            /// Reads what is in the database.
            pub fn parse(text: &str) -> Option<Self> {
                match text {
                    $($text => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

choices! {
    /// A kind of digest.
    ChecksumType as rpm::ChecksumType, CHECKSUM_TYPES:
    /// One that nobody knows.
    Unknown = "unknown",
    /// MD5.
    Md5 = "md5",
    /// SHA-1.
    Sha1 = "sha1",
    /// SHA-224.
    Sha224 = "sha224",
    /// SHA-256.
    Sha256 = "sha256",
    /// SHA-384.
    Sha384 = "sha384",
    /// SHA-512.
    Sha512 = "sha512"
}

choices! {
    /// How metadata is compressed.
    CompressionType as rpm::CompressionType, COMPRESSION_TYPES:
    /// Zstandard.
    Zstd = "zstd",
    /// gzip.
    Gz = "gz",
    /// Not at all.
    None = "none"
}

choices! {
    /// Where packages stand in a publication.
    Layout as rpm::Layout, LAYOUTS:
    /// In `Packages/<first letter>/`.
    NestedAlphabetically = "nested_alphabetically",
    /// In one folder.
    Flat = "flat",
    /// In folders by digest.
    NestedByDigest = "nested_by_digest"
}

impl ChecksumType {
    /// Refuses what metadata is not made with.
    fn check(this: Option<Self>) -> Result<()> {
        match this {
            None | Some(Self::Sha256 | Self::Sha384 | Self::Sha512) => Ok(()),
            Some(_) => Err(Error::invalid(
                "checksum_type",
                "Checksum must be one of the allowed checksum types: sha256, sha384, or sha512.",
            )),
        }
    }
}

/// A repository of packages.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = rpm::RpmRepository)]
pub struct RpmRepositoryBody {
    /// Whether to automatically create publications for new repository versions, and update any distributions pointing to
    /// this repository.
    #[serde(default)]
    #[schema(default = false)]
    pub autopublish: bool,
    /// A reference to an associated signing service.
    #[serde(default)]
    #[schema(format = "uri")]
    pub metadata_signing_service: Option<String>,
    /// A reference to an associated package signing service.
    #[serde(default)]
    #[schema(format = "uri")]
    pub package_signing_service: Option<String>,
    /// The pubkey fingerprint to be passed to the package signing service.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 68)]
    pub package_signing_fingerprint: Option<String>,
    /// The number of versions of each package to keep in the repository; older versions will be purged. The default is '0',
    /// which will disable this feature and keep all versions of each package.
    #[serde(default)]
    #[schema(minimum = 0, required = false)]
    pub retain_package_versions: i64,
    /// The preferred checksum type during repo publish.
    #[serde(default)]
    pub checksum_type: Option<ChecksumType>,
    /// REMOVED: The checksum type to use for metadata.
    #[serde(default)]
    #[schema(read_only, required = false, nullable = false, deprecated)]
    pub metadata_checksum_type: Option<ChecksumType>,
    /// REMOVED: The checksum type for packages.
    #[serde(default)]
    #[schema(read_only, required = false, deprecated)]
    pub package_checksum_type: Option<ChecksumType>,
    /// REMOVED: Set it using 'repo_config' instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(read_only, required = false, nullable = false, deprecated, minimum = 0, maximum = 1)]
    pub gpgcheck: Option<i64>,
    /// REMOVED: Set it using 'repo_config' instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(read_only, required = false, nullable = false, deprecated, minimum = 0, maximum = 1)]
    pub repo_gpgcheck: Option<i64>,
    /// REMOVED: Whether SQLite metadata is generated: never.
    #[serde(default)]
    #[schema(read_only, required = false, deprecated, default = false)]
    pub sqlite_metadata: bool,
    /// A JSON document describing the config.repo file Pulp should generate for this repo
    #[serde(default = "empty")]
    #[schema(required = false, value_type = pulpcore::api::schema::markers::Anything)]
    pub repo_config: Value,
    /// The compression type to use for metadata files.
    #[serde(default)]
    pub compression_type: Option<CompressionType>,
    /// How to layout the packages within the published repository.
    #[serde(default)]
    pub layout: Option<Layout>,
    /// OSV vulnerability scanning configuration.
    #[serde(default)]
    pub osv_config: Option<Vec<EcosystemConfig>>,
}

/// A part of what a scan for vulnerabilities is to look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = rpm::EcosystemConfig)]
pub struct EcosystemConfig {
    /// Whose packages they are.
    pub name: String,
    /// Of which releases.
    pub releases: Vec<String>,
}

impl RpmRepositoryBody {
    /// A row, as clients see it.
    pub fn of(row: &repository::Model) -> Self {
        Self {
            autopublish: row.autopublish,
            metadata_signing_service: None,
            package_signing_service: None,
            package_signing_fingerprint: None,
            retain_package_versions: row.retain_package_versions,
            checksum_type: row.checksum_type.as_deref().and_then(ChecksumType::parse),
            metadata_checksum_type: None,
            package_checksum_type: None,
            gpgcheck: None,
            repo_gpgcheck: None,
            sqlite_metadata: false,
            repo_config: row.repo_config.clone(),
            compression_type: row.compression_type.as_deref().and_then(CompressionType::parse),
            layout: row.layout.as_deref().and_then(Layout::parse),
            osv_config: None,
        }
    }

    /// Puts what a client wrote into the row.
    pub fn write(self, row: &mut repository::Model) {
        row.autopublish = self.autopublish;
        row.retain_package_versions = self.retain_package_versions;
        row.checksum_type = self.checksum_type.map(|kind| kind.to_string());
        row.compression_type = self.compression_type.map(|kind| kind.to_string());
        row.layout = self.layout.map(|layout| layout.to_string());
        row.repo_config = self.repo_config;
    }

    /// Refuses what a schema cannot refuse, and what this server does not do.
    ///
    /// # Errors
    /// [`Error::Invalid`], naming the field.
    pub fn check(&self) -> Result<()> {
        ChecksumType::check(self.checksum_type)?;
        check_repo_config(&self.repo_config)?;
        // There are no signing services in this server, so none can be named.
        let services = [
            ("metadata_signing_service", &self.metadata_signing_service),
            ("package_signing_service", &self.package_signing_service),
        ];
        for (field, service) in services {
            if service.is_some() {
                return Err(Error::missing(field));
            }
        }
        if self.package_signing_fingerprint.is_some() {
            return Err(Error::invalid("package_signing_fingerprint", "This server does not sign packages."));
        }
        if self.osv_config.is_some() {
            return Err(Error::invalid("osv_config", "This server does not scan for vulnerabilities."));
        }
        Ok(())
    }
}

/// The URL of another repository.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = rpm::RpmRemote)]
pub struct RpmRemoteBody {
    /// Authentication token for SLES repositories.
    #[serde(default)]
    #[schema(min_length = 1)]
    pub sles_auth_token: Option<String>,
}

/// A publication.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = rpm::RpmPublication)]
pub struct RpmPublicationBody {
    /// The preferred checksum type used during repo publishes.
    #[serde(default)]
    #[schema(nullable = false, required = false)]
    pub checksum_type: Option<ChecksumType>,
    /// REMOVED: The checksum type for metadata.
    #[serde(default)]
    #[schema(read_only, required = false, nullable = false, deprecated)]
    pub metadata_checksum_type: Option<ChecksumType>,
    /// REMOVED: The checksum type for packages.
    #[serde(default)]
    #[schema(read_only, required = false, nullable = false, deprecated)]
    pub package_checksum_type: Option<ChecksumType>,
    /// REMOVED: Set it using 'repo_config' instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(read_only, required = false, nullable = false, deprecated, minimum = 0, maximum = 1)]
    pub gpgcheck: Option<i64>,
    /// REMOVED: Set it using 'repo_config' instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(read_only, required = false, nullable = false, deprecated, minimum = 0, maximum = 1)]
    pub repo_gpgcheck: Option<i64>,
    /// REMOVED: Whether SQLite metadata is generated: never.
    #[serde(default)]
    #[schema(read_only, required = false, deprecated, default = false)]
    pub sqlite_metadata: bool,
    /// A JSON document describing the config.repo file Pulp should generate for this repo
    #[serde(default)]
    #[schema(required = false, value_type = pulpcore::api::schema::markers::Anything)]
    pub repo_config: Option<Value>,
    /// The compression type to use for metadata files.
    #[serde(default)]
    #[schema(nullable = false, required = false)]
    pub compression_type: Option<CompressionType>,
    /// How to layout the packages within the published repository.
    #[serde(default)]
    pub layout: Option<Layout>,
}

impl RpmPublicationBody {
    /// A row, as clients see it.
    pub fn of(row: &publication::Model) -> Self {
        Self {
            checksum_type: ChecksumType::parse(&row.checksum_type),
            metadata_checksum_type: None,
            package_checksum_type: None,
            gpgcheck: None,
            repo_gpgcheck: None,
            sqlite_metadata: false,
            repo_config: Some(row.repo_config.clone()),
            compression_type: row.compression_type.as_deref().and_then(CompressionType::parse),
            layout: row.layout.as_deref().and_then(Layout::parse),
        }
    }

    /// Refuses what a schema cannot refuse.
    ///
    /// # Errors
    /// [`Error::Invalid`], naming the field.
    pub fn check(&self) -> Result<()> {
        ChecksumType::check(self.checksum_type)?;
        self.repo_config.as_ref().map_or(Ok(()), check_repo_config)
    }
}

/// What is served of a repository.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = rpm::RpmDistribution)]
pub struct RpmDistributionBody {
    /// An option specifying whether Pulp should generate *.repo files.
    #[serde(default)]
    #[schema(default = false)]
    pub generate_repo_config: bool,
}

/// An object whose values can stand on a line of `config.repo`.
fn check_repo_config(config: &Value) -> Result<()> {
    let line = |value: &Value| match value {
        Value::String(text) => !text.contains(char::is_control),
        Value::Array(_) | Value::Object(_) => false,
        _ => true,
    };
    let name = |name: &str| !name.is_empty() && !name.contains(|letter: char| letter.is_control() || letter == '=');
    match config.as_object() {
        Some(fields) if fields.iter().all(|(key, value)| name(key) && line(value)) => Ok(()),
        _ => {
            let message = "An object is expected whose values are texts, numbers or booleans, each on one line.";
            Err(Error::invalid("repo_config", message))
        }
    }
}

fn empty() -> Value {
    Value::Object(serde_json::Map::new())
}
