//! Obsoletes of modules: streams that end.

use pulpcore::app::App;
use pulpcore::error::Result;
use pulpcore::models::{artifact, content};
use pulpcore::plugin::{Content, Detail, Upload};
use sea_orm::entity::prelude::*;

use super::WITHOUT_FILE;
use crate::serializers::ModulemdObsoleteBody;

/// One row.
#[derive(Clone, Debug, Default, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "rpm_modulemdobsolete")]
pub struct Model {
    /// The unit's key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub content_ptr_id: Uuid,
    /// The domain that it lives in.
    pub pulp_domain_id: Uuid,
    /// When it was written.
    pub modified: String,
    /// The name of the module.
    pub module_name: String,
    /// The stream.
    pub module_stream: String,
    /// What is said of it.
    pub message: String,
    /// Whether it takes back what was said before.
    pub override_previous: Option<String>,
    /// The context that it is about.
    pub module_context: Option<String>,
    /// When the stream ends.
    pub eol_date: Option<String>,
    /// The module that takes its place.
    pub obsoleted_by_module_name: Option<String>,
    /// The stream that takes its place.
    pub obsoleted_by_module_stream: Option<String>,
    /// The document, as it was written.
    pub snippet: String,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Detail for Entity {
    type Master = content::Entity;
    const TYPE: &'static str = "rpm.modulemd_obsolete";
    const MODEL: &'static str = "ModulemdObsolete";
    const ENDPOINT: &'static str = "modulemd_obsoletes";
    type Body = ModulemdObsoleteBody;
    const LACKS: &'static [&'static str] = WITHOUT_FILE;
    const UNREAD: &'static [Column] = &[Column::Snippet];

    fn read(row: &Model) -> ModulemdObsoleteBody {
        ModulemdObsoleteBody {
            modified: row.modified.clone(),
            module_name: row.module_name.clone(),
            module_stream: row.module_stream.clone(),
            message: row.message.clone(),
            override_previous: row.override_previous.clone(),
            module_context: row.module_context.clone(),
            eol_date: row.eol_date.clone(),
            obsoleted_by_module_name: row.obsoleted_by_module_name.clone(),
            obsoleted_by_module_stream: row.obsoleted_by_module_stream.clone(),
            snippet: None,
        }
    }

    fn write(row: &mut Model, body: ModulemdObsoleteBody) {
        crate::serializers::modulemd_obsolete::write(row, body);
    }
}

impl Content for Entity {
    const NATURAL_KEY: &'static [Column] =
        &[Column::PulpDomainId, Column::Modified, Column::ModuleName, Column::ModuleStream];
    const REPO_KEY: &'static [Column] = &[];

    async fn from_post(_app: &App, body: Self::Body, _artifact: Option<&artifact::Model>) -> Result<Upload<Model>> {
        let mut row = Model::default();
        Self::write(&mut row, body);
        Ok(Upload { row, relative_path: String::new() })
    }
}
