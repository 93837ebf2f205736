//! Blobs going out, and going away: distribution specification 1.1, "Pulling blobs" and "Deleting Blobs".

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use pulpcore::db::rows;
use pulpcore::error::Error;
use pulpcore::models::artifact;
use pulpcore::plugin::LiveCx;
use sea_orm::{EntityTrait, FromQueryResult};
use serde_json::json;
use uuid::Uuid;

use super::digest::Digest;
use super::errors::{Answer, Code, Failure};
use super::place::{Place, gone};
use super::scope::Action;
use super::tasks::{self, Remove};
use super::{CONTENT_DIGEST, header_of};
use crate::sql::Sql;

/// `GET` and `HEAD` of a blob.
pub(super) async fn read(cx: LiveCx) -> Answer {
    let place = Place::to_read(&cx).await?;
    let digest: Digest = cx.param("digest").parse()?;
    let response = match place.offer.file(&cx, &digest.to_string()).await? {
        Some(response) => response,
        None => match pending(&cx, &place, &digest).await? {
            Some(artifact) => place.offer.artifact(&cx, &artifact, &digest.to_string()).await?,
            None => return Err(unknown(&digest)),
        },
    };
    drawn(response, &digest)
}

fn drawn(mut response: Response, digest: &Digest) -> Answer {
    let headers = response.headers_mut();
    headers.insert(CONTENT_DIGEST, header_of(digest)?);
    if headers.contains_key(header::CONTENT_TYPE) {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    }
    Ok(response)
}

/// The bytes of a blob that was pushed and is in no version yet.
async fn pending(cx: &LiveCx, place: &Place, digest: &Digest) -> Answer<Option<artifact::Model>> {
    let Some(repository) = &place.follows else { return Ok(None) };
    of(cx, digest, |sql| sql.is_pending(repository.id, "b.content_ptr_id")).await
}

/// The bytes of a blob that meets a condition; `b` is the blob.
pub(super) async fn of(
    cx: &LiveCx,
    digest: &Digest,
    condition: impl FnOnce(&mut Sql) -> String,
) -> Answer<Option<artifact::Model>> {
    #[derive(FromQueryResult)]
    struct Row {
        artifact_id: Uuid,
    }
    let mut sql = Sql::default();
    let (domain, name) = (sql.bind(cx.app.domain), sql.bind(digest.to_string()));
    let condition = condition(&mut sql);
    let text = format!(
        "SELECT c.artifact_id AS artifact_id FROM container_blob b \
         JOIN core_contentartifact c ON c.content_id = b.content_ptr_id \
         WHERE b.pulp_domain_id = {domain} AND b.digest = {name} AND c.artifact_id IS NOT NULL AND {condition}"
    );
    let Some(Row { artifact_id }) = rows(cx.app.db.read(), &text, sql.values).await?.pop() else { return Ok(None) };
    let found = artifact::Entity::find_by_id(artifact_id).one(cx.app.db.read()).await.map_err(Error::from)?;
    found.ok_or_else(|| gone("an artifact")).map(Some)
}

/// `DELETE` of a blob.
pub(super) async fn delete(cx: LiveCx) -> Answer {
    let (place, repository, user) = Place::to_change(&cx, Action::Delete).await?;
    let digest: Digest = cx.param("digest").parse()?;
    let Some(found) = find(&cx, &place, &digest).await? else { return Err(unknown(&digest)) };
    if found.used {
        let message = "A manifest of this repository refers to the blob: delete that one first.";
        let refused = Failure::new(Code::Unsupported, message).with_detail(json!({ "digest": digest.to_string() }));
        return Err(refused.with_header(header::ALLOW, HeaderValue::from_static("GET, HEAD")));
    }
    let remove = Remove { repository, units: vec![found.content_ptr_id], recursive: false };
    tasks::run(&cx, remove, &user, |said| Failure::Core(Error::Conflict(said))).await?;
    Ok(StatusCode::ACCEPTED.into_response())
}

#[derive(FromQueryResult)]
struct Found {
    content_ptr_id: Uuid,
    used: bool,
}

/// A blob that the place has, and whether one of its manifests refers to it.
async fn find(cx: &LiveCx, place: &Place, digest: &Digest) -> Answer<Option<Found>> {
    let mut sql = Sql::default();
    let (domain, name) = (sql.bind(cx.app.domain), sql.bind(digest.to_string()));
    let (used, has) = (place.has(&mut sql, "u.manifest_id"), place.has(&mut sql, "b.content_ptr_id"));
    let text = format!(
        "SELECT b.content_ptr_id AS content_ptr_id, \
           EXISTS (SELECT 1 FROM container_blobmanifest u WHERE u.digest = b.digest AND {used}) AS used \
         FROM container_blob b WHERE b.pulp_domain_id = {domain} AND b.digest = {name} AND {has}"
    );
    Ok(rows(cx.app.db.read(), &text, sql.values).await?.pop())
}

fn unknown(digest: &Digest) -> Failure {
    let message = "The repository has no such blob.";
    Failure::new(Code::BlobUnknown, message).with_detail(json!({ "digest": digest.to_string() }))
}
