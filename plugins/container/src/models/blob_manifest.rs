//! Which blobs a manifest names, by digest: those that a registry must have to serve it. Layers that are fetched from
//! elsewhere (`nondistributable`, `foreign`) are in the manifest's bytes only.

use sea_orm::ActiveValue::Set;
use sea_orm::entity::prelude::*;

use crate::manifest::Manifest;

/// One row.
#[derive(Clone, Debug, Default, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "container_blobmanifest")]
pub struct Model {
    /// The manifest.
    #[sea_orm(primary_key, auto_increment = false)]
    pub manifest_id: Uuid,
    /// [`CONFIG`] for the configuration; layers are counted from 0, in the order in which the manifest names them.
    #[sea_orm(primary_key, auto_increment = false)]
    pub position: i64,
    /// The blob's digest.
    pub digest: String,
}

/// The position of the configuration.
pub const CONFIG: i64 = -1;

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The rows of a manifest with this key.
pub(super) fn rows(manifest_id: Uuid, manifest: &Manifest) -> Vec<ActiveModel> {
    let row = |(position, digest): (i64, &str)| ActiveModel {
        manifest_id: Set(manifest_id),
        position: Set(position),
        digest: Set(digest.to_owned()),
    };
    let config = manifest.config.iter().map(|config| (CONFIG, config.digest().as_ref()));
    let layers = (0..).zip(manifest.own_layers().map(|layer| layer.digest().as_ref()));
    config.chain(layers).map(row).collect()
}
