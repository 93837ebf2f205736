//! Environments: sets of groups, from `comps`.

use pulpcore::models::content;
use pulpcore::plugin::{Content, Detail};
use sea_orm::entity::prelude::*;

use super::READ_ONLY;
use crate::json::Raw;
use crate::serializers::PackageEnvironmentBody;

/// One row.
#[derive(Clone, Debug, Default, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "rpm_packageenvironment")]
pub struct Model {
    /// The unit's key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub content_ptr_id: Uuid,
    /// The domain that it lives in.
    pub pulp_domain_id: Uuid,
    /// Its name for machines.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Where it stands among the others.
    pub display_order: Option<i64>,
    /// Its groups: `{name, default}`.
    pub group_ids: Raw,
    /// Groups that may be added: `{name, default}`.
    pub option_ids: Raw,
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
    const TYPE: &'static str = "rpm.packageenvironment";
    const MODEL: &'static str = "PackageEnvironment";
    const ENDPOINT: &'static str = "packageenvironments";
    type Body = PackageEnvironmentBody;
    const LACKS: &'static [&'static str] = READ_ONLY;

    fn read(row: &Model) -> PackageEnvironmentBody {
        PackageEnvironmentBody {
            id: row.id.clone(),
            name: row.name.clone(),
            description: row.description.clone(),
            display_order: row.display_order,
            group_ids: row.group_ids.clone(),
            option_ids: row.option_ids.clone(),
            desc_by_lang: row.desc_by_lang.clone(),
            name_by_lang: row.name_by_lang.clone(),
            digest: row.digest.clone(),
        }
    }

    fn write(_row: &mut Model, _body: PackageEnvironmentBody) {}
}

impl Content for Entity {
    const NATURAL_KEY: &'static [Column] = &[Column::PulpDomainId, Column::Digest];
    const REPO_KEY: &'static [Column] = &[Column::Id];
}
