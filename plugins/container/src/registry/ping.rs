//! `/v2/`: whether this is a registry, and who asks (distribution specification 1.1, "Determining Support").

use axum::Json;
use axum::response::IntoResponse;
use pulpcore::plugin::LiveCx;
use serde_json::json;

use super::access::{Caller, unauthorized};
use super::errors::Answer;

/// `GET` of the registry itself: a 401 for whoever says nothing, because that is how clients learn where to get a token.
pub(super) async fn read(cx: LiveCx) -> Answer {
    match Caller::of(&cx).await? {
        Caller::Anonymous => Err(unauthorized(&cx, None, None, "Authentication is required for this.")?),
        Caller::User(_) | Caller::Token(_) => Ok(Json(json!({})).into_response()),
    }
}
