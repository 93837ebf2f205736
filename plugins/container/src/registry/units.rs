//! Content units of what was pushed: found by what they are, or made; and where they wait for a version.

use pulpcore::app::App;
use pulpcore::db::{WriteTx, now};
use pulpcore::error::Result;
use pulpcore::models::{artifact, content_artifact};
use pulpcore::versions::find_or_make;
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};
use uuid::Uuid;

use super::digest::Digest;
use crate::manifest::Manifest;
use crate::models::{Blob, blob, manifest, pending_content as pending, upload};

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
    let (id, _) = find_or_make::<manifest::Entity>(&tx, app.domain, row).await?;
    // A sync that was cut off may have left it without.
    manifest::save_references(&tx, &[(id, of)]).await?;
    wait(&tx, repository, id).await?;
    tx.commit().await?;
    Ok(id)
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
