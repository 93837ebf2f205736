//! Modules: streams of packages that belong together.

use pulpcore::api::reader::Reader;
use pulpcore::app::App;
use pulpcore::db::Writing;
use pulpcore::error::Result;
use pulpcore::models::{artifact, content};
use pulpcore::plugin::{Content, Detail, Filters, Upload};
use sea_orm::entity::prelude::*;
use serde_json::{Map, Value};

use super::{WITHOUT_FILE, modulemd_packages};
use crate::json::Raw;
use crate::serializers::ModulemdBody;

/// One row.
#[derive(Clone, Debug, Default, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "rpm_modulemd")]
pub struct Model {
    /// The unit's key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub content_ptr_id: Uuid,
    /// The domain that it lives in.
    pub pulp_domain_id: Uuid,
    /// The name.
    pub name: String,
    /// The stream.
    pub stream: String,
    /// The version: digits.
    pub version: String,
    /// The context: what it was built for.
    pub context: String,
    /// The architecture.
    pub arch: String,
    /// Whether the context was chosen by its packager.
    pub static_context: Option<bool>,
    /// What it needs: module to streams.
    pub dependencies: Raw,
    /// Its packages, as NEVRAs.
    pub artifacts: Raw,
    /// Its profiles: name to packages.
    pub profiles: Raw,
    /// What it is for.
    pub description: String,
    /// The digest of the snippet.
    pub digest: String,
    /// The document, as it was written.
    pub snippet: String,
    /// The packages that whoever makes it names; they stand in a table of their own.
    #[sea_orm(ignore)]
    pub packages: Vec<Uuid>,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Detail for Entity {
    type Master = content::Entity;
    const TYPE: &'static str = "rpm.modulemd";
    const MODEL: &'static str = "Modulemd";
    const ENDPOINT: &'static str = "modulemds";
    type Body = ModulemdBody;
    const LACKS: &'static [&'static str] = WITHOUT_FILE;
    const UNREAD: &'static [Column] = &[Column::Snippet];

    fn read(row: &Model) -> ModulemdBody {
        ModulemdBody {
            name: row.name.clone(),
            stream: row.stream.clone(),
            version: row.version.clone(),
            context: row.context.clone(),
            arch: row.arch.clone(),
            static_context: row.static_context,
            dependencies: row.dependencies.clone(),
            artifacts: row.artifacts.clone(),
            profiles: row.profiles.clone(),
            description: row.description.clone(),
            snippet: None,
            packages: None,
        }
    }

    fn write(row: &mut Model, body: ModulemdBody) {
        crate::serializers::modulemd::write(row, body);
    }

    async fn beside(reader: &Reader, keys: &[Uuid]) -> Result<Vec<Map<String, Value>>> {
        modulemd_packages::hrefs(reader, keys).await
    }

    fn filters() -> Filters {
        use Column as C;
        Filters::new()
            .lookups(C::Name, &["", "in"])
            .lookups(C::Stream, &["", "in"])
            .lookups(C::Version, &["", "in"])
            .lookups(C::Context, &["", "in"])
            .lookups(C::Arch, &["", "in"])
            .custom("sha256", |digest, _| Ok(sea_orm::Condition::all().add(C::Digest.eq(digest))))
            .ordered(&[
                C::Arch,
                C::Artifacts,
                C::Context,
                C::Dependencies,
                C::Description,
                C::Digest,
                C::Name,
                C::Profiles,
                C::Snippet,
                C::StaticContext,
                C::Stream,
                C::Version,
            ])
    }
}

impl Content for Entity {
    const NATURAL_KEY: &'static [Column] = &[
        Column::PulpDomainId,
        Column::Name,
        Column::Stream,
        Column::Version,
        Column::Context,
        Column::Arch,
        Column::Digest,
    ];
    const REPO_KEY: &'static [Column] = &[Column::Name, Column::Stream, Column::Version, Column::Context, Column::Arch];

    async fn from_post(_app: &App, body: Self::Body, _artifact: Option<&artifact::Model>) -> Result<Upload<Model>> {
        let mut row = Model::default();
        Self::write(&mut row, body);
        Ok(Upload { row, relative_path: String::new() })
    }

    async fn saved(tx: &Writing, key: Uuid, row: &Model) -> Result<()> {
        modulemd_packages::link(tx, row.packages.iter().map(|package| (key, *package))).await
    }
}
