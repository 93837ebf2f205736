//! Artifacts: stored bytes that clients upload on their own, to make content units of them later.

use std::collections::HashSet;
use std::sync::Arc;

use axum::http::{Method, StatusCode};
use axum::response::Response;
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QuerySelect};
use serde::Serialize;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::{list_of, object};
use crate::api::cx::{Cx, no_content};
use crate::api::endpoint::Endpoint;
use crate::api::families::version::{Relation, units_of};
use crate::api::filters::{Filters, IntoCondition, Kind, col};
use crate::api::reader::Reader;
use crate::api::shape;
use crate::api::validate::{BodySchema, Mode};
use crate::app::App;
use crate::artifacts;
use crate::db::{comparable, now, one_of};
use crate::error::{Error, Result};
use crate::models::{artifact, content_artifact, domain, profile_artifact, published_metadata};
use crate::storage::{Algorithm, Received};

pub(super) const NAMES: (&str, &str) = ("artifacts", "core.artifact");
const HREF: &str = "artifact_href";

/// An artifact, beside its identity.
#[derive(Debug, Serialize, ToSchema)]
struct Body {
    /// The stored file.
    file: String,
    /// The size of the file in bytes.
    #[schema(required = false)]
    size: i64,
    /// The MD5 checksum of the file if available.
    #[schema(min_length = 1)]
    md5: Option<String>,
    /// The SHA-1 checksum of the file if available.
    #[schema(min_length = 1)]
    sha1: Option<String>,
    /// The SHA-224 checksum of the file if available.
    #[schema(min_length = 1)]
    sha224: Option<String>,
    /// The SHA-256 checksum of the file if available.
    #[schema(required = false, value_type = Option<String>, min_length = 1)]
    sha256: String,
    /// The SHA-384 checksum of the file if available.
    #[schema(min_length = 1)]
    sha384: Option<String>,
    /// The SHA-512 checksum of the file if available.
    #[schema(min_length = 1)]
    sha512: Option<String>,
}

/// What a client sends to make an artifact.
#[derive(Debug, ToSchema)]
#[schema(as = Artifact)]
#[expect(dead_code, reason = "it is read field by field: the file was received before, and a form's fields are few")]
struct Upload {
    /// The stored file.
    #[schema(format = "binary")]
    file: String,
    /// The size of the file in bytes.
    #[schema(nullable = false)]
    size: Option<i64>,
    /// The MD5 checksum of the file if available.
    #[schema(min_length = 1)]
    md5: Option<String>,
    /// The SHA-1 checksum of the file if available.
    #[schema(min_length = 1)]
    sha1: Option<String>,
    /// The SHA-224 checksum of the file if available.
    #[schema(min_length = 1)]
    sha224: Option<String>,
    /// The SHA-256 checksum of the file if available.
    #[schema(min_length = 1)]
    sha256: Option<String>,
    /// The SHA-384 checksum of the file if available.
    #[schema(min_length = 1)]
    sha384: Option<String>,
    /// The SHA-512 checksum of the file if available.
    #[schema(min_length = 1)]
    sha512: Option<String>,
}

/// The operations on artifacts.
pub(super) fn endpoints() -> Vec<Endpoint> {
    let schema = BodySchema::cached::<Upload>();
    let response = || shape::core_response::<Body>("ArtifactResponse");
    vec![
        list_of::<artifact::Entity>("artifacts/", "artifacts_list", filters(), |cx, row| read(&cx.reader(), row))
            .tagged("Artifacts")
            .about("List artifacts")
            .answers(200, shape::paginated(response())),
        Endpoint::new(Method::POST, "artifacts/", "artifacts_create", move |mut cx| {
            let schema = Arc::clone(&schema);
            async move { create(&mut cx, &schema).await }
        })
        .tagged("Artifacts")
        .about("Create an artifact")
        .takes_form(crate::api::endpoint::Described::of::<Upload>())
        .answers(201, response()),
        Endpoint::new(Method::GET, "artifacts/{pulp_id}/", "artifacts_read", |cx| async move {
            let row = find(&cx).await?;
            let object = read(&cx.reader(), &row)?;
            Ok(cx.object(StatusCode::OK, object))
        })
        .of_object("artifacts/{pulp_id}/", HREF)
        .tagged("Artifacts")
        .about("Inspect an artifact")
        .selectable()
        .answers(200, response()),
        Endpoint::new(
            Method::DELETE,
            "artifacts/{pulp_id}/",
            "artifacts_delete",
            |cx| async move { delete(&cx).await },
        )
        .of_object("artifacts/{pulp_id}/", HREF)
        .tagged("Artifacts")
        .about("Delete an artifact")
        .answers_nothing(204),
    ]
}

fn filters() -> Filters {
    use artifact::Column as C;
    let filters =
        [C::Md5, C::Sha1, C::Sha224, C::Sha256, C::Sha384, C::Sha512].into_iter().fold(Filters::new(), Filters::equals);
    filters
        .custom("repository_version", |text, _| {
            let units = units_of("repository_version", text, Relation::Present)?;
            let files = Query::select()
                .expr(col(content_artifact::Column::ArtifactId))
                .from(content_artifact::Entity)
                .and_where(col(content_artifact::Column::ArtifactId).is_not_null())
                .and_where(col(content_artifact::Column::ContentId).in_subquery(units))
                .take();
            Ok(col(C::PulpId).in_subquery(files).into_condition())
        })
        .add("orphaned_for", Kind::Number, |text, _| orphaned(text))
        .identity(C::PulpId)
        .ordered(&[
            C::PulpId,
            C::PulpCreated,
            C::PulpLastUpdated,
            C::File,
            C::Size,
            C::Md5,
            C::Sha1,
            C::Sha224,
            C::Sha256,
            C::Sha384,
            C::Sha512,
            C::TimestampOfInterest,
        ])
        .ordered_as("pk", C::PulpId)
}

/// Artifacts that nothing uses and nothing has touched for so many days.
fn orphaned(text: &str) -> Result<Condition> {
    let wrong = || Error::invalid("orphaned_for", "Enter a number.");
    let days: f64 = text.trim().parse().map_err(|_| wrong())?;
    if !(0.0..1e6).contains(&days) {
        return Err(wrong());
    }
    let before = comparable(now() - time::Duration::seconds_f64(days * 86_400.0));
    Ok(Condition::all().add(unused()).add(col(artifact::Column::TimestampOfInterest).lt(before)))
}

/// Neither a content unit nor a publication nor what was observed of a task has it.
fn unused() -> Condition {
    let of_content = Query::select()
        .expr(Expr::val(1))
        .from(content_artifact::Entity)
        .and_where(col(content_artifact::Column::ArtifactId).eq(col(artifact::Column::PulpId)))
        .take();
    let of_publication = Query::select()
        .expr(Expr::val(1))
        .from(published_metadata::Entity)
        .and_where(col(published_metadata::Column::ArtifactId).eq(col(artifact::Column::PulpId)))
        .take();
    let of_task = Query::select()
        .expr(Expr::val(1))
        .from(profile_artifact::Entity)
        .and_where(col(profile_artifact::Column::ArtifactId).eq(col(artifact::Column::PulpId)))
        .take();
    [of_content, of_publication, of_task].into_iter().fold(Condition::all(), |all, of| all.add(Expr::exists(of).not()))
}

fn read(reader: &Reader, row: &artifact::Model) -> Result<Map<String, Value>> {
    let body = Body {
        file: row.file.clone(),
        size: row.size,
        md5: row.md5.clone(),
        sha1: row.sha1.clone(),
        sha224: row.sha224.clone(),
        sha256: row.sha256.clone(),
        sha384: row.sha384.clone(),
        sha512: row.sha512.clone(),
    };
    object(reader, NAMES, row.pulp_id, (row.pulp_created, row.pulp_last_updated), &body)
}

async fn find(cx: &Cx) -> Result<artifact::Model> {
    let row = artifact::Entity::find_by_id(cx.id()?).one(cx.app.db.read()).await?;
    row.ok_or_else(|| crate::api::not_found("Artifact"))
}

async fn create(cx: &mut Cx, schema: &BodySchema) -> Result<Response> {
    let mut input = cx.input().await?;
    if input.file.is_some() {
        input.fields.insert("file".to_owned(), Value::from("(the file)"));
    }
    let fields = schema.check(input.fields, Mode::Create, input.encoding)?;
    let received = input.file.ok_or_else(|| Error::invalid("file", "No file was submitted."))?;
    verify(cx.app.storage.algorithms(), &received, &fields)?;
    let (row, new) = artifacts::save(&cx.app, received).await?;
    if !new {
        return Err(duplicate(&row.sha256));
    }
    let object = read(&cx.reader(), &row)?;
    Ok(cx.created(object))
}

/// The error for bytes that are there already.
pub(super) fn duplicate(sha256: &str) -> Error {
    Error::invalid_together(format!("Artifact with sha256 checksum of '{sha256}' already exists."))
}

/// Refuses bytes that are not what the client says they are.
fn verify(algorithms: &[Algorithm], received: &Received, promised: &Map<String, Value>) -> Result<()> {
    if promised.get("size").and_then(Value::as_u64).is_some_and(|size| size != received.size())
        || promised.get("size").and_then(Value::as_i64).is_some_and(i64::is_negative)
    {
        return Err(Error::invalid_together("The size did not match actual size of file."));
    }
    let digests: Vec<(Algorithm, &str)> = Algorithm::ALL
        .into_iter()
        .filter_map(|algorithm| Some((algorithm, promised.get(algorithm.name())?.as_str()?)))
        .collect();
    let forbidden: Vec<String> = digests
        .iter()
        .filter(|(algorithm, _)| !algorithms.contains(algorithm))
        .map(|(algorithm, _)| format!("'{algorithm}'"))
        .collect();
    if !forbidden.is_empty() {
        let message = format!("Checksum algorithms [{}] forbidden for this Pulp instance.", forbidden.join(", "));
        return Err(Error::invalid_together(message));
    }
    for (algorithm, promised) in digests {
        if !received.digests().get(algorithm).is_some_and(|actual| actual.eq_ignore_ascii_case(promised)) {
            return Err(Error::invalid_together(format!("The {algorithm} checksum did not match.")));
        }
    }
    Ok(())
}

/// Deletes an artifact that nothing uses, with its bytes. (The original's policy refuses this to everyone; its document
/// offers it.)
async fn delete(cx: &Cx) -> Result<Response> {
    let row = find(cx).await?;
    let tx = cx.app.db.write().await?;
    let deleted = artifact::Entity::delete_many()
        .filter(artifact::Column::PulpId.eq(row.pulp_id))
        .filter(unused())
        .exec(&*tx)
        .await?;
    tx.commit().await?;
    if deleted.rows_affected == 0 {
        return Err(Error::Conflict("The artifact is in use.".to_owned()));
    }
    remove_files(&cx.app, vec![row.file]).await?;
    Ok(no_content())
}

/// Removes the files of artifacts whose rows are gone, unless somebody has begun to use them again.
pub(super) async fn remove_files(app: &App, files: Vec<String>) -> Result<u64> {
    app.storage.remove_unused(files, |files| async move { used(app, &files).await }).await
}

/// Removes the files that no artifact has and that nobody has touched since a time: what a crash can leave between a
/// file's name and its row, or between a row's deletion and its file's. Says how many.
pub(super) async fn sweep(app: &App, since: OffsetDateTime) -> Result<u64> {
    let mut removed = 0;
    for first in 0..=u8::MAX {
        let mut stray = app.storage.untouched(first, since).await?;
        if stray.is_empty() {
            continue;
        }
        let used = used(app, &stray).await?;
        stray.retain(|file| !used.contains(file));
        removed += remove_files(app, stray).await?;
    }
    Ok(removed)
}

/// Those of the files that an artifact has, in whichever domain.
async fn used(app: &App, files: &[String]) -> Result<HashSet<String>> {
    // By digest, because files are not indexed.
    let digests = files.iter().filter_map(|file| Some(file.split_once('/')?.1.replace('/', "")));
    let domains = Query::select().column(domain::Column::PulpId).from(domain::Entity).take();
    let db = app.db.read();
    let rows = artifact::Entity::find()
        .select_only()
        .column(artifact::Column::File)
        .filter(artifact::Column::PulpDomainId.in_subquery(domains))
        .filter(one_of(db, artifact::Column::Sha256, digests))
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::storage::{Expected, Storage, StorageConfig};

    async fn received() -> (tempfile::TempDir, Received) {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::open(StorageConfig {
            root: folder.path().join("media"),
            spool: folder.path().join("spool"),
            durable: false,
            algorithms: vec![Algorithm::Sha512],
        })
        .await
        .unwrap();
        let stream = futures::stream::iter([Ok(bytes::Bytes::from_static(b"abc"))]);
        let received = storage.receive(stream, &Expected::default()).await.unwrap();
        (folder, received)
    }

    fn said(promised: Value, received: &Received) -> Option<String> {
        let Value::Object(promised) = promised else { unreachable!() };
        verify(&[Algorithm::Sha256, Algorithm::Sha512], received, &promised).err().map(|error| error.to_string())
    }

    #[tokio::test]
    async fn what_a_client_says_about_its_bytes_must_be_true() {
        let (_folder, received) = received().await;
        let good = "BA7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(said(json!({"size": 3, "sha256": good, "sha512": null}), &received), None);
        for (promised, message) in [
            (json!({"size": 4}), "The size did not match actual size of file."),
            (json!({"size": -1}), "The size did not match actual size of file."),
            (json!({"sha256": "zz"}), "The sha256 checksum did not match."),
            (json!({"md5": "x", "sha1": "y"}), "Checksum algorithms ['md5', 'sha1'] forbidden for this Pulp instance."),
        ] {
            assert_eq!(said(promised, &received).unwrap(), format!("non_field_errors: {message}"));
        }
    }
}
