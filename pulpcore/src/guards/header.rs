//! The header guard: a header must be there and hold a value.
//!
//! As in Pulp the header's text is base64. Without a filter the decoded text is the value; with one it is JSON, and the
//! first thing that the filter gives of it must be the value, as a string.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::http::HeaderName;
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::jq::Filter;
use crate::app::App;
use crate::error::{Error, Invalid, Result};
use crate::models::content_guard;
use crate::plugin::{ContentGuard, Detail, GuardRequest, Noun, register};

/// The longest header that is looked at, in bytes.
const LONGEST: usize = 64 * 1024;

/// Clients pad or do not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// One row.
#[derive(Clone, Debug, Default, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "core_headercontentguard")]
pub(crate) struct Model {
    /// The guard's key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) contentguard_ptr_id: Uuid,
    /// Which header.
    pub(crate) header_name: String,
    /// What it must hold.
    pub(crate) header_value: String,
    /// What takes the value out of JSON.
    pub(crate) jq_filter: Option<String>,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// A header guard.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = HeaderContentGuard)]
pub(crate) struct Body {
    /// The header name the guard will check on.
    #[schema(min_length = 1)]
    header_name: String,
    /// The value that will authorize the request.
    #[schema(min_length = 1)]
    header_value: String,
    /// A JQ syntax compatible filter. If jq_filter is not set, then the value will only be Base64 decoded and checked as an
    /// explicit string match.
    #[serde(default)]
    #[schema(min_length = 1)]
    jq_filter: Option<String>,
}

impl Detail for Entity {
    type Master = content_guard::Entity;
    const TYPE: &'static str = "core.header";
    const MODEL: &'static str = "HeaderContentGuard";
    const ENDPOINT: &'static str = "header";
    type Body = Body;

    fn read(row: &Model) -> Body {
        Body {
            header_name: row.header_name.clone(),
            header_value: row.header_value.clone(),
            jq_filter: row.jq_filter.clone(),
        }
    }

    fn write(row: &mut Model, body: Body) {
        row.header_name = body.header_name;
        row.header_value = body.header_value;
        row.jq_filter = body.jq_filter;
    }

    fn check(body: &Body) -> Result<()> {
        let mut invalid = Invalid::default();
        if HeaderName::from_bytes(body.header_name.as_bytes()).is_err() {
            invalid.add("header_name", "This is not the name of a header.");
        }
        if body.header_value.len() > LONGEST {
            invalid.add("header_value", format!("Ensure this field has no more than {LONGEST} bytes."));
        }
        if let Some(Err(problem)) = body.jq_filter.as_deref().map(Filter::compile) {
            invalid.add("jq_filter", problem);
        }
        invalid.check()
    }
}

/// A row that was made ready.
pub(crate) struct Expected {
    name: HeaderName,
    value: String,
    filter: Option<Filter>,
}

impl ContentGuard for Entity {
    type Compiled = Expected;

    async fn compile(_app: &App, row: &Model) -> Result<Expected> {
        Ok(Expected {
            name: HeaderName::from_bytes(row.header_name.as_bytes()).map_err(Error::internal)?,
            value: row.header_value.clone(),
            filter: row.jq_filter.as_deref().map(Filter::compile).transpose().map_err(Error::internal)?,
        })
    }

    async fn permit(_app: &App, expected: &Expected, request: &GuardRequest<'_>) -> Result<()> {
        match expected.found(request) {
            Some(found) if verify_slices_are_equal(found.as_bytes(), expected.value.as_bytes()).is_ok() => Ok(()),
            _ => Err(Error::PermissionDenied),
        }
    }
}

impl Expected {
    fn found(&self, request: &GuardRequest<'_>) -> Option<String> {
        let header = request.headers().get(&self.name).filter(|header| header.len() <= LONGEST)?;
        let decoded = BASE64.decode(header.as_bytes()).ok()?;
        match &self.filter {
            None => String::from_utf8(decoded).ok(),
            Some(filter) => filter.first(serde_json::from_slice(&decoded).ok()?)?.as_str().map(str::to_owned),
        }
    }
}

register!(Noun::content_guard::<Entity>());
