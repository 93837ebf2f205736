//! Obsoletes of modules.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::models::modulemd_obsolete::Model;

/// A stream that ends.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = rpm::ModulemdObsolete)]
pub struct ModulemdObsoleteBody {
    /// Obsolete modified time.
    #[schema(min_length = 1)]
    pub modified: String,
    /// Modulemd name.
    #[schema(min_length = 1)]
    pub module_name: String,
    /// Modulemd's stream.
    #[schema(min_length = 1)]
    pub module_stream: String,
    /// Obsolete description.
    #[schema(min_length = 1)]
    pub message: String,
    /// Reset previous obsoletes.
    #[schema(required = true, min_length = 1)]
    pub override_previous: Option<String>,
    /// Modulemd's context.
    #[schema(required = true, min_length = 1)]
    pub module_context: Option<String>,
    /// End of Life date.
    #[schema(required = true, min_length = 1)]
    pub eol_date: Option<String>,
    /// Obsolete by module name.
    #[schema(required = true, min_length = 1)]
    pub obsoleted_by_module_name: Option<String>,
    /// Obsolete by module stream.
    #[schema(required = true, min_length = 1)]
    pub obsoleted_by_module_stream: Option<String>,
    /// Module Obsolete snippet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(write_only, required = true, nullable = false, min_length = 1)]
    pub snippet: Option<String>,
}

pub(crate) fn write(row: &mut Model, body: ModulemdObsoleteBody) {
    row.modified = body.modified;
    row.module_name = body.module_name;
    row.module_stream = body.module_stream;
    row.message = body.message;
    row.override_previous = body.override_previous;
    row.module_context = body.module_context;
    row.eol_date = body.eol_date;
    row.obsoleted_by_module_name = body.obsoleted_by_module_name;
    row.obsoleted_by_module_stream = body.obsoleted_by_module_stream;
    row.snippet = body.snippet.unwrap_or_default();
}
