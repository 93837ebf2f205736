//! Detached signatures of manifests, beside the specification: an extension of OpenShift's registry, which `skopeo` and
//! `podman` use where a registry says that it has it ([`SUPPORTS_SIGNATURES`](super::errors::SUPPORTS_SIGNATURES)).

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pulpcore::db::rows;
use pulpcore::error::Error;
use pulpcore::plugin::LiveCx;
use pulpcore::versions::find_or_make;
use sea_orm::FromQueryResult;
use serde::Deserialize;
use serde_json::{Value, json};

use super::digest::Digest;
use super::errors::{Answer, Code, Failure};
use super::header_of;
use super::place::Place;
use super::scope::Action;
use super::tasks::{self, Sign};
use crate::models::ManifestSignature;
use crate::signature::{self, ATOMIC, LARGEST, is_name};
use crate::sql::Sql;

/// The version of the extension.
const VERSION: i64 = 2;

/// The largest body with a signature, in bytes: it is in base64.
const LARGEST_BODY: usize = 2 * LARGEST;

/// The most signatures that are listed.
const MOST: i64 = 100;

/// What a client sends.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sent {
    schema_version: i64,
    #[serde(rename = "type")]
    kind: String,
    name: String,
    content: String,
}

/// `GET` of a manifest's signatures.
pub(super) async fn list(cx: LiveCx) -> Answer {
    #[derive(FromQueryResult)]
    struct Row {
        name: String,
        data: String,
    }
    let place = Place::to_read(&cx).await?;
    let digest: Digest = cx.param("digest").parse()?;
    require(&cx, &place, &digest).await?;
    let mut sql = Sql::default();
    let (domain, signed) = (sql.bind(cx.app.domain), sql.bind(digest.to_string()));
    let holds = place.holds(&mut sql, "s.content_ptr_id");
    let limit = sql.bind(MOST);
    let text = format!(
        "SELECT s.name AS name, s.data AS data FROM container_manifestsignature s \
         WHERE s.pulp_domain_id = {domain} AND s.signed_digest = {signed} AND {holds} \
         ORDER BY s.content_ptr_id LIMIT {limit}"
    );
    let found: Vec<Row> = rows(cx.app.db.read(), &text, sql.values).await?;
    let drawn = |row: Row| json!({ "schemaVersion": VERSION, "type": ATOMIC, "name": row.name, "content": row.data });
    let signatures: Vec<Value> = found.into_iter().map(drawn).collect();
    Ok(Json(json!({ "signatures": signatures })).into_response())
}

/// `PUT` of one more.
pub(super) async fn put(mut cx: LiveCx) -> Answer {
    let (place, repository, user) = Place::to_change(&cx, Action::Push).await?;
    let digest: Digest = cx.param("digest").parse()?;
    require(&cx, &place, &digest).await?;
    let body = cx.bytes(LARGEST_BODY).await?;
    let digest = digest.to_string();
    let refused = |message: String| {
        Failure::new(Code::SignatureInvalid, message).with_detail(json!({ "manifest_digest": digest }))
    };
    let sent: Sent = serde_json::from_slice(&body).map_err(|error| refused(format!("No signature: {error}.")))?;
    if sent.schema_version != VERSION || sent.kind != ATOMIC || !is_name(&sent.name, &digest) {
        let message = format!(
            "A signature has the schemaVersion {VERSION}, the type '{ATOMIC}', and as its name the manifest's digest, '@' \
             and 32 hexadecimal digits."
        );
        return Err(refused(message));
    }
    let bytes = STANDARD.decode(sent.content).map_err(|_| refused("The content is not in base64.".to_owned()))?;
    let row = signature::read(&bytes, &digest).map_err(|error| refused(error.to_string()))?;
    let tx = cx.app.db.write().await?;
    let (signature, _) = find_or_make::<ManifestSignature>(&tx, cx.app.domain, row).await?;
    tx.commit().await?;
    tasks::run(&cx, Sign { repository, signature }, &user, |said| Failure::Core(Error::Conflict(said))).await?;
    let location = header_of(format!("/extensions/v2/{}/signatures/{digest}", place.name))?;
    Ok((StatusCode::CREATED, [(header::LOCATION, location)]).into_response())
}

/// Refuses a manifest that the place does not have.
async fn require(cx: &LiveCx, place: &Place, digest: &Digest) -> Answer<()> {
    #[derive(FromQueryResult)]
    struct Row {
        n: i64,
    }
    let mut sql = Sql::default();
    let (domain, name) = (sql.bind(cx.app.domain), sql.bind(digest.to_string()));
    let has = place.has(&mut sql, "m.content_ptr_id");
    let text = format!(
        "SELECT COUNT(*) AS n FROM container_manifest m WHERE m.pulp_domain_id = {domain} AND m.digest = {name} AND {has}"
    );
    match rows::<Row>(cx.app.db.read(), &text, sql.values).await?.pop() {
        Some(Row { n: 1.. }) => Ok(()),
        _ => Err(super::manifests::unknown(&digest.to_string())),
    }
}
