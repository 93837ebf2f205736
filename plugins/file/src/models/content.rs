//! Files: bytes at a path.

use pulpcore::error::{Error, Result};
use pulpcore::models::{artifact, content};
use pulpcore::plugin::{Content, Detail, Filters, Upload};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Expr, ExprTrait};

use crate::manifest;
use crate::serializers::FileContentBody;

/// One row.
#[derive(Clone, Debug, Default, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "file_filecontent")]
pub struct Model {
    /// The unit's key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub content_ptr_id: Uuid,
    /// The domain that it lives in.
    pub pulp_domain_id: Uuid,
    /// Where it stands below a distribution.
    pub relative_path: String,
    /// The sha256 digest of its bytes, in lower-case hex.
    pub digest: String,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Detail for Entity {
    type Master = content::Entity;
    const TYPE: &'static str = "file.file";
    const MODEL: &'static str = "FileContent";
    const ENDPOINT: &'static str = "files";
    type Body = FileContentBody;

    fn read(row: &Model) -> FileContentBody {
        FileContentBody { relative_path: row.relative_path.clone() }
    }

    fn write(row: &mut Model, body: FileContentBody) {
        row.relative_path = body.relative_path;
    }

    fn check(body: &FileContentBody) -> Result<()> {
        if manifest::is_canonical(&body.relative_path) {
            return Ok(());
        }
        let message = format!("Relative path is not in canonical form. {}", body.relative_path);
        Err(Error::invalid("relative_path", message))
    }

    fn filters() -> Filters {
        let digest = || Expr::col((Entity, Column::Digest));
        Filters::new()
            .text(Column::RelativePath)
            .equals(Column::Digest)
            .custom("sha256", move |text, _| Ok(sea_orm::Condition::all().add(digest().eq(text))))
            .ordered(&[Column::RelativePath, Column::Digest])
    }
}

impl Content for Entity {
    const NATURAL_KEY: &'static [Column] = &[Column::PulpDomainId, Column::RelativePath, Column::Digest];
    const REPO_KEY: &'static [Column] = &[Column::RelativePath];

    fn from_upload(body: FileContentBody, artifact: &artifact::Model) -> Result<Upload<Model>> {
        Ok(unit(body.relative_path, artifact))
    }

    fn from_path(path: &str, artifact: &artifact::Model) -> Result<Option<Upload<Model>>> {
        Ok(manifest::is_canonical(path).then(|| unit(path.to_owned(), artifact)))
    }
}

fn unit(relative_path: String, artifact: &artifact::Model) -> Upload<Model> {
    let row = Model {
        pulp_domain_id: artifact.pulp_domain_id,
        relative_path: relative_path.clone(),
        digest: artifact.sha256.clone(),
        ..Model::default()
    };
    Upload { row, relative_path }
}
