//! What clients send and see. Core's own fields (names, labels, URLs, digests of artifacts, …) are added by core.

use pulpcore::plugin::Ref;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::openapi::schema::{Object, SchemaType};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::models::FileRemote;
use crate::models::repository::SyncDetails;

/// The name of a manifest that nobody chose.
pub const MANIFEST: &str = "PULP_MANIFEST";

/// A file.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = file::FileContent)]
pub struct FileContentBody {
    /// Path where the artifact is located relative to distributions base_path.
    #[schema(min_length = 1)]
    pub relative_path: String,
}

/// A repository of files.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = file::FileRepository)]
pub struct FileRepositoryBody {
    /// Whether to automatically create publications for new repository versions, and update any distributions pointing to
    /// this repository.
    #[serde(default)]
    #[schema(default = false)]
    pub autopublish: bool,
    /// Filename to use for manifest file containing metadata for all the files.
    #[serde(default = "manifest")]
    #[schema(default = "PULP_MANIFEST", min_length = 1)]
    pub manifest: Option<String>,
    /// Details about the last sync of this repository.
    #[serde(default)]
    #[schema(read_only, required = false)]
    pub last_sync_details: LastSync,
}

/// The details of the last sync, or an empty object if there was none.
#[derive(Clone, Debug, Default, Serialize)]
pub struct LastSync {
    /// What it saw and made.
    #[serde(flatten)]
    pub details: Option<SyncDetails>,
}

impl PartialSchema for LastSync {
    fn schema() -> RefOr<Schema> {
        // Anything at all: what is in it is nobody's to rely on.
        Object::with_type(SchemaType::AnyValue).into()
    }
}

impl ToSchema for LastSync {}

/// It is read only: whatever a client sends is left aside.
impl<'de> Deserialize<'de> for LastSync {
    fn deserialize<D: Deserializer<'de>>(body: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(body)?;
        Ok(Self::default())
    }
}

/// A publication of files.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = file::FilePublication)]
pub struct FilePublicationBody {
    /// Filename to use for manifest file containing metadata for all the files.
    #[serde(default = "manifest")]
    #[schema(default = "PULP_MANIFEST", min_length = 1)]
    pub manifest: Option<String>,
}

/// How to sync.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = FileRepositorySyncURL)]
pub struct FileRepositorySyncUrl {
    /// A remote to sync from. This will override a remote set on repository.
    #[serde(default)]
    #[schema(value_type = String, format = "uri", required = false)]
    pub remote: Option<Ref<FileRemote>>,
    /// If `True`, synchronization will remove all content that is not present in the remote repository. If `False`, sync
    /// will be additive only.
    #[serde(default)]
    #[schema(default = false)]
    pub mirror: bool,
    /// Whether or not to optimize sync.
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub optimize: bool,
}

pub(crate) fn manifest() -> Option<String> {
    Some(MANIFEST.to_owned())
}

pub(crate) const fn yes() -> bool {
    true
}
