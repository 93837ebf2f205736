//! Repositories of files.

use pulpcore::error::Result;
use pulpcore::models::{repository, repository_version};
use pulpcore::plugin::{Detail, Repository, TaskCx};
use sea_orm::FromJsonQueryResult;
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::serializers::{FileRepositoryBody, LastSync};
use crate::tasks::publish;

/// One row.
#[derive(Clone, Debug, Default, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "file_filerepository")]
pub struct Model {
    /// The repository's key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub repository_ptr_id: Uuid,
    /// The name of the manifest in publications; none is made where it is null.
    pub manifest: Option<String>,
    /// Whether each new version is published at once.
    pub autopublish: bool,
    /// What the last sync saw and made.
    pub last_sync_details: Option<SyncDetails>,
}

/// What a sync saw and made: the next one need not do anything if it would see and make the same. The fields are Pulp's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct SyncDetails {
    /// The remote's key.
    pub remote_pk: Uuid,
    /// The remote's URL.
    pub url: String,
    /// The remote's policy.
    pub download_policy: String,
    /// Whether content that the manifest does not name was removed.
    pub mirror: bool,
    /// The number of the latest version.
    pub most_recent_version: i64,
    /// The sha256 digest of the manifest, in hex.
    pub manifest_checksum: String,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Detail for Entity {
    type Master = repository::Entity;
    const TYPE: &'static str = "file.file";
    const MODEL: &'static str = "FileRepository";
    const ENDPOINT: &'static str = "file";
    type Body = FileRepositoryBody;

    fn read(row: &Model) -> FileRepositoryBody {
        FileRepositoryBody {
            autopublish: row.autopublish,
            manifest: row.manifest.clone(),
            last_sync_details: LastSync { details: row.last_sync_details.clone() },
        }
    }

    fn write(row: &mut Model, body: FileRepositoryBody) {
        row.autopublish = body.autopublish;
        row.manifest = body.manifest;
    }
}

impl Repository for Entity {
    const CONTENT: &'static [&'static str] = &["file.file"];
    const REMOTES: &'static [&'static str] = &["file.file"];
    const PULL_THROUGH: bool = true;

    async fn created(cx: &TaskCx, row: &Model, version: &repository_version::Model) -> Result<()> {
        if row.autopublish {
            publish::publish(cx, version.clone(), row.manifest.clone(), false).await?;
        }
        Ok(())
    }
}
