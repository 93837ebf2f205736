//! Manifests coming in: distribution specification 1.1, "Pushing Manifests".

use std::collections::HashSet;

use axum::http::{HeaderName, StatusCode, header};
use axum::response::IntoResponse;
use futures::TryStreamExt;
use pulpcore::db::{rows, rows_per_statement};
use pulpcore::models::repository;
use pulpcore::plugin::{LiveCx, Ref};
use pulpcore::storage::Algorithm;
use sea_orm::FromQueryResult;
use serde_json::json;
use url::form_urlencoded;

use super::digest::Digest;
use super::errors::{Answer, Code, Failure};
use super::place::Place;
use super::reference::{BadReference, Reference, is_tag};
use super::tasks::{self, Push};
use super::{CONTENT_DIGEST, blobs, header_of, units};
use crate::manifest::{self, ImageConfig, LARGEST_CONFIG, Manifest, media_type};
use crate::models;
use crate::sql::Sql;

const SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
const TAG: HeaderName = HeaderName::from_static("oci-tag");

/// The most tags that come with one manifest.
const MOST_TAGS: usize = 100;

/// The most digests that a refusal names.
const MOST_NAMED: usize = 10;

/// `PUT` of a manifest, by a tag, or by its digest with any number of tags.
pub(super) async fn put(mut cx: LiveCx) -> Answer {
    let reference: Reference = cx.param("reference").parse()?;
    let (place, repository, user) = Place::to_push(&cx).await?;
    let body = cx.bytes(manifest::LARGEST).await?;
    let content_type = cx.parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let (digest, tags) = match &reference {
        Reference::Tag(tag) => (Digest::of(Algorithm::Sha256, &body), vec![tag.clone()]),
        Reference::Digest(digest) if digest.fits(&body) => (digest.clone(), named_tags(&cx)?),
        Reference::Digest(digest) => {
            let message = "The digest is not that of the manifest.";
            return Err(Failure::new(Code::DigestInvalid, message).with_detail(json!({ "digest": digest.to_string() })));
        }
    };
    let parsed = Manifest::parse(&body, content_type)?;
    require(&cx, &repository, Known::Blob, parsed.blobs()).await?;
    require(&cx, &repository, Known::Manifest, parsed.children()).await?;
    let config = config(&cx, &repository, &parsed).await?;
    // What was parsed as JSON is UTF-8.
    let data = String::from_utf8_lossy(&body).into_owned();
    let row = models::manifest::Model::of(&digest.to_string(), data, &parsed, config.as_ref());
    let id = units::keep_manifest(&cx.app, repository.id, row, &parsed).await?;
    let manifest = Ref::of("container.manifest", id)?;
    let push = Push { repository, manifest, digest: digest.to_string(), tags: tags.clone() };
    tasks::run(&cx, push, &user, |said| Failure::new(Code::ManifestInvalid, said)).await?;

    let mut response = StatusCode::CREATED.into_response();
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, header_of(format!("/v2/{}/manifests/{digest}", place.name))?);
    headers.insert(CONTENT_DIGEST, header_of(&digest)?);
    if let Some(subject) = &parsed.subject {
        headers.insert(SUBJECT, header_of(subject.digest())?);
    }
    if matches!(reference, Reference::Digest(_)) {
        for tag in &tags {
            headers.append(TAG, header_of(tag)?);
        }
    }
    Ok(response)
}

/// The parameters `tag` of a request.
fn named_tags(cx: &LiveCx) -> Answer<Vec<String>> {
    let query = cx.parts.uri.query().unwrap_or_default();
    let pairs = form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == "tag");
    let mut tags: Vec<String> = Vec::new();
    for (_, tag) in pairs {
        if !is_tag(&tag) {
            return Err(BadReference.into());
        }
        if !tags.iter().any(|known| *known == tag) {
            tags.push(tag.into_owned());
        }
    }
    if tags.len() > MOST_TAGS {
        let message = format!("A manifest is pushed with at most {MOST_TAGS} tags.");
        return Err(Failure::new(Code::TagInvalid, message).with_status(StatusCode::URI_TOO_LONG));
    }
    Ok(tags)
}

/// What must be there before something refers to it.
#[derive(Clone, Copy)]
enum Known {
    Blob,
    Manifest,
}

/// Refuses references to what the repository does not have, in its latest version or pushed since.
async fn require<'a>(
    cx: &LiveCx,
    repository: &Ref<repository::Entity>,
    known: Known,
    digests: impl Iterator<Item = &'a str>,
) -> Answer<()> {
    #[derive(FromQueryResult)]
    struct Row {
        digest: String,
    }
    let (table, what) = match known {
        Known::Blob => ("container_blob", "blobs"),
        Known::Manifest => ("container_manifest", "manifests"),
    };
    let mut missing: HashSet<&str> = digests.collect();
    let all: Vec<&str> = missing.iter().copied().collect();
    for some in all.chunks(rows_per_statement(1)) {
        let mut sql = Sql::default();
        let (domain, list) = (sql.bind(cx.app.domain), sql.list(some.iter().copied()));
        let latest = sql.is_latest(repository.id, "u.content_ptr_id");
        let pending = sql.is_pending(repository.id, "u.content_ptr_id");
        let text = format!(
            "SELECT u.digest AS digest FROM {table} u WHERE u.pulp_domain_id = {domain} AND u.digest IN ({list}) \
             AND ({latest} OR {pending})"
        );
        for row in rows::<Row>(cx.app.db.read(), &text, sql.values).await? {
            missing.remove(row.digest.as_str());
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let mut named: Vec<&str> = missing.into_iter().collect();
    named.sort_unstable();
    named.truncate(MOST_NAMED);
    let message = format!("The manifest refers to {what} that the repository does not have: {}.", named.join(", "));
    Err(Failure::new(Code::ManifestBlobUnknown, message).with_detail(json!({ "digests": named })))
}

/// What the image's configuration says, if it has one that is here.
async fn config(cx: &LiveCx, repository: &Ref<repository::Entity>, parsed: &Manifest) -> Answer<Option<ImageConfig>> {
    let known = |config: &&oci_spec::image::Descriptor| {
        media_type::IMAGE_CONFIGS.contains(&config.media_type().to_string().as_str()) && config.size() <= LARGEST_CONFIG
    };
    let digest =
        parsed.config.as_ref().filter(known).and_then(|config| config.digest().to_string().parse::<Digest>().ok());
    let Some(digest) = digest else { return Ok(None) };
    let here = |sql: &mut Sql| {
        let latest = sql.is_latest(repository.id, "b.content_ptr_id");
        format!("({latest} OR {})", sql.is_pending(repository.id, "b.content_ptr_id"))
    };
    let Some(artifact) = blobs::of(cx, &digest, here).await? else { return Ok(None) };
    if u64::try_from(artifact.size).is_ok_and(|size| size > LARGEST_CONFIG) {
        return Ok(None);
    }
    let body = cx.app.storage.read(&artifact.file, None).await?.body;
    let bytes = body.try_fold(Vec::new(), |mut bytes, piece| async move {
        bytes.extend_from_slice(&piece);
        Ok(bytes)
    });
    Ok(Some(ImageConfig::parse(&bytes.await?)))
}
