//! Language packs: which packages bring a language to others, from `comps`.

use pulpcore::models::content;
use pulpcore::plugin::{Content, Detail};
use sea_orm::entity::prelude::*;

use super::READ_ONLY;
use crate::json::Raw;
use crate::serializers::PackageLangpacksBody;

/// One row.
#[derive(Clone, Debug, Default, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "rpm_packagelangpacks")]
pub struct Model {
    /// The unit's key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub content_ptr_id: Uuid,
    /// The domain that it lives in.
    pub pulp_domain_id: Uuid,
    /// Package name to the pattern of its language packs.
    pub matches: Raw,
    /// The digest of all of it.
    pub digest: String,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Detail for Entity {
    type Master = content::Entity;
    const TYPE: &'static str = "rpm.packagelangpacks";
    const MODEL: &'static str = "PackageLangpacks";
    const ENDPOINT: &'static str = "packagelangpacks";
    type Body = PackageLangpacksBody;
    const LACKS: &'static [&'static str] = READ_ONLY;

    fn read(row: &Model) -> PackageLangpacksBody {
        PackageLangpacksBody { matches: row.matches.clone(), digest: row.digest.clone() }
    }

    fn write(_row: &mut Model, _body: PackageLangpacksBody) {}
}

impl Content for Entity {
    const NATURAL_KEY: &'static [Column] = &[Column::PulpDomainId, Column::Digest];
    const REPO_KEY: &'static [Column] = &[];
}
