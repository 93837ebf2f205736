//! Groups of packages, from `comps`.

use pulpcore::models::content;
use pulpcore::plugin::{Content, Detail};
use sea_orm::entity::prelude::*;

use super::READ_ONLY;
use crate::json::Raw;
use crate::serializers::PackageGroupBody;

/// One row.
#[derive(Clone, Debug, Default, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "rpm_packagegroup")]
pub struct Model {
    /// The unit's key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub content_ptr_id: Uuid,
    /// The domain that it lives in.
    pub pulp_domain_id: Uuid,
    /// Its name for machines.
    pub id: String,
    /// Whether it is installed by default.
    pub default: bool,
    /// Whether users are to see it.
    pub user_visible: bool,
    /// Where it stands among the others.
    pub display_order: Option<i64>,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Its packages: `{name, type, requires, basearchonly}`.
    pub packages: Raw,
    /// Whether it is for machines of two architectures only.
    pub biarch_only: bool,
    /// The description by language.
    pub desc_by_lang: Raw,
    /// The name by language.
    pub name_by_lang: Raw,
    /// The digest of all of it.
    pub digest: String,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Detail for Entity {
    type Master = content::Entity;
    const TYPE: &'static str = "rpm.packagegroup";
    const MODEL: &'static str = "PackageGroup";
    const ENDPOINT: &'static str = "packagegroups";
    type Body = PackageGroupBody;
    const LACKS: &'static [&'static str] = READ_ONLY;

    fn read(row: &Model) -> PackageGroupBody {
        PackageGroupBody {
            id: row.id.clone(),
            default: row.default,
            user_visible: row.user_visible,
            display_order: row.display_order,
            name: row.name.clone(),
            description: row.description.clone(),
            packages: row.packages.clone(),
            biarch_only: row.biarch_only,
            desc_by_lang: row.desc_by_lang.clone(),
            name_by_lang: row.name_by_lang.clone(),
            digest: row.digest.clone(),
        }
    }

    fn write(_row: &mut Model, _body: PackageGroupBody) {}
}

impl Content for Entity {
    const NATURAL_KEY: &'static [Column] = &[Column::PulpDomainId, Column::Digest];
    const REPO_KEY: &'static [Column] = &[Column::Id];
}
