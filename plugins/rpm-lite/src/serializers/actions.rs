//! What actions read.

use pulpcore::api::bodies::yes;
use pulpcore::api::schema::markers::NonBlank;
use pulpcore::plugin::Ref;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::json::Raw;
use crate::models::{RpmRemote, RpmRepository};

/// How a repository follows its remote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = rpm::SyncPolicy)]
pub enum SyncPolicy {
    /// What is new there is added; nothing is removed.
    #[default]
    Additive,
    /// The content is the same as there, and published with the metadata that is there, bit for bit.
    MirrorComplete,
    /// The content is the same as there.
    MirrorContentOnly,
}

impl SyncPolicy {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Additive => "additive",
            Self::MirrorComplete => "mirror_complete",
            Self::MirrorContentOnly => "mirror_content_only",
        }
    }

    /// Whether what is not there is removed.
    pub const fn mirrors(self) -> bool {
        !matches!(self, Self::Additive)
    }
}

/// What a sync may leave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = rpm::SkipType)]
pub enum SkipType {
    /// Source packages.
    Srpm,
    /// Distribution trees.
    Treeinfo,
}

/// How to sync.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = RpmRepositorySyncURL)]
pub struct RpmRepositorySyncUrl {
    /// A remote to sync from. This will override a remote set on repository.
    #[serde(default)]
    #[schema(value_type = String, format = "uri", required = false)]
    pub remote: Option<Ref<RpmRemote>>,
    /// DEPRECATED: If ``True``, ``sync_policy`` will default to 'mirror_complete' instead of 'additive'.
    #[serde(default)]
    pub mirror: Option<bool>,
    /// Options: 'additive', 'mirror_complete', 'mirror_content_only'. Default: 'additive'. Modifies how the sync is
    /// performed.
    #[serde(default)]
    pub sync_policy: Option<SyncPolicy>,
    /// List of content types to skip during sync.
    #[serde(default)]
    #[schema(required = false, default = json!([]))]
    pub skip_types: Vec<SkipType>,
    /// Whether or not to optimize sync.
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub optimize: bool,
}

/// What is copied from where to where.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Copy)]
pub struct CopyBody {
    /// Content to be copied into the given destinations from the given sources: a list of objects with
    /// `source_repo_version`, `dest_repo`, and optionally `dest_base_version` and `content`.
    pub config: Raw,
    /// Also copy dependencies of the content being copied.
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub dependency_solving: bool,
    /// Resolve dependencies to their latest compatible versions instead of preferring versions already in the
    /// destination.
    #[serde(default)]
    #[schema(default = false)]
    pub dependency_upgrade: bool,
}

/// Which old packages go.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = PrunePackages)]
pub struct PruneBody {
    /// Will prune old packages from the specified list of repos. Use ['*'] to specify all repos.
    #[schema(value_type = Vec<NonBlank>)]
    pub repo_hrefs: Vec<String>,
    /// Prune packages introduced *prior-to* this many days ago. Default is 14.
    #[serde(default = "fortnight")]
    #[schema(default = 14, minimum = 0)]
    pub keep_days: i64,
    /// Determine what would-be-pruned and log the list of packages. Default is False.
    #[serde(default)]
    #[schema(default = false)]
    pub dry_run: bool,
}

pub(crate) const fn fortnight() -> i64 {
    14
}

/// A `comps.xml`, and where its units go.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = CompsXml)]
pub struct CompsBody {
    /// Full path of a comps.xml file that may be parsed into comps.xml Content units
    #[schema(format = "binary")]
    pub file: String,
    /// URI of an RPM repository the comps.xml content units should be associated to.
    #[serde(default)]
    #[schema(write_only, value_type = String, format = "uri", required = false)]
    pub repository: Option<Ref<RpmRepository>>,
    /// If true, incoming comps.xml replaces existing comps-related ContentUnits in the specified repository.
    #[serde(default)]
    #[schema(write_only, nullable = false)]
    pub replace: Option<bool>,
}
