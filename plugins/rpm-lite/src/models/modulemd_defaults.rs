//! Defaults of modules: which stream and which profiles are meant when nobody says.

use pulpcore::app::App;
use pulpcore::error::Result;
use pulpcore::models::{artifact, content};
use pulpcore::plugin::{Content, Detail, Filters, Upload};
use sea_orm::entity::prelude::*;

use super::WITHOUT_FILE;
use crate::json::Raw;
use crate::serializers::ModulemdDefaultsBody;

/// One row.
#[derive(Clone, Debug, Default, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "rpm_modulemddefaults")]
pub struct Model {
    /// The unit's key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub content_ptr_id: Uuid,
    /// The domain that it lives in.
    pub pulp_domain_id: Uuid,
    /// The name of the module.
    pub module: String,
    /// The stream.
    pub stream: String,
    /// Stream to its default profiles.
    pub profiles: Raw,
    /// The digest of the snippet.
    pub digest: String,
    /// The document, as it was written.
    pub snippet: String,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Detail for Entity {
    type Master = content::Entity;
    const TYPE: &'static str = "rpm.modulemd_defaults";
    const MODEL: &'static str = "ModulemdDefaults";
    const ENDPOINT: &'static str = "modulemd_defaults";
    type Body = ModulemdDefaultsBody;
    const LACKS: &'static [&'static str] = WITHOUT_FILE;
    const UNREAD: &'static [Column] = &[Column::Snippet];

    fn read(row: &Model) -> ModulemdDefaultsBody {
        ModulemdDefaultsBody {
            module: row.module.clone(),
            stream: row.stream.clone(),
            profiles: row.profiles.clone(),
            snippet: None,
        }
    }

    fn write(row: &mut Model, body: ModulemdDefaultsBody) {
        crate::serializers::modulemd_defaults::write(row, body);
    }

    fn filters() -> Filters {
        use Column as C;
        Filters::new()
            .lookups(C::Module, &["", "in"])
            .lookups(C::Stream, &["", "in"])
            .custom("sha256", |digest, _| Ok(sea_orm::Condition::all().add(C::Digest.eq(digest))))
            .ordered(&[C::Digest, C::Module, C::Profiles, C::Snippet, C::Stream])
    }
}

impl Content for Entity {
    const NATURAL_KEY: &'static [Column] = &[Column::PulpDomainId, Column::Digest];
    const REPO_KEY: &'static [Column] = &[Column::Module];

    async fn from_post(_app: &App, body: Self::Body, _artifact: Option<&artifact::Model>) -> Result<Upload<Model>> {
        let mut row = Model::default();
        Self::write(&mut row, body);
        Ok(Upload { row, relative_path: String::new() })
    }
}
