//! Blobs: configurations and layers, each one file.

use pulpcore::models::content;
use pulpcore::plugin::{Content, Detail, Filters};
use sea_orm::entity::prelude::*;

use crate::serializers::BlobBody;

/// One row.
#[derive(Clone, Debug, Default, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "container_blob")]
pub struct Model {
    /// The unit's key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub content_ptr_id: Uuid,
    /// The domain that it lives in.
    pub pulp_domain_id: Uuid,
    /// The digest of its bytes, with its algorithm: `sha256:…`. Also the path of its content artifact.
    pub digest: String,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Detail for Entity {
    type Master = content::Entity;
    const TYPE: &'static str = "container.blob";
    const MODEL: &'static str = "Blob";
    const ENDPOINT: &'static str = "blobs";
    type Body = BlobBody;
    const LACKS: &'static [&'static str] = super::references::WITHOUT_UPLOAD;

    fn read(row: &Model) -> BlobBody {
        BlobBody { digest: row.digest.clone() }
    }

    fn write(row: &mut Model, body: BlobBody) {
        row.digest = body.digest;
    }

    fn filters() -> Filters {
        Filters::new().lookups(Column::Digest, &["", "in"]).ordered(&[Column::Digest])
    }
}

impl Content for Entity {
    const NATURAL_KEY: &'static [Column] = &[Column::PulpDomainId, Column::Digest];
    const REPO_KEY: &'static [Column] = &[];
}
