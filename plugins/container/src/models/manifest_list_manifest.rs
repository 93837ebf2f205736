//! Which manifests an index names, by digest, and for which platform.

use sea_orm::ActiveValue::Set;
use sea_orm::entity::prelude::*;

use crate::manifest::Manifest;

/// One row.
#[derive(Clone, Debug, Default, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "container_manifestlistmanifest")]
pub struct Model {
    /// The index.
    #[sea_orm(primary_key, auto_increment = false)]
    pub list_id: Uuid,
    /// Where in the index it stands, counted from 0.
    #[sea_orm(primary_key, auto_increment = false)]
    pub position: i64,
    /// The manifest's digest.
    pub digest: String,
    /// The processor.
    pub architecture: Option<String>,
    /// The operating system.
    pub os: Option<String>,
    /// The processor's variant.
    pub variant: Option<String>,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The rows of an index with this key.
pub(super) fn rows(list_id: Uuid, manifest: &Manifest) -> Vec<ActiveModel> {
    let text = |text: String| Some(text).filter(|text| !text.contains('\0'));
    let rows = (0..).zip(&manifest.manifests).map(|(position, child)| {
        let platform = child.platform().as_ref();
        ActiveModel {
            list_id: Set(list_id),
            position: Set(position),
            digest: Set(child.digest().as_ref().to_owned()),
            architecture: Set(platform.and_then(|platform| text(platform.architecture().to_string()))),
            os: Set(platform.and_then(|platform| text(platform.os().to_string()))),
            variant: Set(platform.and_then(|platform| platform.variant().clone()).and_then(text)),
        }
    });
    rows.collect()
}
