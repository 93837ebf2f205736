//! Content units of what was pushed: found by what they are, or made; and where they wait for a version.

use pulpcore::app::App;
use pulpcore::db::{WriteTx, now, rows_per_statement};
use pulpcore::error::Result;
use pulpcore::models::{artifact, content_artifact};
use pulpcore::plugin::find_or_make;
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};
use uuid::Uuid;

use super::digest::Digest;
use crate::manifest::{ImageConfig, Manifest};
use crate::models::{
    Blob, Texts, blob, blob_manifest, manifest, manifest_list_manifest as listed, pending_content as pending, upload,
};

/// Keeps a blob for a repository, in which no version has it yet. The upload that it came by is over.
///
/// # Errors
/// If the database fails.
pub(super) async fn keep_blob(
    app: &App,
    repository: Uuid,
    digest: &Digest,
    artifact: &artifact::Model,
    upload: Option<Uuid>,
) -> Result<()> {
    let digest = digest.to_string();
    let tx = app.db.write().await?;
    let row = blob::Model { digest: digest.clone(), ..blob::Model::default() };
    let (id, new) = find_or_make::<Blob>(&tx, app.domain, row).await?;
    match new {
        true => {
            let file = content_artifact::ActiveModel {
                pulp_id: Set(Uuid::now_v7()),
                content_id: Set(id),
                artifact_id: Set(Some(artifact.pulp_id)),
                relative_path: Set(digest),
            };
            file.insert(&*tx).await?;
        }
        // Until now perhaps only a remote had its bytes.
        false => {
            content_artifact::Entity::update_many()
                .col_expr(content_artifact::Column::ArtifactId, Expr::value(artifact.pulp_id))
                .filter(content_artifact::Column::ContentId.eq(id))
                .filter(content_artifact::Column::ArtifactId.is_null())
                .exec(&*tx)
                .await?;
        }
    }
    wait(&tx, repository, id).await?;
    if let Some(upload) = upload {
        upload::Entity::delete_by_id(upload).exec(&*tx).await?;
    }
    tx.commit().await
}

/// Keeps a manifest for a repository, in which no version has it yet: its key.
///
/// # Errors
/// If the database fails.
pub(super) async fn keep_manifest(app: &App, repository: Uuid, row: manifest::Model, of: &Manifest) -> Result<Uuid> {
    let tx = app.db.write().await?;
    let (id, new) = find_or_make::<manifest::Entity>(&tx, app.domain, row).await?;
    if new {
        refer(&tx, id, of).await?;
    }
    wait(&tx, repository, id).await?;
    tx.commit().await?;
    Ok(id)
}

/// The row of a manifest with these bytes. What only its configuration tells is told by `config`.
pub(super) fn row(digest: &Digest, manifest: &Manifest, data: String, config: &ImageConfig) -> manifest::Model {
    let nature = manifest.nature(Some(config));
    manifest::Model {
        content_ptr_id: Uuid::nil(),
        pulp_domain_id: Uuid::nil(),
        digest: digest.to_string(),
        schema_version: manifest.schema_version,
        media_type: manifest.media_type.clone(),
        data,
        config_digest: manifest.config.as_ref().map(|config| config.digest().to_string()),
        subject_digest: manifest.subject.as_ref().map(|subject| subject.digest().to_string()),
        artifact_type: manifest.artifact_type.clone(),
        annotations: Texts(manifest.annotations.clone()),
        labels: Texts(config.labels.clone()),
        is_bootable: nature == "bootable",
        is_flatpak: nature == "flatpak",
        nature: Some(nature.to_owned()),
        architecture: config.architecture.clone(),
        os: config.os.clone(),
        compressed_image_size: Some(manifest.compressed_size()),
    }
}

/// Writes down what a new manifest refers to.
async fn refer(tx: &WriteTx, id: Uuid, manifest: &Manifest) -> Result<()> {
    let position = |at: usize| i64::try_from(at).unwrap_or(i64::MAX);
    let first = if manifest.config.is_some() { blob_manifest::CONFIG } else { 0 };
    let blobs = manifest.blobs().enumerate().map(|(at, digest)| blob_manifest::ActiveModel {
        manifest_id: Set(id),
        position: Set(position(at) + first),
        digest: Set(digest.to_owned()),
    });
    let children = manifest.manifests.iter().enumerate().map(|(at, child)| {
        let platform = child.platform().as_ref();
        listed::ActiveModel {
            list_id: Set(id),
            position: Set(position(at)),
            digest: Set(child.digest().to_string()),
            architecture: Set(platform.map(|platform| platform.architecture().to_string())),
            os: Set(platform.map(|platform| platform.os().to_string())),
            variant: Set(platform.and_then(|platform| platform.variant().clone())),
        }
    });
    let (blobs, children): (Vec<_>, Vec<_>) = (blobs.collect(), children.collect());
    for some in blobs.chunks(rows_per_statement(3)) {
        blob_manifest::Entity::insert_many(some.to_vec()).exec_without_returning(&**tx).await?;
    }
    for some in children.chunks(rows_per_statement(6)) {
        listed::Entity::insert_many(some.to_vec()).exec_without_returning(&**tx).await?;
    }
    Ok(())
}

/// Writes down that a unit was pushed into a repository, from when on it can be read there.
///
/// # Errors
/// If the database fails.
pub(super) async fn wait(tx: &WriteTx, repository: Uuid, id: Uuid) -> Result<()> {
    let row = pending::ActiveModel { repository_id: Set(repository), content_id: Set(id), pulp_created: Set(now()) };
    let again = OnConflict::columns([pending::Column::RepositoryId, pending::Column::ContentId])
        .update_column(pending::Column::PulpCreated)
        .to_owned();
    pending::Entity::insert(row).on_conflict(again).exec_without_returning(&**tx).await?;
    Ok(())
}
