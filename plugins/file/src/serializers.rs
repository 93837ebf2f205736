//! What clients send and see. Core's own fields (names, labels, URLs, digests of artifacts, …) are added by core.

use pulpcore::api::bodies::yes;
use pulpcore::plugin::Ref;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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
    #[schema(required = false, schema_with = last_sync)]
    pub last_sync_details: LastSync,
}

/// The details of the last sync, or an empty object if there was none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastSync {
    /// What it saw and made.
    #[serde(flatten)]
    pub details: Option<SyncDetails>,
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

/// An object that clients only read. The derive forgets `read_only` where it does not know the fields.
fn last_sync() -> utoipa::openapi::Object {
    let about = "Details about the last sync of this repository.";
    utoipa::openapi::ObjectBuilder::new().description(Some(about)).read_only(true).build()
}

pub(crate) fn manifest() -> Option<String> {
    Some(MANIFEST.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_sync_is_shown_flat_and_read_back() {
        assert_eq!(serde_json::to_string(&LastSync::default()).unwrap(), "{}");
        assert_eq!(serde_json::from_str::<LastSync>("{}").unwrap(), LastSync::default());
        let details = SyncDetails {
            remote_pk: uuid::Uuid::nil(),
            url: "http://example.test/M".to_owned(),
            download_policy: "immediate".to_owned(),
            mirror: true,
            most_recent_version: 3,
            manifest_checksum: "aa".to_owned(),
        };
        let shown = LastSync { details: Some(details) };
        let text = serde_json::to_string(&shown).unwrap();
        assert!(text.contains(r#""most_recent_version":3"#), "{text}");
        assert_eq!(serde_json::from_str::<LastSync>(&text).unwrap(), shown);
    }
}
