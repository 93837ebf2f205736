//! Manifests: of images, of artifacts, and indexes of manifests.

use pulpcore::error::Result;
use pulpcore::models::content;
use pulpcore::plugin::{Content, Detail, Filters, Reader};
use sea_orm::entity::prelude::*;
use serde_json::{Map, Value};

use super::{Texts, references};
use crate::serializers::{MEDIA_TYPES, ManifestBody};

/// One row.
#[derive(Clone, Debug, Default, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "container_manifest")]
pub struct Model {
    /// The unit's key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub content_ptr_id: Uuid,
    /// The domain that it lives in.
    pub pulp_domain_id: Uuid,
    /// The digest of its bytes, with its algorithm.
    pub digest: String,
    /// The version of its schema.
    pub schema_version: i64,
    /// What it is: the type that it is served with.
    pub media_type: String,
    /// Its bytes, as they were pushed: they are JSON, so they are text. A manifest has no artifact, so that serving one
    /// is one look-up.
    #[sea_orm(column_type = "Text")]
    pub data: String,
    /// The digest of the blob with the image's configuration.
    pub config_digest: Option<String>,
    /// The digest of the manifest that it is about (a signature, an attestation, …): it is a referrer of that one.
    pub subject_digest: Option<String>,
    /// What kind of artifact it is, as the referrers API shows it.
    pub artifact_type: Option<String>,
    /// Its annotations.
    pub annotations: Texts,
    /// The labels of the image, from its configuration.
    pub labels: Texts,
    /// Whether one can boot from the image.
    pub is_bootable: bool,
    /// Whether the image bundles a Flatpak application.
    pub is_flatpak: bool,
    /// What the image is for, in Pulp's words: `image`, `bootable`, `helm`, `cosign_signature`, …
    #[sea_orm(column_name = "type")]
    pub nature: Option<String>,
    /// The processor that it runs on.
    pub architecture: Option<String>,
    /// The operating system that it runs on.
    pub os: Option<String>,
    /// The sum of its layers' sizes in bytes, as they travel.
    pub compressed_image_size: Option<i64>,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Detail for Entity {
    type Master = content::Entity;
    const TYPE: &'static str = "container.manifest";
    const MODEL: &'static str = "Manifest";
    const ENDPOINT: &'static str = "manifests";
    type Body = ManifestBody;
    const LACKS: &'static [&'static str] = references::WITHOUT_FILE;
    const UNREAD: &'static [Column] = &[Column::Data];

    fn read(row: &Model) -> ManifestBody {
        ManifestBody {
            digest: row.digest.clone(),
            schema_version: row.schema_version,
            media_type: row.media_type.clone(),
            listed_manifests: None,
            config_blob: None,
            blobs: None,
            annotations: row.annotations.0.clone(),
            labels: row.labels.0.clone(),
            is_bootable: row.is_bootable,
            is_flatpak: row.is_flatpak,
            nature: row.nature.clone(),
            architecture: row.architecture.clone(),
            os: row.os.clone(),
            compressed_image_size: row.compressed_image_size,
        }
    }

    /// Manifests come by push and by sync only.
    fn write(_row: &mut Model, _body: ManifestBody) {}

    fn filters() -> Filters {
        use Column as C;
        Filters::new()
            .lookups(C::Digest, &["", "in"])
            .boolean(C::IsBootable)
            .boolean(C::IsFlatpak)
            .custom_choices("media_type", MEDIA_TYPES, |types| {
                Ok(sea_orm::Condition::all().add(C::MediaType.is_in(types)))
            })
            .ordered(&[
                C::Annotations,
                C::Architecture,
                C::CompressedImageSize,
                C::Digest,
                C::IsBootable,
                C::IsFlatpak,
                C::Labels,
                C::MediaType,
                C::Os,
                C::SchemaVersion,
                C::Nature,
            ])
    }

    async fn beside(reader: &Reader, keys: &[Uuid]) -> Result<Vec<Map<String, Value>>> {
        references::of_manifests(reader, keys).await
    }
}

impl Content for Entity {
    const NATURAL_KEY: &'static [Column] = &[Column::PulpDomainId, Column::Digest];
    const REPO_KEY: &'static [Column] = &[];
}
