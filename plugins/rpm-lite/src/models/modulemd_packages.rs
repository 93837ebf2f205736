//! Which packages a module holds: those of its artifacts that were found.

use std::collections::HashMap;

use pulpcore::api::reader::Reader;
use pulpcore::db::{Writing, bulk, one_of};
use pulpcore::error::Result;
use sea_orm::ActiveValue::Set;
use sea_orm::QueryOrder;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::OnConflict;
use serde_json::{Map, Value};

use super::Package;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "rpm_modulemd_packages")]
pub struct Model {
    /// The module.
    #[sea_orm(primary_key, auto_increment = false)]
    pub modulemd_id: Uuid,
    /// The package.
    #[sea_orm(primary_key, auto_increment = false)]
    pub package_id: Uuid,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Writes down which modules hold which packages. What was written down before stays as it is.
///
/// # Errors
/// If the database fails.
pub async fn link(tx: &Writing, pairs: impl IntoIterator<Item = (Uuid, Uuid)>) -> Result<()> {
    let row = |(modulemd, package)| ActiveModel { modulemd_id: Set(modulemd), package_id: Set(package) };
    let once = OnConflict::columns([Column::ModulemdId, Column::PackageId]).do_nothing().to_owned();
    bulk::insert(tx, pairs.into_iter().map(row).collect(), &once).await?;
    Ok(())
}

/// `packages` of many modules.
pub(super) async fn hrefs(reader: &Reader, modules: &[Uuid]) -> Result<Vec<Map<String, Value>>> {
    let mut found: HashMap<Uuid, Vec<String>> = HashMap::new();
    let db = reader.app.db.read();
    let these = one_of(db, Column::ModulemdId, modules.iter().copied());
    for row in Entity::find().filter(these).order_by_asc(Column::PackageId).all(db).await? {
        found.entry(row.modulemd_id).or_default().push(reader.href_of::<Package>(row.package_id));
    }
    let fields = |module: &Uuid| {
        let packages = found.remove(module).unwrap_or_default();
        Map::from_iter([("packages".to_owned(), Value::from(packages))])
    };
    Ok(modules.iter().map(fields).collect())
}
