//! Manifests: what the bytes that a client pushes, or a remote sends, say of themselves.
//!
//! A manifest is kept as the bytes that came, because its digest is theirs. What is read out of it here is what it refers
//! to, so that none is ever added without that, and what clients of the REST API see of it. Known are Docker's schema 2 and
//! its lists, the image manifests and indexes of the OCI image specification 1.1, and the artifact manifests of its
//! drafts; anything else that is a JSON object is kept as it is, whatever it may mean.
//!
//! ```
//! use pulp_container::manifest::{Kind, Manifest, media_type};
//!
//! let bytes = br#"{
//!     "schemaVersion": 2,
//!     "mediaType": "application/vnd.oci.image.index.v1+json",
//!     "manifests": []
//! }"#;
//! let manifest = Manifest::parse(bytes, Some("application/vnd.oci.image.index.v1+json"))?;
//! assert_eq!((manifest.kind, manifest.media_type.as_str()), (Kind::Index, media_type::OCI_INDEX));
//! assert_eq!(manifest.blobs().count(), 0);
//! # Ok::<(), pulp_container::manifest::BadManifest>(())
//! ```

mod config;
pub mod media_type;
mod nature;

use std::collections::BTreeMap;

use oci_spec::image::{Descriptor, ImageIndex, ImageManifest, MediaType};
use serde::Deserialize;
use serde_json::Value;

pub use self::config::{ImageConfig, LARGEST_CONFIG};

/// The largest manifest, in bytes: what the distribution specification asks for at least (section "Pushing Manifests").
pub const LARGEST: usize = 4 * 1024 * 1024;

/// No manifest refers to more than this.
pub const MOST_REFERENCES: usize = 10_000;

/// The longest media type, in bytes: a type and a subtype of RFC 6838, section 4.2, and the slash.
const LONGEST_MEDIA_TYPE: usize = 255;

/// What a manifest is, by what it refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A configuration and layers, or the blobs of an artifact.
    Image,
    /// Other manifests.
    Index,
    /// Unknown: it is kept, and refers to nothing that is known of.
    Opaque,
}

/// What a manifest says.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// What it is.
    pub kind: Kind,
    /// Its media type: what it says itself, else what came with it.
    pub media_type: String,
    /// Its schema version; 2 for all that have one.
    pub schema_version: i64,
    /// The blob with the configuration, of images.
    pub config: Option<Descriptor>,
    /// The layers of an image, or the blobs of an artifact, in their order.
    pub layers: Vec<Descriptor>,
    /// The manifests of an index, in their order.
    pub manifests: Vec<Descriptor>,
    /// The manifest that it is about; it need not exist.
    pub subject: Option<Descriptor>,
    /// The type of the artifact, as lists of referrers show it: its own, else the configuration's media type.
    pub artifact_type: Option<String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// Whether it says what kind of artifact it is, beside its configuration.
    says_artifact_type: bool,
}

/// Why something is no manifest: a sentence for whoever sent it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadManifest(pub String);

fn bad(message: impl Into<String>) -> BadManifest {
    BadManifest(message.into())
}

/// What all manifests may have.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    schema_version: Option<i64>,
    media_type: Option<String>,
}

/// `application/vnd.oci.artifact.manifest.v1+json`, which no released specification has, and which is in use.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ArtifactManifest {
    artifact_type: Option<String>,
    #[serde(default)]
    blobs: Vec<Descriptor>,
    subject: Option<Descriptor>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

impl Manifest {
    /// Reads a manifest. `content_type` is what came with it, its parameters and all.
    ///
    /// JSON of a depth beyond 128, or with a member twice, is refused by the parser.
    ///
    /// # Errors
    /// [`BadManifest`] if it is no JSON object, breaks the rules of its media type, says another media type than the one
    /// it came with, is of Docker's schema 1, or refers to too much.
    pub fn parse(bytes: &[u8], content_type: Option<&str>) -> Result<Self, BadManifest> {
        if bytes.len() > LARGEST {
            return Err(bad(format!("A manifest has at most {LARGEST} bytes.")));
        }
        let whole: BTreeMap<String, Value> = read(bytes)?;
        let head: Head = read(bytes)?;
        let given = content_type.map(essence).filter(|given| !matches!(given.as_str(), "" | "application/json"));
        let media_type = match (head.media_type, given) {
            (Some(own), Some(given)) if own != given => {
                return Err(bad(format!("The manifest says that it is '{own}', and was sent as '{given}'.")));
            }
            (Some(own), _) => own,
            (None, Some(given)) => given,
            (None, None) => guess(&whole).to_owned(),
        };
        check_media_type(&media_type)?;
        if media_type::SCHEMA_1.contains(&media_type.as_str()) || head.schema_version == Some(1) {
            return Err(bad("Manifests of Docker's schema 1 are not supported: push the image as schema 2 or OCI."));
        }
        let manifest = match media_type.as_str() {
            media_type::OCI_MANIFEST | media_type::DOCKER_MANIFEST => Self::image(read(bytes)?, media_type),
            media_type::OCI_INDEX | media_type::DOCKER_LIST => Self::index(read(bytes)?, media_type),
            media_type::OCI_ARTIFACT => Self::artifact(read(bytes)?, media_type),
            _ => Self::opaque(head.schema_version, media_type),
        };
        manifest.check()?;
        Ok(manifest)
    }

    fn image(manifest: ImageManifest, media_type: String) -> Self {
        let own = said(manifest.artifact_type().as_ref());
        Self {
            kind: Kind::Image,
            media_type,
            schema_version: i64::from(manifest.schema_version()),
            artifact_type: own.clone().or_else(|| Some(manifest.config().media_type().to_string())),
            says_artifact_type: own.is_some(),
            config: Some(manifest.config().clone()),
            layers: manifest.layers().clone(),
            manifests: Vec::new(),
            subject: manifest.subject().clone(),
            annotations: manifest.annotations().clone().unwrap_or_default().into_iter().collect(),
        }
    }

    fn index(index: ImageIndex, media_type: String) -> Self {
        let own = said(index.artifact_type().as_ref());
        Self {
            kind: Kind::Index,
            media_type,
            schema_version: i64::from(index.schema_version()),
            says_artifact_type: own.is_some(),
            artifact_type: own,
            config: None,
            layers: Vec::new(),
            manifests: index.manifests().clone(),
            subject: index.subject().clone(),
            annotations: index.annotations().clone().unwrap_or_default().into_iter().collect(),
        }
    }

    fn artifact(manifest: ArtifactManifest, media_type: String) -> Self {
        let ArtifactManifest { artifact_type, blobs, subject, annotations } = manifest;
        Self {
            kind: Kind::Image,
            says_artifact_type: true,
            layers: blobs,
            artifact_type,
            subject,
            annotations,
            ..Self::opaque(Some(2), media_type)
        }
    }

    fn opaque(schema_version: Option<i64>, media_type: String) -> Self {
        Self {
            kind: Kind::Opaque,
            media_type,
            schema_version: schema_version.unwrap_or(2),
            config: None,
            layers: Vec::new(),
            manifests: Vec::new(),
            subject: None,
            artifact_type: None,
            annotations: BTreeMap::new(),
            says_artifact_type: false,
        }
    }

    /// What the readers of the formats let pass.
    fn check(&self) -> Result<(), BadManifest> {
        if self.kind != Kind::Opaque && self.schema_version != 2 {
            return Err(bad(format!("The schema version of a manifest is 2, not {}.", self.schema_version)));
        }
        if self.layers.len() + self.manifests.len() > MOST_REFERENCES {
            return Err(bad(format!("A manifest refers to at most {MOST_REFERENCES} others.")));
        }
        // PostgreSQL keeps no such character in JSON.
        if self.annotations.iter().any(|(key, value)| key.contains('\0') || value.contains('\0')) {
            return Err(bad("An annotation holds the character U+0000."));
        }
        self.artifact_type.as_deref().map_or(Ok(()), check_media_type)
    }

    /// The digests of the blobs that belong to it: the configuration, then the layers. Those that are to be fetched from
    /// elsewhere (foreign and non-distributable layers) are not among them, whether they were pushed or not.
    pub fn blobs(&self) -> impl Iterator<Item = &str> {
        self.config.iter().chain(self.own_layers()).map(|descriptor| descriptor.digest().as_ref())
    }

    /// The layers that a registry must have: image specification 1.1, "Non-Distributable Layers".
    pub fn own_layers(&self) -> impl Iterator<Item = &Descriptor> {
        self.layers.iter().filter(|layer| !media_type::is_foreign(layer.media_type().as_ref()))
    }

    /// The digests of the manifests that belong to it.
    pub fn children(&self) -> impl Iterator<Item = &str> {
        self.manifests.iter().map(|descriptor| descriptor.digest().as_ref())
    }

    /// How many bytes its layers have as they are stored and sent; 0 for what has none.
    pub fn compressed_size(&self) -> i64 {
        let sum = self.layers.iter().fold(0_u64, |sum, layer| sum.saturating_add(layer.size()));
        i64::try_from(sum).unwrap_or(i64::MAX)
    }
}

/// An artifact type that says something: an empty one counts as missing ("Listing Referrers").
fn said(artifact_type: Option<&MediaType>) -> Option<String> {
    artifact_type.map(ToString::to_string).filter(|text| !text.is_empty())
}

fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, BadManifest> {
    serde_json::from_slice(bytes).map_err(|error| bad(format!("The manifest cannot be read: {error}.")))
}

/// A media type without its parameters, in lower case (RFC 9110, section 8.3.1).
pub fn essence(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The media type of what came without: the image specification lets it be absent, as the fields tell it.
fn guess(whole: &BTreeMap<String, Value>) -> &'static str {
    match whole.contains_key("manifests") {
        true => media_type::OCI_INDEX,
        false => media_type::OCI_MANIFEST,
    }
}

fn check_media_type(text: &str) -> Result<(), BadManifest> {
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b',' | b';');
    match text.len() <= LONGEST_MEDIA_TYPE && text.contains('/') && text.bytes().all(plain) {
        true => Ok(()),
        false => Err(bad("A media type has a slash, no space, and at most 255 characters.")),
    }
}

#[cfg(test)]
mod tests;
