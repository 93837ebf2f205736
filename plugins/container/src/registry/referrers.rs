//! Which manifests are about another one: signatures, attestations, bills of materials (distribution specification 1.1,
//! "Listing Referrers").

use std::collections::BTreeMap;

use axum::Json;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::IntoResponse;
use pulpcore::db::rows;
use pulpcore::plugin::LiveCx;
use sea_orm::FromQueryResult;
use serde::Serialize;
use serde_json::json;

use super::digest::Digest;
use super::errors::Answer;
use super::lists::{after, bytewise};
use super::page::Page;
use super::place::Place;
use crate::manifest::media_type;
use crate::models::Texts;
use crate::sql::Sql;

const FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");

#[derive(FromQueryResult)]
struct Row {
    digest: String,
    media_type: String,
    artifact_type: Option<String>,
    annotations: Texts,
    size: i64,
}

/// A manifest, as an index lists it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    size: i64,
    digest: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact_type: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

/// `GET` of the referrers of a digest, whether there is a manifest of it or not, and whether there is the repository or not:
/// a 404 would say that this registry does not list referrers, and clients would begin to do so themselves.
pub(super) async fn list(cx: LiveCx) -> Answer {
    let place = Place::to_read_if_any(&cx).await?;
    let digest: Digest = cx.param("digest").parse()?;
    let page = Page::of(&cx)?;
    let kind = cx.query("artifactType").filter(|kind| !kind.is_empty());
    let mut found = match &place {
        Some(place) => find(&cx, place, &digest, kind, &page).await?,
        None => Vec::new(),
    };
    let next = page.cut(&mut found, |row| &row.digest);
    let manifests: Vec<Descriptor> = found.into_iter().map(Descriptor::from).collect();
    let index = json!({ "schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": manifests });
    let mut response = Json(index).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type::OCI_INDEX));
    if kind.is_some() {
        response.headers_mut().insert(FILTERS_APPLIED, HeaderValue::from_static("artifactType"));
    }
    let path = format!("/v2/{}/referrers/{digest}", Place::name(&cx)?);
    let others: Vec<(&str, &str)> = kind.iter().map(|kind| ("artifactType", *kind)).collect();
    page.link(response, &path, next, &others)
}

/// What is about a digest, in the order of their own; one more than the page has, if there are more.
async fn find(cx: &LiveCx, place: &Place, digest: &Digest, kind: Option<&str>, page: &Page) -> Answer<Vec<Row>> {
    let mut sql = Sql::default();
    let (domain, subject) = (sql.bind(cx.app.domain), sql.bind(digest.to_string()));
    let (holds, name) = (place.holds(&mut sql, "m.content_ptr_id"), bytewise(cx, "m.digest"));
    let of_kind = kind.map_or_else(String::new, |kind| format!("AND m.artifact_type = {}", sql.bind(kind)));
    let after = after(&mut sql, &name, page.after.as_deref());
    let limit = sql.bind(page.limit());
    let text = format!(
        "SELECT m.digest AS digest, m.media_type AS media_type, m.artifact_type AS artifact_type, \
           m.annotations AS annotations, CAST(octet_length(m.data) AS BIGINT) AS size \
         FROM container_manifest m WHERE m.pulp_domain_id = {domain} AND m.subject_digest = {subject} AND {holds} \
         {of_kind} {after} ORDER BY {name} LIMIT {limit}"
    );
    Ok(rows(cx.app.db.read(), &text, sql.values).await?)
}

impl From<Row> for Descriptor {
    fn from(row: Row) -> Self {
        let Row { digest, media_type, artifact_type, annotations: Texts(annotations), size } = row;
        Self { media_type, size, digest, artifact_type, annotations }
    }
}
