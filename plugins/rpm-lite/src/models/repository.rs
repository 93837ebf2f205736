//! Repositories of packages, and how their versions are published when nobody says otherwise.

use std::collections::HashMap;

use pulpcore::api::reader::Reader;
use pulpcore::app::App;
use pulpcore::db::one_of;
use pulpcore::error::Result;
use pulpcore::models::{repository, repository_version, signing_service};
use pulpcore::plugin::{Detail, NewVersion, Repository, TaskCx};
use pulpcore::signing;
use sea_orm::entity::prelude::*;
use sea_orm::{FromJsonQueryResult, QuerySelect};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::serializers::RpmRepositoryBody;
use crate::tasks::publish::{self, How};

/// One row.
#[derive(Clone, Debug, Default, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "rpm_rpmrepository")]
pub struct Model {
    /// The repository's key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub repository_ptr_id: Uuid,
    /// Whether each new version is published at once.
    pub autopublish: bool,
    /// Who signs its metadata: the key of a signing service.
    pub metadata_signing_service_id: Option<Uuid>,
    /// How many versions of each package are kept; 0 keeps all.
    pub retain_package_versions: i64,
    /// The digests that metadata is made with: `sha256`, `sha384`, `sha512`.
    pub checksum_type: Option<String>,
    /// `zstd`, `gz` or `none`.
    pub compression_type: Option<String>,
    /// `nested_alphabetically`, `flat` or `nested_by_digest`.
    pub layout: Option<String>,
    /// What stands in `config.repo` besides.
    pub repo_config: Json,
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
    /// `additive`, `mirror_content_only` or `mirror_complete`.
    pub sync_policy: String,
    /// What was left out.
    pub skip_types: Vec<String>,
    /// The number of the latest version.
    pub most_recent_version: i64,
    /// `retain_package_versions` of the repository.
    pub retain_package_versions: i64,
    /// The revision that `repomd.xml` named.
    pub revision: Option<String>,
    /// The sha256 digest of `repomd.xml`, in hex.
    pub repomd_checksum: String,
}

/// The field that names who signs.
const SIGNING_SERVICE: &str = "metadata_signing_service";

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Detail for Entity {
    type Master = repository::Entity;
    const TYPE: &'static str = "rpm.rpm";
    const MODEL: &'static str = "RpmRepository";
    const ENDPOINT: &'static str = "rpm";
    type Body = RpmRepositoryBody;

    fn read(row: &Model) -> RpmRepositoryBody {
        RpmRepositoryBody::of(row)
    }

    fn write(row: &mut Model, body: RpmRepositoryBody) {
        body.write(row);
    }

    fn check(body: &RpmRepositoryBody) -> Result<()> {
        body.check()
    }

    async fn check_whole(app: &App, body: &Map<String, Value>) -> Result<()> {
        signing::check_named(app, body, SIGNING_SERVICE).await
    }

    async fn beside(reader: &Reader, keys: &[Uuid]) -> Result<Vec<Map<String, Value>>> {
        let db = reader.app.db.read();
        let signed = Self::find()
            .select_only()
            .columns([Column::RepositoryPtrId, Column::MetadataSigningServiceId])
            .filter(one_of(db, Column::RepositoryPtrId, keys.iter().copied()))
            .filter(Column::MetadataSigningServiceId.is_not_null());
        let services: HashMap<Uuid, Uuid> = signed.into_tuple().all(db).await?.into_iter().collect();
        let field = |key| {
            let href = services.get(key).map(|service| reader.own_href::<signing_service::Entity>(*service));
            Map::from_iter([(SIGNING_SERVICE.to_owned(), href.into())])
        };
        Ok(keys.iter().map(field).collect())
    }
}

impl Repository for Entity {
    const CONTENT: &'static [&'static str] = super::CONTENT;
    const REMOTES: &'static [&'static str] = &["rpm.rpm"];

    async fn finalize(version: &mut NewVersion<'_>) -> Result<()> {
        crate::versions::complete(version).await
    }

    async fn created(cx: &TaskCx, row: &Model, version: &repository_version::Model) -> Result<()> {
        if row.autopublish {
            publish::publish(cx, version.clone(), How::of(row), false).await?;
        }
        Ok(())
    }
}
