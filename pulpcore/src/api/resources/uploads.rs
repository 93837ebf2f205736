//! Chunked uploads: a file that comes in pieces, in any order, and becomes an artifact when it is whole.

use std::collections::HashSet;
use std::sync::Arc;

use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::Response;
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{artifacts as artifact_resource, list_of, object};
use crate::api::bodies::{AsyncOperationResponse, Timestamp};
use crate::api::cx::{Cx, no_content};
use crate::api::endpoint::{Described, Endpoint, Parameter};
use crate::api::filters::{Filters, Kind};
use crate::api::input;
use crate::api::reader::Reader;
use crate::api::shape;
use crate::api::validate::{BodySchema, Mode};
use crate::app::App;
use crate::artifacts;
use crate::db::{now, one_of};
use crate::error::{Error, Result};
use crate::models::{artifact, upload, upload_chunk};
use crate::plugin::{Locks, Ref, Task, TaskCx, TaskKind, register};
use crate::storage::{Algorithm, Digests, Expected, Part, ReceiveError};

const NAMES: (&str, &str) = ("uploads", "core.upload");
const ONE: &str = "uploads/{pulp_id}/";
const HREF: &str = "upload_href";

/// An upload, beside its identity.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
struct Body {
    /// The size of the upload in bytes.
    size: i64,
    /// Timestamp when upload is committed.
    #[serde(default, deserialize_with = "shape::unread", skip_serializing_if = "Option::is_none")]
    #[schema(read_only, required = false, nullable = false, value_type = String, format = DateTime)]
    completed: Option<Timestamp>,
}

/// A chunk that is there.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UploadChunkResponse)]
struct Chunk {
    #[schema(read_only, required = false)]
    offset: i64,
    #[schema(read_only, required = false)]
    size: i64,
}

/// An upload with its chunks.
#[derive(Debug, Serialize, ToSchema)]
struct Detail {
    /// The size of the upload in bytes.
    size: i64,
    /// Timestamp when upload is committed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(read_only, required = false, nullable = false, value_type = String, format = DateTime)]
    completed: Option<Timestamp>,
    #[schema(read_only, required = false)]
    chunks: Vec<Chunk>,
}

/// What a client sends of a chunk.
#[derive(Debug, ToSchema)]
#[schema(as = UploadChunk)]
#[expect(dead_code, reason = "it is read field by field: the file was received before the others were read")]
struct ChunkForm {
    /// A chunk of the uploaded file.
    #[schema(write_only, format = "binary")]
    file: String,
    /// The SHA-256 checksum of the chunk if available.
    #[schema(write_only, min_length = 1)]
    sha256: Option<String>,
}

/// What a client says to finish an upload.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = UploadCommit)]
struct Commit {
    /// The expected sha256 checksum for the file.
    #[schema(min_length = 1)]
    sha256: String,
}

/// Makes an artifact of a complete upload.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = core::UploadCommit)]
struct CommitUpload {
    /// The upload.
    #[schema(value_type = String, format = "uri")]
    upload: Ref<upload::Entity>,
    /// The expected sha256 checksum for the file.
    #[schema(min_length = 1)]
    sha256: String,
}

impl Task for CommitUpload {
    const TYPE: &'static str = "core/upload-commits";
    const NAME: &'static str = "pulpcore.app.tasks.upload.commit";

    async fn prepare(&mut self, app: &App) -> Result<()> {
        match upload::Entity::find_by_id(self.upload.id).one(app.db.read()).await? {
            Some(_) => Ok(()),
            None => Err(Error::missing("upload")),
        }
    }

    fn locks(&self) -> Locks {
        Locks::default().exclusive(&self.upload)
    }

    async fn run(self, cx: TaskCx) -> Result<()> {
        let artifact = commit(&cx, self.upload.id, Some(&self.sha256)).await?;
        cx.record(artifact_resource::NAMES.1, artifact.pulp_id).await
    }
}

register!(TaskKind::of::<CommitUpload>());

/// The operations on uploads.
pub(super) fn endpoints() -> Vec<Endpoint> {
    let response = || shape::core_response::<Body>("UploadResponse");
    let creation = shape::core_request::<Body>("Upload");
    let (created, chunk, commits) =
        (Arc::new(shape::check_of(&creation)), BodySchema::cached::<ChunkForm>(), BodySchema::cached::<Commit>());
    let one = |endpoint: Endpoint| endpoint.of_object(ONE, HREF).tagged("Uploads");
    let mut put = one(Endpoint::new(Method::PUT, ONE, "uploads_update", move |mut cx| {
        let schema = Arc::clone(&chunk);
        async move { put_chunk(&mut cx, &schema).await }
    }))
    .about("Upload a file chunk")
    .takes_form(Described::of::<ChunkForm>())
    .answers(200, response());
    put.headers.push(Parameter { name: "Content-Range".to_owned(), kind: Kind::Text });
    vec![
        list_of::<upload::Entity>("uploads/", "uploads_list", filters(), |cx, row| read(&cx.reader(), row))
            .tagged("Uploads")
            .about("List uploads")
            .answers(200, shape::paginated(response())),
        Endpoint::new(Method::POST, "uploads/", "uploads_create", move |mut cx| {
            let schema = Arc::clone(&created);
            async move { create(&mut cx, &schema).await }
        })
        .tagged("Uploads")
        .about("Create an upload")
        .takes(creation)
        .answers(201, response()),
        one(Endpoint::new(Method::GET, ONE, "uploads_read", |cx| async move { read_detail(&cx).await }))
            .about("Inspect an upload")
            .selectable()
            .answers(200, shape::core_response::<Detail>("UploadDetailResponse")),
        put,
        one(Endpoint::new(Method::DELETE, ONE, "uploads_delete", |cx| async move { delete(&cx).await }))
            .about("Delete an upload")
            .answers_nothing(204),
        one(Endpoint::new(Method::POST, format!("{ONE}commit/"), "uploads_commit", move |mut cx| {
            let schema = Arc::clone(&commits);
            async move {
                let row = find(&cx).await?;
                let Commit { sha256 } = BodySchema::parse(cx.body(&schema, Mode::Create).await?)?;
                cx.dispatch(CommitUpload { upload: Ref::<upload::Entity>::to(row.pulp_id), sha256 }).await
            }
        }))
        .about("Finish an Upload")
        .takes(Described::of::<Commit>())
        .answers(202, Described::of::<AsyncOperationResponse>()),
    ]
}

fn filters() -> Filters {
    use upload::Column as C;
    Filters::new()
        .number(C::Size, &["", "lt", "gt", "range"])
        .identity(C::PulpId)
        .ordered(&[C::PulpId, C::PulpCreated, C::PulpLastUpdated, C::Size])
        .ordered_as("pk", C::PulpId)
}

fn read(reader: &Reader, row: &upload::Model) -> Result<Map<String, Value>> {
    let body = Body { size: row.size, completed: None };
    object(reader, NAMES, row.pulp_id, (row.pulp_created, row.pulp_last_updated), &body)
}

async fn find(cx: &Cx) -> Result<upload::Model> {
    let row = upload::Entity::find_by_id(cx.id()?).one(cx.app.db.read()).await?;
    row.ok_or_else(gone)
}

fn gone() -> Error {
    crate::api::not_found("Upload")
}

async fn chunks(app: &App, upload: Uuid) -> Result<Vec<upload_chunk::Model>> {
    Ok(upload_chunk::Entity::find()
        .filter(upload_chunk::Column::UploadId.eq(upload))
        .order_by_asc(upload_chunk::Column::Offset)
        .all(app.db.read())
        .await?)
}

async fn create(cx: &mut Cx, schema: &BodySchema) -> Result<Response> {
    let Body { size, .. } = BodySchema::parse(cx.body(schema, Mode::Create).await?)?;
    let limit = cx.app.settings.max_upload_size;
    if u64::try_from(size).is_ok_and(|size| size > limit) {
        return Err(Error::TooLarge(format!("An upload may have {limit} bytes at most.")));
    }
    let now = now();
    let tx = cx.app.db.write().await?;
    let row = upload::ActiveModel {
        pulp_id: Set(Uuid::now_v7()),
        pulp_created: Set(now),
        pulp_last_updated: Set(now),
        pulp_domain_id: Set(cx.app.domain),
        size: Set(size),
    }
    .insert(&*tx)
    .await?;
    tx.commit().await?;
    let object = read(&cx.reader(), &row)?;
    Ok(cx.created(object))
}

async fn read_detail(cx: &Cx) -> Result<Response> {
    let row = find(cx).await?;
    let chunks = chunks(&cx.app, row.pulp_id).await?;
    let chunks = chunks.into_iter().map(|chunk| Chunk { offset: chunk.offset, size: chunk.size }).collect();
    let body = Detail { size: row.size, completed: None, chunks };
    let times = (row.pulp_created, row.pulp_last_updated);
    Ok(cx.object(StatusCode::OK, object(&cx.reader(), NAMES, row.pulp_id, times, &body)?))
}

async fn put_chunk(cx: &mut Cx, schema: &BodySchema) -> Result<Response> {
    let row = find(cx).await?;
    let id = row.pulp_id;
    let (offset, size) = content_range(&cx.headers, row.size)?;
    let there = chunks(&cx.app, id).await?;
    let replaces = there.iter().any(|chunk| chunk.offset < offset + size && offset < chunk.offset + chunk.size);
    let body = cx.take_input();
    let storage = cx.app.storage.clone();
    let mut input = input::read_file(&cx.app, &cx.headers, body, |fields, stream| {
        let expected = expected(fields, size);
        async move {
            let expected = expected?;
            let offset = u64::try_from(offset).unwrap_or(0);
            let part = storage.receive_part(id, offset, replaces, stream, &expected).await.map_err(broken)?;
            Ok((part, expected))
        }
    })
    .await;
    if matches!(input, Err(Error::Internal(_))) && upload::Entity::find_by_id(id).one(cx.app.db.read()).await?.is_none()
    {
        // Its file went away while the chunk was written.
        input = Err(gone());
    }
    let mut input = input?;
    if input.file.is_some() {
        input.fields.insert("file".to_owned(), Value::from("(the file)"));
    }
    let fields = schema.check(input.fields, Mode::Create, input.encoding)?;
    let (part, verified) = input.file.ok_or_else(|| Error::invalid("file", "No file was submitted."))?;
    let promised = expected(&fields, size)?;
    if promised != verified {
        cx.app.storage.verify_part(&part, &promised).await.map_err(broken)?;
    }
    record(&cx.app, &row, &part).await?;
    let replaced = there.into_iter().find(|chunk| chunk.offset == offset).map(|chunk| chunk.file);
    if let Some(file) = replaced.filter(|file| *file != part.path) {
        cx.app.storage.delete(&[file]).await?;
    }
    Ok(cx.object(StatusCode::OK, read(&cx.reader(), &row)?))
}

/// What a form promises of its chunk, as far as it is known.
fn expected(fields: &Map<String, Value>, size: i64) -> Result<Expected> {
    let mut digests = Digests::default();
    if let Some(sha256) = fields.get("sha256").and_then(Value::as_str).filter(|text| !text.is_empty()) {
        digests.set(Algorithm::Sha256, sha256).map_err(|_| wrong_digest())?;
    }
    Ok(Expected { size: u64::try_from(size).ok(), digests, max_size: None })
}

/// A chunk that is not what was promised, in Pulp's words.
fn broken(error: ReceiveError) -> Error {
    match error {
        ReceiveError::Size { .. } => wrong_size(),
        ReceiveError::Digest { .. } => wrong_digest(),
        ReceiveError::Failed(error) => error,
    }
}

/// Writes down that a chunk is there, in place of one at the same offset.
async fn record(app: &App, row: &upload::Model, part: &Part) -> Result<()> {
    let (offset, size) = (i64::try_from(part.offset), i64::try_from(part.size));
    let (offset, size) = (offset.map_err(Error::internal)?, size.map_err(Error::internal)?);
    // Nor is the chunk itself on the disk yet: that is what a commit waits for.
    let tx = app.db.write_relaxed().await?;
    let touched = upload::Entity::update_many()
        .col_expr(upload::Column::PulpLastUpdated, Expr::value(now()))
        .filter(upload::Column::PulpId.eq(row.pulp_id))
        .exec(&*tx)
        .await?;
    if touched.rows_affected == 0 {
        tx.rollback().await?;
        app.storage.discard_upload(row.pulp_id).await?;
        return Err(gone());
    }
    upload_chunk::Entity::insert(upload_chunk::ActiveModel {
        pulp_id: Set(Uuid::now_v7()),
        upload_id: Set(row.pulp_id),
        offset: Set(offset),
        size: Set(size),
        file: Set(part.path.clone()),
    })
    .on_conflict(
        OnConflict::columns([upload_chunk::Column::UploadId, upload_chunk::Column::Offset])
            .update_columns([upload_chunk::Column::Size, upload_chunk::Column::File])
            .to_owned(),
    )
    .exec_without_returning(&*tx)
    .await?;
    tx.commit().await
}

/// Where a chunk begins and how long it is: `Content-Range: bytes 0-5/11`. The total is not compared, as in Pulp.
fn content_range(headers: &HeaderMap, size: i64) -> Result<(i64, i64)> {
    let wrong = || Error::invalid_together("Invalid or missing content range header.");
    let text = headers.get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok()).ok_or_else(wrong)?;
    let (range, total) = text.trim().strip_prefix("bytes ").and_then(|rest| rest.split_once('/')).ok_or_else(wrong)?;
    let (start, end) = range.split_once('-').ok_or_else(wrong)?;
    let number = |text: &str| match text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => text.parse::<i64>().map_err(|_| wrong()),
        false => Err(wrong()),
    };
    if total != "*" {
        number(total)?;
    }
    let (start, end) = (number(start)?, number(end)?);
    if end < start || end >= size {
        return Err(wrong_size());
    }
    Ok((start, end - start + 1))
}

fn wrong_size() -> Error {
    Error::invalid_together("Chunk size does not match content range.")
}

fn wrong_digest() -> Error {
    Error::invalid_bare("Checksum does not match chunk upload.")
}

async fn delete(cx: &Cx) -> Result<Response> {
    let row = find(cx).await?;
    let tx = cx.app.db.write().await?;
    upload::Entity::delete_by_id(row.pulp_id).exec(&*tx).await?;
    tx.commit().await?;
    cx.app.storage.discard_upload(row.pulp_id).await?;
    Ok(no_content())
}

/// Turns a complete upload into an artifact, and removes it. When it fails, the upload stays.
///
/// With a promised digest an artifact that is there already is a fault, as in Pulp; without one it is what is returned.
pub(crate) async fn commit(cx: &TaskCx, id: Uuid, sha256: Option<&str>) -> Result<artifact::Model> {
    let app = cx.app();
    let row = upload::Entity::find_by_id(id).one(app.db.read()).await?.ok_or_else(gone)?;
    let mut digests = Digests::default();
    if let Some(sha256) = sha256 {
        let mismatch = |_| Error::invalid_together("The sha256 checksum did not match.");
        digests.set(Algorithm::Sha256, sha256).map_err(mismatch)?;
        if artifacts::by_sha256(app.db.read(), row.pulp_domain_id, digests.sha256()).await?.is_some() {
            return Err(artifact_resource::duplicate(digests.sha256()));
        }
    }
    let natural = |number: i64| u64::try_from(number).map_err(Error::internal);
    let parts = chunks(app, id).await?;
    let parts: Vec<Part> = parts
        .into_iter()
        .map(|chunk| Ok(Part { path: chunk.file, offset: natural(chunk.offset)?, size: natural(chunk.size)? }))
        .collect::<Result<_>>()?;
    let size = u64::try_from(row.size).map_err(|_| Error::invalid_together("An upload has no negative size."))?;
    let expected = Expected { size: Some(size), digests, max_size: None };
    let kept = app.storage.assemble(id, &parts, &expected).await.map_err(ReceiveError::invalid)?;

    let tx = app.db.write().await?;
    let inserted = artifact::Entity::insert(artifacts::row(row.pulp_domain_id, &kept))
        .on_conflict(
            OnConflict::columns([artifact::Column::PulpDomainId, artifact::Column::Sha256]).do_nothing().to_owned(),
        )
        .exec_without_returning(&*tx)
        .await?;
    if inserted == 0 && sha256.is_some() {
        tx.rollback().await?;
        return Err(artifact_resource::duplicate(kept.digests.sha256()));
    }
    artifact::Entity::update_many()
        .col_expr(artifact::Column::TimestampOfInterest, Expr::value(now()))
        .filter(artifact::Column::PulpDomainId.eq(row.pulp_domain_id))
        .filter(artifact::Column::Sha256.eq(kept.digests.sha256()))
        .exec(&*tx)
        .await?;
    let artifact = artifacts::by_sha256(&*tx, row.pulp_domain_id, kept.digests.sha256()).await?;
    upload::Entity::delete_by_id(id).exec(&*tx).await?;
    tx.commit().await?;
    app.storage.discard_upload(id).await?;
    artifact.ok_or_else(|| Error::internal("an artifact that was just committed is gone"))
}

/// Removes the bytes of uploads that are no more: what a crash can leave between a row's deletion and its file's. Says
/// how many uploads that were. It may run at any time.
pub(crate) async fn sweep(app: &App) -> Result<usize> {
    // Listed before the rows are read: an upload's row is older than its first byte.
    let mut stray: HashSet<Uuid> = app.storage.uploads().await?.into_iter().collect();
    if stray.is_empty() {
        return Ok(0);
    }
    let db = app.db.read();
    let known = upload::Entity::find().filter(one_of(db, upload::Column::PulpId, stray.iter().copied()));
    for row in known.all(db).await? {
        stray.remove(&row.pulp_id);
    }
    for upload in &stray {
        app.storage.discard_upload(*upload).await?;
    }
    Ok(stray.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> Result<(i64, i64), String> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_RANGE, text.parse().unwrap());
        content_range(&headers, 11).map_err(|error| error.to_string())
    }

    #[test]
    fn a_content_range_says_where_a_chunk_goes() {
        assert_eq!(range("bytes 0-5/11"), Ok((0, 6)));
        assert_eq!(range("bytes 6-10/*"), Ok((6, 5)));
        assert_eq!(range("bytes 6-10/99"), Ok((6, 5)));
    }

    #[test]
    fn other_content_ranges_are_refused_in_pulps_words() {
        for text in ["", "nonsense", "bytes 0-5", "bytes a-5/11", "bytes -1-5/11", "bytes +1-5/11", "items 0-5/11"] {
            assert_eq!(
                range(text).unwrap_err(),
                "non_field_errors: Invalid or missing content range header.",
                "{text}"
            );
        }
        for text in ["bytes 5-4/11", "bytes 0-11/12", "bytes 99-100/11"] {
            assert_eq!(
                range(text).unwrap_err(),
                "non_field_errors: Chunk size does not match content range.",
                "{text}"
            );
        }
        assert!(content_range(&HeaderMap::new(), 11).is_err());
    }
}
