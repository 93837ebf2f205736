//! Chunked uploads.

use uuid::Uuid;

use crate::error::Result;
use crate::models::artifact;
use crate::plugin::TaskCx;

/// Turns a complete upload into an artifact.
pub(crate) async fn commit(_cx: &TaskCx, _id: Uuid, _sha256: Option<&str>) -> Result<artifact::Model> {
    Err(crate::api::not_found("Upload"))
}
