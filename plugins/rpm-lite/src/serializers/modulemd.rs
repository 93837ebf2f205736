//! Modules.

use pulpcore::api::schema::markers::Uri;
use pulpcore::plugin::Ref;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::json::Raw;
use crate::models::Package;
use crate::models::modulemd::Model;

/// A stream of a module.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = rpm::Modulemd)]
pub struct ModulemdBody {
    /// Modulemd name.
    #[schema(min_length = 1)]
    pub name: String,
    /// Stream name.
    #[schema(min_length = 1)]
    pub stream: String,
    /// Modulemd version.
    #[schema(min_length = 1)]
    pub version: String,
    /// Modulemd static-context flag.
    #[serde(default)]
    #[schema(nullable = false, required = false)]
    pub static_context: Option<bool>,
    /// Modulemd context.
    #[schema(min_length = 1)]
    pub context: String,
    /// Modulemd architecture.
    #[schema(min_length = 1)]
    pub arch: String,
    /// Modulemd artifacts.
    #[schema(nullable = true)]
    pub artifacts: Raw,
    /// Modulemd dependencies.
    #[schema(nullable = true)]
    pub dependencies: Raw,
    /// Modulemd artifacts' packages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = Vec<Uri>)]
    pub packages: Option<Vec<Ref<Package>>>,
    /// Modulemd snippet
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(write_only, required = true, nullable = false, min_length = 1)]
    pub snippet: Option<String>,
    /// Modulemd profiles.
    #[schema(nullable = true)]
    pub profiles: Raw,
    /// Description of module.
    #[schema(min_length = 1)]
    pub description: String,
}

pub(crate) fn write(row: &mut Model, body: ModulemdBody) {
    let snippet = body.snippet.unwrap_or_default();
    row.name = body.name;
    row.stream = body.stream;
    row.version = body.version;
    row.static_context = body.static_context;
    row.context = body.context;
    row.arch = body.arch;
    row.artifacts = body.artifacts;
    row.dependencies = body.dependencies;
    row.profiles = body.profiles;
    row.description = body.description;
    row.packages = body.packages.into_iter().flatten().map(|package| package.id).collect();
    row.digest = crate::digest(&snippet);
    row.snippet = snippet;
}
