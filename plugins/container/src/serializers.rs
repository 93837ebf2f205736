//! What clients send and see. Core's own fields (names, labels, URLs, …) are added by core; links to other units by
//! [`crate::models`], a page at a time.

#![expect(rustdoc::broken_intra_doc_links, rustdoc::invalid_html_tags, reason = "the wire's own words, as they are")]

use std::collections::BTreeMap;

use pulpcore::api::schema::markers::{AnyObject, NonBlank, ShortText, Uri};
use pulpcore::error::{Error, Result};
use pulpcore::models::repository;
use pulpcore::plugin::{Ref, VersionRef};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::models::ContainerRemote;

/// The media types that lists of manifests can be narrowed to.
pub const MEDIA_TYPES: &[&str] = &[
    "application/vnd.docker.distribution.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
];

/// A blob.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = container::Blob)]
pub struct BlobBody {
    /// sha256 of the Blob file
    pub digest: String,
}

/// A manifest.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = container::Manifest)]
pub struct ManifestBody {
    /// sha256 of the Manifest file
    pub digest: String,
    /// Manifest schema version
    pub schema_version: i64,
    /// Manifest media type of the file
    pub media_type: String,
    /// Manifests that are referenced by this Manifest List
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(required = true, value_type = Vec<Uri>)]
    pub listed_manifests: Option<Vec<String>>,
    /// Blob that contains configuration for this Manifest
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = "uri", required = false)]
    pub config_blob: Option<String>,
    /// Blobs that are referenced by this Manifest
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(required = true, value_type = Vec<Uri>)]
    pub blobs: Option<Vec<String>>,
    /// Property that contains arbitrary metadata stored inside the image manifest.
    #[serde(default)]
    #[schema(read_only, required = false, value_type = AnyObject)]
    pub annotations: BTreeMap<String, String>,
    /// Property describing metadata stored inside the image configuration
    #[serde(default)]
    #[schema(read_only, required = false, value_type = AnyObject)]
    pub labels: BTreeMap<String, String>,
    /// A boolean determining whether users can boot from an image or not.[deprecated] check type field instead
    #[serde(default)]
    #[schema(default = false)]
    pub is_bootable: bool,
    /// A boolean determining whether the image bundles a Flatpak application.[deprecated] check type field instead
    #[serde(default)]
    #[schema(default = false)]
    pub is_flatpak: bool,
    /// Manifest type (flatpak, bootable, signature, etc.).
    #[serde(default, rename = "type")]
    #[schema(nullable = false, required = false)]
    pub nature: Option<String>,
    /// The CPU architecture which the binaries in this image are built to run on.
    #[serde(default)]
    #[schema(nullable = false, required = false)]
    pub architecture: Option<String>,
    /// The name of the operating system which the image is built to run on.
    #[serde(default)]
    #[schema(nullable = false, required = false)]
    pub os: Option<String>,
    /// Specifies the sum of the sizes, in bytes, of all compressed layers
    #[serde(default)]
    #[schema(nullable = false, required = false)]
    pub compressed_image_size: Option<i64>,
}

/// A tag.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = container::Tag)]
pub struct TagBody {
    /// Tag name
    pub name: String,
    /// Manifest that is tagged
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = "uri", required = true)]
    pub tagged_manifest: Option<String>,
}

/// A detached signature of a manifest.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = container::ManifestSignature)]
pub struct ManifestSignatureBody {
    /// Signature name in the format of `digest_algo:manifest_digest@random_32_chars`
    pub name: String,
    /// sha256 digest of the signature blob
    pub digest: String,
    /// Container signature type, e.g. 'atomic'
    #[serde(rename = "type")]
    pub kind: String,
    /// Signing key ID
    pub key_id: String,
    /// Signing key fingerprint
    #[schema(required = true)]
    pub fingerprint: Option<String>,
    /// Timestamp of a signature
    pub timestamp: i64,
    /// Signature creator
    pub creator: String,
    /// Manifest that is signed
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = "uri", required = true)]
    pub signed_manifest: Option<String>,
}

/// A repository of images.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = container::ContainerRepository)]
pub struct ContainerRepositoryBody {
    /// A reference to an associated signing service.
    #[serde(default)]
    #[schema(format = "uri")]
    pub manifest_signing_service: Option<String>,
}

/// A repository that was made by a push, long ago.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = container::ContainerPushRepository)]
pub struct ContainerPushRepositoryBody {
    /// A reference to an associated signing service.
    #[serde(default)]
    #[schema(format = "uri")]
    pub manifest_signing_service: Option<String>,
}

/// A repository of another registry.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = container::ContainerRemote)]
pub struct ContainerRemoteBody {
    /// Name of the upstream repository
    #[schema(min_length = 1)]
    pub upstream_name: String,
    /// A list of tags (wildcards *, ? are recognized) and/or digests (format: 'sha256:<hex>') to include during sync.
    /// 'includes' is evaluated before 'excludes'.
    #[serde(default)]
    #[schema(value_type = Option<Vec<ShortText>>)]
    pub includes: Option<Vec<String>>,
    /// A list of tag patterns to exclude during sync. Wildcards *, ? are recognized. 'excludes' is evaluated after
    /// 'includes'.
    #[serde(default)]
    #[schema(value_type = Option<Vec<ShortText>>)]
    pub excludes: Option<Vec<String>>,
    /// Deprecated. Use 'includes' instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(write_only, value_type = Option<Vec<ShortText>>)]
    pub include_tags: Option<Vec<String>>,
    /// Deprecated. Use 'excludes' instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(write_only, value_type = Option<Vec<ShortText>>)]
    pub exclude_tags: Option<Vec<String>>,
    /// A URL to a sigstore to download image signatures from
    #[serde(default)]
    #[schema(format = "uri", min_length = 1, nullable = false, required = false)]
    pub sigstore: Option<String>,
}

/// Another registry.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = container::ContainerPullThroughRemote)]
pub struct ContainerPullThroughRemoteBody {
    /// A list of remotes to include during pull-through caching. Wildcards *, ? are recognized. 'includes' is evaluated
    /// before 'excludes'.
    #[serde(default)]
    #[schema(value_type = Option<Vec<ShortText>>)]
    pub includes: Option<Vec<String>>,
    /// A list of remotes to exclude during pull-through caching. Wildcards *, ? are recognized. 'excludes' is evaluated
    /// after 'includes'.
    #[serde(default)]
    #[schema(value_type = Option<Vec<ShortText>>)]
    pub excludes: Option<Vec<String>>,
}

/// A repository under a name in the registry.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = container::ContainerDistribution)]
pub struct ContainerDistributionBody {
    /// The Registry hostname/name/ to use with docker pull command defined by this distribution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(read_only, required = false, nullable = false)]
    pub registry_path: Option<String>,
    /// Remote that can be used to fetch content when using pull-through caching.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(read_only, required = false, nullable = false, format = "uri")]
    pub remote: Option<String>,
    /// Namespace this distribution belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(read_only, required = false, nullable = false, format = "uri")]
    pub namespace: Option<String>,
    /// Restrict pull access to explicitly authorized users. Defaults to unrestricted pull access.
    #[serde(default)]
    pub private: bool,
    /// An optional description.
    #[serde(default)]
    #[schema(min_length = 1)]
    pub description: Option<String>,
}

/// Another registry under a name in this one.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = container::ContainerPullThroughDistribution)]
pub struct ContainerPullThroughDistributionBody {
    /// Distributions created after pulling content through cache
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(read_only, required = false, value_type = Vec<Uri>)]
    pub distributions: Option<Vec<String>>,
    /// Namespace this distribution belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(read_only, required = false, nullable = false, format = "uri")]
    pub namespace: Option<String>,
    /// Restrict pull access to explicitly authorized users. Defaults to unrestricted pull access.
    #[serde(default)]
    pub private: bool,
    /// An optional description.
    #[serde(default)]
    #[schema(min_length = 1)]
    pub description: Option<String>,
}

/// What some paths of distributions begin with.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = container::ContainerNamespace)]
pub struct ContainerNamespaceBody {
    /// The first component of the paths.
    #[schema(min_length = 1)]
    pub name: String,
    /// A dictionary of arbitrary key/value pairs used to describe it.
    #[serde(default)]
    #[schema(required = false)]
    pub pulp_labels: BTreeMap<String, Option<String>>,
}

/// How to sync.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = ContainerRepositorySyncURL)]
pub struct ContainerRepositorySyncUrl {
    /// A remote to sync from. This will override a remote set on repository.
    #[serde(default)]
    #[schema(value_type = String, format = "uri", required = false)]
    pub remote: Option<Ref<ContainerRemote>>,
    /// If `True`, synchronization will remove all content that is not present in the remote repository. If `False`, sync
    /// will be additive only.
    #[serde(default)]
    #[schema(default = false)]
    pub mirror: bool,
    /// If `True`, only signed content will be synced. Signatures are not verified.
    #[serde(default)]
    #[schema(default = false)]
    pub signed_only: bool,
}

/// Which manifest gets which name.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = TagImage)]
pub struct TagImageBody {
    /// A tag name
    #[schema(min_length = 1, pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    pub tag: String,
    /// sha256 of the Manifest file
    #[schema(min_length = 1)]
    pub digest: String,
}

/// Which name goes.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = UnTagImage)]
pub struct UnTagImageBody {
    /// A tag name
    #[schema(min_length = 1, pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    pub tag: String,
}

/// What is added or removed, with what it refers to.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = RecursiveManage)]
pub struct RecursiveManageBody {
    /// A list of content units to operate on.
    #[serde(default)]
    #[schema(required = false, value_type = Vec<NonBlank>)]
    pub content_units: Vec<String>,
}

/// Which tags are copied, and from where.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = TagCopy)]
pub struct TagCopyBody {
    /// A URI of the repository to copy content from.
    #[serde(default)]
    #[schema(value_type = String, format = "uri", required = false)]
    pub source_repository: Option<Ref<repository::Entity>>,
    /// A URI of the repository version to copy content from.
    #[serde(default)]
    #[schema(nullable = false)]
    pub source_repository_version: Option<VersionRef>,
    /// A list of tag names to copy.
    #[serde(default)]
    #[schema(nullable = false)]
    pub names: Option<Vec<String>>,
}

/// Which manifests are copied, and from where.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = ManifestCopy)]
pub struct ManifestCopyBody {
    /// A URI of the repository to copy content from.
    #[serde(default)]
    #[schema(value_type = String, format = "uri", required = false)]
    pub source_repository: Option<Ref<repository::Entity>>,
    /// A URI of the repository version to copy content from.
    #[serde(default)]
    #[schema(nullable = false)]
    pub source_repository_version: Option<VersionRef>,
    /// A list of manifest digests to copy.
    #[serde(default)]
    #[schema(nullable = false)]
    pub digests: Option<Vec<String>>,
    /// A list of media_types to copy.
    #[serde(default)]
    #[schema(nullable = false)]
    pub media_types: Option<Vec<MediaType>>,
}

/// One of [`MEDIA_TYPES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = container::MediaType)]
pub enum MediaType {
    /// Docker's schema 1, of which there are none here.
    #[serde(rename = "application/vnd.docker.distribution.manifest.v1+json")]
    DockerSchema1,
    /// Docker's schema 2.
    #[serde(rename = "application/vnd.docker.distribution.manifest.v2+json")]
    DockerManifest,
    /// Docker's lists of manifests.
    #[serde(rename = "application/vnd.docker.distribution.manifest.list.v2+json")]
    DockerList,
    /// An image manifest of the OCI.
    #[serde(rename = "application/vnd.oci.image.manifest.v1+json")]
    OciManifest,
    /// An image index of the OCI.
    #[serde(rename = "application/vnd.oci.image.index.v1+json")]
    OciIndex,
}

impl MediaType {
    /// As it stands in headers and manifests.
    pub const fn as_str(self) -> &'static str {
        MEDIA_TYPES[self as usize]
    }
}

/// Which image goes.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = RemoveImage)]
pub struct RemoveImageBody {
    /// sha256 of the Manifest file
    #[schema(min_length = 1)]
    pub digest: String,
}

/// Whose signatures go.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = RemoveSignatures)]
pub struct RemoveSignaturesBody {
    /// key_id the signatures were produced with
    #[schema(min_length = 1)]
    pub signed_with_key_id: String,
}

/// Signatures come with images: this server makes none.
pub(crate) fn check_signing_service(href: Option<&str>) -> Result<()> {
    match href {
        None => Ok(()),
        Some(_) => Err(Error::invalid("manifest_signing_service", "This server does not sign images.")),
    }
}

/// A sigstore is a web server.
pub(crate) fn check_sigstore(url: Option<&str>) -> Result<()> {
    let web = |url: &str| url.starts_with("http://") || url.starts_with("https://");
    match url {
        Some(url) if !web(url) => Err(Error::invalid("sigstore", "Enter a valid URL.")),
        _ => Ok(()),
    }
}

/// The longest path of a distribution, in characters.
const LONGEST_PATH: usize = 255;

/// A distribution's path is the name of a repository in the registry (OCI Distribution Specification 1.1, "Pulling
/// manifests"), so it has the grammar of one.
pub(crate) fn check_base_path(body: &Map<String, Value>) -> Result<()> {
    let path = body.get("base_path").and_then(Value::as_str).unwrap_or_default();
    if path.len() > LONGEST_PATH {
        return Err(Error::invalid("base_path", "The entered base path cannot be longer than 255 characters."));
    }
    if !path.split('/').all(is_component) {
        return Err(Error::invalid("base_path", "The provided base path contains forbidden characters."));
    }
    Ok(())
}

/// A namespace is one component of such a path.
pub(crate) fn check_namespace(name: &str) -> Result<()> {
    match is_component(name) {
        true => Ok(()),
        false => Err(Error::invalid("name", "The provided name contains forbidden characters.")),
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`.
fn is_component(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    let ends = bytes.first().is_some_and(|byte| plain(*byte)) && bytes.last().is_some_and(|byte| plain(*byte));
    let mut separators = text.split(|letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit());
    ends && separators.all(|run| matches!(run, "" | "." | "_" | "__") || run.bytes().all(|byte| byte == b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_are_read_as_they_are_written() {
        for text in MEDIA_TYPES {
            let read: MediaType = serde_json::from_value(Value::from(*text)).unwrap();
            assert_eq!(read.as_str(), *text);
        }
    }

    #[test]
    fn a_path_has_the_grammar_of_a_repositorys_name() {
        for good in ["a", "library/busybox", "a.b", "a__b", "a--b/c-1", "0"] {
            assert!(good.split('/').all(is_component), "{good}");
        }
        for bad in ["", "/", "A", "a..b", "a___b", "-a", "a-", "a/", "ä", "a b", "a._b"] {
            assert!(!bad.split('/').all(is_component), "{bad}");
        }
    }
}
