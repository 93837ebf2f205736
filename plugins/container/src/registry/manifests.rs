//! Manifests going out, and going away: distribution specification 1.1, "Pulling manifests", "Deleting tags" and "Deleting
//! Manifests".

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use pulpcore::db::rows;
use pulpcore::error::Error;
use pulpcore::plugin::LiveCx;
use sea_orm::FromQueryResult;
use serde_json::json;
use uuid::Uuid;

use super::access::Caller;
use super::errors::{Answer, Code, Failure};
use super::known::{self, Known};
use super::place::{self, Place};
use super::reference::Reference;
use super::scope::Action;
use super::tasks::{self, Remove};
use super::{CONTENT_DIGEST, header_of, through};
use crate::sql::Sql;

/// `GET` and `HEAD` of a manifest.
pub(super) async fn read(cx: LiveCx) -> Answer {
    let reference = reference(&cx)?;
    let place = place(&cx, &reference).await?;
    let found = find(&cx, &place, &reference).await?.ok_or_else(|| unknown(&reference.to_string()))?;
    let tag = format!("\"{}\"", found.digest);
    let current = cx.parts.headers.get_all(header::IF_NONE_MATCH).iter();
    let same = current.filter_map(|value| value.to_str().ok()).any(|value| value == "*" || value.contains(&tag));
    let mut response = match same {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => Response::new(Body::from(found.data.clone())),
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_DIGEST, header_of(&found.digest)?);
    headers.insert(header::ETAG, header_of(&tag)?);
    headers.insert(header::CONTENT_TYPE, header_of(&found.media_type)?);
    Ok(response)
}

/// The place that a request reads. What another registry has, and this one is to have, is in it by then.
async fn place(cx: &LiveCx, reference: &Reference) -> Answer<Place> {
    let name = Place::name(cx)?;
    let mut place = Place::find(cx, name).await?;
    let is_here = match (&place, reference) {
        (Some(place), Reference::Digest(_)) if place.through => find(cx, place, reference).await?.is_some(),
        _ => false,
    };
    if !is_here {
        place = through::fetched(cx, place, reference).await?;
    }
    let place = place.ok_or_else(|| place::unknown(name))?;
    Caller::of(cx).await?.require(cx, name, Action::Pull, place.private)?;
    Ok(place)
}

async fn find(cx: &LiveCx, place: &Place, reference: &Reference) -> Answer<Option<Arc<Known>>> {
    #[derive(FromQueryResult)]
    struct Row {
        digest: String,
        media_type: String,
        data: String,
        is_in: bool,
    }
    let (version, name) = (place.offer.version(), reference.to_string());
    if let Some(known) = version.and_then(|version| known::get(version, &name)) {
        return Ok(Some(known));
    }
    let mut sql = Sql::default();
    let domain = sql.bind(cx.app.domain);
    let text = match reference {
        Reference::Digest(digest) => {
            let (digest, has) = (sql.bind(digest.to_string()), place.has(&mut sql, "m.content_ptr_id"));
            let holds = place.holds(&mut sql, "m.content_ptr_id");
            format!(
                "SELECT m.digest AS digest, m.media_type AS media_type, m.data AS data, ({holds}) AS is_in \
                 FROM container_manifest m WHERE m.pulp_domain_id = {domain} AND m.digest = {digest} AND {has}"
            )
        }
        Reference::Tag(name) => {
            let (name, holds) = (sql.bind(name.as_str()), place.holds(&mut sql, "t.content_ptr_id"));
            format!(
                "SELECT m.digest AS digest, m.media_type AS media_type, m.data AS data, (1 = 1) AS is_in \
                 FROM container_tag t \
                 JOIN container_manifest m ON m.pulp_domain_id = t.pulp_domain_id AND m.digest = t.tagged_digest \
                 WHERE t.pulp_domain_id = {domain} AND t.name = {name} AND {holds}"
            )
        }
    };
    let found: Option<Row> = rows(cx.app.db.read(), &text, sql.values).await?.pop();
    let Some(Row { digest, media_type, data, is_in }) = found else { return Ok(None) };
    let found = Arc::new(Known { digest, media_type, data: Bytes::from(data) });
    // What was pushed and is in no version may go at any time.
    if let Some(version) = version.filter(|_| is_in) {
        known::keep(version, &name, &found);
    }
    Ok(Some(found))
}

/// `DELETE` of a tag, or of a manifest with its tags.
pub(super) async fn delete(cx: LiveCx) -> Answer {
    let (place, repository, user) = Place::to_change(&cx, Action::Delete).await?;
    let reference = reference(&cx)?;
    let units = match &reference {
        Reference::Tag(name) => tags(&cx, &place, "name", name).await?,
        Reference::Digest(digest) => {
            let digest = digest.to_string();
            let mut units = manifest(&cx, &place, &digest).await?;
            if !units.is_empty() {
                units.extend(tags(&cx, &place, "tagged_digest", &digest).await?);
            }
            units
        }
    };
    if units.is_empty() {
        return Err(unknown(&reference.to_string()));
    }
    // Without its name a manifest is still there by its digest.
    let recursive = matches!(reference, Reference::Digest(_));
    tasks::run(&cx, Remove { repository, units, recursive }, &user, |said| Failure::Core(Error::Conflict(said)))
        .await?;
    Ok(StatusCode::ACCEPTED.into_response())
}

#[derive(FromQueryResult)]
struct Unit {
    content_ptr_id: Uuid,
}

/// The tags of the place with this value in a column.
async fn tags(cx: &LiveCx, place: &Place, column: &str, value: &str) -> Answer<Vec<Uuid>> {
    let mut sql = Sql::default();
    let (domain, value) = (sql.bind(cx.app.domain), sql.bind(value));
    let holds = place.holds(&mut sql, "t.content_ptr_id");
    let text = format!(
        "SELECT t.content_ptr_id AS content_ptr_id FROM container_tag t \
         WHERE t.pulp_domain_id = {domain} AND t.{column} = {value} AND {holds}"
    );
    let found = rows::<Unit>(cx.app.db.read(), &text, sql.values).await?;
    Ok(found.into_iter().map(|unit| unit.content_ptr_id).collect())
}

/// The manifest of this digest, unless an index needs it.
async fn manifest(cx: &LiveCx, place: &Place, digest: &str) -> Answer<Vec<Uuid>> {
    #[derive(FromQueryResult)]
    struct Row {
        content_ptr_id: Uuid,
        listed: bool,
    }
    let mut sql = Sql::default();
    let (domain, name) = (sql.bind(cx.app.domain), sql.bind(digest));
    let (listed, has) = (place.holds(&mut sql, "l.list_id"), place.has(&mut sql, "m.content_ptr_id"));
    let text = format!(
        "SELECT m.content_ptr_id AS content_ptr_id, \
           EXISTS (SELECT 1 FROM container_manifestlistmanifest l WHERE l.digest = m.digest AND {listed}) AS listed \
         FROM container_manifest m WHERE m.pulp_domain_id = {domain} AND m.digest = {name} AND {has}"
    );
    match rows::<Row>(cx.app.db.read(), &text, sql.values).await?.pop() {
        None => Ok(Vec::new()),
        Some(row) if row.listed => {
            let message = "An index of this repository lists the manifest: delete that one first.";
            let refused = Failure::new(Code::Unsupported, message).with_detail(json!({ "digest": digest }));
            Err(refused.with_header(header::ALLOW, HeaderValue::from_static("GET, HEAD, PUT")))
        }
        Some(row) => Ok(vec![row.content_ptr_id]),
    }
}

/// What stands for a manifest. A text that could not stand for any stands for none.
fn reference(cx: &LiveCx) -> Answer<Reference> {
    let text = cx.param("reference");
    text.parse().map_err(|_| unknown(text))
}

/// The refusal of a manifest that is not in the repository.
pub(super) fn unknown(reference: &str) -> Failure {
    let message = "The repository has no such manifest.";
    Failure::new(Code::ManifestUnknown, message).with_detail(json!({ "reference": reference }))
}
