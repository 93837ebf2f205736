//! Content units of what was pushed: found by what they are, or made.

use pulpcore::app::App;
use pulpcore::db::{WriteTx, bulk, now, rows_per_statement};
use pulpcore::error::{Error, Result};
use pulpcore::models::{Labels, artifact, content, content_artifact};
use pulpcore::plugin::Detail;
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};
use uuid::Uuid;

use super::digest::Digest;
use crate::manifest::{ImageConfig, Manifest};
use crate::models::{
    Texts, blob, blob_manifest, manifest, manifest_list_manifest as listed, pending_content as pending, tag, upload,
};

/// How often a unit is tried to be made that others make at the same moment.
const TRIES: usize = 5;

/// Keeps a blob for a repository, in which no version has it yet: its key. The upload that it came by is over.
///
/// # Errors
/// If the database fails.
pub(super) async fn keep_blob(
    app: &App,
    repository: Uuid,
    digest: &Digest,
    artifact: &artifact::Model,
    upload: Option<Uuid>,
) -> Result<Uuid> {
    let digest = digest.to_string();
    for _ in 0..TRIES {
        let tx = app.db.write().await?;
        let Some(id) = blob(&tx, app.domain, &digest, artifact).await? else {
            tx.rollback().await?;
            continue;
        };
        wait(&tx, repository, id).await?;
        if let Some(upload) = upload {
            upload::Entity::delete_by_id(upload).exec(&*tx).await?;
        }
        tx.commit().await?;
        return Ok(id);
    }
    Err(Error::Unavailable("Others are pushing the same blob: try again.".to_owned()))
}

/// The blob's key; none if somebody else has just begun to make it.
async fn blob(tx: &WriteTx, domain: Uuid, digest: &str, artifact: &artifact::Model) -> Result<Option<Uuid>> {
    let same = blob::Entity::find().filter(blob::Column::PulpDomainId.eq(domain));
    if let Some(found) = same.filter(blob::Column::Digest.eq(digest)).one(&**tx).await? {
        let id = found.content_ptr_id;
        touch(tx, id).await?;
        // Until now perhaps only a remote had its bytes.
        content_artifact::Entity::update_many()
            .col_expr(content_artifact::Column::ArtifactId, Expr::value(artifact.pulp_id))
            .filter(content_artifact::Column::ContentId.eq(id))
            .filter(content_artifact::Column::ArtifactId.is_null())
            .exec(&**tx)
            .await?;
        return Ok(Some(id));
    }
    let id = unit::<blob::Entity>(tx, domain).await?;
    let row = blob::ActiveModel { content_ptr_id: Set(id), pulp_domain_id: Set(domain), digest: Set(digest.to_owned()) };
    let once = OnConflict::columns([blob::Column::PulpDomainId, blob::Column::Digest]).do_nothing().to_owned();
    if bulk::insert(&**tx, vec![row], &once).await? == 0 {
        return Ok(None);
    }
    let file = content_artifact::ActiveModel {
        pulp_id: Set(Uuid::now_v7()),
        content_id: Set(id),
        artifact_id: Set(Some(artifact.pulp_id)),
        relative_path: Set(digest.to_owned()),
    };
    file.insert(&**tx).await?;
    Ok(Some(id))
}

/// Keeps a manifest for a repository, in which no version has it yet: its key.
///
/// # Errors
/// If the database fails.
pub(super) async fn keep_manifest(
    app: &App,
    repository: Uuid,
    digest: &Digest,
    manifest: &Manifest,
    data: String,
    config: &ImageConfig,
) -> Result<Uuid> {
    let row = row(app.domain, digest, manifest, data, config);
    for _ in 0..TRIES {
        let tx = app.db.write().await?;
        let Some(id) = manifest_unit(&tx, &row, manifest).await? else {
            tx.rollback().await?;
            continue;
        };
        wait(&tx, repository, id).await?;
        tx.commit().await?;
        return Ok(id);
    }
    Err(Error::Unavailable("Others are pushing the same manifest: try again.".to_owned()))
}

fn row(domain: Uuid, digest: &Digest, manifest: &Manifest, data: String, config: &ImageConfig) -> manifest::Model {
    let nature = manifest.nature(Some(config));
    manifest::Model {
        content_ptr_id: Uuid::nil(),
        pulp_domain_id: domain,
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

async fn manifest_unit(tx: &WriteTx, row: &manifest::Model, manifest: &Manifest) -> Result<Option<Uuid>> {
    let same = manifest::Entity::find().filter(manifest::Column::PulpDomainId.eq(row.pulp_domain_id));
    if let Some(found) = same.filter(manifest::Column::Digest.eq(&row.digest)).one(&**tx).await? {
        touch(tx, found.content_ptr_id).await?;
        return Ok(Some(found.content_ptr_id));
    }
    let id = unit::<manifest::Entity>(tx, row.pulp_domain_id).await?;
    let mut columns: manifest::ActiveModel = row.clone().into();
    columns = columns.reset_all();
    columns.content_ptr_id = Set(id);
    let once = OnConflict::columns([manifest::Column::PulpDomainId, manifest::Column::Digest]).do_nothing().to_owned();
    if bulk::insert(&**tx, vec![columns], &once).await? == 0 {
        return Ok(None);
    }
    refer(tx, id, manifest).await?;
    Ok(Some(id))
}

/// Writes down what a new manifest refers to.
async fn refer(tx: &WriteTx, id: Uuid, manifest: &Manifest) -> Result<()> {
    let position = |at: usize| i64::try_from(at).unwrap_or(i64::MAX);
    let has_config = manifest.config.is_some();
    let blobs = manifest.blobs().enumerate().map(|(at, digest)| blob_manifest::ActiveModel {
        manifest_id: Set(id),
        position: Set(if has_config { position(at) + blob_manifest::CONFIG } else { position(at) }),
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

/// The tags of these names that stand for a manifest: their keys. The transaction is that of a task which has the
/// repository for itself, but others may tag the same in other repositories.
///
/// # Errors
/// If the database fails.
pub(super) async fn tags(tx: &WriteTx, domain: Uuid, names: &[String], digest: &str) -> Result<Vec<Uuid>> {
    let mut ids = Vec::with_capacity(names.len() + 1);
    for name in names {
        ids.push(one_tag(tx, domain, name, digest).await?);
    }
    Ok(ids)
}

async fn one_tag(tx: &WriteTx, domain: Uuid, name: &str, digest: &str) -> Result<Uuid> {
    let find = || {
        tag::Entity::find()
            .filter(tag::Column::PulpDomainId.eq(domain))
            .filter(tag::Column::Name.eq(name))
            .filter(tag::Column::TaggedDigest.eq(digest))
            .one(&**tx)
    };
    if let Some(found) = find().await? {
        touch(tx, found.content_ptr_id).await?;
        return Ok(found.content_ptr_id);
    }
    let id = unit::<tag::Entity>(tx, domain).await?;
    let row = tag::ActiveModel {
        content_ptr_id: Set(id),
        pulp_domain_id: Set(domain),
        name: Set(name.to_owned()),
        tagged_digest: Set(digest.to_owned()),
    };
    let once = OnConflict::columns([tag::Column::PulpDomainId, tag::Column::Name, tag::Column::TaggedDigest])
        .do_nothing()
        .to_owned();
    if bulk::insert(&**tx, vec![row], &once).await? > 0 {
        return Ok(id);
    }
    content::Entity::delete_by_id(id).exec(&**tx).await?;
    let found = find().await?.ok_or_else(|| Error::internal("a tag that somebody else has just made is gone"))?;
    Ok(found.content_ptr_id)
}

/// A new unit's master row: its key.
async fn unit<E: Detail<Master = content::Entity>>(tx: &WriteTx, domain: Uuid) -> Result<Uuid> {
    let (id, now) = (Uuid::now_v7(), now());
    let row = content::ActiveModel {
        pulp_id: Set(id),
        pulp_created: Set(now),
        pulp_last_updated: Set(now),
        pulp_domain_id: Set(domain),
        pulp_type: Set(E::TYPE.to_owned()),
        timestamp_of_interest: Set(now),
        pulp_labels: Set(Labels::default()),
    };
    row.insert(&**tx).await?;
    Ok(id)
}

/// Spares a unit from orphan cleanup for a while.
async fn touch(tx: &WriteTx, id: Uuid) -> Result<()> {
    content::Entity::update_many()
        .col_expr(content::Column::TimestampOfInterest, Expr::value(now()))
        .filter(content::Column::PulpId.eq(id))
        .exec(&**tx)
        .await?;
    Ok(())
}

/// Writes down that a unit was pushed into a repository, from when on it can be read there.
pub(super) async fn wait(tx: &WriteTx, repository: Uuid, id: Uuid) -> Result<()> {
    let row = pending::ActiveModel { repository_id: Set(repository), content_id: Set(id), pulp_created: Set(now()) };
    let again = OnConflict::columns([pending::Column::RepositoryId, pending::Column::ContentId])
        .update_column(pending::Column::PulpCreated)
        .to_owned();
    pending::Entity::insert(row).on_conflict(again).exec_without_returning(&**tx).await?;
    Ok(())
}
