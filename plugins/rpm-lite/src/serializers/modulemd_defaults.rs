//! Defaults of modules.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::json::Raw;
use crate::models::modulemd_defaults::Model;

/// Which stream and which profiles are meant when nobody says.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = rpm::ModulemdDefaults)]
pub struct ModulemdDefaultsBody {
    /// Modulemd name.
    #[schema(min_length = 1)]
    pub module: String,
    /// Modulemd default stream.
    #[schema(min_length = 1)]
    pub stream: String,
    /// Default profiles for modulemd streams.
    pub profiles: Raw,
    /// Modulemd default snippet
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(write_only, required = true, nullable = false, min_length = 1)]
    pub snippet: Option<String>,
}

pub(crate) fn write(row: &mut Model, body: ModulemdDefaultsBody) {
    let snippet = body.snippet.unwrap_or_default();
    row.module = body.module;
    row.stream = body.stream;
    row.profiles = body.profiles;
    row.digest = crate::digest(&snippet);
    row.snippet = snippet;
}
