//! Files of metadata that are passed on as they are: `productid`, and whatever else a publisher adds.

use pulpcore::models::content;
use pulpcore::plugin::{Content, Detail};
use sea_orm::entity::prelude::*;

use crate::serializers::RepoMetadataFileBody;

/// One row.
#[derive(Clone, Debug, Default, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "rpm_repometadatafile")]
pub struct Model {
    /// The unit's key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub content_ptr_id: Uuid,
    /// The domain that it lives in.
    pub pulp_domain_id: Uuid,
    /// What `repomd.xml` calls it.
    pub data_type: String,
    /// The kind of its digest.
    pub checksum_type: String,
    /// The digest of the file as it was served.
    pub checksum: String,
    /// Where it was: `repodata/…`.
    pub relative_path: String,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Detail for Entity {
    type Master = content::Entity;
    const TYPE: &'static str = "rpm.repo_metadata_file";
    const MODEL: &'static str = "RepoMetadataFile";
    const ENDPOINT: &'static str = "repo_metadata_files";
    type Body = RepoMetadataFileBody;
    const LACKS: &'static [&'static str] =
        &["repository", "overwrite", "file", "upload", "file_url", "downloader_config"];

    fn read(row: &Model) -> RepoMetadataFileBody {
        RepoMetadataFileBody {
            relative_path: row.relative_path.clone(),
            data_type: row.data_type.clone(),
            checksum_type: row.checksum_type.clone(),
            checksum: row.checksum.clone(),
        }
    }

    fn write(_row: &mut Model, _body: RepoMetadataFileBody) {}
}

impl Content for Entity {
    const NATURAL_KEY: &'static [Column] =
        &[Column::PulpDomainId, Column::DataType, Column::Checksum, Column::RelativePath];
    const REPO_KEY: &'static [Column] = &[Column::DataType];
}
